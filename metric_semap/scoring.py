"""From similarity matrices to SemAP and SemF1: the official evaluator's definition.

For a picture with m predictions and n references, matched one to one, and a threshold τ:

    TP = matched pairs with similarity ≥ τ        precision = TP / m        recall = TP / n        F1 = 2·TP / (m + n)

each 0 where it is undefined. A picture's SemAP is the mean of its precisions over the thresholds, its SemF1 the mean of
its F1s; the headline is the mean over pictures. In spite of its name SemAP is a precision; the ranked form is in
`ranking.py`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from .errors import OptionError, SemapError
from .matching import Match, matching_named
from .scores import Pooled

__all__ = ["THRESHOLDS", "Tally", "by_threshold", "check_thresholds", "match_all", "mean", "score_matrices", "tally"]

THRESHOLDS = (0.7, 0.8, 0.9)  # the official evaluator's, for distilbert-base-uncased; they belong to an encoder


class Tally(NamedTuple):
    """Counts of every picture: `hits` [pictures, thresholds], `predictions` [pictures], `references` [pictures]."""

    hits: np.ndarray
    predictions: np.ndarray
    references: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Precision, shape [pictures, thresholds]; 0 for a picture without predictions."""
        return _ratio(self.hits, self.predictions[:, None])

    @property
    def recall(self) -> np.ndarray:
        """Recall, shape [pictures, thresholds]; 0 for a picture without references."""
        return _ratio(self.hits, self.references[:, None])

    @property
    def f1(self) -> np.ndarray:
        """F1, shape [pictures, thresholds]: 2·TP / (m + n), which is 2PR / (P + R), and 0 where both are 0."""
        return _ratio(2 * self.hits, (self.predictions + self.references)[:, None])

    @property
    def semap(self) -> np.ndarray:
        """SemAP of each picture: the mean precision over the thresholds."""
        return np.asarray(self.precision.mean(axis=1))

    @property
    def semf1(self) -> np.ndarray:
        """SemF1 of each picture: the mean F1 over the thresholds."""
        return np.asarray(self.f1.mean(axis=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(part.shape, whole.shape)
    return np.asarray(np.divide(part, whole, out=np.zeros(shape), where=np.broadcast_to(whole > 0, shape)))


def mean(values: np.ndarray) -> float:
    """The mean over pictures, the same to the last bit in whatever order they come; NaN over none."""
    return float(np.sort(values).mean()) if len(values) else float("nan")


def check_thresholds(thresholds: Any) -> tuple[float, ...]:
    """Thresholds as a tuple, ascending; an `OptionError` unless they are different numbers above 0 and at most 1."""
    try:
        values = tuple(sorted(float(t) for t in thresholds))
    except (TypeError, ValueError):
        raise OptionError(f"thresholds: {thresholds!r} is not a list of numbers, e.g. [0.7, 0.8, 0.9]") from None
    if not values or len(set(values)) < len(values) or not all(0 < t <= 1 for t in values):
        raise OptionError(f"thresholds: {thresholds!r} must be different numbers above 0 and at most 1")
    return values


def match_all(matrices: Sequence[np.ndarray], matching: str = "greedy") -> list[list[Match]]:
    """Match every picture; an error names the picture's position."""
    match = matching_named(matching)
    matches = []
    for i, matrix in enumerate(matrices):
        try:
            matches.append(match(matrix))
        except SemapError as error:
            raise SemapError(f"matrices[{i}]: {error}") from None
    return matches


def tally(
    matches: Sequence[Sequence[Match]],
    predictions: Sequence[int],
    references: Sequence[int],
    thresholds: Sequence[float],
) -> Tally:
    """Count, for every picture, the matched pairs that reach each threshold.

    Args:
        matches (`list`): the matched pairs of each picture.
        predictions (`list[int]`): how many predictions each picture has (m).
        references (`list[int]`): how many references each picture has (n).
        thresholds (`list[float]`): τ, compared with ≥.
    """
    levels = np.asarray(thresholds, dtype=np.float64)
    hits = np.zeros((len(matches), len(levels)), dtype=np.int64)
    for i, pairs in enumerate(matches):
        if pairs:
            hits[i] = (np.array([score for _, _, score in pairs])[:, None] >= levels).sum(axis=0)
    return Tally(hits, np.asarray(predictions, dtype=np.int64), np.asarray(references, dtype=np.int64))


def by_threshold(counts: Tally, thresholds: Sequence[float]) -> dict[float, Pooled]:
    """The counts pooled over all pictures, at each threshold."""
    predictions, references = int(counts.predictions.sum()), int(counts.references.sum())
    pooled = {}
    for t, threshold in enumerate(thresholds):
        hits = int(counts.hits[:, t].sum())
        pooled[threshold] = Pooled(
            TP=hits,
            FP=predictions - hits,
            FN=references - hits,
            precision=hits / predictions if predictions else 0.0,
            recall=hits / references if references else 0.0,
            F1=2 * hits / (predictions + references) if predictions + references else 0.0,
        )
    return pooled


def score_matrices(
    matrices: Sequence[Any], thresholds: Sequence[float] = THRESHOLDS, matching: str = "greedy"
) -> dict[str, Any]:
    """Score one view — phenomenon, reasoning or both — of a set of pictures.

    Args:
        matrices (`list[np.ndarray]`): the similarities of each picture, shape [m predictions, n references], 0..1; an
            empty side is an array of the shape [0, n] or [m, 0].
        thresholds (`list[float]`, defaults to `(0.7, 0.8, 0.9)`): above 0, at most 1.
        matching (`str`, defaults to `"greedy"`): or `"optimal"`.

    Returns:
        `dict`: `SemAP` and `SemF1` (0..1, means over all pictures given, clean ones included); `by_threshold`, which
            maps each τ to the pooled `TP`, `FP`, `FN`, `precision`, `recall`, `F1`; `per_image`, a dict per picture with
            its `SemAP`, `SemF1` and `matches`, the matched (prediction, reference, similarity).

    Raises:
        `SemapError`: if a matrix is not two-dimensional or holds a NaN, or an option is impossible.
    """
    levels = check_thresholds(thresholds)
    arrays = [np.asarray(matrix, dtype=np.float64) for matrix in matrices]
    matches = match_all(arrays, matching)
    counts = tally(matches, [a.shape[0] for a in arrays], [a.shape[1] for a in arrays], levels)
    semap, semf1 = counts.semap, counts.semf1
    return {
        "SemAP": mean(semap),
        "SemF1": mean(semf1),
        "by_threshold": {t: asdict(pooled) for t, pooled in by_threshold(counts, levels).items()},
        "per_image": [
            {"SemAP": float(semap[i]), "SemF1": float(semf1[i]), "matches": pairs} for i, pairs in enumerate(matches)
        ],
    }
