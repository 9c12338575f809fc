"""How well a score tells fakes from photographs, as a platform needs to know it.

A score is higher for what is more likely generated; a picture is flagged if its score is at or above a threshold.

- **AUROC**, the chance that a fake scores higher than a photograph (ties count half). Its interval inverts Hanley and McNeil's
  variance in the form of Newcombe's method 5 (Statistics in Medicine 25, 2006, https://doi.org/10.1002/sim.2324): the values θ
  with
  |A − θ| ≤ z·sqrt(V(θ)). Unlike a bootstrap it does not shrink to a point where the two groups are apart.
- **The threshold for a false positive rate f** is a photograph's score, exclusive, so that ⌊f·(n + 1)⌋ of n photographs lie
  above it. Whatever the scores' distribution, the rate on further photographs then has the mean ⌊f·(n + 1)⌋/(n + 1) ≤ f and
  the distribution Beta(k, n + 1 − k) (Wilks, 1941), of which the interval is taken. Below n = 1/f − 1 photographs there is no
  such threshold.
- **Rates** have Wilson's interval. The true positive rate *at a false positive rate* depends on the photographs too, through the
  threshold: its interval is a bootstrap over both groups.
- **Precision at a prevalence π** is π·TPR/(π·TPR + (1 − π)·FPR); its interval is the central 95 % of draws of both rates from
  their Jeffreys posteriors, which stays sensible where no photograph was flagged.
"""

import math
from typing import NamedTuple

import numpy as np

from trainer.evaluation.intensity import Score
from trainer.evaluation.result import sure

__all__ = ["Threshold", "auroc", "gain", "precision_at", "rate", "threshold_for", "tpr_at"]

Z = 1.959964  # of 95 %
RESAMPLES = 2_000
DRAWS = 20_000


def _areas(fakes: np.ndarray, reals: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([fakes, reals]))[: len(fakes)]
    return float((ranks.sum() - len(fakes) * (len(fakes) + 1) / 2) / (len(fakes) * len(reals)))


def auroc(fakes: np.ndarray, reals: np.ndarray) -> Score:
    """The area under the ROC curve of the scores of fakes against those of photographs; NaN without one of the groups."""
    m, n = len(fakes), len(reals)
    if not m or not n:
        return sure(math.nan)
    area = _areas(np.asarray(fakes, dtype=float), np.asarray(reals, dtype=float))
    from scipy.optimize import brentq

    def excess(theta: float) -> float:
        weight = (m + n) / 2 - 1
        spread = theta * (1 - theta) * (1 + weight * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n)
        return (area - theta) ** 2 - Z**2 * spread

    # The area itself solves it only at 0 and 1, where the spread is 0: the other solution is looked for from just beside it.
    inner = min(max(area, 1e-9), 1 - 1e-9)
    low = 0.0 if area <= 0 else float(brentq(excess, 0.0, inner))
    high = 1.0 if area >= 1 else float(brentq(excess, inner, 1.0))
    return Score(area, low, high)


def gain(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> Score:
    """The AUROC of one score less that of another on the same pictures, with DeLong's interval.

    E. DeLong, D. DeLong and D. Clarke-Pearson, 1988, https://doi.org/10.2307/2531595.

    Args:
        first, second (`tuple`): each score's values of the fakes and of the photographs, in the same order.
    """
    sides = [_placements(*one) for one in (first, second)]
    value = float(sides[0][0].mean() - sides[1][0].mean())
    variance = sum(np.var(a - b, ddof=1) / len(a) for a, b in zip(*sides, strict=True) if len(a) > 1)
    half = Z * math.sqrt(float(variance))
    return Score(value, value - half, value + half)


def _placements(fakes: np.ndarray, reals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each fake the share of photographs below it, and for each photograph that of fakes above it; ties count half."""
    below = (np.searchsorted(ordered := np.sort(reals), fakes, "left") + np.searchsorted(ordered, fakes, "right")) / 2
    above = (np.searchsorted(ordered := np.sort(fakes), reals, "left") + np.searchsorted(ordered, reals, "right")) / 2
    return below / len(reals), 1 - above / len(fakes)


def rate(flagged: int, total: int) -> Score:
    """A share with Wilson's 95 % interval; NaN of none."""
    if not total:
        return sure(math.nan)
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(flagged, total, method="wilson")
    return Score(flagged / total, float(low), float(high))


class Threshold(NamedTuple):
    """A threshold (scores **above** `value` are flagged), and the false positive rate to expect of it on further photographs."""

    value: float
    false_positives: Score


def threshold_for(wanted: float, reals: np.ndarray) -> Threshold | None:
    """The threshold for a wanted false positive rate on photographs like these; `None` if they are too few to find one.

    With tied scores fewer are flagged than allowed, and the rate to expect is at most the one given.
    """
    from scipy.stats import beta

    n = len(reals)
    k = math.floor(wanted * (n + 1) + 1e-9)
    if k < 1:
        return None
    value = float(np.sort(np.asarray(reals, dtype=float))[n - k])
    low, high = (float(beta.ppf(q, k, n + 1 - k)) for q in (0.025, 0.975))
    return Threshold(value, Score(k / (n + 1), low, high))


def tpr_at(wanted: float, fakes: np.ndarray, reals: np.ndarray, seed: int) -> Score:
    """The share of fakes that are flagged at a false positive rate; NaN if the photographs are too few to tell."""
    found = threshold_for(wanted, reals)
    if found is None or not len(fakes):
        return sure(math.nan)
    fakes, reals, rng = (
        np.asarray(fakes, dtype=float),
        np.sort(np.asarray(reals, dtype=float)),
        np.random.default_rng(seed),
    )
    m, n = len(fakes), len(reals)
    k = math.floor(wanted * (n + 1) + 1e-9)
    drawn = np.empty(RESAMPLES)
    for at in range(RESAMPLES):
        limit = reals[np.sort(rng.integers(0, n, n))[n - k]]
        drawn[at] = (fakes[rng.integers(0, m, m)] > limit).mean()
    value = float((fakes > found.value).mean())
    low, high = np.quantile(drawn, [0.025, 0.975])
    if value in (0.0, 1.0) and low == high:  # a bootstrap of what never varies is a point; Wilson's interval is not
        return rate(round(value * m), m)
    return Score(value, float(low), float(high))


def precision_at(prevalence: float, caught: int, fakes: int, flagged: int, reals: int, seed: int) -> Score:
    """The share of flagged pictures that is fake, where `prevalence` of all pictures are.

    Args:
        prevalence (`float`): 0..1.
        caught, fakes (`int`): fakes that were flagged, of how many.
        flagged, reals (`int`): photographs that were flagged, of how many.
        seed (`int`): of the draws of the interval.
    """
    if not fakes or not reals:
        return sure(math.nan)

    def precision(hits: np.ndarray, alarms: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.asarray(prevalence * hits / (prevalence * hits + (1 - prevalence) * alarms))

    rng = np.random.default_rng(seed)
    hits = rng.beta(caught + 0.5, fakes - caught + 0.5, DRAWS)
    alarms = rng.beta(flagged + 0.5, reals - flagged + 0.5, DRAWS)
    low, high = np.quantile(precision(hits, alarms), [0.025, 0.975])
    value = precision(np.array(caught / fakes), np.array(flagged / reals))
    return Score(float(value), float(low), float(high))
