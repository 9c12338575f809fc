"""Writes to a database in groups: while one group is being flushed to the disk the next one gathers."""

import asyncio
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dataset_builder.errors import OutputError

__all__ = ["GroupCommit"]

Write = tuple[str, tuple[Any, ...]]


class GroupCommit:
    """Statements of one event loop, committed by one thread.

    Args:
        db (`sqlite3.Connection`): used from that thread alone while this is open.
        path (`Path`): its file, for errors.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._pending: list[tuple[tuple[Write, ...], asyncio.Future[None] | None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._broken: str | None = None

    def check(self) -> None:
        """Raise `OutputError` if something could not be written: nothing is from then on."""
        if self._broken is not None:
            raise OutputError(self._broken)

    async def write(self, *writes: Write, wait: bool) -> None:
        """Write all of it or nothing; with `wait`, it is on the disk when this returns.

        Raises:
            OutputError: if it cannot be, e.g. because the disk is full.
        """
        self.check()
        loop = asyncio.get_running_loop()
        written = loop.create_future() if wait else None
        self._pending.append((writes, written))
        if self._flushing is None or self._flushing.done():
            self._flushing = loop.create_task(self._flush())
        if written is not None:
            await written

    async def settle(self) -> None:
        """Wait until all that was written is on the disk."""
        if self._flushing is not None:
            await asyncio.shield(self._flushing)
        self.check()

    async def close(self) -> None:
        """Wait for what was written, whether it could be or not, and give back the thread."""
        try:
            if self._flushing is not None:
                await asyncio.shield(self._flushing)
        finally:
            self._thread.shutdown(wait=True)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            group, self._pending = self._pending, []
            try:
                await loop.run_in_executor(self._thread, self._commit, [one for writes, _ in group for one in writes])
            except Exception as error:  # whatever it is, nobody may wait for ever
                self._broken = f"{self._path}: cannot be written ({error}); make room there and re-run"
            for _, written in group:
                if written is not None and not written.done():
                    written.set_exception(OutputError(self._broken)) if self._broken else written.set_result(None)

    def _commit(self, group: Iterable[Write]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for query, values in group:
                self._db.execute(query, values)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK") if self._db.in_transaction else None
            raise
