"""How much is wrong with a generator's pictures: AF, MAI and CAP, their intervals, and which generators differ.

The paper ranks generators by these three names but does not print their formulas in what is public; these are **ours**. A
picture i has k_i anomalies of severity s (0 completely irrational … 100 completely realistic); the intensity of one is

    a = (100 − s) / 100                             0 (realistic) … 1 (irrational)

    AF  = Σ k_i / n                                 anomaly frequency: anomalies a picture, over n pictures
    MAI = Σ a / (number of rated anomalies)         mean anomaly intensity, over anomalies
    CAP = Σ a / n                                   combined: the mean over pictures of the sum of intensities

**Lower is better** for all three. CAP = AF · MAI where every anomaly has a severity; one without counts in AF alone. MAI is
undefined (NaN) where nothing was found. Pictures about which the reviewer gave no answer are left out.

**Intervals and tests** come from one bootstrap over *prompts*: a resample draws prompts with replacement from those of all
generators, and a generator's score is that of its own pictures among them. Where generators were given the same prompts they
are thereby compared on the same draws (a paired bootstrap); where they share none, on independent ones; several pictures of
one prompt stay together. Two generators are *separated* if their difference in CAP is significant at 4 % after Holm's
correction for all pairs (Holm, 1979, https://www.jstor.org/stable/4615733). Not at 5 %: a bootstrap's p is a little too small
with 200 pictures, and equal generators are to be told apart anywhere in a ranking at most 5 % of the time
(`benchmarks/audit_coverage.py`).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from dataset_builder.severity import intensity

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
LEVEL = 0.95  # of the intervals
SEPARATION = 0.04
RESAMPLES = 10_000  # Holm over the 105 pairs of 15 generators compares with 0.0005: fewer could not reach it
CHUNK = 250  # resamples held at a time

Severities = Mapping[str, Sequence[Sequence[int | None]]]
"""The severities of the anomalies of each picture, by prompt: a list of pictures a prompt."""


class Score(NamedTuple):
    """A value and its 95 % interval; NaN where undefined."""

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
    """Two generators' difference in CAP, `worse` − `better`, the prompts they share, and p after Holm's correction."""

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


def audit(
    generators: Mapping[str, Severities], resamples: int = RESAMPLES, seed: int = 0, level: float = SEPARATION
) -> Tested:
    """Score generators and say which of them differ.

    Args:
        generators (`dict`): what a reviewer found, name → prompt → pictures → severities. Every name has a picture.
        resamples (`int`, defaults to 10,000): of the bootstrap; p cannot be smaller than 2 / (resamples + 1).
        seed (`int`, defaults to 0): of the bootstrap.
        level (`float`, defaults to 0.04): at which a difference is significant, over all pairs together.
    """
    names = sorted(generators)
    # Sorted, so that the order in which prompts were read does not change the draws.
    prompts = {prompt: k for k, prompt in enumerate(sorted(set().union(*generators.values())))}
    sums = np.stack([_sums(generators[name], prompts) for name in names])  # [generators, sums, prompts]
    values = _scores(sums.sum(axis=2))  # [generators, scores]
    drawn = _resampled(sums, resamples, seed)  # [resamples, generators, scores]
    audited = []
    for g, name in enumerate(names):
        pictures, anomalies, _, rated, _ = (int(total) for total in sums[g].sum(axis=1))
        scores = {
            key: Score(float(values[g, s]), *_interval(drawn[:, g, s], len(generators[name])))
            for s, key in enumerate(SCORES)
        }
        audited.append(Audited(name, pictures, anomalies, anomalies - rated, scores))
    audited.sort(key=lambda one: (one.scores["CAP"].value, one.name))
    caps = {name: drawn[:, g, SCORES.index("CAP")] for g, name in enumerate(names)}
    pairs = _pairs(audited, caps, generators, level)
    return Tested(audited, pairs, _tiers([one.name for one in audited], pairs))


def _sums(pictures: Severities, prompts: Mapping[str, int]) -> np.ndarray:
    """What each prompt adds: pictures, anomalies, pictures with any, rated anomalies, intensities; shape [5, prompts]."""
    sums = np.zeros((5, len(prompts)))
    for prompt, listed in pictures.items():
        for severities in listed:
            rated = [intensity(s) for s in severities if s is not None]
            sums[:, prompts[prompt]] += (1, len(severities), bool(severities), len(rated), sum(rated))
    return sums


def _scores(sums: np.ndarray) -> np.ndarray:
    """AF, share, MAI and CAP from the five sums on the last axis; NaN where undefined."""
    pictures, anomalies, any_, rated, intensities = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([anomalies / pictures, any_ / pictures, intensities / rated, intensities / pictures], axis=-1)


def _resampled(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    rng, n = np.random.default_rng(seed), sums.shape[2]
    drawn = np.empty((resamples, len(sums), len(SCORES)))
    for start in range(0, resamples, CHUNK):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=min(CHUNK, resamples - start)).astype(np.float64)
        totals = weights @ sums.reshape(-1, n).T
        drawn[start : start + len(weights)] = _scores(totals.reshape(len(weights), *sums.shape[:2]))
    return drawn


def _interval(drawn: np.ndarray, prompts: int) -> tuple[float, float]:
    known = drawn[~np.isnan(drawn)]
    if prompts < 2 or not len(known):  # one prompt says nothing of how others would turn out
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _pairs(
    audited: Sequence[Audited], caps: Mapping[str, np.ndarray], generators: Mapping[str, Severities], level: float
) -> list[Pair]:
    found = []
    for better, worse in combinations(audited, 2):
        differences = caps[worse.name] - caps[better.name]
        differences = differences[~np.isnan(differences)]
        fewest = min(len(generators[better.name]), len(generators[worse.name]))
        low, high = _interval(differences, fewest)
        p = 1.0
        if fewest > 1:
            tail = min((differences <= 0).sum(), (differences >= 0).sum())
            p = min(1.0, 2 * (int(tail) + 1) / (len(differences) + 1))
        shared = len(generators[better.name].keys() & generators[worse.name].keys())
        difference = worse.scores["CAP"].value - better.scores["CAP"].value
        found.append(Pair(better.name, worse.name, difference, low, high, p, shared, False))
    if not found:
        return []
    from statsmodels.stats.multitest import multipletests  # a second to import

    _, corrected, _, _ = multipletests([pair.p for pair in found], method="holm")
    return [pair._replace(p=float(p), separated=bool(p < level)) for pair, p in zip(found, corrected, strict=True)]


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
