"""What makes a number believable: bootstrap intervals, paired tests, and the deal that gives the score of chance.

Nothing here depends on the order of the pictures: values are sorted, and pictures ordered by their content, before any
is drawn.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .anomalies import Quadruplet
from .similarity import pictures_per_block

__all__ = ["PairedTest", "deal", "intervals", "paired_bootstrap"]

LEVEL = 0.95
CHUNK = 100  # resamples drawn at a time
DEALT = 100  # pictures that a small set deals at least, by dealing each more than once


def _resampled_means(columns: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of `resamples` draws of all rows with replacement, shape [resamples, columns]."""
    rng, n = np.random.default_rng(seed), len(columns)
    means = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, CHUNK):
        draws = rng.integers(0, n, size=(min(CHUNK, resamples - start), n))
        counts = np.stack([np.bincount(draw, minlength=n) for draw in draws])
        means[start : start + len(draws)] = counts @ columns / n
    return means


def intervals(columns: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """95 % percentile-bootstrap intervals of column means, over pictures.

    Args:
        columns (`np.ndarray`): a score a picture and column, shape [pictures, scores], at least one picture.
        resamples (`int`): how many sets are drawn.
        seed (`int`): of the draws.

    Returns:
        `np.ndarray`: low and high of each score, shape [2, scores].
    """
    tail = (1 - LEVEL) / 2
    means = _resampled_means(np.sort(columns, axis=0), resamples, seed)
    return np.asarray(np.quantile(means, [tail, 1 - tail], axis=0))


class PairedTest(NamedTuple):
    """Two predictors on the same pictures: mean difference, its 95 % interval, and a two-sided p of no difference."""

    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(first: np.ndarray, second: np.ndarray, resamples: int, seed: int) -> PairedTest:
    """Whether `first` scores better than `second`, by resampling pictures (Koehn, 2004,
    https://aclanthology.org/W04-3250).

    Args:
        first (`np.ndarray`): a score a picture.
        second (`np.ndarray`): the other predictor's scores of the same pictures in the same order.
        resamples (`int`): how many sets are drawn; p cannot be smaller than 2 / (resamples + 1).
        seed (`int`): of the draws.
    """
    differences = np.sort(np.asarray(first) - np.asarray(second))
    means = _resampled_means(differences[:, None], resamples, seed)[:, 0]
    tail = min((means <= 0).sum(), (means >= 0).sum())
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return PairedTest(
        float(differences.mean()), float(low), float(high), float(min(1.0, 2 * (tail + 1) / (resamples + 1)))
    )


def _content(predictions: Sequence[Quadruplet], references: Sequence[Quadruplet]) -> bytes:
    sides = [
        sorted([anomaly.phenomenon, anomaly.reasoning] for anomaly in anomalies)
        for anomalies in (predictions, references)
    ]
    return hashlib.blake2b(json.dumps(sides).encode(), digest_size=16).digest()


def deal(
    predictions: Sequence[Sequence[Quadruplet]], references: Sequence[Sequence[Quadruplet]], seed: int
) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Deal the predictions of each picture to other pictures: what they score there is chance.

    Pictures are dealt within blocks, so that what is encoded for their own scores serves the dealt ones too.

    Yields:
        `tuple[list[int], list[tuple[int, int]]]`: the pictures of a block, and its dealt pairs (whose predictions,
            whose references); never a picture's own. A single picture has no other: no pairs.
    """
    n = len(predictions)
    order = np.array(sorted(range(n), key=lambda i: _content(predictions[i], references[i])), dtype=np.int64)
    order = order[np.random.default_rng(seed).permutation(n)]
    rounds = max(1, round(DEALT / max(n, 1)))
    for block in np.array_split(order, max(1, -(-n // pictures_per_block(predictions, references)))):
        shifts = range(1, min(rounds, len(block) - 1) + 1)
        pairs = [(int(block[(i + shift) % len(block)]), int(r)) for shift in shifts for i, r in enumerate(block)]
        yield [int(i) for i in block], pairs
