"""The MCP server: what the page does, as tools for language models. Nothing that changes people's verdicts is one.

It is the `mcp` package's own server, in the place where Gradio's would be: that one has no output schema and no version, keeps
pictures twice, and lets its callers past the line.
"""

import base64
import binascii
from contextlib import aclosing
from typing import Any

import mcp.types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from dataset_builder.errors import PictureError
from space.clients import client_of
from space.examination import Examination
from space.fetching import fetch
from space.service import Refused, Service
from space.uploads import MAX_BYTES, Sent
from space.version import version
from space.ways import Way, ways

__all__ = ["Tools"]

_ANOMALY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "A short name of the anomaly."},
        "phenomenon": {"type": "string", "description": "What is wrong, as seen."},
        "reasoning": {"type": "string", "description": "Why it cannot be."},
        "severity": {
            "type": ["integer", "null"],
            "description": "0 (completely irrational) to 100 (completely realistic): low is severe.",
        },
        "bbox": {
            "type": ["array", "null"],
            "items": {"type": "number"},
            "description": "x0, y0, x1, y1 in pixels of the upright picture.",
        },
    },
    "required": ["name", "phenomenon", "reasoning", "severity", "bbox"],
}
_ANSWER = {
    "type": "object",
    "properties": {
        "image_id": {"type": "string", "description": "The picture's file name."},
        "status": {
            "type": "string",
            "enum": ["anomalies", "none", "partial", "unknown"],
            "description": "none: nothing was found. partial: a part of the answer was lost, message says which. unknown: the "
            "model does not know pictures of this kind and was not asked, message says what to use instead.",
        },
        "verdict": {
            "type": ["object", "null"],
            "properties": {"label": {"enum": ["real", "fake"]}, "p_fake": {"type": ["number", "null"]}},
            "description": "Whether the picture was generated, with the model's probability, where it gives one.",
        },
        "anomalies": {"type": "array", "items": _ANOMALY},
        "message": {"type": "string", "description": "Why the status is partial or unknown."},
    },
    "required": ["image_id", "status", "verdict", "anomalies"],
}


class Tools:
    """The tools as an ASGI application; serve it within `running`.

    Args:
        service (`Service`): what looks at pictures, in the same line as everyone.
        fetches (`bool`): whether pictures are fetched from public web addresses.
    """

    def __init__(self, service: Service, fetches: bool) -> None:
        self._service, self._fetches = service, fetches
        self._offered = {name: way for name, way in ways(service.backends).items() if not way.paid}
        self._server: Server[Any, Any] = Server("AnomReason", version())
        self._server.list_tools()(self._list)
        self._server.call_tool()(self._call)
        self._sessions = StreamableHTTPSessionManager(
            self._server, stateless=True, json_response=True, max_request_body_size=2 * MAX_BYTES
        )
        self.running = self._sessions.run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._sessions.handle_request(scope, receive, send)

    async def _list(self) -> list[mcp.types.Tool]:
        image = (
            f"The picture: PNG, JPEG, WebP, HEIC or AVIF, at most {MAX_BYTES // 2**20} MB. Either its bytes in base64, with or "
            "without data:image/png;base64, before them; or the path that this server gave when the file was sent to its "
            "/gradio_api/upload as the form field `files`"
            + ("; or its address on the public web, beginning with https:// or http://." if self._fetches else ".")
        )
        takes = {
            "type": "object",
            "properties": {
                "image": {"type": "string", "description": image},
                "name": {"type": "string", "description": "What to call the picture in the answer.", "maxLength": 200},
            },
            "required": ["image"],
            "additionalProperties": False,
        }
        return [
            mcp.types.Tool(
                name=name,
                description=f"{way.about} Answers in JSON; a picture may wait in line for others.",
                inputSchema=takes,
                outputSchema=_gives(way),
                annotations=mcp.types.ToolAnnotations(readOnlyHint=True, openWorldHint=self._fetches),
            )
            for name, way in self._offered.items()
        ]

    async def _call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if name not in self._offered:
            raise ValueError(f"{name}: there is no such tool; the tools are {', '.join(self._offered)}")
        way = self._offered[name]
        request: Any = self._server.request_context.request
        try:
            sent = await self._take(arguments["image"], arguments.get("name", ""))
            found: tuple[Examination, ...] = ()
            async with aclosing(self._service.look(sent, way.models, client_of(request))) as moments:
                async for moment in moments:
                    found = moment.found
                    if await request.is_disconnected():
                        raise ValueError("nobody waits for this answer any more")
        except (PictureError, Refused) as problem:
            raise ValueError(str(problem)) from None
        for one in found:
            if one.status == "failed":
                raise ValueError(one.problem)
        told = [dict(one.answer()) for one in found]
        return told[0] if name != "compare" else dict(zip((one.name for one in way.models), told, strict=True))

    async def _take(self, image: str, name: str) -> Sent:
        image = image.strip()
        if image.startswith(("https://", "http://")):
            if not self._fetches:
                raise PictureError("This server fetches no web addresses; send the picture itself, in base64.")
            data, called = await fetch(image)
            return await self._service.receive(data, name or called)
        if self._service.holds(image):
            data, called = await self._service.read({"path": image})
            return await self._service.receive(data, name or called)
        return await self._service.receive(_decoded(image), name or "picture")


def _decoded(image: str) -> bytes:
    head, comma, content = image.partition(",")
    if not comma:
        content = image
    elif not (head.startswith("data:") and head.endswith(";base64")):
        raise PictureError("This data: address holds no base64; please send the picture again.")
    if len(content) > MAX_BYTES * 4 / 3 + 4:
        raise PictureError(f"This file is larger than {MAX_BYTES // 2**20} MB; please send a smaller one.")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise PictureError(
            "This is neither base64 nor the path of a file that was sent here; please send the picture again."
        ) from None


def _gives(way: Way) -> dict[str, Any]:
    if len(way.models) == 1:
        return _ANSWER
    names = [one.name for one in way.models]
    return {"type": "object", "properties": dict.fromkeys(names, _ANSWER), "required": names}
