"""What lies behind the scores: every picture's pairs, and the curves over the thresholds and over recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .matching import Match
from .ranking import Curve
from .scores import VIEWS
from .scoring import Tally, mean

__all__ = [
    "CURVE_THRESHOLDS",
    "Pair",
    "PictureScores",
    "ThresholdCurve",
    "ViewCurves",
    "flat_details",
    "picture_scores",
    "threshold_curve",
]

CURVE_THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))  # 0.50, 0.55, … 0.95


@dataclass(frozen=True)
class Pair:
    """A matched pair by the positions of both sides, and how similar they are in each view."""

    prediction: int
    reference: int
    similarity: Mapping[str, float]


@dataclass(frozen=True)
class PictureScores:
    """One scored picture: its position in the input, its SemAP and SemF1 by view, what was matched and what was not."""

    index: int
    semap: Mapping[str, float]
    semf1: Mapping[str, float]
    pairs: tuple[Pair, ...]
    unmatched_predictions: tuple[int, ...]
    unmatched_references: tuple[int, ...]


@dataclass(frozen=True)
class ThresholdCurve:
    """Mean precision and mean F1 at each of `CURVE_THRESHOLDS`."""

    precision: tuple[float, ...]
    f1: tuple[float, ...]


@dataclass(frozen=True)
class ViewCurves:
    """The curves of one view: the predictions' own, those of chance, and precision against recall for each threshold τ."""

    own: ThresholdCurve
    chance: ThresholdCurve
    precision_recall: Mapping[float, Curve]


def picture_scores(
    index: int, k: int, tallies: Mapping[str, Tally], matches: Sequence[Match], similarity: Mapping[str, np.ndarray]
) -> PictureScores:
    """The scores of one picture.

    Args:
        index (`int`): its position in the input.
        k (`int`): its position among the pictures scored.
        tallies (`dict[str, Tally]`): the counts of all pictures by view.
        matches (`list`): its matched pairs in the view Full.
        similarity (`dict[str, np.ndarray]`): its similarities by view, shape [predictions, references].
    """
    m, n = similarity["Full"].shape
    return PictureScores(
        index,
        {view: float(tallies[view].precision[k].mean()) for view in VIEWS},
        {view: float(tallies[view].f1[k].mean()) for view in VIEWS},
        tuple(Pair(p, r, {view: float(similarity[view][p, r]) for view in VIEWS}) for p, r, _ in matches),
        tuple(sorted(set(range(m)) - {p for p, _, _ in matches})),
        tuple(sorted(set(range(n)) - {r for _, r, _ in matches})),
    )


def threshold_curve(counts: Tally) -> ThresholdCurve:
    """The curve of counts that were taken at `CURVE_THRESHOLDS`."""
    return ThresholdCurve(
        tuple(mean(column) for column in counts.precision.T), tuple(mean(column) for column in counts.f1.T)
    )


def flat_details(
    pictures: Sequence[PictureScores], curves: Mapping[str, ViewCurves], prefix: str = ""
) -> dict[str, Any]:
    """What `compute(details=True)` adds, as plain lists and dictionaries; `prefix` as in [`Scores`]."""
    return {"images": [_flat_picture(picture, prefix) for picture in pictures], "curves": _flat_curves(curves)}


def _flat_picture(picture: PictureScores, prefix: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": picture.index}
    for view in VIEWS:
        shown[f"{prefix}SemAP_{view}"] = picture.semap[view]
        shown[f"{prefix}SemF1_{view}"] = picture.semf1[view]
    shown["matches"] = [{"prediction": m.prediction, "reference": m.reference, **m.similarity} for m in picture.pairs]
    shown["unmatched_predictions"] = list(picture.unmatched_predictions)
    shown["unmatched_references"] = list(picture.unmatched_references)
    return shown


def _flat_curves(curves: Mapping[str, ViewCurves]) -> dict[str, Any]:
    shown: dict[str, Any] = {"thresholds": list(CURVE_THRESHOLDS)}
    for view, of in curves.items():
        for who, curve in (("", of.own), ("chance_", of.chance)):
            shown[f"{who}precision_{view}"] = list(curve.precision)
            shown[f"{who}F1_{view}"] = list(curve.f1)
        shown[f"precision_recall_{view}"] = {
            f"{t:g}": {"recall": curve.recall.tolist(), "precision": curve.precision.tolist()}
            for t, curve in of.precision_recall.items()
        }
    return shown
