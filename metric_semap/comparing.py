"""Pictures compared: the texts of both sides are encoded once, and each measure of similarity gets them.

A block of pictures is encoded at a time, so memory does not grow with the corpus. The references' texts, which every
further model is compared with, may come from a cache.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .anomalies import Anomaly, Quadruplet
from .embedding_cache import EmbeddingCache
from .encoder import EncoderFiles
from .encoding import Encoded, check_dtype, device_of, encode
from .errors import OptionError

__all__ = ["Comparer", "Matrices", "Measure", "own_blocks", "pictures_per_block", "quadruplets"]

Matrices = dict[str, np.ndarray]
"""The similarities of one picture: `phe` (phenomena) and `rea` (reasonings), each of the shape [predictions, references]; for
each further measure the same two with its suffix."""

Measure = Callable[[list[str], list[str], Mapping[str, Encoded]], np.ndarray]
"""Gives the similarities of every text of the first list to every one of the second; texts that are not encoded are empty."""

BLOCK_RECORDS = 2400  # records encoded together: 4,800 texts of about 40 tokens, 1.5 kB a token with MiniLM, are 300 MB
FIELDS: dict[str, Callable[[Quadruplet], str]] = {
    "phe": lambda anomaly: anomaly.phenomenon.strip(),
    "rea": lambda anomaly: anomaly.reasoning.strip(),
}


def pictures_per_block(predictions: Sequence[Sequence[object]], references: Sequence[Sequence[object]]) -> int:
    """How many pictures of these to encode together, so that memory stays the same whatever the lists' length; at least 2."""
    records = sum(map(len, predictions)) + sum(map(len, references))
    return max(2, BLOCK_RECORDS * len(references) // max(records, 1))


def own_blocks(
    predictions: Sequence[Sequence[object]], references: Sequence[Sequence[object]]
) -> list[list[tuple[int, int]]]:
    """Each picture with itself, in blocks; an `OptionError` if there are more pictures on one side."""
    if len(predictions) != len(references):
        raise OptionError(f"{len(predictions)} lists of predictions, but {len(references)} of references")
    own, size = [(i, i) for i in range(len(references))], pictures_per_block(predictions, references)
    return [own[start : start + size] for start in range(0, len(own), size)]


class Comparer:
    """One encoder at work: on which device, in which precision, with which cache of references."""

    def __init__(
        self, files: EncoderFiles, device: str | None, dtype: str, cache: EmbeddingCache | None = None
    ) -> None:
        check_dtype(dtype)
        self.files, self.dtype, self.cache = files, dtype, cache
        self._device = device

    @property
    def device(self) -> str:
        """Where the encoder runs."""
        return device_of(self._device)

    def compare(
        self,
        predictions: Sequence[Sequence[Quadruplet]],
        references: Sequence[Sequence[Quadruplet]],
        blocks: Sequence[Sequence[tuple[int, int]]],
        measures: Mapping[str, Measure],
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[tuple[int, int], Matrices]]:
        """The similarities of picture p's predictions to picture r's references, for each (p, r) asked for.

        Args:
            blocks (`list[list[tuple[int, int]]]`): the pairs of pictures, in blocks; the texts of one block are encoded
                together, each different text once, and forgotten after it.
            measures (`dict[str, Measure]`): by the suffix of their keys in the matrices.
            progress (`Callable`, *optional*): called after each block with its number of pairs.

        Yields:
            `tuple`: ((p, r), matrices), in the order asked for.
        """
        for block in blocks:
            encoded = self._encode(predictions, references, block)
            for p, r in block:
                texts = {
                    key: ([*map(text, predictions[p])], [*map(text, references[r])]) for key, text in FIELDS.items()
                }
                matrices = {
                    f"{key}{suffix}": measure(*texts[key], encoded)
                    for suffix, measure in measures.items()
                    for key in FIELDS
                }
                yield (p, r), matrices
            if progress is not None:
                progress(len(block))

    def _encode(
        self,
        predictions: Sequence[Sequence[Quadruplet]],
        references: Sequence[Sequence[Quadruplet]],
        block: Sequence[tuple[int, int]],
    ) -> dict[str, Encoded]:
        """The texts of a block that are compared with any; what the cache has of the references is taken from there."""
        compared = [(p, r) for p, r in block if predictions[p] and references[r]]
        true = {r: _texts(references[r]) for r in dict.fromkeys(r for _, r in compared)}
        encoded: dict[str, Encoded] = {}
        missing = []
        for texts in true.values():
            kept = self.cache.get(self._key(texts)) if self.cache is not None else None
            if kept is None or len(kept) != len(texts):
                missing.append(texts)
            else:
                encoded |= zip(texts, kept, strict=True)
        said = {text for p in dict.fromkeys(p for p, _ in compared) for text in _texts(predictions[p])}
        wanted = (said | {text for texts in missing for text in texts}) - encoded.keys()
        encoded |= encode(self.files, self.device, self.dtype, sorted(wanted))
        if self.cache is not None:
            for texts in missing:
                self.cache.put(self._key(texts), [encoded[text] for text in texts])
        return encoded

    def _key(self, texts: Sequence[str]) -> list[str]:
        """What the vectors of these texts depend on besides the encoder's content, which the cache knows."""
        files = self.files
        return [f"{files.num_layers} {files.whole} {self.device.split(':')[0]} {self.dtype}", *texts]


def _texts(anomalies: Sequence[Quadruplet]) -> list[str]:
    """The different texts of a picture, without the empty one, in an order of their own."""
    return sorted({text(anomaly) for anomaly in anomalies for text in FIELDS.values()} - {""})


def quadruplets(pictures: Sequence[Sequence[Quadruplet | Mapping[str, Any]]]) -> list[list[Quadruplet]]:
    """Anomalies as objects, whether they came so or as records with `phenomenon` and `reasoning`."""
    return [
        [
            Anomaly("", str(one["phenomenon"]), str(one["reasoning"])) if isinstance(one, Mapping) else one
            for one in anomalies
        ]
        for anomalies in pictures
    ]
