"""How far two reviewers' rankings of generators agree, with an interval, and how good and rational a generator is together."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from dataset_builder.severity import intensity
from trainer.evaluation.intensity import Score, Severities

__all__ = ["Disagreement", "agreement", "correlation", "disagreements"]

RESAMPLES = 2_000


class Disagreement(NamedTuple):
    """A pair of generators that two reviewers order differently; each one's difference in CAP, first − second generator."""

    first: str
    second: str
    by_one: float
    by_other: float


def agreement(one: Mapping[str, Severities], other: Mapping[str, Severities], seed: int) -> Score:
    """Kendall's tau-b of two rankings by CAP, with a bootstrap over prompts, which both reviewers share.

    Resampled rankings are noisier than the ranking itself, so the interval reaches lower than it need where generators are alike.
    NaN with fewer than two generators in common, or where a reviewer gives all of them the same CAP.
    """
    names = sorted(one.keys() & other.keys())
    if len(names) < 2:
        return Score(math.nan, math.nan, math.nan)
    prompts = sorted(set().union(*(side[name] for side in (one, other) for name in names)))
    sums = np.stack(
        [[_sums(side[name], prompts) for name in names] for side in (one, other)]
    )  # [2, generators, 2, prompts]
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, len(prompts), len(prompts)) for _ in range(RESAMPLES))
    resampled = np.stack([_caps(sums @ np.bincount(at, minlength=len(prompts))) for at in drawn])
    taus = _tau(resampled)
    known = taus[~np.isnan(taus)]
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (math.nan, math.nan)
    return Score(float(_tau(_caps(sums.sum(axis=-1)))), float(low), float(high))


def _tau(caps: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each two rankings in shape [..., 2, generators]: scipy's, of all resamples at once."""
    first, second = np.triu_indices(caps.shape[-1], 1)
    signs = np.sign(caps[..., first] - caps[..., second])  # [..., 2, pairs]
    untied = np.abs(signs).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(signs.prod(axis=-2).sum(axis=-1) / np.sqrt(untied.prod(axis=-1)))


def _sums(pictures: Severities, prompts: Sequence[str]) -> list[list[float]]:
    """Pictures and intensities of each prompt."""
    listed = [pictures.get(prompt, ()) for prompt in prompts]
    rated = [sum(intensity(s) for seen in each for s in seen if s is not None) for each in listed]
    return [[float(len(each)) for each in listed], rated]


def _caps(sums: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[:, :, 1] / sums[:, :, 0])


def disagreements(one: Mapping[str, float], other: Mapping[str, float]) -> list[Disagreement]:
    """The pairs of generators that two reviewers' CAPs order differently, the clearest first."""
    found = []
    for first, second in combinations(sorted(one.keys() & other.keys()), 2):
        by_one, by_other = (side[first] - side[second] for side in (one, other))
        if by_one * by_other < 0:
            found.append(Disagreement(first, second, by_one, by_other))
    return sorted(found, key=lambda pair: -min(abs(pair.by_one), abs(pair.by_other)))


def correlation(quality: Mapping[str, float], cap: Mapping[str, float], seed: int) -> tuple[Score, float]:
    """Spearman's correlation of generators' quality and CAP, and the p of no correlation by permutation.

    Its interval is Fisher's with the variance of Bonett and Wright (2000, https://doi.org/10.1007/BF02294183); NaN below four
    generators, or where a side has a single value.
    """
    from scipy.stats import rankdata

    names = sorted(quality.keys() & cap.keys())
    sides = [np.array([side[name] for name in names]) for side in (quality, cap)]
    if len(names) < 4 or any(len(set(side.tolist())) < 2 for side in sides):
        return Score(math.nan, math.nan, math.nan), math.nan
    ranks = [rankdata(side) for side in sides]
    first, second = ((rank - rank.mean()) / np.linalg.norm(rank - rank.mean()) for rank in ranks)
    value = float(first @ second)
    dealt = np.random.default_rng(seed).permuted(np.tile(first, (RESAMPLES, 1)), axis=1) @ second
    p = float(((np.abs(dealt) >= abs(value) - 1e-12).sum() + 1) / (RESAMPLES + 1))
    near = min(max(value, -1 + 1e-9), 1 - 1e-9)
    half = 1.959964 * math.sqrt((1 + near**2 / 2) / (len(names) - 3))
    return Score(value, math.tanh(math.atanh(near) - half), math.tanh(math.atanh(near) + half)), p
