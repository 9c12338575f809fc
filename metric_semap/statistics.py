"""How far to trust a number from few pictures: intervals, tests of two systems, and how many pictures a difference needs.

`score`, `benchmark` and `audit` use this one module. Whatever is measured is a ratio of two sums over *clusters*: pictures that
say the same again (twins, tiles of one generation, the pictures of one prompt) are one cluster, any other picture is
its own. A mean over pictures is the sum of their scores over their count.

**Interval.** With the ratio m, its jackknife error s over clusters (Efron, 1982), and Student's quantile t, the values θ with

    (m − θ)² ≤ t² s² V(θ) / V(m)

V says how the variance depends on the mean: θ(1 − θ) for a share in 0..1 (this is Wilson's interval with the sample's own
dispersion in place of that of yes and no), θ for a rate from 0. For a difference it is m ± t s, which for a share or a rate would
be too short on the side of the larger values where most pictures score 0. For G clusters of which K differ from the
commonest one, t has min(G − 1, 2K) degrees of freedom: an error estimated from three hits is known badly, however many
pictures score 0. Where each cluster is a picture, or copies of one, that is right or wrong, the dispersion is known, so the
interval is Wilson's own (1927), with the normal quantile; where all clusters are alike it is taken as that large, too.

**Test.** If two systems are equally good, what they scored on a cluster may be exchanged; where they were given different clusters,
the clusters may be dealt again. p is the share of these exchanges with a difference, divided by its error, at least as large as
that observed: exact for equally distributed scores at any number of clusters (Fisher; Pitman, 1937), and by the division
right in the limit for equal means of different spread (Janssen, 1997, https://doi.org/10.1016/S0167-7152(97)00043-6).

**Agreement** v (kappa, a correlation) is not such a ratio. Its interval is tanh(artanh(v) ± t s), with the jackknife error s of
artanh(v) (Fisher, 1921) over clusters, or over `PARTS` groups of them where there are more.

**Too few.** Fewer than `FEWEST` clusters give no interval, and no p; nor is there a p where two systems differ on fewer than
seven, because no exact level is near 5 % then. `benchmarks/score_coverage.py` and `benchmarks/audit_coverage.py` simulate all
of it; `README.md` quotes them.
"""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

__all__ = [
    "ALPHA",
    "FEWEST",
    "Interval",
    "Kind",
    "PairedTest",
    "Sums",
    "compare",
    "holm",
    "interval",
    "pictures_needed",
    "spread",
]

ALPHA = 0.05
"""The share of errors that intervals and tests allow."""
FEWEST = 8
"""Clusters below which nothing is said of others: with rare hits, intervals from fewer are wide beyond use (coverage over .98)."""
WAYS = 2**7
"""Exchanges below which there is no p: of 2^6 the level nearest to 5 % is 3 %, of 2^7 it is 4.7 %."""
ENUMERATED = 11  # clusters that differ; up to here all 2^11 exchanges are taken instead of a sample
PARTS = (
    200  # groups that are left out in turn: more make the error of an agreement no better and cost as many computations
)
CHUNK = 2000  # exchanges held at a time

Kind = Literal["share", "rate"]


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


class Sums(NamedTuple):
    """What each cluster adds to a ratio of sums: `parts` over `wholes`, both of the shape [clusters].

    A cluster that a system has not seen adds 0 to both.
    """

    parts: np.ndarray
    wholes: np.ndarray

    @property
    def value(self) -> float:
        """The ratio; NaN where the wholes are 0."""
        whole = float(np.sort(self.wholes).sum())
        return float(np.sort(self.parts).sum()) / whole if whole else math.nan

    @classmethod
    def of_means(cls, values: Sequence[float] | np.ndarray, clusters: Sequence[object] | None = None) -> "Sums":
        """The sums of a mean over pictures.

        Args:
            values (`np.ndarray`): a score per picture.
            clusters (`list`, *optional*): the cluster of each picture; each picture is its own if left out.
        """
        scores = np.asarray(values, dtype=np.float64)
        if clusters is None:
            return cls(scores, np.ones(len(scores)))
        place = {cluster: k for k, cluster in enumerate(dict.fromkeys(clusters))}
        at = np.array([place[cluster] for cluster in clusters], dtype=np.int64)
        return cls(np.bincount(at, scores, len(place)), np.bincount(at, minlength=len(place)).astype(np.float64))


