"""The files and batches of a server that speaks OpenAI's batch API: asked again while the network or the server is at fault."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import IO, Any
from urllib.parse import quote

import httpx2

from agent.connection import MAX_BODY, Server, read_whole
from agent.refusals import judge
from agent.waits import asked_to_wait
from dataset_builder.errors import UnavailableError, shorten

__all__ = ["BatchApi"]

TRIES, FIRST_WAIT, LONGEST_WAIT = 14, 1.0, 300.0
"""A server that is out of reach is asked again for about half an hour; the batches work on meanwhile."""
SMALL, LARGE = 120.0, 3600.0
"""Seconds for a request, and for one that carries a file."""
PAGES = 100
"""Pages of the list of batches that are read, newest first."""


class BatchApi:
    """Uploads files, creates batches and reads what came of them.

    All methods raise `UnavailableError` where the server takes no batches, refuses them, or stays out of reach.

    Args:
        server (`Server`): its address and key.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    async def upload(self, name: str, file: IO[bytes]) -> str:
        """Upload the file of a batch; its name at the server."""
        form: dict[str, Any] = {
            "data": {"purpose": "batch"},
            "files": {"file": (f"{name}.jsonl", file, "application/jsonl")},
        }
        file.seek(0)
        return _id(await self._ask("POST", "files", LARGE, before=lambda: _rewound(file), **form))

    async def create(self, name: str, file_id: str) -> str:
        """Have a file worked on; the batch's name at the server. Where a reply is lost, the batch is looked for before another one
        is created: it would be paid for twice."""
        wanted = {
            "input_file_id": file_id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {"anomreason": name},
        }
        return _id(await self._ask("POST", "batches", SMALL, before=lambda: self._found(name), json=wanted))

    async def find(self, name: str) -> str | None:
        """The batch that was created under one of our names, if there is one."""
        found = await self._found(name)
        return None if found is None else _id(found)

    async def look(self, batch_id: str) -> dict[str, Any] | None:
        """The state of a batch; `None` if the server does not know it any more."""
        return await self._ask("GET", f"batches/{quote(batch_id, safe='')}", SMALL, missing=True) or None

    async def delete(self, file_id: str) -> None:
        """Delete a file, if it is there."""
        await self._ask("DELETE", f"files/{quote(file_id, safe='')}", SMALL, missing=True)

    async def lines(self, file_id: str) -> AsyncIterator[bytes]:
        """The lines of a file, from its beginning again where the connection breaks."""
        for number in range(TRIES):
            try:
                async with asyncio.timeout(LARGE):
                    async with self.server.request("GET", f"files/{quote(file_id, safe='')}/content") as response:
                        if response.status_code == 200:
                            async for line in _lines(response.aiter_bytes()):
                                yield line
                            return
                        wait = self._judged(await read_whole(response), number)
            except (TimeoutError, httpx2.HTTPError) as error:
                wait, self._last = _wait(number), type(error).__name__
            await asyncio.sleep(wait)
        raise self._out_of_reach()

    async def _found(self, name: str) -> dict[str, Any] | None:
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = await self._ask("GET", "batches", SMALL, query={"limit": "100", **after})
            batches = [one for one in page.get("data") or () if isinstance(one, dict)]
            for batch in batches:
                if isinstance(batch.get("metadata"), dict) and batch["metadata"].get("anomreason") == name:
                    return batch
            if not batches or not page.get("has_more"):
                return None
            after = {"after": _id(batches[-1])}
        return None

    async def _ask(
        self,
        method: str,
        path: str,
        seconds: float,
        *,
        query: Mapping[str, str] | None = None,
        before: Callable[[], Awaitable[dict[str, Any] | None]] | None = None,
        missing: bool = False,
        **content: Any,
    ) -> dict[str, Any]:
        """The object that comes back; `{}` for something that is not there, if it may be `missing`.

        Args:
            before (callable, *optional*): called before the request is made again; what it finds is the answer.
        """
        for number in range(TRIES):
            if number and before is not None and (found := await before()) is not None:
                return found
            try:
                async with asyncio.timeout(seconds):
                    async with self.server.request(method, path, query or {}, **content) as response:
                        came = await read_whole(response)
            except (TimeoutError, httpx2.HTTPError) as error:
                wait, self._last = _wait(number), type(error).__name__
            else:
                if came.status in (200, 201):
                    return _object(came.text)
                if came.status == 404 and missing:
                    return {}
                wait = self._judged(came, number)
            await asyncio.sleep(wait)
        raise self._out_of_reach()

    def _judged(self, came: Any, number: int) -> float:
        """The seconds to wait after an error that may pass; else raises what it means."""
        refusal = judge(came.status, self.server.without_keys(came.text[:20_000]))
        if refusal.kind not in ("passing", "busy"):
            fix = refusal.fix or "use --engine local if this server has no batch API"
            raise UnavailableError(f"the server refuses the batch ({refusal.reason}); {fix}")
        self._last = refusal.reason
        return min(asked_to_wait(came.headers, came.text[:20_000]) or _wait(number), LONGEST_WAIT)

    def _out_of_reach(self) -> UnavailableError:
        return UnavailableError(f"the server's batch API cannot be reached ({self._last}); re-run later")


def _wait(number: int) -> float:
    return min(FIRST_WAIT * 2.0**number, LONGEST_WAIT)


async def _rewound(file: IO[bytes]) -> None:
    file.seek(0)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnavailableError(
            f"{shorten(text.strip() or 'nothing', 80)} came back instead of a batch; use --engine local if the server has no "
            "batch API"
        )
    return found


def _id(found: dict[str, Any]) -> str:
    name = found.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= 500:
        raise UnavailableError(
            f"the server gave {shorten(repr(name), 80)} as the id of a file or batch; use --engine local"
        )
    return name


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines as JSON has them, where `\\n` alone ends one; those longer than a reply may be are left out."""
    rest, too_long = b"", False
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not too_long and len(line) <= MAX_BODY:
                yield line
            too_long = False
        if len(rest) > MAX_BODY:
            rest, too_long = b"", True
    if rest and not too_long:
        yield rest
