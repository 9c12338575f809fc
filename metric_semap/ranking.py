"""Ranked SemAP: the area under the precision–recall curve over all predictions of a set, the way COCO computes it.

The predictions of all pictures are taken by falling confidence; each takes the most similar reference of its picture
that is still free, and is a hit if their similarity reaches τ. Precision at each of 101 recalls 0, 0.01, … 1 is the
best precision at that recall or a higher one; their mean is the average precision (Lin et al., 2014,
https://arxiv.org/abs/1405.0312).

The paper's text speaks of such a curve, its code of precision; both scores are therefore given, under two
names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .anomalies import Quadruplet
from .severity import intensity

__all__ = ["Curve", "Ranking", "average_precision", "precision_recall", "ranking"]

RECALLS = np.linspace(0.0, 1.0, 101)


class Curve(NamedTuple):
    """A precision–recall curve: `recall` rising, and `precision` at it, both in 0..1, one point per confidence."""

    recall: np.ndarray
    precision: np.ndarray


class Ranking(NamedTuple):
    """The order of predictions: what it goes `by` (`score` or `severity`), the `confidences` of each picture's predictions, higher
    is surer, and how many predictions are `unsure`, without a score although others have one."""

    by: str
    confidences: list[np.ndarray]
    unsure: int


def ranking(predictions: Sequence[Sequence[Quadruplet]]) -> Ranking:
    """How sure each prediction is: its `score` where at least half of all have one, else how severe it is.

    Args:
        predictions (`list[list[Quadruplet]]`): the anomalies of each picture; `severity` and `score` may be `None`.

    Returns:
        `Ranking`: a prediction without what the order goes by comes last.
    """
    scores = [[anomaly.score for anomaly in anomalies] for anomalies in predictions]
    total, without = sum(map(len, scores)), sum(score is None for row in scores for score in row)
    unsure = without if without < total else 0
    if 2 * without <= total:
        return Ranking("score", [np.array([_or_last(s) for s in row], dtype=np.float64) for row in scores], unsure)
    severities = [[anomaly.severity for anomaly in anomalies] for anomalies in predictions]
    sure = [[None if s is None else intensity(s) for s in row] for row in severities]
    return Ranking("severity", [np.array([_or_last(s) for s in row], dtype=np.float64) for row in sure], unsure)


def _or_last(value: float | None) -> float:
    return -np.inf if value is None else value


def _hits(matrix: np.ndarray, confidence: np.ndarray, threshold: float) -> np.ndarray:
    """Which predictions of one picture hit, shape [predictions]."""
    hit = np.zeros(len(confidence), dtype=bool)
    if not matrix.size:
        return hit
    free = matrix.copy()
    # Of equally sure predictions the one with the better reference chooses first, whatever their order in the list.
    for p in np.lexsort((-matrix.max(axis=1), -confidence)):
        r = int(free[p].argmax())
        if free[p, r] >= threshold:
            hit[p] = True
            free[:, r] = -np.inf
    return hit


def precision_recall(matrices: Sequence[np.ndarray], confidence: Sequence[np.ndarray], threshold: float) -> Curve:
    """The precision–recall curve of one view at one threshold.

    Args:
        matrices (`list[np.ndarray]`): similarities of each picture, shape [predictions, references].
        confidence (`list[np.ndarray]`): the confidences of each picture's predictions; higher is surer.
        threshold (`float`): τ, compared with ≥.

    Returns:
        `Curve`: a point for each different confidence: equally sure predictions enter together, whatever their order.
    """
    references = sum(matrix.shape[1] for matrix in matrices)
    if not references or not any(len(c) for c in confidence):
        return Curve(np.zeros(0), np.zeros(0))
    sure = np.concatenate(list(confidence))
    hit = np.concatenate([_hits(m, c, threshold) for m, c in zip(matrices, confidence, strict=True)])
    order = np.argsort(-sure, kind="stable")
    sure, found = sure[order], np.cumsum(hit[order])
    last_of_equals = np.append(sure[1:] != sure[:-1], True)
    taken = np.arange(1, len(sure) + 1)
    return Curve(found[last_of_equals] / references, (found / taken)[last_of_equals])


def average_precision(curve: Curve) -> float:
    """COCO's average precision of a curve: the mean over 101 recalls of the best precision there or beyond; 0 for none."""
    if not len(curve.recall):
        return 0.0
    best_beyond = np.maximum.accumulate(curve.precision[::-1])[::-1]
    at = np.searchsorted(curve.recall, RECALLS, side="left")
    return float(np.append(best_beyond, 0.0)[at].mean())
