"""How far one group of severities lies from another, by Hodges and Lehmann's estimate, and whether chance would do the same.

The shift is the median of all differences between a value of one group and a value of the other (Hodges and Lehmann, 1963,
https://doi.org/10.1214/aoms/1177704172). Severities are whole numbers from 0 to 100, so the differences are counted from two
histograms, however many there are. The interval is a bootstrap over pictures, whose candidates are not independent of each other.

The test asks whether removing as many candidates of each picture **at random** would separate the kept from the removed as
far: the verdicts are dealt again within each picture, which keeps how many stay, and the chance that a kept one has the higher
severity (ties count half) is compared with what was found. The two-sided p counts deals at least as far from one half.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainer.evaluation.intensity import Score

__all__ = ["Judged", "Shift", "shift"]

LEVELS = 101
RESAMPLES = 2_000
DEALS = 4_000


class Judged(NamedTuple):
    """A candidate's severity, 0..100, and whether it was kept."""

    severity: int
    kept: bool


class Shift(NamedTuple):
    """Kept against removed: the Hodges–Lehmann shift of severity in points, the chance that a kept one is higher, and p of the
    deal."""

    points: Score
    higher: float
    p: float


def shift(pictures: Sequence[Sequence[Judged]], seed: int) -> Shift:
    """The shift of the kept candidates' severities against those of the removed; NaN where nothing was kept or removed.

    Args:
        pictures (`list[list[Judged]]`): the candidates of each picture.
        seed (`int`): of the bootstrap and the deals.
    """
    counts = np.stack([_counts(listed) for listed in pictures]) if pictures else np.zeros((0, 2, LEVELS))
    total = counts.sum(axis=0)
    if not total.sum(axis=1).all():
        return Shift(Score(np.nan, np.nan, np.nan), np.nan, np.nan)
    rng, n = np.random.default_rng(seed), len(pictures)
    drawn = []
    flat = counts.reshape(n, -1)
    for _ in range(RESAMPLES):
        kept, removed = (np.bincount(rng.integers(0, n, n), minlength=n) @ flat).reshape(2, LEVELS)
        if kept.sum() and removed.sum():
            drawn.append(_median_difference(kept, removed))
    low, high = np.quantile(drawn, [0.025, 0.975])
    higher = _higher(*total)
    far = abs(higher - 0.5)
    as_far = sum(abs(_higher(*deal) - 0.5) >= far - 1e-12 for deal in _deals(pictures, rng))
    return Shift(Score(_median_difference(*total), float(low), float(high)), higher, (as_far + 1) / (DEALS + 1))


def _counts(listed: Sequence[Judged]) -> np.ndarray:
    """How many have each severity: row 0 of the kept, row 1 of the removed."""
    counts = np.zeros((2, LEVELS))
    for one in listed:
        counts[0 if one.kept else 1, one.severity] += 1
    return counts


def _median_difference(kept: np.ndarray, removed: np.ndarray) -> float:
    """The median of kept minus removed over all pairs."""
    differences = np.convolve(kept, removed[::-1])  # at index d + 100: how many pairs differ by d
    below = np.cumsum(differences)
    half = below[-1] / 2
    first = int(np.searchsorted(below, half - 1e-9))
    after = int(np.searchsorted(below, half + 1e-9))
    return (first + after) / 2 - (LEVELS - 1)


def _higher(kept: np.ndarray, removed: np.ndarray) -> float:
    lower = np.cumsum(removed) - removed / 2
    return float((kept * lower).sum() / (kept.sum() * removed.sum()))


def _deals(pictures: Sequence[Sequence[Judged]], rng: np.random.Generator) -> np.ndarray:
    """Deals of the verdicts within each picture; shape [deals, 2, severities]."""
    dealt, rows = np.zeros((DEALS, 2, LEVELS)), np.arange(DEALS)
    for listed in pictures:
        kept = sum(one.kept for one in listed)
        if kept in (0, len(listed)):  # nothing to deal
            dealt += _counts(listed)
            continue
        severities = np.array([one.severity for one in listed])
        order = rng.random((DEALS, len(listed))).argsort(axis=1)
        for at in range(len(listed)):
            dealt[rows, 0 if at < kept else 1, severities[order[:, at]]] += 1
    return dealt
