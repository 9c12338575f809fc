"""An examination as HTML. Whatever a model or a visitor wrote appears as text, whatever it is."""

import json
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from dataset_builder import severity
from dataset_builder.data_url import data_url
from dataset_builder.official import dump_annotations
from dataset_builder.templates import environment
from space.examination import Examination
from space.uploads import Upload

__all__ = ["boxes", "notice", "results", "share_card", "shown"]

_LONGEST = 1200  # characters of a text that a card shows; the downloads hold all of it
# C0 and C1 controls, and the signs that turn the direction of the text after them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def shown(text: str, longest: int = _LONGEST) -> Markup:
    """A text from outside for a page: one paragraph, cut, escaped, with nothing in it that a browser would obey.

    >>> shown("<b>" + chr(0x202e) + "{{x}}")
    Markup('&lt;b&gt;�&#123;&#123;x}}')
    """
    text = " ".join(text[: 4 * longest].split())
    text = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.encode("utf-8", "replace").decode())
    text = text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
    # Gradio's own templates begin with these two; escaped they are text even to a template that is read twice.
    return Markup(str(escape(text)).replace("{", "&#123;").replace("$", "&#36;"))


def _meter(value: int | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"value": value, "word": severity.word(value), "colour": severity.colour(value)}


_PAGES = environment(Path(__file__).parent)
_PAGES.filters |= {"shown": shown, "meter": _meter}
_PAGES.globals["BANDS"] = [
    {"low": low, "high": high - (high > 100), "word": word, "colour": colour}
    for low, (high, word, colour) in zip([0, *(band[0] for band in severity.BANDS)], severity.BANDS, strict=False)
]


def notice(problem: str, owner: str, retry: bool = True) -> str:
    """A sentence instead of an answer, with a button that tries again."""
    return _PAGES.get_template("notice.html.jinja").render(problem=problem, owner=owner, retry=retry)


def results(found: Examination, owner: str, picture: Upload | None = None, model: str = "") -> str:
    """The cards of an examination, under way or ended.

    Args:
        found (`Examination`): what there is so far.
        owner (`str`): the element id of the picture that it belongs to, for its buttons.
        picture (`Upload`, *optional*): makes downloads of an examination that has ended.
        model (`str`): the model's name.
    """
    downloads = (
        _downloads(found, picture, model) if picture and found.status in ("anomalies", "none", "partial") else []
    )
    return _PAGES.get_template("results.html.jinja").render(found=found, owner=owner, downloads=downloads, model=model)


def boxes(found: Examination, picture: Upload) -> list[dict[str, Any]]:
    """Where the anomalies are, as numbers alone: left, top, width, height in per cent, and the card's number and colour."""
    width, height = picture.size
    placed = []
    for number, anomaly in enumerate(found.anomalies, 1):
        if anomaly.bbox is not None:
            x0, y0, x1, y1 = anomaly.bbox
            place = [100 * x0 / width, 100 * y0 / height, 100 * (x1 - x0) / width, 100 * (y1 - y0) / height]
            colour = severity.colour(anomaly.severity if anomaly.severity is not None else 50)
            placed.append({"number": number, "place": [round(part, 2) for part in place], "colour": colour})
    return placed


def share_card(found: Examination, picture: Upload, model: str) -> str:
    """A page that stands alone: the picture, its boxes and the cards. It holds no script and fetches nothing."""
    return _PAGES.get_template("share.html.jinja").render(
        found=found, picture=picture.jpeg().uri, boxes=boxes(found, picture), model=model
    )


def _downloads(found: Examination, picture: Upload, model: str) -> list[dict[str, str]]:
    stem = Path(found.image_id).stem or "picture"
    files = [
        ("Card", "A page to send to others", "html", "text/html", share_card(found, picture, model)),
        ("JSON", "For programs", "json", "application/json", json.dumps(found.answer(), indent=2, ensure_ascii=False)),
        (
            "Official JSON",
            "In the form of the AnomReason dataset",
            "official.json",
            "application/json",
            dump_annotations({found.image_id: found.anomalies}),
        ),
    ]
    return [
        {
            "label": label,
            "about": about,
            "name": f"{stem}.{ending}",
            "address": data_url(text.encode("utf-8", "replace"), f"{kind};charset=utf-8"),
        }
        for label, about, ending, kind, text in files
    ]
