"""A server that answers within a day: requests gather to files, files become batches, and results come in any order.

Whoever asks waits for an answer as of any other server, so the plans are the same. What has been handed in is in the journal,
with all that it may cost, until its answer is recorded in its place:

1. the requests and our name for their batch are committed (`Journal.hand_in`), then the file is uploaded, then its name
   committed, then the batch created, then its name committed;
2. a process that takes up the run asks the same questions. Where one has been handed in, its result is waited for; where it is not
   known whether its batch was created, the batch is looked for by our name, and forgotten if the server has none.

So whatever ends the process, no request is paid for twice.
"""

import asyncio
import secrets
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, NamedTuple

from agent.batches.api import BatchApi
from agent.batches.files import FileLimits, Request, read_result, write_file
from agent.client import Chat
from agent.connection import Came, Server
from agent.journal import Journal
from agent.journal_rows import Attempt
from agent.pace import Unpaced
from dataset_builder.errors import UnavailableError, shorten

__all__ = ["PICTURES", "BatchServer", "through_batches"]

PICTURES = 500
"""Pictures under way at once: enough for files of a thousand requests and more, and about 500 MB of memory."""
LINGER = 5.0
"""Seconds in which no request comes, after which those that have gathered are handed in."""
POLL = 30.0
"""Seconds between two looks at a batch."""
FRUITLESS = 3
"""Batches in a row that expire without one answer, after which the run stops."""
ENDED = ("completed", "failed", "expired", "cancelled")
TOO_MUCH = ("token_limit_exceeded", "request_limit_exceeded", "file_too_large", "too_many_requests")
"""Codes of batches that are refused for their size, or for what else is waiting."""


def through_batches(chat: Chat, journal: Journal) -> Chat:
    """The same model, asked in batches: no call waits for another one, and none is ever late."""
    server = BatchServer(chat.server, journal)
    return Chat(server, chat.model, concurrency=10**6, timeout=None, pace=Unpaced())


class _Asked(NamedTuple):
    """A question that somebody waits for."""

    request: Request
    attempt: Attempt
    answer: asyncio.Future[Came]