class PairedTest(NamedTuple):
    """Two systems: the difference of their scores, its 95 % interval, and a two-sided p of no difference.

    The interval and p are `None` where there are too few clusters, or too few on which the systems differ. `needed` is how many
    pictures would separate them if they differed by .02 (`None` where nothing can be said of it).
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    needed: int | None = None


def _without_each(sums: Sums) -> np.ndarray:
    """The ratio without each cluster in turn; NaN where nothing is left."""
    parts, wholes = sums.parts.sum() - sums.parts, sums.wholes.sum() - sums.wholes
    return np.asarray(np.divide(parts, wholes, out=np.full(len(wholes), np.nan), where=wholes > 0))


def _error(without: np.ndarray) -> tuple[float, int]:
    """The jackknife error of a statistic from its values without each cluster, and the degrees of freedom of that error."""
    clusters = len(without)
    error = math.sqrt((clusters - 1) / clusters * float(((without - without.mean()) ** 2).sum()))
    _, counts = np.unique(np.round(without, 12), return_counts=True)
    unlike = clusters - int(counts.max())
    return (error if unlike else 0.0), max(1, min(clusters - 1, 2 * unlike))


def _right_or_wrong(sums: Sums) -> bool:
    """Whether each cluster is a picture, or as many copies of one, that is right or wrong."""
    copies = sums.wholes[0]
    return bool((sums.wholes == copies).all() and np.isin(sums.parts, (0, copies)).all())


def _quantile(freedom: float = math.inf) -> float:
    """Student's, or the normal one for what is known and not estimated."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - ALPHA / 2))


def interval(sums: Sums, kind: Kind = "share") -> Interval | None:
    """The 95 % interval of a ratio.

    Args:
        sums (`Sums`): what each cluster adds.
        kind (`str`, defaults to `"share"`): `share` for what lies in 0..1, `rate` for what has no upper bound.

    Returns:
        `Interval`, or `None` if there are too few clusters, or nothing varies.
    """
    seen = sums.wholes > 0
    sums = Sums(sums.parts[seen], sums.wholes[seen])
    clusters = len(sums.parts)
    if clusters < FEWEST:
        return None
    m = sums.value
    error, freedom = _error(_without_each(sums))
    variance = m * (1 - m) if kind == "share" else m
    if kind == "share" and (not error > 0 or _right_or_wrong(sums)):  # a share varies at most as right and wrong do
        spread = _quantile() ** 2 / clusters
    elif error > 0 and variance > 0:
        spread = (_quantile(freedom) * error) ** 2 / variance
    else:
        return None
    square = 1 + spread if kind == "share" else 1.0
    middle, root = 2 * m + spread, math.sqrt(max(0.0, (2 * m + spread) ** 2 - 4 * square * m * m))
    low, high = (middle - root) / (2 * square), (middle + root) / (2 * square)
    return Interval(max(0.0, low), min(1.0, high) if kind == "share" else high)


def spread(statistic: Callable[[np.ndarray], float], clusters: Sequence[object]) -> Interval | None:
    """The 95 % interval of an agreement in -1..1.

    Args:
        statistic (callable): the agreement over some observations, given where they are, shape [observations]; NaN where it is
            not defined.
        clusters (`list`): the cluster of each observation.

    Returns:
        `Interval`, or `None` if there are too few clusters, nothing varies, or the agreement is not defined without one of them.
    """
    place = {cluster: k for k, cluster in enumerate(dict.fromkeys(clusters))}
    if len(place) < FEWEST:
        return None
    part = np.array([place[cluster] % PARTS for cluster in clusters])
    value = statistic(np.arange(len(part)))
    without = np.array([statistic(np.flatnonzero(part != k)) for k in range(part.max() + 1)])
    if not np.isfinite([value, *without]).all() or abs(value) >= 1:
        return None
    error, _ = _error(np.arctanh(without.clip(-0.9999, 0.9999)))
    if not error > 0:
        return None
    reach = _quantile(len(without) - 1) * error
    return Interval(math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach))


def compare(first: Sums, second: Sums, draws: int, seed: int) -> PairedTest:
    """Test whether `first` scores higher or lower than `second`.

    Args:
        first, second (`Sums`): the two systems over the same clusters in the same order.
        draws (`int`): exchanges drawn where there are too many to take all; p cannot be smaller than 1 / (draws + 1).
        seed (`int`): of the draws.
    """
    seen = (first.wholes > 0) | (second.wholes > 0)
    first, second = (Sums(side.parts[seen], side.wholes[seen]) for side in (first, second))
    difference = first.value - second.value
    fewest = min(int((side.wholes > 0).sum()) for side in (first, second))
    if fewest < FEWEST:
        return PairedTest(difference, None, None, None)
    shared = (first.wholes > 0) & (second.wholes > 0)
    unlike = shared & ((first.parts != second.parts) | (first.wholes != second.wholes))
    apart = ~shared
    ways = 2 ** int(unlike.sum()) * math.comb(int(apart.sum()), int((apart & (first.wholes > 0)).sum()))
    error, _ = _error(_without_each(first) - _without_each(second))
    pictures = float(max(first.wholes.sum(), second.wholes.sum()))
    needed = pictures_needed(error * math.sqrt(pictures)) if error > 0 else None
    if ways < WAYS or not error > 0:
        same = not unlike.any() and not apart.any()  # every exchange is as it was
        return PairedTest(difference, None, None, 1.0 if same else None, needed)
    reach = _quantile(fewest - 1) * error
    p = _exchanged(first, second, unlike, apart, draws, seed)
    return PairedTest(difference, difference - reach, difference + reach, p, needed)


