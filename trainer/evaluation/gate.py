"""A release gate for makers of generators: is the new version worse than the old one on the same prompts?

Both versions are given the same prompts, so they are compared prompt by prompt; prompts of only one of them are left out.
Compared are AF, MAI and CAP (`intensity`) and, of each kind of anomaly (`kinds`), how many there are per picture: **new − old,
so above 0 is worse**.

**Test.** If the versions do not differ, which of a prompt's two sides is called new is a matter of chance: p is the share of
random exchanges of sides, prompt by prompt, whose difference is at least as far from 0 (a paired permutation test; Fisher,
1935; exact up to the number of exchanges drawn, however the counts are distributed). All tests together are corrected by
Holm's method, so that a version that did not change is called worse in at most 5 % of comparisons. A kind that nobody found is
not tested.

**Intervals** (95 %, of each difference by itself) are a bootstrap over prompts.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dataset_builder.errors import InputError
from dataset_builder.severity import intensity
from metric_semap.anomalies import Picture
from metric_semap.statistics import holm
from trainer.evaluation.intensity import Score
from trainer.evaluation.kinds import KINDS, Encode, kinds_of

__all__ = ["LEVEL", "Compared", "Gate", "compare"]

LEVEL = 0.05
"""The share of comparisons of equal versions in which any test may find a difference."""
EXCHANGES = 10_000
RESAMPLES = 5_000
CHUNK = 250

ByPrompt = Mapping[str, Sequence[Picture]]
"""A version's pictures by prompt, as the reviewer saw them."""

_PICTURES, _ANOMALIES, _RATED, _INTENSITY = range(4)


class Compared(NamedTuple):
    """One measure of both versions: its values, `difference` new − old with its interval, and p after correction, NaN if not
    tested."""

    measure: str
    old: float
    new: float
    difference: Score
    p: float

    @property
    def is_worse(self) -> bool:
        """Whether the new version is worse in this, beyond chance."""
        return self.p < LEVEL and self.difference.value > 0

    @property
    def is_better(self) -> bool:
        """Whether it is better, beyond chance."""
        return self.p < LEVEL and self.difference.value < 0


class Gate(NamedTuple):
    """A comparison of two versions: over how many shared prompts, how many were left out, and every measure."""

    old: str
    new: str
    prompts: int
    left_out: int
    measures: list[Compared]

    @property
    def is_worse(self) -> bool:
        """Whether the new version is worse in anything, beyond chance."""
        return any(one.is_worse for one in self.measures)


def compare(old: tuple[str, ByPrompt], new: tuple[str, ByPrompt], seed: int = 0, encode: Encode | None = None) -> Gate:
    """Compare two versions of a generator.

    Args:
        old, new (`tuple`): name, and pictures by prompt; pictures about which the reviewer gave no answer are left out.
        seed (`int`): of exchanges and resamples.
        encode (callable, *optional*): see `trainer.evaluation.kinds`.

    Raises:
        InputError: if they share fewer than two prompts.
    """
    sides = [{prompt: seen for prompt, listed in of.items() if (seen := _seen(listed))} for _, of in (old, new)]
    shared = sorted(sides[0].keys() & sides[1].keys())
    if len(shared) < 2:
        raise InputError(
            f"{old[0]} and {new[0]}: share {len(shared)} prompts; pictures of one prompt need the same name up to _GENERATOR, "
            "or prompts: FILE must say which belong together"
        )
    sums = np.stack([[_sums(side[prompt], encode) for prompt in shared] for side in sides])  # [2, prompts, sums]
    kinds = [k for k in range(len(KINDS)) if sums[:, :, 4 + k].any()]
    names = ["AF", "MAI", "CAP", *(KINDS[k] for k in kinds)]
    values = _measures(sums.sum(axis=1), kinds)  # [2, measures]
    difference = values[1] - values[0]
    p = _exchanged(sums, kinds, difference, seed)
    low, high = _resampled(sums, kinds, seed)
    compared = [
        Compared(
            name,
            float(values[0, at]),
            float(values[1, at]),
            Score(float(difference[at]), float(low[at]), float(high[at])),
            p[at],
        )
        for at, name in enumerate(names)
    ]
    left_out = len(sides[0].keys() ^ sides[1].keys())
    return Gate(old[0], new[0], len(shared), left_out, compared)


def _seen(listed: Sequence[Picture]) -> list[Picture]:
    return [picture for picture in listed if picture.answered]


def _sums(pictures: Sequence[Picture], encode: Encode | None) -> np.ndarray:
    """What a prompt's pictures add: pictures, anomalies, rated ones, intensities, and anomalies of each kind."""
    sums = np.zeros(4 + len(KINDS))
    for picture in pictures:
        rated = [intensity(one.severity) for one in picture.anomalies if one.severity is not None]
        sums[:4] += (1, len(picture.anomalies), len(rated), sum(rated))
        for kind in kinds_of(picture.anomalies, encode):
            sums[4 + KINDS.index(kind)] += 1
    return sums


def _measures(sums: np.ndarray, kinds: Sequence[int]) -> np.ndarray:
    """AF, MAI, CAP and anomalies of each kind per picture, from sums on the last axis; NaN where undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each = sums / sums[..., _PICTURES, None]
        mean = sums[..., _INTENSITY] / sums[..., _RATED]
    return np.stack([each[..., _ANOMALIES], mean, each[..., _INTENSITY], *(each[..., 4 + k] for k in kinds)], axis=-1)


def _exchanged(sums: np.ndarray, kinds: Sequence[int], difference: np.ndarray, seed: int) -> list[float]:
    """p of each measure, corrected; NaN where the difference is undefined."""
    rng, prompts = np.random.default_rng(seed), sums.shape[1]
    total, apart = sums.sum(axis=(0, 1)), sums[0] - sums[1]
    as_far = np.zeros(len(difference))
    for start in range(0, EXCHANGES, CHUNK):
        stay = rng.integers(0, 2, (min(CHUNK, EXCHANGES - start), prompts))
        first = sums[1].sum(axis=0) + stay @ apart  # each exchange's own "old"
        drawn = _measures(total - first, kinds) - _measures(first, kinds)
        with np.errstate(invalid="ignore"):
            # An exchange that leaves a side without anything is as far as can be.
            as_far += (~(np.abs(drawn) < np.abs(difference) - 1e-12)).sum(axis=0)
    p = (as_far + 1) / (EXCHANGES + 1)
    known = np.isfinite(difference)
    corrected = np.full(len(p), math.nan)
    corrected[known] = holm(p[known].tolist())
    return [float(one) for one in corrected]


def _resampled(sums: np.ndarray, kinds: Sequence[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng, prompts = np.random.default_rng(seed), sums.shape[1]
    drawn = []
    for start in range(0, RESAMPLES, CHUNK):
        weights = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=min(CHUNK, RESAMPLES - start))
        old, new = (_measures(weights @ side, kinds) for side in sums)
        drawn.append(new - old)
    found = np.concatenate(drawn)
    low, high = (np.full(found.shape[1], math.nan) for _ in range(2))
    for at, column in enumerate(found.T):
        known = column[np.isfinite(column)]
        if len(known):
            low[at], high[at] = np.quantile(known, [0.025, 0.975])
    return low, high
