"""The list of what a reviewer has answered and may still be asked."""

import json
import sqlite3
from typing import Any, Literal, get_args

from agent.review.claims import OPEN, ORDER
from dataset_builder.errors import InputError, shorten

__all__ = ["LISTED", "State", "listed"]

LISTED = 50
"""Items on one page of the list."""

State = Literal["all", "open", "skipped", "accept", "reject", "unsure"]

_MISSED = "Was anything missed?"


def listed(
    db: sqlite3.Connection, reviewer: str, overlap: int, now: float, words: str, state: State
) -> list[dict[str, Any]]:
    """All items of the list: what the reviewer has had, the latest first, then what is open to them, in the run's order.

    What only others have answered is not in it, nor are gold items that the reviewer has not been asked: both would tell too much.
    """
    if state not in get_args(State):
        raise InputError(f"state {shorten(state)}: is not a state; send one of {', '.join(get_args(State))}")
    if not isinstance(words, str) or len(words) > 200:
        raise InputError(f"words {shorten(words)}: send a text of at most 200 characters")
    rows = db.execute(
        "SELECT items.item, picture, candidate, asks, verdict, answered, aside FROM items "
        "LEFT JOIN claims ON claims.item = items.item AND claims.reviewer = :me "
        f"WHERE position IS NOT NULL AND (turn IS NOT NULL OR ({OPEN})) "
        f"ORDER BY turn IS NULL, turn DESC, {ORDER}",
        {"me": reviewer, "overlap": overlap, "now": now},
    )
    wanted = words.casefold().split()
    found = []
    for row in rows:
        said = json.loads(row["candidate"])
        name = said["name"] if row["asks"] == "candidate" else _MISSED
        own = row["verdict"] if row["answered"] else "skipped" if row["aside"] else "open"
        text = f"{name} {said['phenomenon']} {said['reasoning']}".casefold()
        if state in ("all", own) and all(word in text for word in wanted):
            found.append(
                {
                    "item": row["item"],
                    "picture": row["picture"],
                    "name": name,
                    "phenomenon": said["phenomenon"],
                    "state": own,
                }
            )
    return found