def _exchanged(first: Sums, second: Sums, unlike: np.ndarray, apart: np.ndarray, draws: int, seed: int) -> float:
    """The share of exchanges whose difference, over its error, is at least that observed."""
    # What a difference and its error are made of is linear in what each side has, so an exchange only moves sums.
    sides = [
        np.stack([side.parts, side.wholes, side.parts**2, side.wholes**2, side.parts * side.wholes], axis=1)
        for side in (first, second)
    ]
    mixed = np.stack([first.parts * second.wholes, second.parts * first.wholes], axis=1)
    together = float((first.parts * second.parts).sum()), float((first.wholes * second.wholes).sum())
    moved = np.concatenate([sides[1] - sides[0], mixed[:, ::-1] - mixed], axis=1)
    # In an order of their own, so that the order in which clusters come does not change the draws.
    order = np.lexsort(np.concatenate([*sides, moved], axis=1).T)
    moved, unlike, apart, second_has = moved[order], unlike[order], apart[order], (second.wholes > 0)[order]
    start = np.concatenate([sides[0].sum(axis=0), mixed.sum(axis=0)])
    total = sides[0].sum(axis=0) + sides[1].sum(axis=0)

    def statistics(swaps: np.ndarray) -> np.ndarray:
        sums = start + swaps @ moved
        one, other, cross = sums[:, :5], total - sums[:, :5], sums[:, 5:]
        (a, b), (whole_a, whole_b) = ((x[:, 0] / x[:, 1] for x in (one, other)), (x[:, 1] for x in (one, other)))
        spread = sum(
            (x[:, 2] - 2 * ratio * x[:, 4] + ratio**2 * x[:, 3]) / whole**2
            for x, ratio, whole in ((one, a, whole_a), (other, b, whole_b))
        )
        spread = spread - 2 * (together[0] - b * cross[:, 0] - a * cross[:, 1] + a * b * together[1]) / (
            whole_a * whole_b
        )
        difference = np.abs(a - b)
        # No spread: all differences are the same, and any of them is infinitely far from none.
        return np.asarray(np.where(spread > 1e-15, difference / np.sqrt(np.maximum(spread, 1e-15)), difference * 1e9))

    observed = statistics(np.zeros((1, len(moved))))[0] * (1 - 1e-9)
    places = np.flatnonzero(unlike)
    if not apart.any() and len(places) <= ENUMERATED:
        swaps = np.zeros((2 ** len(places), len(moved)))
        swaps[:, places] = list(product((0.0, 1.0), repeat=len(places)))
        return float((statistics(swaps) >= observed).mean())
    rng, reached = np.random.default_rng(seed), 0
    own = np.flatnonzero(apart)
    for begin in range(0, draws, CHUNK):
        swaps = np.zeros((min(CHUNK, draws - begin), len(moved)))
        swaps[:, places] = rng.integers(0, 2, (len(swaps), len(places)))
        if len(own):
            dealt = rng.permuted(np.tile(second_has[own], (len(swaps), 1)), axis=1)
            swaps[:, own] = dealt != second_has[own]
        reached += int((statistics(swaps) >= observed).sum())
    return (reached + 1) / (draws + 1)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p values after Holm's correction (1979, https://www.jstor.org/stable/4615733) for all of them together.

    What could not be tested stays `None`, and counts as a test: leaving it out would depend on the data.
    """
    raw = np.array([1.0 if p is None else p for p in ps])
    order = np.argsort(raw)
    corrected = np.empty(len(raw))
    corrected[order] = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)).clip(max=1)
    return [None if p is None else float(after) for p, after in zip(ps, corrected, strict=True)]


def pictures_needed(spread: float, difference: float = 0.02, power: float = 0.8) -> int:
    """How many pictures show a difference at 5 % with this power.

    Args:
        spread (`float`): the standard deviation of one picture's difference between the systems.
        difference (`float`, defaults to 0.02): that is to be shown.
        power (`float`, defaults to 0.8): how often it is to be shown.
    """
    from scipy.stats import norm

    reach = float(norm.ppf(1 - ALPHA / 2) + norm.ppf(power))
    return max(FEWEST, math.ceil((reach * spread / difference) ** 2))
