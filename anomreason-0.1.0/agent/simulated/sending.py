"""How the simulated model sends: an answer whole, in pieces or cut, or an error."""

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

__all__ = ["gone", "refusing", "sent"]

PIECE = 16  # characters of a streamed answer that are sent at a time


def sent(answer: dict[str, Any], *, stream: bool, cut: bool) -> Response:
    """The reply that carries an answer; of one that is cut, the first half."""
    if stream:
        return StreamingResponse(_streamed(answer, cut=cut), media_type="text/event-stream")
    if cut:
        whole = json.dumps(answer).encode()
        headers = {"Content-Length": str(len(whole)), "Content-Type": "application/json"}
        return StreamingResponse(_cut(whole), headers=headers)
    return JSONResponse(answer)


def refusing(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """The reply with an error."""
    return JSONResponse({"error": {"message": message, "type": "simulated", "code": status}}, status, headers)


async def _streamed(answer: dict[str, Any], *, cut: bool) -> AsyncIterator[str]:
    """The same answer as server-sent events, a few words at a time; of one that is cut, the first half."""
    choice = answer["choices"][0]
    text, refusal = choice["message"]["content"] or "", choice["message"]["refusal"]
    deltas = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[start : start + PIECE]} for start in range(0, len(text), PIECE)]
    if refusal:
        deltas.append({"refusal": refusal})
    if thoughts := choice["message"].get("reasoning_content") or choice["message"].get("reasoning"):
        deltas.insert(1, {"reasoning_content": thoughts})
    shaped = answer | {"object": "chat.completion.chunk", "usage": None}
    for number, delta in enumerate(deltas):
        if cut and 2 * number >= len(deltas):
            raise ConnectionAbortedError("cut, as it was told to")
        yield _event(shaped | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    ended = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield _event(shaped | {"choices": [ended], "usage": answer.get("usage")})
    yield "data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


async def _cut(whole: bytes) -> AsyncIterator[bytes]:
    yield whole[: len(whole) // 2]
    raise ConnectionAbortedError("cut, as it was told to")


async def gone(request: Request) -> None:
    """Wait until whoever asked has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
