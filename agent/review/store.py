"""`verdicts.sqlite`: the events, the items they are about, and who has been handed what.

One file, any number of processes. Write-ahead log with `synchronous=FULL`: a verdict that has been acknowledged is on
the disk, whatever happens to the process or the machine. Every change is one short transaction that takes the write
lock at its start, so two processes never decide on the same stale reading.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from agent.review.answers import Answer, Corrections, Reason
from agent.review.claims import ORDER, SPLIT
from agent.review.items import Item
from agent.review.migrations import MIGRATIONS, VERSION
from dataset_builder.errors import InputError, OutputError
from dataset_builder.schema import Candidate, Verdict

__all__ = ["FILE", "Conflict", "Finished", "Settings", "Standing", "Store"]

FILE = "verdicts.sqlite"
"""The name of the file in a run."""

_EDIT = TypeAdapter(Corrections)


@dataclass(frozen=True)
class Standing:
    """What a reviewer says of an item now: the last event, unless that took the answer back. `event` is its number."""

    event: int
    item: str
    reviewer: str
    verdict: Verdict
    reason: Reason | None
    rating: int | None
    edit: Corrections
    note: str
    seconds: float


class Settings(NamedTuple):
    """How a run is reviewed.

    Attributes:
        overlap (`int`): how many people answer each item of the run.
        rate_severity (`bool`): whether people rate the severity of what they accept, without seeing the model's.
        ask_missed (`bool`): whether every picture is also asked about as a whole: did the agent miss anything?
    """

    overlap: int = 1
    rate_severity: bool = False
    ask_missed: bool = False


class Conflict(InputError):
    """An answer would replace one that whoever sent it does not know of: `standing`, or `None` if none is left."""

    def __init__(self, message: str, standing: Standing | None) -> None:
        super().__init__(message)
        self.standing = standing


class Finished(NamedTuple):
    """How many items have as many answers as are asked for, how many there are, and the share of the answers that is in."""

    items: int
    total: int
    share: float


class Store:
    """The file, open.

    Args:
        path (`Path`): it is made, or brought up to date, if need be; its directory has to be there.

    Raises:
        InputError: if it is not such a file, or was written by a later version.
        OutputError: if it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # One connection for all threads of a process: they queue here, fairly, and not in SQLite's back-off.
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            with self.write() as db:
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version > VERSION:
                    raise InputError(
                        f"{path}: has version {version}, this program knows {VERSION}; update the program to read it"
                    )
                for migrate in MIGRATIONS[version:]:
                    migrate(db)
                db.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.DatabaseError as error:
            problem = OutputError if isinstance(error, sqlite3.OperationalError) else InputError
            raise problem(f"{path}: cannot be opened ({error}); restore it, or move it away to start over") from None

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for readings that belong together."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                self._db.execute("COMMIT")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction: all of it is on the disk when the block has ended, or none of it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def configure(self, **given: int | None) -> Settings:
        """Set what is given, fields of `Settings` that are not `None`, for every process; the settings that hold now."""
        with self.write() as db:
            for name, value in given.items():
                if value is not None:
                    db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, str(int(value))))
            return settings_in(db)

    def register(self, items: list[Item]) -> None:
        """State what is asked. Items of a run that are no longer in it are asked no more; their verdicts stay. What people added
        stays with its picture.

        Args:
            items (`list[Item]`): the run's, in order, and gold ones in any order; gold ones known from before stay.
        """
        with self.write() as db:
            db.execute("UPDATE items SET position = NULL WHERE gold IS NULL")
            for position, item in enumerate(items):
                insert(db, item, position)
            db.execute(
                "UPDATE items SET position = (SELECT max(position) FROM items AS i WHERE i.picture = items.picture "
                "AND i.added_by IS NULL) WHERE added_by IS NOT NULL"
            )

    @property
    def settings(self) -> Settings:
        """How the run is reviewed; another process may have set it since."""
        with self.read() as db:
            return settings_in(db)

    def items(self) -> list[Item]:
        """The items that are asked, in order; gold ones come last."""
        with self.read() as db:
            rows = db.execute(f"SELECT * FROM items WHERE position IS NOT NULL ORDER BY gold IS NOT NULL, {ORDER}")
            return [item_of(row) for row in rows]

    def standing(self) -> list[Standing]:
        """What everybody says now, in an order that does not tell who answered when: by item, then reviewer."""
        with self.read() as db:
            rows = db.execute("SELECT * FROM standing ORDER BY item, reviewer").fetchall()
        return [standing_of(row) for row in rows]

    def finished(self) -> Finished:
        """How far the review of the run's items is."""
        with self.read() as db:
            return finished_in(db)


def finished_in(db: sqlite3.Connection) -> Finished:
    """How far the review of the run's items is; gold ones are not counted."""
    row = db.execute(
        "SELECT count(*), total(answers >= wanted), total(min(answers, wanted)), total(wanted) FROM "
        "(SELECT coalesce(answers, 0) AS answers, :overlap + coalesce(is_split, 0) AS wanted FROM items LEFT JOIN "
        f"(SELECT item, count(*) AS answers, {SPLIT} AS is_split FROM claims WHERE answered GROUP BY item) USING (item) "
        "WHERE gold IS NULL AND position IS NOT NULL)",
        {"overlap": settings_in(db).overlap},
    ).fetchone()
    total, finished, answers, wanted = map(int, row)
    return Finished(finished, total, answers / max(1, wanted))


