"""Who is asked what next: pictures are handed out with claims that lapse, so that nobody waits for somebody who has left.

A reviewer holds `HAND` pictures with all that is asked about them: the one on the screen, and the one after it, which can be
fetched meanwhile. An item of the run goes to as many people as its overlap says, and to one more if their answers have no
majority; an unanswered claim counts among them until it lapses. Gold items go to everybody, about one in `GOLD_EVERY`, at turns
that cannot be foreseen by counting. What was put aside comes again after everything else.
"""

import hashlib
import sqlite3

from dataset_builder.schema import Verdict

__all__ = [
    "GOLD_EVERY",
    "HAND",
    "LEASE",
    "OPEN",
    "ORDER",
    "SPLIT",
    "answered",
    "drop",
    "give_back",
    "hand",
    "put_aside",
    "take",
]

HAND = 2
"""Pictures in a reviewer's hand."""

LEASE = 600.0
"""Seconds until an unanswered claim lapses; every answer of its reviewer renews it."""

GOLD_EVERY = 10
"""One turn in so many is a gold item, while there are any."""

SPLIT = (
    "(count(*) >= :overlap "
    "AND 2 * max(total(verdict = 'accept'), total(verdict = 'reject'), total(verdict = 'unsure')) <= count(*))"
)
"""SQL, over an item's answered claims: whether all are in that were asked for and no verdict has more than half of them."""

_WANTED = f"(:overlap + (SELECT {SPLIT} FROM claims AS w WHERE w.item = items.item AND answered))"
_BY_OTHERS = """(SELECT count(*) FROM claims AS c
    WHERE c.item = items.item AND c.reviewer <> :me AND (answered OR until > :now))"""
OPEN = f"gold IS NULL AND position IS NOT NULL AND {_BY_OTHERS} < {_WANTED}"
"""SQL: whether an item of the run may be asked of somebody, whatever they themselves have answered."""

ORDER = "position, asks, added_by IS NOT NULL, items.item"
"""SQL: candidates in the run's order, what people added after the rest of its picture, then whether anything was missed."""


def hand(db: sqlite3.Connection, reviewer: str, overlap: int, now: float) -> list[sqlite3.Row]:
    """A reviewer's hand, filled up, within a transaction: rows of `items`, first the one to show.

    What was in the hand stays in it, so a refresh or a second tab shows the same item; only claims that have lapsed and
    whose items others have answered meanwhile leave it.
    """
    given = {"me": reviewer, "now": now, "overlap": overlap}
    db.execute(
        "DELETE FROM claims WHERE reviewer = :me AND NOT answered AND until <= :now AND EXISTS "
        f"(SELECT 1 FROM items WHERE items.item = claims.item AND gold IS NULL AND {_BY_OTHERS} >= {_WANTED})",
        given,
    )
    db.execute("UPDATE claims SET until = ? WHERE reviewer = ? AND NOT answered AND NOT aside", (now + LEASE, reviewer))
    held = _held(db, reviewer)
    while len({row["picture"] for row in held}) < HAND:
        found = _next(db, given)
        if not found:
            break
        for item in found:
            _claim(db, item, reviewer, _turn(db, reviewer, "max") + 1, now)
        held = _held(db, reviewer)
    return held


def take(db: sqlite3.Connection, item: str, reviewer: str, overlap: int, now: float) -> bool:
    """Put all that can be asked about an item's picture at the front of the reviewer's hand, the item first, within a transaction.

    Returns:
        Whether the item is the reviewer's, answered or not; `False` if it is not known, or others have it.
    """
    given = {"me": reviewer, "now": now, "overlap": overlap, "item": item}
    found = db.execute(
        f"SELECT item FROM items WHERE picture = (SELECT picture FROM items WHERE item = :item) AND ({OPEN}) "
        "AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.item = items.item AND c.reviewer = :me AND answered) "
        f"ORDER BY {ORDER}",
        given,
    ).fetchall()
    keys = [str(row["item"]) for row in found]
    for key in reversed([item, *(key for key in keys if key != item)] if item in keys else keys):
        _claim(db, key, reviewer, min(_turn(db, reviewer, "min"), 1) - 1, now)
    own = "SELECT 1 FROM claims JOIN items USING (item) WHERE item = ? AND reviewer = ? AND position IS NOT NULL"
    return db.execute(own, (item, reviewer)).fetchone() is not None


def answered(db: sqlite3.Connection, item: str, reviewer: str, verdict: Verdict, now: float) -> None:
    """Note, within a transaction, that a reviewer has answered an item, which need not have been handed to them."""
    db.execute(
        "INSERT OR IGNORE INTO claims (item, reviewer, turn, until, answered) VALUES (?, ?, ?, ?, 0)",
        (item, reviewer, _turn(db, reviewer, "max") + 1, now + LEASE),
    )
    db.execute(
        "UPDATE claims SET answered = 1, verdict = ?, aside = 0 WHERE item = ? AND reviewer = ?",
        (verdict, item, reviewer),
    )


