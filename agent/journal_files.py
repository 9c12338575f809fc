"""A journal's file: opened to write by one process at a time, or to read; brought to this version, saved if it is damaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from agent import journal_migrations as migrations
from agent.salvage import Salvaged, is_damaged, salvage, set_aside
from dataset_builder.errors import InputError, OutputError
from dataset_builder.files.locks import hold

__all__ = ["Opened", "journal_lock", "open_for_reading", "open_to_write"]

WAIT = "PRAGMA busy_timeout = 10000"
"""Milliseconds that a connection waits for another one of the same file."""


class Opened(NamedTuple):
    """A journal's two connections, and what was saved of it, if it was found damaged.

    `writer` is used from the thread that commits, `reader` from all others.
    """

    writer: sqlite3.Connection
    reader: sqlite3.Connection
    salvaged: Salvaged | None


@contextmanager
def open_to_write(directory: Path, patience: float) -> Iterator[Opened]:
    """Hold a run's journal, made if missing.

    Raises:
        OutputError: if it cannot be written, or another process is writing it for longer than `patience` seconds.
        InputError: if the file is not a journal, or was written by a newer version.
    """
    path = directory / "journal.sqlite"
    with journal_lock(directory, patience), ExitStack() as opened:
        try:
            damaged = set_aside(path) if _is_damaged(path) else None
            writer, reader = (
                opened.enter_context(closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)))
                for _ in range(2)
            )
            _prepare(writer, path)
            saved = None if damaged is None else salvage(damaged, writer)
            reader.execute(WAIT)
        except sqlite3.OperationalError as error:
            raise OutputError(f"{path}: cannot be written ({error}); choose another path with --out") from None
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path}: is not a journal ({error}); remove it or choose another run") from None
        yield Opened(writer, reader, saved)


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
    db.execute(WAIT)
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
            f"{directory}: cannot be written ({error.strerror or error}); choose another path with --out"
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
        raise InputError(f"{path}: is not a journal ({error}); give another run") from None
    if not 1 <= seen <= len(migrations.MIGRATIONS):
        db.close()
        raise InputError(f"{path}: is not a journal of this version; annotate into this run again")
    return db if seen == len(migrations.MIGRATIONS) else _migrated_copy(db)


def _migrated_copy(db: sqlite3.Connection) -> sqlite3.Connection:
    """An older journal as this version has it, in memory: what is only looked at is not changed."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.row_factory = sqlite3.Row
    with closing(db):
        db.backup(copy)
    migrations.migrate(copy)
    return copy
