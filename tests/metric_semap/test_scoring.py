"""Scores from matrices: the official definition, its edge cases, and what must always hold."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metric_semap.errors import OptionError, SemapError
from metric_semap.matching import greedy_match, most_pairs, optimal_match
from metric_semap.scoring import score_matrices

THRESHOLDS = (0.7, 0.8, 0.9)


def official(matrices: list[np.ndarray], thresholds: tuple[float, ...]) -> dict[str, Any]:
    """The official definition, written out for this test: plain loops, all pairs sorted, counts per picture and pooled."""
    semap, semf1 = [], []
    pooled = {t: [0, 0, 0] for t in thresholds}
    for matrix in matrices:
        m, n = matrix.shape
        pairs = sorted(
            ((matrix[p][r], p, r) for p in range(m) for r in range(n)), key=lambda pair: (-pair[0], pair[1], pair[2])
        )
        used_p, used_r, chosen = set(), set(), []
        for similarity, p, r in pairs:
            if similarity > 0 and p not in used_p and r not in used_r:
                used_p.add(p)
                used_r.add(r)
                chosen.append(similarity)
        precisions, f1s = [], []
        for t in thresholds:
            tp = sum(similarity >= t for similarity in chosen)
            fp, fn = m - tp, n - tp
            precision = tp / (tp + fp) if tp + fp else 0.0
            recall = tp / (tp + fn) if tp + fn else 0.0
            precisions.append(precision)
            f1s.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
            for k, count in enumerate((tp, fp, fn)):
                pooled[t][k] += count
        semap.append(sum(precisions) / len(precisions))
        semf1.append(sum(f1s) / len(f1s))
    return {"SemAP": sum(semap) / len(semap), "SemF1": sum(semf1) / len(semf1), "pooled": pooled}


def matrices(max_side: int = 7, values: st.SearchStrategy[float] | None = None) -> st.SearchStrategy[np.ndarray]:
    sides = st.integers(0, max_side)
    values = st.floats(0, 1, width=32) if values is None else values
    return st.tuples(sides, sides).flatmap(lambda shape: arrays(np.float64, shape, elements=values))


# Few values, so that there are many ties.
TIED = st.sampled_from([0.0, 0.5, 0.7, 0.75, 0.8, 0.9, 1.0])


@given(st.lists(matrices(values=st.one_of(TIED, st.floats(0, 1))), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_scores_are_the_official_definitions(pictures: list[np.ndarray]) -> None:
    """Headline and pooled counts equal an independent writing-out of the official definition, ties included."""
    got, expected = score_matrices(pictures, THRESHOLDS), official(pictures, THRESHOLDS)
    assert got["SemAP"] == pytest.approx(expected["SemAP"], abs=1e-12)
    assert got["SemF1"] == pytest.approx(expected["SemF1"], abs=1e-12)
    for threshold, counts in got["by_threshold"].items():
        assert [counts["TP"], counts["FP"], counts["FN"]] == expected["pooled"][threshold]


@given(matrices(values=st.one_of(TIED, st.floats(0, 1))))
@settings(max_examples=150, deadline=None)
def test_matching_is_one_to_one_and_optimal_is_never_worse(matrix: np.ndarray) -> None:
    """No prediction or reference is matched twice; the optimal sum is at least the greedy one."""
    for matches in (greedy_match(matrix), optimal_match(matrix)):
        for side in (0, 1):
            assert len({match[side] for match in matches}) == len(matches)
        assert all(matrix[p, r] == score > 0 for p, r, score in matches)
    assert sum(s for _, _, s in greedy_match(matrix)) <= sum(s for _, _, s in optimal_match(matrix)) + 1e-9


@given(st.lists(matrices(), min_size=1, max_size=5), st.data())
@settings(max_examples=80, deadline=None)
def test_order_changes_nothing_but_ties(pictures: list[np.ndarray], data: st.DataObject) -> None:
    """Pictures may be permuted, and entries too where no two similarities are equal."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    pictures = [rng.random(m.shape) for m in pictures]  # no two equal, nor any two sums
    moved = [pictures[i][rng.permutation(pictures[i].shape[0])] for i in rng.permutation(len(pictures))]
    moved = [matrix[:, rng.permutation(matrix.shape[1])] for matrix in moved]
    for matching in ("greedy", "optimal"):
        before, after = score_matrices(pictures, THRESHOLDS, matching), score_matrices(moved, THRESHOLDS, matching)
        assert [before[k] for k in ("SemAP", "SemF1", "by_threshold")] == [
            after[k] for k in ("SemAP", "SemF1", "by_threshold")
        ]


