"""How far different ways of telling right answers from wrong ones agree: people, a judge, SemAP, SemF1C.

Each gives every answer a number in 0..1, and calls it right from a limit of its own on. Two of them are compared over the answers
that both have a number for, by

- Cohen's kappa (1960, https://doi.org/10.1177/001316446002000104) of right and wrong: 1 for the same, 0 for what chance gives;
- Spearman's rank correlation of the numbers, which does not depend on the limits.

Answers to one picture, or to pictures that belong together, are one cluster in the intervals.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .scores import Estimate
from .statistics import spread

__all__ = ["Agreement", "Rater", "agreement"]


@dataclass(frozen=True)
class Rater:
    """One way of telling right from wrong: a number in 0..1 for each answer, NaN where it has none, and the `limit` from which on
    an answer is right."""

    name: str
    numbers: np.ndarray
    limit: float


@dataclass(frozen=True)
class Agreement:
    """Two raters over the `answers` that both have a number for; `kappa` and `correlation` are NaN where they are not defined, as
    where one of them calls all answers the same."""

    first: str
    second: str
    answers: int
    kappa: Estimate
    correlation: Estimate


def agreement(raters: Sequence[Rater], clusters: Sequence[Hashable], intervals: bool) -> list[Agreement]:
    """Every pair of raters that have answers in common.

    Args:
        raters (`list[Rater]`): over the same answers, in the same order.
        clusters (`list`): the cluster of each answer.
        intervals (`bool`): whether the measures get intervals, over clusters.
    """
    found = []
    for first, second in combinations(raters, 2):
        both = np.flatnonzero(~np.isnan(first.numbers) & ~np.isnan(second.numbers))
        if not len(both):
            continue
        of = [clusters[k] for k in both.tolist()]
        sides = first.numbers[both], second.numbers[both]
        right = sides[0] >= first.limit, sides[1] >= second.limit
        kappa = _estimate(lambda at, right=right: _kappa(right[0][at], right[1][at]), of, intervals)  # type: ignore[misc]
        ranks = _estimate(lambda at, sides=sides: _spearman(sides[0][at], sides[1][at]), of, intervals)  # type: ignore[misc]
        found.append(Agreement(first.name, second.name, len(both), kappa, ranks))
    return found


def _estimate(statistic: Callable[[np.ndarray], float], clusters: Sequence[Hashable], intervals: bool) -> Estimate:
    found = spread(statistic, clusters) if intervals else None
    value = statistic(np.arange(len(clusters)))
    return Estimate(value, low=found.low, high=found.high) if found else Estimate(value)


def _kappa(first: np.ndarray, second: np.ndarray) -> float:
    from statsmodels.stats.inter_rater import cohens_kappa

    table = np.array([[np.sum((first == a) & (second == b)) for b in (True, False)] for a in (True, False)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(cohens_kappa(table, return_results=False))


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if len(np.unique(first)) < 2 or len(np.unique(second)) < 2:
        return math.nan
    return float(spearmanr(first, second).statistic)
