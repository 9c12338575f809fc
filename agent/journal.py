"""The journal: every call that was paid for, and every picture that is finished, in one SQLite file.

A call's key is a hash of the picture's bytes and of all that shaped it (see `agent.asking`). An answer that was committed
and could be read is never asked for again; one that could not is never taken for an answer. What the rows say is told in
`agent.journal_rows`.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from agent import journal_migrations as migrations
from agent.group_commit import GroupCommit
from agent.journal_files import open_to_write
from agent.journal_rows import FIELDS, Attempt, Totals, attempt_of, attempts_at, totals
from agent.salvage import Salvaged
from dataset_builder.errors import OutputError

__all__ = ["Journal"]

_MARKS = ", ".join("?" * (len(Attempt._fields) + 1))
_INSERT = f"INSERT INTO calls ({FIELDS}, created) VALUES ({_MARKS})"
_SETTLE = f"UPDATE calls SET ({FIELDS}, created) = ({_MARKS}) WHERE key = ? AND pending != ''"


class Journal:
    """The journal of a run directory; one process at a time. Use it as an asynchronous context manager.

    Args:
        directory (`Path`): the run; made if missing.
        patience (`float`): seconds to wait for another process that is writing it.

    Raises:
        OutputError: if it cannot be written, or another process is writing it.
        InputError: if the file is not a journal, or was written by a newer version.

    Attributes:
        waiting (`dict[str, Attempt]`): the attempts that wait in a batch, by their calls' keys, once they were taken up.
    """

    def __init__(self, directory: Path, patience: float = 0.0) -> None:
        self.directory, self.patience = directory, patience
        self.path = directory / "journal.sqlite"
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._held = ExitStack()
        self.waiting: dict[str, Attempt] = {}

    async def __aenter__(self) -> Self:
        self._opened = self._held.enter_context(open_to_write(self.directory, self.patience))
        self._commits = GroupCommit(self._opened.writer, self.path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._commits.close()
        finally:
            self._held.close()

    @property
    def salvaged(self) -> Salvaged | None:
        """What was saved of it, if it was found damaged."""
        return self._opened.salvaged

    def attempts(self, key: str) -> list[Attempt]:
        """What was answered to a call so far; see `agent.journal_rows.attempts_at`."""
        return attempts_at(self._opened.reader, key)

    def turn(self, key: str) -> asyncio.Lock:
        """To be held while asking under a key: the same picture under two names is asked about once."""
        return self._asking.setdefault(key, asyncio.Lock())

    def check(self) -> None:
        """Raise `OutputError` if what would be paid for now could not be kept."""
        self._commits.check()

    def result(self, image_id: str, settings: str) -> tuple[str, str, str] | None:
        """A finished picture's stamp, status and row."""
        query = "SELECT stamp, status, row FROM results WHERE image_id = ? AND settings = ?"
        found: tuple[str, str, str] | None = self._opened.reader.execute(query, (image_id, settings)).fetchone()
        return found

    async def record(self, attempt: Attempt) -> None:
        """Commit an attempt; on the disk when this returns.

        Raises:
            OutputError: if it cannot be, e.g. because the disk is full.
        """
        waits = self.waiting.pop(attempt.key, None)
        if waits is None:
            await self._commits.write((_INSERT, (*attempt, time.time())), wait=True)
        else:  # in the place of what the batch's request may have cost
            row = attempt._replace(batch=waits.batch)
            await self._commits.write((_SETTLE, (*row, time.time(), row.key)), wait=True)

    async def finish(self, image_id: str, settings: str, stamp: str, status: str, row: str) -> None:
        """Keep a finished picture's row. Not waited for: it follows from the calls, which are on the disk."""
        query = "INSERT OR REPLACE INTO results (image_id, settings, stamp, status, row) VALUES (?, ?, ?, ?, ?)"
        await self._commits.write((query, (image_id, settings, stamp, status, row)), wait=False)

    async def hand_in(self, batch: str, attempts: Sequence[Attempt]) -> None:
        """Commit that requests are about to go with a batch; each counts with what it may cost until it is recorded."""
        rows = [attempt._replace(batch=batch) for attempt in attempts]
        inserts = [(_INSERT, (*row, time.time())) for row in rows]
        await self._commits.write(("INSERT INTO batches (name) VALUES (?)", (batch,)), *inserts, wait=True)
        self.waiting |= {row.key: row for row in rows}

    async def know(self, batch: str, *, file_id: str = "", batch_id: str = "") -> None:
        """Commit by which names the server knows a batch, as far as it has told."""
        query = "UPDATE batches SET file_id = ?, batch_id = ? WHERE name = ?"
        await self._commits.write((query, (file_id, batch_id, batch)), wait=True)

    async def take_back(self, attempts: Sequence[Attempt]) -> None:
        """Forget requests that no server worked on: nothing was charged for them."""
        query = "DELETE FROM calls WHERE key = ? AND pending != ''"
        await self._commits.write(*((query, (attempt.key,)) for attempt in attempts), wait=True)
        for attempt in attempts:
            self.waiting.pop(attempt.key, None)

    def take_up(self) -> list[tuple[str, str, str]]:
        """The batches with requests that are not settled: their names here, their files' and their own at the server.

        From here on an attempt that is recorded takes the place of its request.
        """
        # A batch that was not saved of a damaged journal is not known any more; what it may cost stays.
        self._opened.writer.execute(
            "UPDATE calls SET pending = '' WHERE pending != '' AND batch NOT IN (SELECT name FROM batches)"
        )
        query = f"SELECT {FIELDS} FROM calls WHERE pending != ''"
        self.waiting = {one.key: one for one in map(attempt_of, self._opened.reader.execute(query))}
        batches = self._opened.reader.execute("SELECT name, file_id, batch_id FROM batches").fetchall()
        unsettled = {attempt.batch for attempt in self.waiting.values()}
        return [batch for batch in batches if batch[0] in unsettled]

    def settled(self, key: str) -> int:
        """How many attempts at a call are settled."""
        found: int = self._opened.reader.execute(
            "SELECT count(*) FROM calls WHERE key = ? AND pending = ''", (key,)
        ).fetchone()[0]
        return found

    async def settle(self) -> None:
        """Wait until all that was written is on the disk."""
        await self._commits.settle()

    def absorb(self, path: Path, image_ids: Sequence[str] | None = None) -> None:
        """Take over another journal's calls, those that are not here yet, and its results.

        Args:
            path (`Path`): the other journal's file.
            image_ids (sequence of `str`, *optional*): only those of these pictures.

        Raises:
            OutputError: if this journal cannot be written.
        """
        columns = f"{FIELDS}, created"
        wanted = (None if image_ids is None else json.dumps(image_ids),)
        among = "(?1 IS NULL OR theirs.image_id IN (SELECT value FROM json_each(?1)))"
        if not path.is_file():
            raise OutputError(f"{self.path}: cannot take over {path}, which does not exist; re-run to create it")
        db = self._opened.writer
        try:
            db.execute("ATTACH DATABASE ? AS other", (str(path),))
            try:
                if db.execute("PRAGMA other.user_version").fetchone()[0] < len(migrations.MIGRATIONS):
                    return  # whoever was making it was killed; it holds nothing yet
                db.execute("BEGIN IMMEDIATE")
                db.execute(
                    f"""INSERT INTO calls ({columns}) SELECT {columns} FROM other.calls AS theirs WHERE {among} AND NOT EXISTS (
                    SELECT 1 FROM main.calls AS ours WHERE ours.key = theirs.key AND ours.created = theirs.created)
                    ORDER BY id""",
                    wanted,
                )
                db.execute(
                    f"INSERT OR REPLACE INTO results SELECT * FROM other.results AS theirs WHERE {among}", wanted
                )
                db.execute("COMMIT")
            finally:
                db.execute("ROLLBACK") if db.in_transaction else None
                db.execute("DETACH DATABASE other")
        except sqlite3.Error as error:
            raise OutputError(f"{self.path}: cannot take over {path} ({error}); make room there and re-run") from None

    def used_on(self, image_id: str) -> tuple[float, int]:
        """The seconds that a picture's calls took, one after the other, and the tokens of their answers."""
        query = """SELECT coalesce(sum(seconds), 0.0), coalesce(sum(completion_tokens), 0) FROM calls
            WHERE image_id = ? AND NOT lost AND round = ''"""
        seconds, tokens = self._opened.reader.execute(query, (image_id,)).fetchone()
        return round(seconds, 3), tokens

    def answered_by(self, round_: str = "") -> dict[str, int]:
        """How many calls of a round each model answered, by the servers' own names for them, with their fingerprints."""
        query = """SELECT model || CASE fingerprint WHEN '' THEN '' ELSE ' ' || fingerprint END AS name, count(*) FROM calls
            WHERE NOT lost AND model != '' AND round = ? GROUP BY name ORDER BY min(id)"""
        return dict(self._opened.reader.execute(query, (round_,)))

    def rounds(self) -> int:
        """How many times canaries were asked."""
        found: int = self._opened.reader.execute(
            "SELECT count(DISTINCT round) FROM calls WHERE round != ''"
        ).fetchone()[0]
        return found

    def notes(self) -> dict[str, int]:
        """What must be known of answers, and of how many."""
        query = "SELECT note, count(*) FROM calls WHERE note != '' GROUP BY note ORDER BY min(id)"
        return dict(self._opened.reader.execute(query))

    def totals(self) -> Totals:
        """What the run has used."""
        return totals(self._opened.reader)
