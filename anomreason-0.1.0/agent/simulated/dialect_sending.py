"""How servers send what they have written: compressed, in pieces, too slowly, or only half of it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response, StreamingResponse

if TYPE_CHECKING:
    from agent.simulated.dialects import Request

Completion = dict[str, Any]


def _whole(completion: Completion) -> bytes:
    return json.dumps(completion).encode()


def gzipped(completion: Completion, request: "Request") -> Response | None:
    if request.body.get("stream"):
        return None
    headers = {"Content-Encoding": "gzip"}
    return Response(gzip.compress(_whole(completion)), headers=headers, media_type="application/json")


def chunked(completion: Completion, request: "Request") -> Response | None:
    if request.body.get("stream"):
        return None

    async def pieces() -> AsyncIterator[bytes]:
        whole = _whole(completion)
        for start in range(0, len(whole), 100):
            yield whole[start : start + 100]

    response = StreamingResponse(pieces())
    response.raw_headers = [(b"CONTENT-TYPE", b"application/json; charset=utf-8")]
    return response


def resets(completion: Completion, request: "Request") -> Response:
    whole = _whole(completion)

    async def half() -> AsyncIterator[bytes]:
        yield whole[: len(whole) // 2]
        raise ConnectionAbortedError("cut, as it was told to")

    return StreamingResponse(half(), headers={"Content-Length": str(len(whole)), "Content-Type": "application/json"})


def trickle(completion: Completion, request: "Request") -> Response:
    async def drops() -> AsyncIterator[bytes]:
        for byte in _whole(completion):
            yield bytes([byte])
            await asyncio.sleep(1 / request.clock)

    return StreamingResponse(drops(), media_type="application/json")


def silence(completion: Completion, request: "Request") -> Response:
    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.sleep(3600)
        yield b""

    return StreamingResponse(nothing(), media_type="application/json")


def always_streams(completion: Completion, request: "Request") -> Response | None:
    if request.body.get("stream"):
        return None
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "x"}}]}
    return Response(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", media_type="text/event-stream")


def other_api(completion: Completion, request: "Request") -> Response:
    text = completion["choices"][0]["message"]["content"]
    return JSONResponse({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}]})
