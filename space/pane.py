"""The messages from which the page shows what has become of a picture: a state, a pane per model, boxes on the picture."""

from collections.abc import Sequence
from typing import Any

from space.backend import Backend
from space.cards import boxes, results
from space.examination import Examination
from space.restoring import Restored
from space.service import Seen
from space.sharing import card_of, downloads

__all__ = ["WARNING", "looking", "refused", "restored", "seen"]

WARNING = "This model knows only rendered scenes. Its output for any other picture is meaningless."


def looking(models: Sequence[Backend]) -> dict[str, Any]:
    """Before anything is known."""
    nothing = Seen(None, tuple(Examination("picture") for _ in models))
    return seen(nothing, models)


def refused(problem: str, later: bool = False) -> dict[str, Any]:
    """A picture that nobody looks at: `later` says that the same one may be sent again."""
    return {"state": "refused", "problem": problem, "later": later, "panes": []}


def seen(now: Seen, models: Sequence[Backend]) -> dict[str, Any]:
    """A moment of looking."""
    state = "ended" if now.ended else now.found[0].status if now.found[0].status == "waiting" else "looking"
    panes = [_pane(found, model, now) for found, model in zip(now.found, models, strict=True)]
    if now.picture is None:
        return {"state": state, "panes": panes}
    unseen = not now.picture.browsers_show
    return {
        "state": state,
        "panes": panes,
        "preview": now.picture.jpeg().uri if unseen and now.ended else "",
        "about": now.picture.about,
    }


def restored(found: Restored) -> dict[str, Any]:
    """A shared card, as if it had just been made; nobody looks at its picture again."""
    card, picture = found
    note = f"Restored from a card of {card.date}; nobody looked at the picture again."
    files = [one for one in downloads(card, picture) if one["label"] != "Card"]
    pane = {
        "html": results(card.found, card.model, files, note),
        "boxes": boxes(card.found, card.size),
        "answer": card.found.answer(),
    }
    return {"state": "ended", "restored": True, "panes": [pane], "preview": picture.jpeg().uri, "about": []}


def _pane(found: Examination, model: Backend, now: Seen) -> dict[str, Any]:
    if now.picture is None:
        return {"html": results(found, model.name), "boxes": [], "answer": None}
    files = []
    if now.ended and found.status in ("anomalies", "none", "partial"):
        warning = WARNING if model.knows_scenes_alone else ""
        files = downloads(card_of(found, now.picture, model.name, warning), now.picture)
    return {
        "html": results(found, model.name, files),
        "boxes": boxes(found, now.picture.size),
        "answer": found.answer() if found.ended else None,
    }
