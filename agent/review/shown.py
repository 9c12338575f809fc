"""What a reviewer gets to see of an item, and of their own answers. Never what would tell what to answer: the evidence, other people's
answers, a file's name, who added it; nor, where people rate severities, the model's."""

from typing import Any

from agent.review.items import Item
from agent.review.store import Settings, Standing
from dataset_builder import severity

__all__ = ["said_of", "shown"]

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