class BatchServer(Server):
    """Answers through batches; see the module.

    Args:
        server (`Server`): its address and key.
        journal (`Journal`): of the run, opened.
        limits (`FileLimits`): of a file.
    """

    keeps = True

    def __init__(self, server: Server, journal: Journal, limits: FileLimits | None = None) -> None:
        super().__init__(server.base, server.key)
        self.journal, self.limits, self.api = journal, limits or FileLimits(), BatchApi(self)
        self._asked: dict[str, _Asked] = {}
        self._arrived: dict[str, Came] = {}
        self._queue: list[str] = []
        self._added = asyncio.Event()
        self._failed: BaseException | None = None
        self._fruitless = 0
        self._work: set[asyncio.Task[None]] = set()
        for batch in journal.take_up():
            self._begin(self._take_up(*batch))
        self._begin(self._hand_in())

    async def complete(self, body: Mapping[str, Any], attempt: Attempt | None = None) -> Came:
        """The result of a request, whichever process handed it in."""
        assert attempt is not None, "only questions of a run go through batches"
        waits = self.journal.waiting.get(attempt.key)
        # The same after a crash, until the attempt is recorded; at most 64 characters.
        name = waits.pending if waits else f"{attempt.key[:48]}-{self.journal.settled(attempt.key)}"
        if name in self._arrived:
            return self._arrived.pop(name)
        if self._failed is not None:
            raise self._failed
        answer: asyncio.Future[Came] = asyncio.get_running_loop().create_future()
        self._asked[name] = _Asked(Request(name, body), attempt._replace(pending=name), answer)
        if waits is None:
            self._enqueue([name])
        try:
            return await answer
        finally:
            self._asked.pop(name, None)

    async def close(self) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await super().close()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        async def watched() -> None:
            try:
                await work
            except Exception as error:  # whatever it is, nobody may wait for ever
                self._fail(error)

        task = asyncio.create_task(watched())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _fail(self, error: Exception) -> None:
        self._failed = self._failed or error
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(self._failed)

    def _enqueue(self, names: Iterable[str]) -> None:
        self._queue.extend(names)
        self._added.set()

    async def _hand_in(self) -> None:
        while True:
            await self._added.wait()
            while self._added.is_set():
                self._added.clear()
                await asyncio.sleep(LINGER)
            asked = [self._asked[name] for name in dict.fromkeys(self._queue) if name in self._asked]
            self._queue.clear()
            while asked:
                file, count = await asyncio.to_thread(write_file, [one.request for one in asked], self.limits)
                part, asked = asked[:count], asked[count:]
                self._begin(self._create(secrets.token_hex(12), file, [one.attempt for one in part]))

    async def _create(self, name: str, file: Any, attempts: list[Attempt]) -> None:
        with file:
            await self.journal.hand_in(name, attempts)
            try:
                file_id = await self.api.upload(name, file)
            except UnavailableError:  # no batch was created, so nothing is charged for
                await self.journal.take_back(attempts)
                raise
        await self.journal.know(name, file_id=file_id)
        batch_id = await self.api.create(name, file_id)
        await self.journal.know(name, file_id=file_id, batch_id=batch_id)
        await self._follow(name, batch_id)

    async def _take_up(self, name: str, file_id: str, batch_id: str) -> None:
        """Go on with a batch of an earlier process, which may have ended before or after the server created it."""
        found: str | None = batch_id
        if not found and file_id:
            found = await self.api.find(name)
            if found is None:
                # A request to create it may be under way still: without the file it comes to nothing.
                await self.api.delete(file_id)
                found = await self.api.find(name)
            if found is not None:
                await self.journal.know(name, file_id=file_id, batch_id=found)
        if found:
            await self._follow(name, found)
        else:
            await self._again(self._waiting_in(name))

    async def _follow(self, name: str, batch_id: str) -> None:
        """Wait for a batch, hand out its results, and ask again what nobody worked on."""
        while (batch := await self.api.look(batch_id)) is not None and batch.get("status") not in ENDED:
            await asyncio.sleep(POLL)
        left = self._waiting_in(name)
        handed = len(left)
        for file_id in ((batch or {}).get("output_file_id"), (batch or {}).get("error_file_id")):
            if isinstance(file_id, str) and file_id:
                async for line in self.api.lines(file_id):
                    result = read_result(line)
                    if result is not None and result.name in left and result.came is not None:
                        del left[result.name]
                        self._arrives(result.name, result.came)
        status = "gone" if batch is None else batch["status"]
        if status in ("gone", "completed"):
            for request in left:  # nobody knows whether it was worked on
                self._arrives(request, Came(502, {}, f'{{"error": "the batch is {status} without a result of this"}}'))
            return
        await self._again(left, enqueue=status == "expired")
        if status == "expired":
            self._fruitless = self._fruitless + 1 if len(left) == handed else 0
            if self._fruitless == FRUITLESS:
                raise UnavailableError(f"{FRUITLESS} batches in a row expired without an answer; re-run later")
        elif status == "failed":
            await self._refused(batch or {}, list(left))
        else:
            raise UnavailableError("the batch was cancelled on the server; re-run to resume")

    async def _refused(self, batch: dict[str, Any], names: list[str]) -> None:
        """A batch that was not begun: made smaller where it was too large, else the end of the run."""
        errors = batch.get("errors")
        data = errors.get("data") if isinstance(errors, dict) else None
        first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
        if first.get("code") not in TOO_MUCH or len(names) == 1:
            said = shorten(self.without_keys(str(first.get("message") or first.get("code") or "nothing")), 200)
            raise UnavailableError(f"the server refuses the batch ({said}); use --engine local, or re-run later")
        self.limits = self.limits._replace(requests=min(self.limits.requests, len(names) // 2))
        await asyncio.sleep(POLL)
        self._enqueue(names)

    def _waiting_in(self, name: str) -> dict[str, Attempt]:
        """The attempts of a batch that are not settled and have no result yet, by their requests' names."""
        unsettled = (one for one in self.journal.waiting.values() if one.batch == name)
        return {one.pending: one for one in unsettled if one.pending not in self._arrived}

    def _arrives(self, name: str, came: Came) -> None:
        asked = self._asked.get(name)
        if asked is None:
            self._arrived[name] = came
        elif not asked.answer.done():
            asked.answer.set_result(came)

    async def _again(self, left: Mapping[str, Attempt], *, enqueue: bool = True) -> None:
        """Forget requests that nobody worked on, and hand in again those that are asked for."""
        await self.journal.take_back(list(left.values()))
        if enqueue:
            self._enqueue(name for name in left if name in self._asked)