@given(st.lists(matrices(), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_semf1_is_symmetric_and_scores_fall_with_the_threshold(pictures: list[np.ndarray], seed: int) -> None:
    """Swapping the sides keeps SemF1; a higher threshold never raises a score."""
    rng = np.random.default_rng(seed)
    pictures = [rng.permutation(np.linspace(0.01, 0.99, m.size)).reshape(m.shape) for m in pictures]
    swapped = score_matrices([m.T for m in pictures], THRESHOLDS)["SemF1"]
    assert score_matrices(pictures, THRESHOLDS)["SemF1"] == pytest.approx(swapped, abs=1e-12)
    for score in ("SemAP", "SemF1"):
        rising = [score_matrices(pictures, [t])[score] for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
        assert rising == sorted(rising, reverse=True)


def test_ties_go_to_the_lowest_prediction_then_reference() -> None:
    """Of equal similarities the first row wins, in it the first column."""
    assert greedy_match([[0.5, 0.5], [0.5, 0.5]]) == [(0, 0, 0.5), (1, 1, 0.5)]
    assert greedy_match([[0.4, 0.6], [0.6, 0.6]]) == [(0, 1, 0.6), (1, 0, 0.6)]


def test_optimal_matching_beats_greedy_where_greed_does_not_pay() -> None:
    """Greedy takes the best pair and leaves the worst; the optimal sum is larger."""
    matrix = [[0.9, 0.8], [0.8, 0.1]]
    assert [(p, r) for p, r, _ in greedy_match(matrix)] == [(0, 0), (1, 1)]
    assert [(p, r) for p, r, _ in optimal_match(matrix)] == [(0, 1), (1, 0)]


def test_a_picture_without_anomalies_scores_zero_however_it_is_answered() -> None:
    """As in the official code: nothing predicted for nothing to find is 0, and so is anything predicted."""
    scores = score_matrices([np.zeros((0, 0)), np.zeros((3, 0)), np.zeros((0, 2)), np.eye(2)])
    assert [picture["SemAP"] for picture in scores["per_image"]] == [0, 0, 0, 1]
    assert scores["SemF1"] == 0.25


def test_sixty_entries_are_matched() -> None:
    """A long list is matched whole, by both matchings."""
    matrix = np.random.default_rng(0).random((60, 60))
    assert len(greedy_match(matrix)) == len(optimal_match(matrix)) == 60


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_similarities_that_are_no_numbers_are_refused(bad: float) -> None:
    """A NaN or infinity is an error that names the picture and the entry."""
    with pytest.raises(SemapError, match=r"matrices\[1\]: similarity \[0, 1\] is"):
        score_matrices([np.eye(2), np.array([[0.5, bad]])])


def test_a_matrix_without_two_sides_is_refused() -> None:
    """A flat list has no shape to tell predictions from references."""
    with pytest.raises(SemapError, match=r"matrices\[0\]: .+ has \(0,\)"):
        score_matrices([[]])


@pytest.mark.parametrize("thresholds", [[], [0], [1.5], [0.7, 0.7], "high", [float("nan")], None])
def test_impossible_thresholds_are_refused(thresholds: Any) -> None:
    """Thresholds are different numbers above 0 and at most 1."""
    with pytest.raises(OptionError, match="thresholds"):
        score_matrices([np.eye(2)], thresholds)


def test_an_unknown_matching_is_refused_with_the_choices() -> None:
    """The message lists what there is."""
    with pytest.raises(OptionError, match="greedy, optimal"):
        score_matrices([np.eye(2)], matching="best")


def test_the_most_pairs_are_those_of_the_best_permutation() -> None:
    """Every size from nothing to four by four, sparse and dense: as many as trying every assignment finds."""
    rng = np.random.default_rng(4)
    for _ in range(300):
        rows, columns = sorted(map(int, rng.integers(0, 5, 2)))
        allowed = rng.random((rows, columns)) < rng.choice([0.2, 0.5, 0.8])
        best = max(sum(allowed[p, r] for p, r in enumerate(chosen)) for chosen in permutations(range(columns), rows))
        assert most_pairs(allowed) == most_pairs(allowed.T) == best
