"""Matching: which prediction is held against which reference, one to one, within one picture."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import OptionError, SemapError

__all__ = ["MATCHINGS", "Match", "greedy_match", "matching_named", "most_pairs", "optimal_match"]

Match = tuple[int, int, float]
"""A matched pair: prediction, reference, similarity."""


def _checked(matrix: Any) -> np.ndarray:
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2:
        raise SemapError(f"a similarity matrix has the shape [predictions, references]; this one has {values.shape}")
    if not np.isfinite(values).all():
        p, r = np.argwhere(~np.isfinite(values))[0]
        raise SemapError(f"similarity [{p}, {r}] is {values[p, r]}; every similarity must be a finite number")
    return values


def greedy_match(matrix: Any) -> list[Match]:
    """Match the most similar pair still free, again and again: the official evaluator's matching.

    Args:
        matrix (`np.ndarray`): similarities, shape [predictions, references], finite; either side may be empty.

    Returns:
        `list[tuple[int, int, float]]`: (prediction, reference, similarity) by falling similarity. Only similarities above 0
            are matched; of equal ones the lowest prediction comes first, then the lowest reference.

    Raises:
        `SemapError`: if the matrix is not two-dimensional or holds a NaN or an infinity.
    """
    free = _checked(matrix).copy()
    matches: list[Match] = []
    while free.size:
        # argmax gives the first of equal values in row order, which is the tie rule.
        p, r = divmod(int(free.argmax()), free.shape[1])
        if free[p, r] <= 0:
            break
        matches.append((p, r, float(free[p, r])))
        free[p, :] = 0.0
        free[:, r] = 0.0
    return matches


def optimal_match(matrix: Any) -> list[Match]:
    """Match so that the sum of similarities is the largest possible (the assignment problem).

    Takes and returns what [`greedy_match`] does. Of several assignments with the same sum SciPy's choice is taken.
    """
    from scipy.optimize import linear_sum_assignment

    values = _checked(matrix)
    rows, columns = linear_sum_assignment(np.maximum(values, 0.0), maximize=True)
    pairs = [(int(p), int(r), float(values[p, r])) for p, r in zip(rows, columns, strict=True) if values[p, r] > 0]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))


def most_pairs(allowed: np.ndarray) -> int:
    """The size of the largest one-to-one matching, for a matrix [predictions, references] of the pairs that are allowed."""
    rows, columns = int(allowed.any(axis=1).sum()), int(allowed.any(axis=0).sum())
    if (
        min(rows, columns) < 3
    ):  # one line cannot hold all of two rows and two columns (König); no solver needed for most pictures
        return min(rows, columns)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    return int((maximum_bipartite_matching(csr_array(allowed)) >= 0).sum())


MATCHINGS: dict[str, Callable[[Any], list[Match]]] = {"greedy": greedy_match, "optimal": optimal_match}


def matching_named(name: str) -> Callable[[Any], list[Match]]:
    """The matching called `greedy` or `optimal`; anything else is an `OptionError`."""
    if name not in MATCHINGS:
        raise OptionError(f"matching: {name!r} is unknown; choose one of {', '.join(MATCHINGS)}")
    return MATCHINGS[name]
