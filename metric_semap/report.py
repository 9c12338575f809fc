"""The report of a leaderboard as one self-contained page: no script, no font, no picture from elsewhere; light and dark."""

import math
from pathlib import Path
from typing import Any

from .evaluation import Evaluation, Leaderboard
from .measurement import VIEWS
from .plots import SERIES, precision_recall_plot, severity_plot, threshold_plot

__all__ = ["number", "pictures_of", "plots_of", "render_report", "severity_pairs"]

WORST = 40  # pictures shown; the rest are in matched_results.json


def number(value: Any, digits: int = 3) -> str:
    """A number as a page shows it: a fixed count of digits, a true minus sign, a dash where it is undefined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
    return text.replace("-", "−")


def severity_pairs(evaluation: Evaluation) -> list[tuple[int, int]]:
    """(predicted, reference) severities of the pairs matched at the lowest threshold, where both are known."""
    threshold = min(float(key.partition("@")[2]) for key in evaluation.numbers if key.startswith("TP_Full@"))
    pairs = []
    for picture in evaluation.measurement.pictures:
        said, true = evaluation.predictions[picture["index"]], evaluation.references[picture["index"]]
        for match in picture["matches"]:
            p, r = said[match["prediction"]]["severity"], true[match["reference"]]["severity"]
            if match["Full"] >= threshold and p is not None and r is not None:
                pairs.append((p, r))
    return pairs


def pictures_of(evaluation: Evaluation, prefix: str = "", limit: int = WORST) -> list[dict[str, Any]]:
    """The worst pictures first: what was matched with what, what stayed alone on either side.

    Args:
        evaluation (`Evaluation`): of one predictor.
        prefix (`str`, defaults to `""`): `C` if the scores are on condition of the verdict.
        limit (`int`, defaults to 40): how many.
    """
    ranked = sorted(
        evaluation.measurement.pictures, key=lambda p: (p[f"{prefix}SemF1_Full"], evaluation.images[p["index"]])
    )
    shown = []
    for picture in ranked[:limit]:
        said, true = evaluation.predictions[picture["index"]], evaluation.references[picture["index"]]
        shown.append(
            {
                "image": evaluation.images[picture["index"]],
                "semap": picture[f"{prefix}SemAP_Full"],
                "semf1": picture[f"{prefix}SemF1_Full"],
                "matches": [
                    {"said": said[m["prediction"]], "true": true[m["reference"]], **{view: m[view] for view in VIEWS}}
                    for m in picture["matches"]
                ],
                "invented": [said[p] for p in picture["unmatched_predictions"]],
                "missed": [true[r] for r in picture["unmatched_references"]],
            }
        )
    return shown


def plots_of(board: Leaderboard) -> dict[str, str]:
    """The four plots of a leaderboard as SVG; those of one predictor are of the best."""
    best = board.evaluations[0]
    measured = [(e.name, e.measurement) for e in board.evaluations[: len(SERIES)]]
    return {
        "f1": threshold_plot(measured, "F1"),
        "precision": threshold_plot(measured, "precision"),
        "precision_recall": precision_recall_plot(best.measurement),
        "severity": severity_plot(severity_pairs(best)),
    }


def render_report(board: Leaderboard) -> str:
    """The page of a leaderboard; the details are of its best predictor.

    Every text from a file is escaped.
    """
    import jinja2

    best = board.evaluations[0]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = number
    template = environment.from_string((Path(__file__).parent / "report.html.jinja").read_text(encoding="utf-8"))
    thresholds = [key.partition("@")[2] for key in best.numbers if key.startswith("TP_Full@")]
    return template.render(
        board=board,
        best=best,
        numbers=best.numbers,
        prefix=board.prefix,
        views=VIEWS,
        thresholds=thresholds,
        plots=plots_of(board),
        not_drawn=max(0, len(board.evaluations) - len(SERIES)),
        pictures=pictures_of(best, board.prefix),
        total=len(best.measurement.pictures),
    )