def give_back(db: sqlite3.Connection, item: str, reviewer: str, now: float) -> None:
    """Put an item whose answer was taken back at the front of the reviewer's hand, within a transaction."""
    db.execute(
        "UPDATE claims SET answered = 0, verdict = NULL, until = ?, turn = ? WHERE item = ? AND reviewer = ?",
        (now + LEASE, min(_turn(db, reviewer, "min"), 1) - 1, item, reviewer),
    )


def put_aside(db: sqlite3.Connection, picture: str, reviewer: str) -> None:
    """Give what is unanswered about a picture to others, within a transaction; this reviewer is asked again when nothing else is
    left."""
    db.execute(
        "UPDATE claims SET aside = 1, until = 0, turn = ? WHERE reviewer = ? AND NOT answered "
        "AND item IN (SELECT item FROM items WHERE picture = ?)",
        (_turn(db, reviewer, "max") + 1, reviewer, picture),
    )


def drop(db: sqlite3.Connection, reviewer: str) -> None:
    """Give the whole hand back, within a transaction: the reviewer leaves."""
    db.execute("DELETE FROM claims WHERE reviewer = ? AND NOT answered AND NOT aside", (reviewer,))


def _held(db: sqlite3.Connection, reviewer: str) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT items.* FROM claims JOIN items USING (item) "
        "WHERE reviewer = ? AND NOT answered AND NOT aside AND position IS NOT NULL ORDER BY turn",
        (reviewer,),
    ).fetchall()


def _claim(db: sqlite3.Connection, item: str, reviewer: str, turn: int, now: float) -> None:
    db.execute(
        "INSERT INTO claims (item, reviewer, turn, until, answered) VALUES (?, ?, ?, ?, 0) "
        "ON CONFLICT (item, reviewer) DO UPDATE SET turn = excluded.turn, until = excluded.until, aside = 0",
        (item, reviewer, turn, now + LEASE),
    )


def _turn(db: sqlite3.Connection, reviewer: str, end: str) -> int:
    (turn,) = db.execute(f"SELECT {end}(turn) FROM claims WHERE reviewer = ?", (reviewer,)).fetchone()
    return turn or 0


def _next(db: sqlite3.Connection, given: dict[str, object]) -> list[str]:
    """What to claim next: the items of a picture of the run, or a gold one; none if nothing is left."""
    last = db.execute(
        "SELECT position FROM claims JOIN items USING (item) "
        "WHERE reviewer = :me AND gold IS NULL AND position IS NOT NULL ORDER BY turn DESC LIMIT 1",
        given,
    ).fetchone()
    given = given | {"at": -1 if last is None else last["position"]}
    new = "AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.item = items.item AND c.reviewer = :me)"
    # Onwards from where this reviewer is, so that what is done is not looked through again and again; then from the start, for
    # what lapsed or was passed over.
    for span in ("AND position > :at", "AND position <= :at"):
        found = db.execute(
            f"SELECT picture FROM items WHERE {OPEN} {new} {span} ORDER BY {ORDER} LIMIT 1", given
        ).fetchone()
        if found:
            gold = _gold(db, given)
            if gold:
                return [gold]
            given = given | {"picture": found["picture"]}
            rows = db.execute(
                f"SELECT item FROM items WHERE picture = :picture AND {OPEN} {new} ORDER BY {ORDER}", given
            )
            return [str(row["item"]) for row in rows]
    aside = db.execute(
        f"SELECT item FROM claims JOIN items USING (item) WHERE reviewer = :me AND aside AND {OPEN} AND picture = "
        f"(SELECT picture FROM claims JOIN items USING (item) WHERE reviewer = :me AND aside AND {OPEN} ORDER BY turn LIMIT 1) "
        f"ORDER BY {ORDER}",
        given,
    )
    return [str(row["item"]) for row in aside]


def _gold(db: sqlite3.Connection, given: dict[str, object]) -> str | None:
    """A gold item, if as many turns for one have come as this reviewer has not had."""
    reviewer = str(given["me"])
    (had,) = db.execute(
        "SELECT count(*) FROM claims JOIN items USING (item) WHERE reviewer = :me AND gold IS NOT NULL", given
    ).fetchone()
    due = had * GOLD_EVERY + hashlib.sha256(f"{reviewer}\0{had}".encode()).digest()[0] % GOLD_EVERY
    if _turn(db, reviewer, "max") < due:
        return None
    row = db.execute(
        "SELECT item FROM items WHERE gold IS NOT NULL AND position IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.item = items.item AND c.reviewer = :me) ORDER BY position LIMIT 1",
        given,
    ).fetchone()
    return None if row is None else str(row["item"])
