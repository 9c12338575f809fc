"""The tables of `verdicts.sqlite`, as steps: a file of any earlier version is brought up to date when it is opened.

`PRAGMA user_version` counts the steps taken. A step is never changed once it has been released; a new one is added.
"""

import sqlite3
from collections.abc import Callable

__all__ = ["MIGRATIONS", "VERSION"]


def m001_events(db: sqlite3.Connection) -> None:
    """What people answered, one row per answer. Rows are only ever added, and the triggers see to it."""
    db.execute(
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            token TEXT NOT NULL UNIQUE,      -- made by who asks: the same request sent twice is one event
            item TEXT NOT NULL,
            reviewer TEXT NOT NULL,
            verdict TEXT NOT NULL CHECK (verdict IN ('accept', 'reject', 'unsure', 'undo')),
            edit TEXT,                       -- JSON: corrected fields, beside the original
            note TEXT NOT NULL,
            seconds REAL NOT NULL,
            created_at TEXT NOT NULL,        -- UTC, ISO 8601
            version INTEGER NOT NULL         -- of these tables, when it was written
        )"""
    )
    db.execute("CREATE INDEX events_of_item ON events (item, reviewer, id)")
    db.execute("CREATE INDEX events_of_reviewer ON events (reviewer, id)")
    for change in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER events_stay_{change.lower()} BEFORE {change} ON events "
            "BEGIN SELECT RAISE(ABORT, 'verdict events are only ever added'); END"
        )
    # What each reviewer says of each item now: the last event, unless that took the answer back.
    db.execute(
        """
        CREATE VIEW standing AS SELECT * FROM events AS e
        WHERE verdict <> 'undo' AND NOT EXISTS (
            SELECT 1 FROM events AS later WHERE later.item = e.item AND later.reviewer = e.reviewer AND later.id > e.id
        )"""
    )


def m002_items(db: sqlite3.Connection) -> None:
    """What is asked: a candidate and its picture, in the run's order; gold items have a known answer."""
    db.execute(
        """
        CREATE TABLE items (
            item TEXT PRIMARY KEY,
            position INTEGER,                -- null: no longer in the run, and asked no more
            picture TEXT NOT NULL,           -- the key under which the page asks for its picture
            image_id TEXT NOT NULL,
            candidate TEXT NOT NULL,         -- JSON
            gold TEXT CHECK (gold IN ('accept', 'reject')),
            scenes TEXT                      -- of gold: the scenes directory that holds the picture
        ) WITHOUT ROWID"""
    )
    db.execute("CREATE INDEX items_asked ON items (position) WHERE gold IS NULL AND position IS NOT NULL")
    db.execute("CREATE INDEX items_gold ON items (position) WHERE gold IS NOT NULL AND position IS NOT NULL")
    db.execute("CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")


def m003_claims(db: sqlite3.Connection) -> None:
    """Who has been handed what, so that many people at once neither wait for nor repeat each other."""
    db.execute(
        """
        CREATE TABLE claims (
            item TEXT NOT NULL,
            reviewer TEXT NOT NULL,
            turn INTEGER NOT NULL,           -- the order in which this reviewer is shown things
            until REAL NOT NULL,             -- Unix time at which an unanswered claim lapses
            answered INTEGER NOT NULL,
            PRIMARY KEY (item, reviewer)
        ) WITHOUT ROWID"""
    )
    db.execute("CREATE INDEX claims_of_reviewer ON claims (reviewer, turn)")
    db.execute("CREATE INDEX claims_in_hand ON claims (reviewer, turn) WHERE NOT answered")


def m004_desk(db: sqlite3.Connection) -> None:
    """Reasons of rejects, severities rated unseen, what people added, whether anything was missed, and what was put aside."""
    db.execute(
        "ALTER TABLE events ADD COLUMN reason TEXT CHECK (reason IN "
        "('hallucinated', 'wrong object', 'wrong reason', 'duplicate', 'trivial'))"
    )
    db.execute("ALTER TABLE events ADD COLUMN rating INTEGER CHECK (rating BETWEEN 0 AND 100)")
    # 'missed' asks of a whole picture whether the agent missed anything; its candidate is an empty one.
    db.execute(
        "ALTER TABLE items ADD COLUMN asks TEXT NOT NULL DEFAULT 'candidate' CHECK (asks IN ('candidate', 'missed'))"
    )
    db.execute("ALTER TABLE items ADD COLUMN added_by TEXT")  # the reviewer who found what the agent had missed
    db.execute("CREATE INDEX items_of_picture ON items (picture)")
    # What the answer is, beside whether there is one: an item on which answers are split is asked of one more person.
    db.execute("ALTER TABLE claims ADD COLUMN verdict TEXT")
    db.execute(
        "ALTER TABLE claims ADD COLUMN aside INTEGER NOT NULL DEFAULT 0"
    )  # put aside: asked again after all others
    db.execute(
        "UPDATE claims SET verdict = (SELECT verdict FROM standing "
        "WHERE standing.item = claims.item AND standing.reviewer = claims.reviewer) WHERE answered"
    )


MIGRATIONS: list[Callable[[sqlite3.Connection], None]] = [m001_events, m002_items, m003_claims, m004_desk]

VERSION = len(MIGRATIONS)
"""The version of the tables that this code writes."""
