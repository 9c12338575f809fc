"""What a reviewer gets to see: items, their own answers, how far they are.

Never what would tell what to answer: the evidence, other people's answers, a file's name, who added it; nor, where people rate
severities, the model's.
"""

import sqlite3
import statistics
from typing import Any

from agent.review.claims import ORDER
from agent.review.items import Item
from agent.review.store import Settings, Standing, item_of, progress_in, standing_of
from dataset_builder import severity

__all__ = ["said_of", "shown", "state_of"]

_TEXTS = {"name", "phenomenon", "reasoning", "bbox"}


def shown(item: Item, settings: Settings) -> dict[str, Any]:
    """An item as the page gets it."""
    told = {"item": item.key, "picture": item.picture, "asks": item.asks}
    said = item.candidate
    if settings.rate_severity:
        return told | said.model_dump(include=_TEXTS, mode="json")
    level = None if said.severity is None else severity.word(said.severity)
    colour = None if said.severity is None else severity.colour(said.severity)
    fields = said.model_dump(include=_TEXTS | {"severity", "remark"}, mode="json")
    return told | {"word": level, "colour": colour} | fields


def said_of(standing: Standing) -> dict[str, Any]:
    """One of a reviewer's own answers as the page gets it."""
    return {
        "event": standing.event,
        "item": standing.item,
        "verdict": standing.verdict,
        "reason": standing.reason,
        "rating": standing.rating,
        "note": standing.note,
        "edit": standing.edit,
    }


def state_of(
    db: sqlite3.Connection, reviewer: str, settings: Settings, held: list[sqlite3.Row], show: str | None = None
) -> dict[str, Any]:
    """A reviewer's state: what is in their hand (`items`), which picture and item of it to show, and all of that picture's items
    that are theirs, in order, with their answers (`beside`).

    Args:
        db (`sqlite3.Connection`): within a transaction.
        reviewer (`str`), settings (`Settings`): whose, and how the run is reviewed.
        held (list of rows of `items`): the hand.
        show (`str`, *optional*): the item to show; the first of the hand unless given.
    """
    first = held[0] if held else None
    if show:
        first = db.execute("SELECT * FROM items WHERE item = ?", (show,)).fetchone()
    count, seconds, last = progress_in(db, reviewer)
    return {
        "reviewer": reviewer,
        "rate_severity": settings.rate_severity,
        "items": [shown(item_of(row), settings) for row in held],
        "picture": first and first["picture"],
        "focus": first and first["item"],
        "beside": _beside(db, reviewer, settings, first["picture"]) if first else [],
        "progress": {"yours": count, "seconds": statistics.median(seconds) if seconds else None},
        "last": last and said_of(last),
    }


def _beside(db: sqlite3.Connection, reviewer: str, settings: Settings, picture: str) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT items.* FROM items JOIN claims USING (item) WHERE picture = ? AND reviewer = ? "
        f"AND position IS NOT NULL AND NOT aside ORDER BY {ORDER}",
        (picture, reviewer),
    ).fetchall()
    standing = db.execute(
        "SELECT standing.* FROM standing JOIN items USING (item) WHERE picture = ? AND reviewer = ?",
        (picture, reviewer),
    )
    answers = {row["item"]: said_of(standing_of(row)) for row in standing}
    return [shown(item_of(row), settings) | {"answer": answers.get(row["item"])} for row in rows]