def progress_in(db: sqlite3.Connection, reviewer: str) -> tuple[int, list[float], Standing | None]:
    """How many current answers a reviewer has; the seconds of the last twenty; the last of them."""
    (count,) = db.execute("SELECT count(*) FROM claims WHERE reviewer = ? AND answered", (reviewer,)).fetchone()
    last = db.execute(
        "SELECT standing.* FROM standing JOIN items USING (item) WHERE reviewer = ? AND position IS NOT NULL "
        "ORDER BY id DESC LIMIT 20",
        (reviewer,),
    ).fetchall()
    return count, [row["seconds"] for row in last], standing_of(last[0]) if last else None


def settings_in(db: sqlite3.Connection) -> Settings:
    """How the run is reviewed."""
    known = {row["name"]: int(row["value"]) for row in db.execute("SELECT * FROM settings")}
    return Settings(known.get("overlap", 1), bool(known.get("rate_severity")), bool(known.get("ask_missed")))


def insert(db: sqlite3.Connection, item: Item, position: int | None) -> None:
    """Add an item, within a transaction, or give one that is known its position."""
    db.execute(
        "INSERT INTO items (item, position, picture, image_id, candidate, gold, scenes, asks, added_by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (item) DO UPDATE SET position = excluded.position",
        (
            item.key,
            position,
            item.picture,
            item.image_id,
            item.candidate.model_dump_json(exclude={"votes", "verdict"}),
            item.gold,
            None if item.scenes is None else str(item.scenes),
            item.asks,
            item.added_by,
        ),
    )


def append(db: sqlite3.Connection, answer: Answer, replaces: int = 0) -> int:
    """Add a verdict event, within a transaction; the same one sent again adds nothing. Returns the event's number.

    Raises:
        Conflict: if this reviewer's current answer is not the event `replaces` (0: none).
    """
    known = db.execute("SELECT * FROM events WHERE token = ?", (answer.token,)).fetchone()
    if known:
        if (known["item"], known["reviewer"], known["verdict"]) != (answer.item, answer.reviewer, answer.verdict):
            raise InputError("the token has been used for another answer; make a new one for each")
        return int(known["id"])
    row = db.execute(
        "SELECT * FROM standing WHERE item = ? AND reviewer = ?", (answer.item, answer.reviewer)
    ).fetchone()
    if (row["id"] if row else 0) != replaces:
        said = (
            f"you have answered this item meanwhile ({row['verdict']})"
            if row
            else "that answer was taken back meanwhile"
        )
        raise Conflict(f"{said}; reload the page, or say which answer to replace", row and standing_of(row))
    values = (
        answer.token,
        answer.item,
        answer.reviewer,
        answer.verdict,
        answer.reason,
        answer.rating,
        _EDIT.dump_json(answer.edit).decode() if answer.edit else None,
        answer.note,
        answer.seconds,
        datetime.now(UTC).isoformat(timespec="milliseconds"),
        VERSION,
    )
    columns = "token, item, reviewer, verdict, reason, rating, edit, note, seconds, created_at, version"
    return int(
        db.execute(f"INSERT INTO events ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values).lastrowid or 0
    )


def take_back(db: sqlite3.Connection, token: str, reviewer: str, last: int | None) -> Standing | None:
    """Add an event that takes the reviewer's last standing answer back, within a transaction; that answer, or `None`.

    Raises:
        Conflict: if the last answer is not the event `last`, where that is given.
    """
    known = db.execute("SELECT * FROM events WHERE token = ?", (token,)).fetchone()
    if known:
        if (known["reviewer"], known["verdict"]) != (reviewer, "undo"):
            raise InputError("the token has been used for another answer; make a new one for each")
        row = db.execute(
            "SELECT * FROM events WHERE item = ? AND reviewer = ? AND id < ? ORDER BY id DESC LIMIT 1",
            (known["item"], reviewer, known["id"]),
        ).fetchone()
        return standing_of(row) if row else None
    row = db.execute(
        "SELECT standing.* FROM standing JOIN items USING (item) WHERE reviewer = ? AND position IS NOT NULL "
        "ORDER BY id DESC LIMIT 1",
        (reviewer,),
    ).fetchone()
    if last is not None and (row["id"] if row else 0) != last:
        raise Conflict("your last answer has changed meanwhile; reload the page", row and standing_of(row))
    if row is None:
        return None
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    db.execute(
        "INSERT INTO events (token, item, reviewer, verdict, note, seconds, created_at, version) "
        "VALUES (?, ?, ?, 'undo', '', 0, ?, ?)",
        (token, row["item"], reviewer, stamp, VERSION),
    )
    return standing_of(row)


def item_of(row: sqlite3.Row) -> Item:
    """An item from its row."""
    candidate = Candidate.model_validate_json(row["candidate"])
    scenes = None if row["scenes"] is None else Path(row["scenes"])
    return Item(
        row["item"], row["picture"], row["image_id"], candidate, row["gold"], scenes, row["asks"], row["added_by"]
    )


def standing_of(row: sqlite3.Row) -> Standing:
    """An answer from its row."""
    edit = {} if row["edit"] is None else _EDIT.validate_json(row["edit"])
    said = (row["item"], row["reviewer"], row["verdict"], row["reason"], row["rating"])
    return Standing(row["id"], *said, edit, row["note"], row["seconds"])
