"""SemAPC and SemF1C: the scores under the calibrated similarity, in one place from the matrices to the counts.

At each threshold as many pairs are matched as can be, so no match takes the place of two. For m predictions and n references:

    TP = the most pairs, one to one, with similarity ≥ τ        SemAPC = mean TP / m        SemF1C = mean 2·TP / (m + n)

over the calibration's thresholds of the view. An answer that reaches all of them adds to TP wherever it is matched, so leaving
one out never raises SemF1C; SemAPC, a precision, can rise by it, and is given with SemF1C to explain it.
"""

from collections.abc import Sequence

import numpy as np

from .calibration import Calibration
from .comparing import Matrices
from .matching import most_pairs
from .scores import VIEWS
from .scoring import Tally
from .sentence import calibrated_views

__all__ = ["calibrated_tallies"]


def calibrated_tallies(matrices: Sequence[Matrices], calibration: Calibration) -> dict[str, Tally]:
    """Count, for each view and picture, the pairs that can be matched at each of the calibration's thresholds.

    Args:
        matrices (`list[dict[str, np.ndarray]]`): for each picture `phe_c` and `rea_c`, shape [predictions, references].
    """
    views = [calibrated_views(one["phe_c"], one["rea_c"]) for one in matrices]
    return {name: _tally([view[name] for view in views], calibration.thresholds[name]) for name in VIEWS}


def _tally(matrices: Sequence[np.ndarray], thresholds: Sequence[float]) -> Tally:
    hits = np.array([[most_pairs(matrix >= t) for t in thresholds] for matrix in matrices], dtype=np.int64)
    sizes = np.array([matrix.shape for matrix in matrices], dtype=np.int64).reshape(-1, 2)
    return Tally(hits.reshape(len(matrices), len(thresholds)), sizes[:, 0], sizes[:, 1])
