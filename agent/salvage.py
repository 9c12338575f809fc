"""Saves what can be read of a damaged journal.

A disk that failed or a copy that broke off leaves a file of which SQLite can read some pages. It is kept under another name, and
its readable rows go into a new journal: what they answer is not paid for twice.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Salvaged", "is_damaged", "salvage", "set_aside"]

FARTHEST = 2**20
"""Rows that are stepped over at most, at once, to get past pages that cannot be read."""


class Salvaged(NamedTuple):
    """What was saved of a damaged journal, and where the damaged file is."""

    calls: int
    results: int
    kept: Path

    def __str__(self) -> str:
        return (
            f"the journal was damaged: {self.calls:,} calls and {self.results:,} results were saved, and what is missing is asked "
            f"again; the damaged file is {self.kept.name}"
        )


def is_damaged(db: sqlite3.Connection) -> bool:
    """Whether SQLite's own check finds damage in a database; `sqlite3.DatabaseError` is damage too."""
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:
        raise  # locked, or a disk that does not answer
    except sqlite3.DatabaseError:
        return True
    return bool(found[0] != "ok")


def set_aside(path: Path) -> Path:
    """Rename a damaged journal, with what SQLite keeps beside it; its new path."""
    number = 1
    while (kept := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    for ending in ("", "-wal", "-shm"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + ending))
    return kept


def salvage(kept: Path, db: sqlite3.Connection) -> Salvaged:
    """Copy the readable rows of a damaged journal into a new, empty one of the present version.

    Args:
        kept (`Path`): the damaged file.
        db (`sqlite3.Connection`): the new journal.
    """
    saved = {}
    with closing(sqlite3.connect(kept, isolation_level=None)) as damaged:
        damaged.row_factory = sqlite3.Row
        for table in ("calls", "results", "batches"):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
            db.execute("BEGIN IMMEDIATE")
            saved[table] = sum(_insert(db, table, columns, row) for row in _rows(damaged, table))
            db.execute("COMMIT")
    return Salvaged(saved["calls"], saved["results"], kept)


def _insert(db: sqlite3.Connection, table: str, columns: list[str], row: dict[str, Any]) -> int:
    """Insert a row as far as its columns are known here; 1 if it fits."""
    known = [name for name in columns if name in row]
    marks = ", ".join("?" * len(known))
    try:
        # What was written by SQLite and read without an error is whole; what misses a required column is not.
        query = f"INSERT OR REPLACE INTO {table} ({', '.join(known)}) VALUES ({marks})"
        db.execute(query, [row[name] for name in known])
    except sqlite3.Error:
        return 0
    return 1


def _rows(db: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    """The rows of a table that can be read, stepping over those that cannot."""
    after, step = -1, 1
    while step <= FARTHEST:
        try:
            query = f"SELECT rowid AS at, * FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid"
            for row in db.execute(query, (after,)):
                found = dict(row)
                after, step = found.pop("at"), 1
                yield found
            return
        except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError):
            after, step = after + step, step * 2
