"""Who is asked what next: items are handed out with a claim that lapses, so that nobody waits for somebody who has left.

A reviewer holds `HAND` items: the one on the screen, and the one after it, whose picture can be fetched meanwhile. An item
of the run goes to as many people as its overlap says; an unanswered claim counts among them until it lapses. Gold items
go to everybody, about one in `GOLD_EVERY` turns, at turns that cannot be foreseen by counting.
"""

import hashlib
import sqlite3

__all__ = ["GOLD_EVERY", "HAND", "LEASE", "answered", "give_back", "hand"]

HAND = 2
"""Items in a reviewer's hand."""

LEASE = 600.0
"""Seconds until an unanswered claim lapses; every answer of its reviewer begins it anew."""

GOLD_EVERY = 10
"""One turn in so many is a gold item, while there are any."""


def hand(db: sqlite3.Connection, reviewer: str, overlap: int, now: float) -> list[sqlite3.Row]:
    """A reviewer's hand, filled up, within a transaction: rows of `items`, first the one to show.

    What was in the hand stays in it, so a refresh or a second tab shows the same item; only claims that have lapsed and
    whose items others have answered meanwhile leave it.
    """
    db.execute(
        "DELETE FROM claims WHERE reviewer = :me AND NOT answered AND until <= :now AND "
        "(SELECT count(*) FROM claims AS c WHERE c.item = claims.item AND c.reviewer <> :me AND (answered OR until > :now)) "
        ">= :overlap AND (SELECT gold FROM items WHERE items.item = claims.item) IS NULL",
        {"me": reviewer, "now": now, "overlap": overlap},
    )
    db.execute("UPDATE claims SET until = ? WHERE reviewer = ? AND NOT answered", (now + LEASE, reviewer))
    held = _held(db, reviewer)
    while len(held) < HAND:
        item = _next(db, reviewer, overlap, now)
        if item is None:
            break
        _claim(db, item, reviewer, _turn(db, reviewer, "max") + 1, now)
        held = _held(db, reviewer)
    return held


def answered(db: sqlite3.Connection, item: str, reviewer: str, now: float) -> None:
    """Note, within a transaction, that a reviewer has answered an item, which need not have been handed to them."""
    _claim(db, item, reviewer, _turn(db, reviewer, "max") + 1, now)
    db.execute("UPDATE claims SET answered = 1 WHERE item = ? AND reviewer = ?", (item, reviewer))


def give_back(db: sqlite3.Connection, item: str, reviewer: str, now: float) -> None:
    """Put an item whose answer was taken back at the front of the reviewer's hand, within a transaction."""
    turn = min(_turn(db, reviewer, "min"), 1) - 1
    db.execute(
        "UPDATE claims SET answered = 0, until = ?, turn = ? WHERE item = ? AND reviewer = ?",
        (now + LEASE, turn, item, reviewer),
    )


def _held(db: sqlite3.Connection, reviewer: str) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT items.* FROM claims JOIN items USING (item) "
        "WHERE reviewer = ? AND NOT answered AND position IS NOT NULL ORDER BY turn LIMIT ?",
        (reviewer, HAND),
    ).fetchall()


def _claim(db: sqlite3.Connection, item: str, reviewer: str, turn: int, now: float) -> None:
    db.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?, 0)", (item, reviewer, turn, now + LEASE))


def _turn(db: sqlite3.Connection, reviewer: str, end: str) -> int:
    (turn,) = db.execute(f"SELECT {end}(turn) FROM claims WHERE reviewer = ?", (reviewer,)).fetchone()
    return turn or 0


def _next(db: sqlite3.Connection, reviewer: str, overlap: int, now: float) -> str | None:
    last = db.execute(
        "SELECT position FROM claims JOIN items USING (item) "
        "WHERE reviewer = ? AND gold IS NULL AND position IS NOT NULL ORDER BY turn DESC LIMIT 1",
        (reviewer,),
    ).fetchone()
    at = -1 if last is None else last["position"]
    # Onwards from where this reviewer is, so that one picture's candidates follow each other and what is done is not
    # looked through again and again; then from the start, for what lapsed or was passed over.
    for span in ("position > :at", "position <= :at"):
        found = db.execute(
            f"SELECT item FROM items WHERE gold IS NULL AND position IS NOT NULL AND {span} "
            "AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.item = items.item AND c.reviewer = :me) "
            "AND (SELECT count(*) FROM claims AS c WHERE c.item = items.item AND (answered OR until > :now)) < :overlap "
            "ORDER BY position LIMIT 1",
            {"at": at, "me": reviewer, "now": now, "overlap": overlap},
        ).fetchone()
        if found:
            return (_gold(db, reviewer) if _gold_is_due(db, reviewer) else None) or str(found["item"])
    return None


def _gold_is_due(db: sqlite3.Connection, reviewer: str) -> bool:
    block, place = divmod(_turn(db, reviewer, "max"), GOLD_EVERY)
    return hashlib.sha256(f"{reviewer}\0{block}".encode()).digest()[0] % GOLD_EVERY == place


def _gold(db: sqlite3.Connection, reviewer: str) -> str | None:
    row = db.execute(
        "SELECT item FROM items WHERE gold IS NOT NULL AND position IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.item = items.item AND c.reviewer = ?) ORDER BY position LIMIT 1",
        (reviewer,),
    ).fetchone()
    return None if row is None else str(row["item"])
