"""The report of a leaderboard as one self-contained page (no script, no font, no picture from elsewhere; light and dark),
and its parts for a page that shows them in its own frame."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .anomalies import Quadruplet
from .details import Pair
from .judgement import NOT_VALIDATED
from .plots import SERIES, precision_recall_plot, severity_plot, threshold_plot
from .results import Evaluation, Leaderboard
from .severity import ORDER, SCALE
from .signature import VERSION
from .thumbnails import Thumbnail, thumbnail

__all__ = ["STYLE", "interval", "number", "render_parts", "render_report"]

WORST = 40  # pictures whose matches are shown; the rest are in matched_results.json
LISTED = 500  # pictures in the table
HERE = Path(__file__).parent
STYLE = HERE / "report.css"
"""What the report's parts are styled by, wherever they are shown."""

COLOURS = {"R": "#24754d", "P": "#1f5fa8"}
"""Box colours of references and predictions; white text on them is legible."""

PARTS = ("scores", "plots", "matches")


@dataclass(frozen=True)
class Matched:
    """A matched pair as it is shown: what was said, what is true, how similar they are, and what a judge says of it, if one was
    asked."""

    said: Quadruplet
    true: Quadruplet
    pair: Pair
    opinion: str


@dataclass(frozen=True)
class Shown:
    """A picture as it is shown: its scores in the view Full, what was matched with what, what was not matched, and the picture
    itself, where it is at hand, with the boxes of both sides."""

    image: str
    thumbnail: Thumbnail | None
    boxes: list[dict[str, Any]]
    semap: float
    semf1: float
    matches: list[Matched]
    invented: list[Quadruplet]
    missed: list[Quadruplet]


def number(value: Any, digits: int = 3) -> str:
    """A number as a page shows it: a fixed count of digits, a true minus sign, a dash where it is undefined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
    return text.replace("-", "−")


def interval(low: Any, high: Any, digits: int = 3) -> str:
    """An interval as a page shows it; one dash where there is none.

    >>> interval(0.25, 0.5), interval(None, None)
    ('0.250 to 0.500', '–')
    """
    ends = number(low, digits), number(high, digits)
    return "–" if "–" in ends else " to ".join(ends)


def render_report(board: Leaderboard, images: Path | None = None, command: str = "") -> str:
    """The page of a leaderboard; the details are of its best predictor, with the pictures of the folder `images`. Its head tells
    the `command` that makes it again, if there is one.

    Every text from a file is escaped.
    """
    return str(_template().render(_shown(board, images, command)))


def render_parts(board: Leaderboard) -> dict[str, str]:
    """The report's `scores`, with the signature, `plots` and `matches` as HTML fragments that `STYLE` fits, each in an element of
    the class `semap`."""
    template = _template()
    context = template.new_context(_shown(board) | {"headless": True})
    list(template.root_render_func(context))  # sets what the parts share: macros and the signature
    return {part: f'<div class="semap">{"".join(template.blocks[part](context))}</div>' for part in PARTS}


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": number, "interval": interval}
    return environment.get_template("report.html.jinja")


def _shown(board: Leaderboard, images: Path | None = None, command: str = "") -> dict[str, Any]:
    """What the template fills in."""
    best = board.evaluations[0]
    drawn = [(e.name, e.measurement.curves["Full"]) for e in board.evaluations[: len(SERIES)]]
    made = {"when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "by": f"SemAP {VERSION}", "command": command}
    return {
        "made": lambda: made,
        "headless": False,
        "board": board,
        "best": best,
        "scores": best.scores,
        "c": board.prefix,
        "located": any(row.scores.localisation.pairs for row in board.rows),
        "scale": SCALE,
        "order": "confidence" if best.scores.ranked_by == "score" else ORDER,
        "plots": {
            "f1": threshold_plot(drawn, "F1"),
            "precision": threshold_plot(drawn, "precision"),
            # Only what has something to show.
            "precision_recall": precision_recall_plot(best.measurement.curves["Full"]) if _is_ranked(best) else None,
            "severity": severity_plot(pairs) if (pairs := _severity_pairs(best)) else None,
        },
        "not_drawn": max(0, len(board.evaluations) - len(SERIES)),
        "judgement": board.judgement,
        "not_validated": NOT_VALIDATED,
        "pictures": _worst_first(best, images, _opinions(board)),
        "worst": WORST,
        "with_images": images is not None,
        "total": len(best.measurement.pictures),
        "style": STYLE.read_text(encoding="utf-8"),
    }


def _severity_pairs(evaluation: Evaluation) -> list[tuple[int, int]]:
    """(predicted, reference) severities of the pairs matched at the lowest threshold, where both are known."""
    threshold = min(evaluation.scores.full.by_threshold)
    pairs = []
    for picture in evaluation.measurement.pictures:
        said, true = evaluation.predictions[picture.index], evaluation.references[picture.index]
        for pair in picture.pairs:
            p, r = said[pair.prediction].severity, true[pair.reference].severity
            if pair.similarity["Full"] >= threshold and p is not None and r is not None:
                pairs.append((p, r))
    return pairs


def _is_ranked(evaluation: Evaluation) -> bool:
    return any(len(curve.recall) for curve in evaluation.measurement.curves["Full"].precision_recall.values())


def _opinions(board: Leaderboard) -> dict[tuple[int, int, int], str]:
    """What a judge says of the best predictor's pairs, by picture, prediction and reference."""
    if board.judgement is None:
        return {}
    pairs = board.judgement.predictors[board.evaluations[0].name].pairs
    return {(one.pair.index, one.pair.prediction, one.pair.reference): one.words for one in pairs}


def _worst_first(
    evaluation: Evaluation, images: Path | None, opinions: Mapping[tuple[int, int, int], str]
) -> list[Shown]:
    """The worst pictures: what was matched with what, and what was not matched on either side."""
    ranked = sorted(evaluation.measurement.pictures, key=lambda p: (p.semf1["Full"], evaluation.images[p.index]))
    shown = []
    for picture in ranked[:LISTED]:
        said, true = evaluation.predictions[picture.index], evaluation.references[picture.index]
        small = None if images is None else thumbnail(images, evaluation.images[picture.index])
        shown.append(
            Shown(
                image=evaluation.images[picture.index],
                thumbnail=small,
                boxes=[] if small is None else [*_boxes("R", true, small.size), *_boxes("P", said, small.size)],
                semap=picture.semap["Full"],
                semf1=picture.semf1["Full"],
                matches=[
                    Matched(
                        said[pair.prediction],
                        true[pair.reference],
                        pair,
                        opinions.get((picture.index, pair.prediction, pair.reference), ""),
                    )
                    for pair in picture.pairs
                ],
                invented=[said[p] for p in picture.unmatched_predictions],
                missed=[true[r] for r in picture.unmatched_references],
            )
        )
    return shown


def _boxes(side: str, anomalies: Sequence[Quadruplet], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Where the anomalies of a side are, in per cent of the picture."""
    boxes = []
    for box in (anomaly.bbox for anomaly in anomalies if anomaly.bbox is not None):
        x0, y0, x1, y1 = (min(100.0, max(0.0, 100 * at / length)) for at, length in zip(box, size * 2, strict=True))
        place = {"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0}
        boxes.append(
            {"number": side, "colour": COLOURS[side]} | {name: round(value, 1) for name, value in place.items()}
        )
    return boxes
