"""What an encoder's numbers mean: the constants of the calibrated similarity, by the SHA-256 of the encoder's weights.

`benchmarks/calibrate.py` prints an entry. It takes the tuning half of `benchmarks/annotations` and deals right answers of each
picture to other pictures: a threshold is the similarity that a given share of them reaches with any anomaly there. The shares
are the same for every encoder.
"""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from .encoder import EncoderFiles, fingerprint
from .errors import EncoderError

__all__ = ["CHANCE_RATES", "Calibration", "calibration_of", "needed_calibration"]

VERSION = "1"  # of the similarity's formula and rules; moves whenever the same texts would get another similarity
CHANCE_RATES = (0.05, 0.01, 0.002)
"""The shares of the answers dealt to another picture that the thresholds let pass."""


class Calibration(NamedTuple):
    """The constants of one encoder.

    Attributes:
        encoder (`str`): its name, for people.
        baseline (`float`): the mean cosine of the sentences of different pictures, which counts as 0.
        unrelated (`float`): the cosine that one in twenty pairs of random words exceeds; below it, words are unrelated.
        thresholds (`dict[str, tuple[float, ...]]`): for each view one for each of `CHANCE_RATES`.
    """

    encoder: str
    baseline: float
    unrelated: float
    thresholds: Mapping[str, tuple[float, ...]]

    @property
    def name(self) -> str:
        """The calibration as a signature has it: the version of the similarity and a hash of the constants."""
        return f"{VERSION}/{hashlib.sha256(repr(self).encode()).hexdigest()[:8]}"


CALIBRATIONS: dict[str, Calibration] = {
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db": Calibration(
        encoder="all-MiniLM-L6-v2",
        baseline=0.131,
        unrelated=0.191,
        thresholds={"Phe": (0.216, 0.291, 0.36), "Rea": (0.248, 0.365, 0.451), "Full": (0.157, 0.235, 0.308)},
    ),
}


def calibration_of(files: EncoderFiles) -> Calibration | None:
    """The calibration of an encoder; `None` if it has none, or its files are not on this machine."""
    found = fingerprint(files)
    return CALIBRATIONS.get(found.weights) if found else None


def needed_calibration(files: EncoderFiles) -> Calibration:
    """The same, or an `EncoderError` that says how to have one."""
    found = calibration_of(files)
    if found is None:
        raise EncoderError(
            f'encoder {files.name!r} has no calibration, so it cannot give SemAPC and SemF1C; use encoder="minilm", or make one '
            "with benchmarks/calibrate.py"
        )
    return found
