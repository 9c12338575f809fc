"""Chance: the deal of predictions to other pictures, whose score says what is scored without having seen the picture.

Nothing here depends on the order of the pictures: they are ordered by their content before any is dealt.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence

import numpy as np

from .anomalies import Quadruplet
from .similarity import pictures_per_block

__all__ = ["deal"]

DEALT = 100  # pictures that a small set deals at least, by dealing each more than once


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
