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

from agent.review.items import Item
from agent.review.migrations import MIGRATIONS, VERSION
from dataset_builder.errors import InputError, OutputError
from dataset_builder.schema import Candidate, Verdict

__all__ = ["FILE", "Answer", "Finished", "Standing", "Store"]

FILE = "verdicts.sqlite"
"""The name of the file in a run."""

_EDIT = TypeAdapter(dict[str, str | int])


@dataclass(frozen=True)
class Answer:
    """What a reviewer says of an item.

    Attributes:
        token (`str`): made by who asks; the same token is stored once, however often it is sent.
        item, reviewer (`str`): the item's key and the reviewer's name.
        verdict (`str`): `accept`, `reject` or `unsure`.
        edit (`dict`): corrected fields of the quadruplet; empty for none.
        note (`str`): empty for none.
        seconds (`float`): how long the item was looked at.
    """

    token: str
    item: str
    reviewer: str
    verdict: Verdict
    edit: dict[str, str | int]
    note: str
    seconds: float


@dataclass(frozen=True)
class Standing:
    """What a reviewer says of an item now: the last event, unless that took the answer back."""

    item: str
    reviewer: str
    verdict: Verdict
    edit: dict[str, str | int]
    note: str
    seconds: float


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
        InputError: if it is no such file, or was written by a later version.
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
            raise problem(f"{path}: cannot be opened ({error}); put it back, or move it away to begin anew") from None

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

    def register(self, items: list[Item], *, overlap: int | None) -> None:
        """State what is asked. Items of a run that are no longer in it are asked no more; their verdicts stay.

        Args:
            items (`list[Item]`): the run's, in order, and gold ones in any order; gold ones known from before stay.
            overlap (`int`, *optional*): how many people answer each item of the run; `None` leaves what was set, or 1.
        """
        rows = [
            (
                item.key,
                position,
                item.picture,
                item.image_id,
                item.candidate.model_dump_json(exclude={"votes", "verdict"}),
                item.gold,
                None if item.scenes is None else str(item.scenes),
            )
            for position, item in enumerate(items)
        ]
        with self.write() as db:
            db.execute("UPDATE items SET position = NULL WHERE gold IS NULL")
            db.executemany(
                "INSERT INTO items (item, position, picture, image_id, candidate, gold, scenes) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (item) DO UPDATE SET position = excluded.position",
                rows,
            )
            if overlap is not None:
                db.execute("INSERT OR REPLACE INTO settings VALUES ('overlap', ?)", (str(overlap),))

    @property
    def overlap(self) -> int:
        """How many people answer each item of the run."""
        with self.read() as db:
            return overlap_in(db)

    def items(self) -> list[Item]:
        """The items that are asked: the run's in its order, then gold."""
        with self.read() as db:
            rows = db.execute("SELECT * FROM items WHERE position IS NOT NULL ORDER BY gold IS NOT NULL, position")
            return [item_of(row) for row in rows]

    def standing(self) -> list[Standing]:
        """What everybody says now, oldest first."""
        with self.read() as db:
            rows = db.execute("SELECT * FROM standing ORDER BY id").fetchall()
        return [_standing_of(row) for row in rows]

    def progress(self, reviewer: str) -> tuple[int, list[float], Standing | None]:
        """How many answers of a reviewer stand; the seconds of the last twenty; the last of them."""
        with self.read() as db:
            (count,) = db.execute("SELECT count(*) FROM claims WHERE reviewer = ? AND answered", (reviewer,)).fetchone()
            last = db.execute(
                "SELECT * FROM standing WHERE reviewer = ? ORDER BY id DESC LIMIT 20", (reviewer,)
            ).fetchall()
        return count, [row["seconds"] for row in last], _standing_of(last[0]) if last else None

    def finished(self) -> Finished:
        """How far the review of the run's items is; gold ones are not counted."""
        with self.read() as db:
            overlap = overlap_in(db)
            row = db.execute(
                "SELECT count(*), total(answers >= :overlap), total(min(answers, :overlap)) FROM (SELECT (SELECT count(*) "
                "FROM claims WHERE claims.item = items.item AND answered) AS answers FROM items "
                "WHERE gold IS NULL AND position IS NOT NULL)",
                {"overlap": overlap},
            ).fetchone()
        total, finished, answers = map(int, row)
        return Finished(finished, total, answers / max(1, total * overlap))


def overlap_in(db: sqlite3.Connection) -> int:
    """How many people answer each item of the run; another process may have set it since."""
    row = db.execute("SELECT value FROM settings WHERE name = 'overlap'").fetchone()
    return int(row["value"]) if row else 1


def append(db: sqlite3.Connection, answer: Answer) -> int:
    """Add a verdict event, within a transaction; the same one sent again adds nothing. Returns the event's number."""
    known = db.execute("SELECT * FROM events WHERE token = ?", (answer.token,)).fetchone()
    if known:
        if (known["item"], known["reviewer"], known["verdict"]) != (answer.item, answer.reviewer, answer.verdict):
            raise InputError("the token has been used for another answer; make a new one for each")
        return int(known["id"])
    values = (
        answer.token,
        answer.item,
        answer.reviewer,
        answer.verdict,
        _EDIT.dump_json(answer.edit).decode() if answer.edit else None,
        answer.note,
        answer.seconds,
        datetime.now(UTC).isoformat(timespec="milliseconds"),
        VERSION,
    )
    columns = "token, item, reviewer, verdict, edit, note, seconds, created_at, version"
    return int(db.execute(f"INSERT INTO events ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values).lastrowid or 0)


def take_back(db: sqlite3.Connection, token: str, reviewer: str) -> Standing | None:
    """Add an event that takes the reviewer's last standing answer back, within a transaction; that answer, or `None`."""
    known = db.execute("SELECT * FROM events WHERE token = ?", (token,)).fetchone()
    if known:
        if (known["reviewer"], known["verdict"]) != (reviewer, "undo"):
            raise InputError("the token has been used for another answer; make a new one for each")
        row = db.execute(
            "SELECT * FROM events WHERE item = ? AND reviewer = ? AND id < ? ORDER BY id DESC LIMIT 1",
            (known["item"], reviewer, known["id"]),
        ).fetchone()
        return _standing_of(row) if row else None
    row = db.execute(
        "SELECT standing.* FROM standing JOIN items USING (item) WHERE reviewer = ? AND position IS NOT NULL "
        "ORDER BY id DESC LIMIT 1",
        (reviewer,),
    ).fetchone()
    if row is None:
        return None
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    db.execute(
        "INSERT INTO events (token, item, reviewer, verdict, note, seconds, created_at, version) "
        "VALUES (?, ?, ?, 'undo', '', 0, ?, ?)",
        (token, row["item"], reviewer, stamp, VERSION),
    )
    return _standing_of(row)


def item_of(row: sqlite3.Row) -> Item:
    """An item from its row."""
    candidate = Candidate.model_validate_json(row["candidate"])
    scenes = None if row["scenes"] is None else Path(row["scenes"])
    return Item(row["item"], row["picture"], row["image_id"], candidate, row["gold"], scenes)


def _standing_of(row: sqlite3.Row) -> Standing:
    edit = {} if row["edit"] is None else _EDIT.validate_json(row["edit"])
    return Standing(row["item"], row["reviewer"], row["verdict"], edit, row["note"], row["seconds"])
