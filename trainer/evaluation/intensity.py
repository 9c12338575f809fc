"""How much is wrong with a generator's pictures: AF, MAI and CAP, their intervals, and which generators differ.

The paper ranks generators by these three names but does not print their formulas in what is public; these are **ours**. A
picture i has k_i anomalies of severity s (0 completely irrational … 100 completely realistic); the intensity of one is

    a = (100 − s) / 100                             0 (realistic) … 1 (irrational)

    AF  = Σ k_i / n                                 anomaly frequency: anomalies per picture, over n pictures
    MAI = Σ a / (number of rated anomalies)         mean anomaly intensity, over anomalies
    CAP = Σ a / n                                   combined: the mean over pictures of the sum of intensities

**Lower is better** for all three. CAP = AF · MAI where every anomaly has a severity; one without counts in AF alone. MAI is
undefined (NaN) where nothing was found. Pictures about which the reviewer gave no answer are left out.

**Intervals and tests** are those of `metric_semap/statistics.py`, over *prompts*: several pictures of one prompt stay together. Two
generators are compared in CAP by exchanging what they made of a prompt that both were given, and by dealing again the
prompts that only one of them was given. They are *separated* if p is below 5 % after Holm's correction for all pairs (Holm, 1979,
https://www.jstor.org/stable/4615733): equal generators are told apart anywhere in a ranking at most 5 % of the time,
at any number of pictures (`benchmarks/audit_coverage.py`).
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from dataset_builder.severity import intensity
from metric_semap.statistics import ALPHA, Kind, PairedTest, Sums, compare, holm, interval

__all__ = [
    "SCORES",
    "SEPARATION",
    "Agreement",
    "Audited",
    "Pair",
    "Score",
    "Severities",
    "Tested",
    "agreement",
    "audit",
]

SCORES = ("AF", "share", "MAI", "CAP")
KINDS: dict[str, Kind] = {"AF": "rate", "share": "share", "MAI": "share", "CAP": "rate"}
SEPARATION = ALPHA
RESAMPLES = 10_000  # Holm over the 105 pairs of 15 generators compares with 0.0005: fewer could not reach it

Severities = Mapping[str, Sequence[Sequence[int | None]]]
"""The severities of the anomalies of each picture, by prompt: a list of pictures per prompt."""


class Score(NamedTuple):
    """A value and its 95 % interval; NaN where undefined, or where there are too few prompts."""

    value: float
    low: float
    high: float


class Audited(NamedTuple):
    """One generator: how much was seen, and its `scores` by the names in `SCORES`; `share` is of pictures with any anomaly."""

    name: str
    pictures: int
    anomalies: int
    unrated: int
    scores: dict[str, Score]


class Pair(NamedTuple):
    """Two generators' difference in CAP, `worse` − `better`, the prompts they share, and p after Holm's correction.

    The interval and p are NaN where there are too few prompts to tell.
    """

    better: str
    worse: str
    difference: float
    low: float
    high: float
    p: float
    shared_prompts: int
    separated: bool


class Tested(NamedTuple):
    """An audit: generators by CAP, best first; every pair of them; `tiers`, lists of names no two of which are separated."""

    generators: list[Audited]
    pairs: list[Pair]
    tiers: list[list[str]]


class Agreement(NamedTuple):
    """How alike two rankings are, −1 … 1 (NaN where undefined), over the `generators` that both have."""

    kendall_tau: float
    spearman: float
    generators: int


def audit(generators: Mapping[str, Severities], resamples: int = RESAMPLES, seed: int = 0) -> Tested:
    """Score generators and say which of them differ.

    Args:
        generators (`dict`): what a reviewer found, name → prompt → pictures → severities. Every name has a picture.
        resamples (`int`, defaults to 10,000): exchanges drawn for a test; p cannot be smaller than 1 / (resamples + 1).
        seed (`int`, defaults to 0): of the tests.
    """
    # Sorted, so that the order in which prompts were read does not change the draws.
    prompts = {prompt: k for k, prompt in enumerate(sorted(set().union(*generators.values())))}
    seen = {name: _sums(generators[name], prompts) for name in sorted(generators)}
    audited = []
    for name, sums in seen.items():
        anomalies, rated = (int(sums[key].parts.sum()) for key in ("AF", "rated"))
        scores = {key: _score(sums[key], KINDS[key]) for key in SCORES}
        audited.append(Audited(name, int(sums["AF"].wholes.sum()), anomalies, anomalies - rated, scores))
    audited.sort(key=lambda one: (one.scores["CAP"].value, one.name))
    pairs = _pairs([one.name for one in audited], {name: sums["CAP"] for name, sums in seen.items()}, resamples, seed)
    return Tested(audited, pairs, _tiers([one.name for one in audited], pairs))


def _sums(pictures: Severities, prompts: Mapping[str, int]) -> dict[str, Sums]:
    """What each prompt adds to the scores; `rated` is of anomalies with a severity, per picture."""
    counts = np.zeros((5, len(prompts)))
    for prompt, listed in pictures.items():
        for severities in listed:
            rated = [intensity(s) for s in severities if s is not None]
            counts[:, prompts[prompt]] += (1, len(severities), bool(severities), len(rated), sum(rated))
    seen, anomalies, any_, rated_, intensities = counts
    return {
        "AF": Sums(anomalies, seen),
        "share": Sums(any_, seen),
        "MAI": Sums(intensities, rated_),
        "CAP": Sums(intensities, seen),
        "rated": Sums(rated_, seen),
    }


def _score(sums: Sums, kind: Kind) -> Score:
    return Score(sums.value, *(interval(sums, kind) or (math.nan, math.nan)))


def _pairs(names: Sequence[str], caps: Mapping[str, Sums], resamples: int, seed: int) -> list[Pair]:
    """Every pair of generators, `names` being the best first."""
    tests: list[tuple[str, str, PairedTest]] = [
        (better, worse, compare(caps[worse], caps[better], resamples, seed)) for better, worse in combinations(names, 2)
    ]
    found = []
    for (better, worse, test), p in zip(tests, holm([test.p for _, _, test in tests]), strict=True):
        shared = int(((caps[better].wholes > 0) & (caps[worse].wholes > 0)).sum())
        low, high, known = (math.nan if value is None else value for value in (test.low, test.high, p))
        found.append(Pair(better, worse, test.difference, low, high, known, shared, known < SEPARATION))
    return found


def _tiers(names: Sequence[str], pairs: Sequence[Pair]) -> list[list[str]]:
    """Names, best first, in lists no two members of which are separated; a name separated from any member opens the next."""
    separated = {(pair.better, pair.worse) for pair in pairs if pair.separated}
    tiers: list[list[str]] = []
    for name in names:
        if tiers and not any((member, name) in separated for member in tiers[-1]):
            tiers[-1].append(name)
        else:
            tiers.append([name])
    return tiers


def agreement(first: Mapping[str, float], second: Mapping[str, float]) -> Agreement:
    """How alike two reviewers rank: Kendall's tau-b and Spearman's rank correlation of their scores, by generator.

    Both are NaN with fewer than two generators in common, or where a side gives all of them the same score.
    """
    from scipy.stats import kendalltau, spearmanr

    shared = sorted(first.keys() & second.keys())
    sides = [[side[name] for name in shared] for side in (first, second)]
    if len(shared) < 2 or any(len(set(side)) < 2 for side in sides):
        return Agreement(float("nan"), float("nan"), len(shared))
    return Agreement(float(kendalltau(*sides).statistic), float(spearmanr(*sides).statistic), len(shared))
