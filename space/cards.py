"""An examination as HTML. Whatever a model or a visitor wrote appears as text, whatever it is."""

import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from dataset_builder import severity
from dataset_builder.boxes import drawn
from dataset_builder.schema import Anomaly
from dataset_builder.templates import environment
from space.examination import Examination

__all__ = ["TEMPLATES", "boxes", "ordered", "results", "shown"]

_LONGEST = 1200  # characters of a text that a card shows; the downloads hold all of it
# C0 and C1 controls, and the signs that turn the direction of the text after them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def shown(text: str, longest: int = _LONGEST) -> Markup:
    """A text from outside for a page: one paragraph, cut, escaped, with nothing in it that a browser would obey.

    >>> shown("<b>" + chr(0x202e) + "x")
    Markup('&lt;b&gt;�x')
    """
    text = " ".join(text[: 4 * longest].split())
    text = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.encode("utf-8", "replace").decode())
    return escape(text if len(text) <= longest else text[: longest - 1].rstrip() + "…")


def _meter(value: int | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"value": value, "word": severity.word(value), "colour": severity.colour(value)}


TEMPLATES = environment(Path(__file__).parent)
TEMPLATES.filters |= {"shown": shown, "meter": _meter}
TEMPLATES.globals["BANDS"] = [
    {"low": low, "high": high - (high > 100), "word": word, "colour": colour}
    for low, (high, word, colour) in zip([0, *(band[0] for band in severity.BANDS)], severity.BANDS, strict=False)
]


def ordered(found: Examination) -> list[Anomaly]:
    """The anomalies as they are numbered: the most severe first, those without a severity last. While more may come, in the
    order in which they came, so that nothing moves."""
    if not found.ended:
        return found.anomalies
    return sorted(found.anomalies, key=lambda one: 101 if one.severity is None else one.severity)


def results(found: Examination, model: str = "", downloads: list[dict[str, str]] | None = None, note: str = "") -> str:
    """The cards of an examination, under way or ended.

    Args:
        found (`Examination`): what there is so far.
        model (`str`): the model's name.
        downloads (`list[dict]`, *optional*): files to download, each with label, about, name and address.
        note (`str`): a sentence above the cards.
    """
    return TEMPLATES.get_template("results.html.jinja").render(
        found=found, anomalies=ordered(found), downloads=downloads or [], model=model, note=note
    )


def boxes(found: Examination, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Where the anomalies are, only as numbers: left, top, width, height in per cent, and the card's number and colour."""
    return [
        {"number": box.number, "place": [box.left, box.top, box.width, box.height], "colour": box.colour}
        for box in drawn(ordered(found), size)
    ]
