"""The metric's estimates and tests as cells of a result."""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from metric_semap.scores import Estimate
from metric_semap.statistics import Sums, compare
from trainer.evaluation.intensity import Score
from trainer.evaluation.result import sure

__all__ = ["difference_of", "score_of", "told"]

EXCHANGES = 2_000


def score_of(estimate: Estimate) -> Score:
    """A score of the metric as a cell of a table."""
    if estimate.low is None or estimate.high is None:
        return sure(estimate.value)
    return Score(estimate.value, estimate.low, estimate.high)


def difference_of(
    first: np.ndarray, second: np.ndarray, clusters: Sequence[Hashable], seed: int
) -> tuple[Score, float | None]:
    """The mean of `first` less that of `second`, shape [pictures] both, and the p of their being the same.

    Where there are too few clusters of pictures, there is neither an interval nor a p.
    """
    test = compare(Sums.of_means(first, clusters), Sums.of_means(second, clusters), EXCHANGES, seed)
    if test.low is None or test.high is None:
        return sure(test.difference), test.p
    return Score(test.difference, test.low, test.high), test.p


def told(score: Score, digits: str = ".3f") -> str:
    """A value with its interval, or with the reason why it has none, in a sentence.

    >>> told(Score(0.25, 0.1, 0.4))
    '0.250 (0.100 to 0.400)'
    """
    if math.isnan(score.low) or math.isnan(score.high):
        return f"{score.value:{digits}} (no interval: too few pictures)"
    return f"{score.value:{digits}} ({score.low:{digits}} to {score.high:{digits}})"
