"""The journal's tables, version by version."""

import sqlite3
from collections.abc import Callable

__all__ = ["MIGRATIONS", "migrate"]


def _m001_first(db: sqlite3.Connection) -> None:
    db.execute(
        """CREATE TABLE calls (id INTEGER PRIMARY KEY, key TEXT NOT NULL, image_id TEXT NOT NULL, stage TEXT NOT NULL,
        object TEXT NOT NULL, sample INTEGER NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL, problem TEXT,
        gave_up INTEGER NOT NULL, finish_reason TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL, cost REAL, seconds REAL NOT NULL, created REAL NOT NULL)"""
    )
    db.execute("CREATE INDEX calls_by_key ON calls (key)")
    db.execute("CREATE INDEX calls_by_image ON calls (image_id)")
    db.execute(
        """CREATE TABLE results (image_id TEXT NOT NULL, settings TEXT NOT NULL, stamp TEXT NOT NULL,
        status TEXT NOT NULL, row TEXT NOT NULL, PRIMARY KEY (image_id, settings))"""
    )


def _m002_every_attempt(db: sqlite3.Connection) -> None:
    for name in ("cached_tokens", "estimated", "lost"):
        db.execute(f"ALTER TABLE calls ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE calls ADD COLUMN billed INTEGER NOT NULL DEFAULT 1")
    for name in ("model", "fingerprint", "note", "round"):
        db.execute(f"ALTER TABLE calls ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE calls DROP COLUMN cost")  # follows from the tokens and whatever price is known now


def _m003_batches(db: sqlite3.Connection) -> None:
    # `batch` names the batch that a call went with, `pending` the request of it that has not been settled yet.
    for name in ("batch", "pending"):
        db.execute(f"ALTER TABLE calls ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    db.execute("CREATE INDEX calls_pending ON calls (pending) WHERE pending != ''")
    db.execute(
        """CREATE TABLE batches (name TEXT PRIMARY KEY, file_id TEXT NOT NULL DEFAULT '', batch_id TEXT NOT NULL DEFAULT '')"""
    )


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [_m001_first, _m002_every_attempt, _m003_batches]
"""Appended to, never changed: a journal knows how many of them it has seen."""


def migrate(db: sqlite3.Connection) -> None:
    """Bring a journal to this version, a transaction per step."""
    seen = db.execute("PRAGMA user_version").fetchone()[0]
    for number, step in enumerate(MIGRATIONS[seen:], seen + 1):
        db.execute("BEGIN IMMEDIATE")
        step(db)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
