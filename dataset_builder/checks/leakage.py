"""Pictures that are in train and in test: the same bytes, or what a perceptual hash takes for the same picture.

The hash is imagehash's pHash of 256 bits. Encoding a picture again at quality 60 or scaling it to between half and three halves
moves at most 20 of them, another picture about half, another rendered scene at least 54; up to 26 different bits count as the
same. All pairs are compared, 10,000 by 35,000 in a few seconds.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dataset_builder.sources.findings import Finding

__all__ = ["NEAR_BITS", "Print", "leaks"]

NEAR_BITS = 26
_ROWS = 256


class Print(NamedTuple):
    """What identifies a picture: its name and split, the SHA-256 of its bytes, and the 256 bits of its perceptual hash."""

    image_id: str
    split: str
    digest: bytes
    bits: npt.NDArray[np.uint64] | None


def leaks(prints: Iterable[Print]) -> list[Finding]:
    """One finding for each test picture that is also in train."""
    listed = list(prints)
    train = [one for one in listed if one.split == "train"]
    test = [one for one in listed if one.split == "test"]
    exact = {one.digest: one.image_id for one in train}
    found = [
        Finding(
            "exact duplicate across splits",
            one.image_id,
            f"{one.image_id}: the same bytes as {exact[one.digest]} of train",
            one.image_id,
        )
        for one in test
        if one.digest in exact
    ]
    rest = [one for one in test if one.digest not in exact and one.bits is not None]
    known = [one for one in train if one.bits is not None]
    if not rest or not known:
        return found
    theirs = np.stack([one.bits for one in known])  # type: ignore[misc]
    for start in range(0, len(rest), _ROWS):
        ours = np.stack([one.bits for one in rest[start : start + _ROWS]])  # type: ignore[misc]
        distance = np.zeros((len(ours), len(theirs)), dtype=np.uint16)
        for part in range(ours.shape[1]):
            distance += np.bitwise_count(ours[:, None, part] ^ theirs[None, :, part])
        nearest = distance.argmin(axis=1)
        for index in np.flatnonzero(distance[np.arange(len(ours)), nearest] <= NEAR_BITS):
            name, other = rest[start + index].image_id, known[nearest[index]].image_id
            bits = distance[index, nearest[index]]
            message = f"{name}: looks like {other} of train ({bits} of 256 bits differ)"
            found.append(Finding("near-duplicate across splits", name, message, name))
    return found
