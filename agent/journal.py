"""The journal: every call that was paid for, and every picture that is finished, in one SQLite file.

A call's key is a hash of the picture's bytes and of all that shaped it (see `agent.asking`). An answer that was committed
and could be read is never asked for again; one that could not is never taken for an answer. Calls are committed in groups:
while one group is being flushed to the disk the next one gathers.

`calls` has a row per attempt: `problem` is null where the answer could be read, `gave_up` marks the attempt after which the call
was given up, `lost` one that brought no answer at all; `billed` says whether it may have been charged for, `estimated` whether
its tokens are ours because the server did not say. `results` has a row per finished picture under the settings that it was
finished with.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from weakref import WeakValueDictionary

from agent import journal_migrations as migrations
from agent.salvage import Salvaged, is_damaged, salvage, set_aside
from dataset_builder.errors import InputError, OutputError
from dataset_builder.files.locks import hold

__all__ = ["SUMS", "Attempt", "Journal", "Totals", "journal_lock", "open_for_reading"]


class Priced(Protocol):
    """What tokens cost; see `agent.budget.Price`."""

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float: ...


class Attempt(NamedTuple):
    """One attempt at a call: a row of `calls`; `model` and `fingerprint` are the server's words for who answered, `round` is the
    name under which canaries are asked again."""

    key: str
    image_id: str
    stage: str
    object: str
    sample: int
    request: str
    answer: str
    problem: str | None
    gave_up: bool
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cached_tokens: int = 0
    estimated: bool = False
    billed: bool = True
    lost: bool = False
    model: str = ""
    fingerprint: str = ""
    note: str = ""
    round: str = ""


class Totals(NamedTuple):
    """What a run has used so far: every attempt that may have been billed.

    Attributes:
        calls (`int`): such attempts; `failed` of them gave no answer that could be used, `lost` none at all.
        prompt_tokens, completion_tokens, cached_tokens (`int`): theirs; `cached_tokens` are part of `prompt_tokens`.
        estimated (`int`): attempts whose tokens the server did not say.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    failed: int = 0
    lost: int = 0
    estimated: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def cost(self, price: Priced | None) -> float | None:
        """US dollars, at a price that may have been given long after the calls; `None` without one."""
        return None if price is None else price.of(self.prompt_tokens, self.completion_tokens, self.cached_tokens)


_FIELDS = ", ".join(Attempt._fields)
_INSERT = f"INSERT INTO calls ({_FIELDS}, created) VALUES ({', '.join('?' * (len(Attempt._fields) + 1))})"
_FLAGS = ("gave_up", "estimated", "billed", "lost")


