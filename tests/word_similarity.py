"""A similarity that is the same on every machine: the share of words that two texts have in common.

It takes the encoder's place where a test is about what is done with similarities, so that whole files can be compared.
"""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["WordSimilarity"]


class WordSimilarity:
    """What `measure` needs of a similarity."""

    name, hash_code = "words_L0", "words_L0_no-idf"
    identity = MappingProxyType({"sim": "words", "cal": "none", "enc": "words_L0", "lib": "none"})
    calibration = None

    def matrices(self, predictions: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]]) -> list[Any]:
        """Each picture with itself."""
        return [found for _, found in self.compare(predictions, references, [[(i, i) for i in range(len(references))]])]

    def compare(
        self, predictions: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]], blocks: Sequence[Any]
    ) -> Iterator[Any]:
        for block in blocks:
            for p, r in block:
                sides = predictions[p], references[r]
                yield (
                    (p, r),
                    {key: _shares(*sides, field) for key, field in (("phe", "phenomenon"), ("rea", "reasoning"))},
                )


def _shares(left: Sequence[Any], right: Sequence[Any], field: str) -> np.ndarray:
    shares = np.zeros((len(left), len(right)))
    for p, said in enumerate(left):
        for r, true in enumerate(right):
            a, b = (set(_text(one, field).lower().split()) for one in (said, true))
            shares[p, r] = 2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0
    return shares


def _text(one: Any, field: str) -> str:
    return str(getattr(one, field))