class Journal:
    """The journal of a run directory; one process at a time. Use it as an asynchronous context manager.

    Args:
        directory (`Path`): the run; made if missing.
        patience (`float`): seconds to wait for another process that is writing it.

    Raises:
        OutputError: if it cannot be written, or another process is writing it.
        InputError: if the file is no journal, or was written by a newer version.

    Attributes:
        salvaged (`Salvaged`, *optional*): what was saved of it, if it was found damaged.
    """

    salvaged: Salvaged | None = None

    def __init__(self, directory: Path, patience: float = 0.0) -> None:
        self.directory, self.patience = directory, patience
        self.path = directory / "journal.sqlite"
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._pending: list[tuple[str, tuple[Any, ...], asyncio.Future[None] | None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._broken: str | None = None

    async def __aenter__(self) -> Self:
        try:
            with ExitStack() as opened:
                opened.enter_context(journal_lock(self.directory, self.patience))
                damaged = set_aside(self.path) if _is_damaged(self.path) else None
                self._db, self._reader = (
                    opened.enter_context(
                        closing(sqlite3.connect(self.path, check_same_thread=False, isolation_level=None))
                    )
                    for _ in range(2)
                )
                _prepare(self._db, self.path)
                if damaged is not None:
                    self.salvaged = salvage(damaged, self._db)
                self._reader.execute("PRAGMA busy_timeout = 10000")
                self._opened = opened.pop_all()
        except sqlite3.OperationalError as error:
            raise OutputError(f"{self.path}: cannot be written ({error}); give another place with --out") from None
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.path}: is no journal ({error}); remove it or choose another run") from None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._flushing is not None:
                await asyncio.shield(self._flushing)
        finally:
            self._writer.shutdown(wait=True)
            self._opened.close()

    def attempts(self, key: str) -> list[Attempt]:
        """What was answered to a call so far, since it was last given up: at most one readable answer, and that the last."""
        query = f"SELECT {_FIELDS} FROM calls WHERE key = ? AND (NOT lost OR gave_up) ORDER BY id"
        found = [_attempt(row) for row in self._reader.execute(query, (key,))]
        answered = [attempt for attempt in found if attempt.problem is None]
        if answered:
            return answered[:1]
        last = max((index for index, attempt in enumerate(found) if attempt.gave_up), default=-1)
        return found[last + 1 :]

    def turn(self, key: str) -> asyncio.Lock:
        """To be held while asking under a key: the same picture under two names is asked about once."""
        return self._asking.setdefault(key, asyncio.Lock())

    def check(self) -> None:
        """Raise `OutputError` if what would be paid for now could not be kept."""
        if self._broken is not None:
            raise OutputError(self._broken)

    def result(self, image_id: str, settings: str) -> tuple[str, str, str] | None:
        """A finished picture's stamp, status and row."""
        query = "SELECT stamp, status, row FROM results WHERE image_id = ? AND settings = ?"
        found: tuple[str, str, str] | None = self._reader.execute(query, (image_id, settings)).fetchone()
        return found

    async def record(self, attempt: Attempt) -> None:
        """Commit an attempt; on the disk when this returns.

        Raises:
            OutputError: if it cannot be, e.g. because the disk is full.
        """
        await self._write(_INSERT, (*attempt, time.time()), wait=True)

    async def finish(self, image_id: str, settings: str, stamp: str, status: str, row: str) -> None:
        """Keep a finished picture's row. Not waited for: it follows from the calls, which are on the disk."""
        query = "INSERT OR REPLACE INTO results (image_id, settings, stamp, status, row) VALUES (?, ?, ?, ?, ?)"
        await self._write(query, (image_id, settings, stamp, status, row), wait=False)

    async def settle(self) -> None:
        """Wait until all that was written is on the disk."""
        if self._flushing is not None:
            await asyncio.shield(self._flushing)
        self.check()

    async def _write(self, query: str, values: tuple[Any, ...], wait: bool) -> None:
        self.check()
        loop = asyncio.get_running_loop()
        future = loop.create_future() if wait else None
        self._pending.append((query, values, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = loop.create_task(self._flush())
        if future is not None:
            await future

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            group, self._pending = self._pending, []
            try:
                await loop.run_in_executor(self._writer, self._commit, [(query, row) for query, row, _ in group])
            except Exception as error:  # whatever it is, nobody may wait for ever
                self._broken = f"{self.path}: cannot be written ({error}); make room there and run again"
            for _, _, future in group:
                if future is not None and not future.done():
                    future.set_exception(OutputError(self._broken)) if self._broken else future.set_result(None)

    def _commit(self, group: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for query, row in group:
                self._db.execute(query, row)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK") if self._db.in_transaction else None
            raise

    def absorb(self, path: Path, image_ids: Sequence[str] | None = None) -> None:
        """Take over another journal's calls, those that are not here yet, and its results.

        Args:
            path (`Path`): the other journal's file.
            image_ids (sequence of `str`, *optional*): those of these pictures alone.

        Raises:
            OutputError: if this journal cannot be written.
        """
        columns = f"{_FIELDS}, created"
        wanted = (None if image_ids is None else json.dumps(image_ids),)
        among = "(?1 IS NULL OR theirs.image_id IN (SELECT value FROM json_each(?1)))"
        if not path.is_file():
            raise OutputError(f"{self.path}: cannot take over {path}, which is not there; run again to make it")
        try:
            self._db.execute("ATTACH DATABASE ? AS other", (str(path),))
            try:
                if self._db.execute("PRAGMA other.user_version").fetchone()[0] < len(migrations.MIGRATIONS):
                    return  # whoever was making it was killed; it holds nothing yet
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(
                    f"""INSERT INTO calls ({columns}) SELECT {columns} FROM other.calls AS theirs WHERE {among} AND NOT EXISTS (
                    SELECT 1 FROM main.calls AS ours WHERE ours.key = theirs.key AND ours.created = theirs.created)
                    ORDER BY id""",
                    wanted,
                )
                self._db.execute(
                    f"INSERT OR REPLACE INTO results SELECT * FROM other.results AS theirs WHERE {among}", wanted
                )
                self._db.execute("COMMIT")
            finally:
                self._db.execute("ROLLBACK") if self._db.in_transaction else None
                self._db.execute("DETACH DATABASE other")
        except sqlite3.Error as error:
            raise OutputError(
                f"{self.path}: cannot take over {path} ({error}); make room there and run again"
            ) from None

    def used_on(self, image_id: str) -> tuple[float, int]:
        """The seconds that a picture's calls took, one after the other, and the tokens of their answers."""
        query = """SELECT coalesce(sum(seconds), 0.0), coalesce(sum(completion_tokens), 0) FROM calls
            WHERE image_id = ? AND NOT lost AND round = ''"""
        seconds, tokens = self._reader.execute(query, (image_id,)).fetchone()
        return round(seconds, 3), tokens

    def answered_by(self, round_: str = "") -> dict[str, int]:
        """How many calls of a round each model answered, by the servers' own names for them, with their fingerprints."""
        query = """SELECT model || CASE fingerprint WHEN '' THEN '' ELSE ' ' || fingerprint END AS name, count(*) FROM calls
            WHERE NOT lost AND model != '' AND round = ? GROUP BY name ORDER BY min(id)"""
        return dict(self._reader.execute(query, (round_,)))

    def rounds(self) -> int:
        """How many times canaries were asked."""
        found: int = self._reader.execute("SELECT count(DISTINCT round) FROM calls WHERE round != ''").fetchone()[0]
        return found

    def notes(self) -> dict[str, int]:
        """What must be known of answers, and of how many."""
        query = "SELECT note, count(*) FROM calls WHERE note != '' GROUP BY note ORDER BY min(id)"
        return dict(self._reader.execute(query))

    def totals(self) -> Totals:
        """What the run has used."""
        return totals(self._reader)


def totals(db: sqlite3.Connection) -> Totals:
    """What a journal's run has cost."""
    return Totals(*db.execute(f"SELECT {SUMS} FROM calls WHERE billed").fetchone())


SUMS = """count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(problem IS NOT NULL), 0), coalesce(sum(lost), 0), coalesce(sum(estimated), 0)"""
"""The fields of `Totals`, of the calls that a query chooses."""


def _attempt(row: tuple[Any, ...]) -> Attempt:
    fields = dict(zip(Attempt._fields, row, strict=True))
    return Attempt(**fields | {name: bool(fields[name]) for name in _FLAGS})


def _is_damaged(path: Path) -> bool:
    """Whether a journal's file is one that was a journal and is damaged."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            return False  # never was one: told where it is opened
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return is_damaged(db)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA busy_timeout = 10000")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    seen = db.execute("PRAGMA user_version").fetchone()[0]
    if seen > len(migrations.MIGRATIONS):
        raise InputError(f"{path}: was written by a newer version of anomreason; update it, or choose another run")
    migrations.migrate(db)


@contextmanager
def journal_lock(directory: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a run, so that no other process writes it; wait for another one so many seconds.

    Raises:
        OutputError: if another process holds it, or the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{directory}: cannot be written ({error.strerror or error}); give another place with --out"
        ) from None
    busy = f"{directory}: another process is annotating into it; wait for it or choose another --out"
    lock = hold(directory / "run.lock", busy, patience)
    try:
        yield
    finally:
        lock.release()


def open_for_reading(directory: Path) -> sqlite3.Connection:
    """A run's journal, to read; rows by name.

    Raises:
        InputError: if there is none.
    """
    path = directory / "journal.sqlite"
    if not path.is_file():
        raise InputError(f"{path}: does not exist; give a run directory that `anomreason annotate` made")
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        seen = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: is no journal ({error}); give another run") from None
    if not 1 <= seen <= len(migrations.MIGRATIONS):
        db.close()
        raise InputError(f"{path}: is not a journal of this version; annotate into the run again")
    return db if seen == len(migrations.MIGRATIONS) else _migrated_copy(db)


def _migrated_copy(db: sqlite3.Connection) -> sqlite3.Connection:
    """An older journal as this version has it, in memory: what is only looked at is not changed."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.row_factory = sqlite3.Row
    with closing(db):
        db.backup(copy)
    migrations.migrate(copy)
    return copy
