"""Intervals, tests and clusters: what they are by definition, that they keep what 95 % and 5 % promise, and when
nothing is said."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import permutation_test, t
from statsmodels.stats.multitest import multipletests

from metric_semap.statistics import FEWEST, PARTS, PairedTest, Sums, compare, holm, interval, pictures_needed, spread


def test_the_interval_is_that_of_95_percent() -> None:
    """Its ends solve the equation it is defined by, with the 97.5 % quantile and not another."""
    scores = np.random.default_rng(1).random(40) * 0.8
    found = interval(Sums.of_means(scores))
    assert found is not None
    mean, error = scores.mean(), scores.std(ddof=1) / math.sqrt(40)
    for end in found:
        assert abs(mean - end) == pytest.approx(
            t.ppf(0.975, 39) * error * math.sqrt(end * (1 - end) / (mean * (1 - mean)))
        )
    assert found.low < mean < found.high
    rate = interval(Sums.of_means(scores * 5), "rate")
    assert rate is not None
    for end in rate:
        assert abs(5 * mean - end) == pytest.approx(t.ppf(0.975, 39) * 5 * error * math.sqrt(end / (5 * mean)))


def test_an_error_known_from_few_hits_widens_the_interval() -> None:
    """Three pictures of 50 score: Student's t has 6 degrees of freedom, not 49."""
    scores = np.r_[np.zeros(47), 0.2, 0.5, 0.4]
    found = interval(Sums.of_means(scores))
    assert found is not None
    mean, error = scores.mean(), scores.std(ddof=1) / math.sqrt(50)
    for end in found:
        assert abs(mean - end) == pytest.approx(
            t.ppf(0.975, 6) * error * math.sqrt(end * (1 - end) / (mean * (1 - mean)))
        )


def test_the_interval_of_right_and_wrong_is_wilsons() -> None:
    """15 of 20, and 20 of 20, which leaves room below: their dispersion is known, so no t widens it. Half right is not that."""
    from statsmodels.stats.proportion import proportion_confint

    for right in (15, 20):
        scores = np.array([1.0] * right + [0.0] * (20 - right))
        assert interval(Sums.of_means(scores)) == pytest.approx(proportion_confint(right, 20, method="wilson"))
    scores[0] = 0.5
    assert interval(Sums.of_means(scores)) != pytest.approx(proportion_confint(19.5, 20, method="wilson"), abs=1e-3)
    twice, of = np.repeat([1.0] * 15 + [0.0] * 5, 2), np.repeat(np.arange(20), 2).tolist()
    pairs = Sums.of_means(twice, of)  # two pictures a cluster that are alike are one
    assert interval(pairs) == pytest.approx(proportion_confint(15, 20, method="wilson"))
    twice[0] = 0.0
    found = interval(Sums.of_means(twice, of))  # not always alike: how alike they are is estimated
    assert found is not None
    assert found != pytest.approx(proportion_confint(14.5, 20, method="wilson"), abs=1e-3)
    halves = interval(Sums(pairs.parts / 2, pairs.wholes))  # half right at most: less dispersed than right and wrong
    assert halves is not None
    assert halves.high < proportion_confint(7.5, 20, method="wilson")[1] - 0.01


def test_the_interval_of_an_agreement_is_fishers_with_the_jackknifes_error() -> None:
    """Over clusters: leaving out one after the other; with more than are worth it, groups of them."""
    rng = np.random.default_rng(3)
    of = np.repeat(np.arange(12), 3)
    x = rng.normal(size=36)
    y = x + rng.normal(size=36)

    def correlation(at: np.ndarray) -> float:
        return float(np.corrcoef(x[at], y[at])[0, 1])

    found = spread(correlation, of.tolist())
    without = np.arctanh([correlation(np.flatnonzero(of != k)) for k in range(12)])
    reach = t.ppf(0.975, 11) * math.sqrt(11 / 12 * ((without - without.mean()) ** 2).sum())
    middle = math.atanh(correlation(np.arange(36)))
    assert found == pytest.approx((math.tanh(middle - reach), math.tanh(middle + reach)))
    left_out = []
    spread(lambda at: left_out.append(1000 - len(at)) or 0.1 + 1e-3 * len(left_out), list(range(1000)))  # type: ignore[func-returns-value]
    assert left_out == [0] + [1000 // PARTS] * PARTS


def test_no_interval_of_an_agreement_is_given_where_it_is_not_defined() -> None:
    """Too few clusters; nothing to correlate without one of them; complete agreement, or the same whatever is left out."""
    clusters = [f"{k}.png" for k in range(10)]
    assert spread(lambda at: 0.01 * at.sum(), clusters[: FEWEST - 1]) is None
    assert spread(lambda at: 0.01 * at.sum(), clusters[:FEWEST]) is not None
    assert spread(lambda at: 0.01 * at.sum() if 0 in at else math.nan, clusters) is None
    assert spread(lambda at: 1.0, clusters) is None
    assert spread(lambda at: 0.5, clusters) is None


def zeros_and_hits(rng: np.random.Generator, pictures: int, hit: float) -> np.ndarray:
    """SemAP-like scores: a picture is hit with this chance, and then by some of its predictions at some thresholds."""
    said = rng.integers(1, 8, pictures)
    hits = rng.binomial(rng.binomial(3 * said, 0.4), (rng.random(pictures) < hit).astype(float))
    return np.asarray(hits / (3 * said))


@pytest.mark.parametrize(("pictures", "hit"), [(8, 0.9), (20, 0.4), (50, 0.15)])
def test_intervals_hold_the_mean_in_93_to_97_of_100_sets(pictures: int, hit: float) -> None:
    """With many zeros too; bounds are the promise plus three standard errors of 1,000 sets (the long figure: benchmarks)."""
    rng = np.random.default_rng(7)
    mean = zeros_and_hits(rng, 400_000, hit).mean()
    sets = [interval(Sums.of_means(zeros_and_hits(rng, pictures, hit))) for _ in range(1000)]
    held = np.mean([found.low <= mean <= found.high for found in sets if found is not None])
    assert 0.91 <= held <= 0.99


@pytest.mark.parametrize("pictures", [8, 12, 30])
def test_equal_systems_are_told_apart_in_five_of_a_hundred(pictures: int) -> None:
    """Type I error of the paired test, which for a bootstrap is 14 % at 8 pictures."""
    rng = np.random.default_rng(3)
    found = []
    for trial in range(600):
        one, other = (Sums.of_means(zeros_and_hits(rng, pictures, 0.8)) for _ in range(2))
        p = compare(one, other, 200, trial).p
        found += [] if p is None else [p < 0.05]
    assert len(found) > 400
    assert 0.02 <= np.mean(found) <= 0.075


def test_p_of_few_pictures_is_the_share_of_all_exchanges() -> None:
    """Two-sided: a difference as large in either direction counts. Written out by flipping the sign of each difference."""
    rng = np.random.default_rng(5)
    one, other = rng.random(9), rng.random(9) + 0.2
    test = compare(Sums.of_means(one), Sums.of_means(other), 10, 0)
    signs = np.array(list(itertools.product((1, -1), repeat=9)))
    means = signs @ (one - other) / 9
    assert test.p == pytest.approx((np.abs(means) >= abs((one - other).mean()) - 1e-12).mean())
    assert test.difference == pytest.approx((one - other).mean())
    assert compare(Sums.of_means(other), Sums.of_means(one), 10, 0).p == test.p
    reach = t.ppf(0.975, 8) * (one - other).std(ddof=1) / 3
    assert (test.low, test.high) == pytest.approx((test.difference - reach, test.difference + reach))


def test_p_of_drawn_exchanges_counts_what_was_observed() -> None:
    """It is never 0: the exchange that changes nothing is one of them."""
    one, other = np.linspace(0.7, 0.9, 40), np.linspace(0.1, 0.2, 40)
    assert compare(Sums.of_means(one), Sums.of_means(other), 99, 0).p == pytest.approx(1 / 100)
    assert compare(Sums.of_means(one), Sums.of_means(one[::-1]), 99, 0).p == 1  # every exchange is as far from 0


def test_systems_on_different_clusters_are_dealt_anew() -> None:
    """No cluster is shared: p is that of a permutation test of two samples, with the difference over its error."""
    rng = np.random.default_rng(2)
    one, other = rng.random(12), rng.random(10) + 0.3
    nothing = np.zeros
    first = Sums(np.r_[one, nothing(10)], np.r_[np.ones(12), nothing(10)])
    second = Sums(np.r_[nothing(12), other], np.r_[nothing(12), np.ones(10)])

    def statistic(a: np.ndarray, b: np.ndarray) -> float:
        return float(abs(a.mean() - b.mean()) / math.sqrt(a.var() / len(a) + b.var() / len(b)))

    rng = np.random.default_rng(0)
    expected = permutation_test((one, other), statistic, alternative="greater", n_resamples=4000, rng=rng).pvalue
    assert compare(first, second, 4000, 0).p == pytest.approx(expected, abs=0.01)


def test_pictures_of_one_cluster_are_one_observation() -> None:
    """Every picture four times in its cluster: interval and p stay what they were; as pictures of their own they would not."""
    rng = np.random.default_rng(4)
    one, other = rng.random(12), rng.random(12)
    clusters = [k for k in range(12) for _ in range(4)]
    for test in (
        lambda a, b, of: interval(Sums.of_means(a, of)),
        lambda a, b, of: compare(Sums.of_means(a, of), Sums.of_means(b, of), 500, 0)[:4],
    ):
        alone = test(one, other, None)
        together = test(np.repeat(one, 4), np.repeat(other, 4), clusters)
        apart = test(np.repeat(one, 4), np.repeat(other, 4), None)
        assert together == pytest.approx(alone, abs=0.03)
        assert together != pytest.approx(apart, abs=0.03)


def test_too_few_clusters_give_neither_interval_nor_p() -> None:
    """Nor does a difference on fewer than seven, where no exact level is near 5 %; equal systems have p = 1."""
    scores = np.linspace(0.1, 0.9, FEWEST)
    assert interval(Sums.of_means(scores)) is not None
    assert interval(Sums.of_means(scores[1:])) is None
    few = compare(Sums.of_means(scores[1:]), Sums.of_means(scores[1:] ** 2), 100, 0)
    assert few == PairedTest(few.difference, None, None, None)
    assert interval(Sums.of_means(np.repeat(scores, 9), [0] * 36 + [1] * 36)) is None
    many = Sums.of_means(np.linspace(0.1, 0.9, 20))
    seven = Sums(many.parts * (np.arange(20) < 7), many.wholes * (np.arange(20) < 7))
    assert compare(many, seven, 100, 0) == PairedTest(many.value - seven.value, None, None, None)
    changed = scores.copy()
    changed[:6] += 0.1
    assert compare(Sums.of_means(scores), Sums.of_means(changed), 100, 0).p is None
    changed[6] += 0.1
    assert compare(Sums.of_means(scores), Sums.of_means(changed), 100, 0).p == pytest.approx(2 / 128)
    assert compare(Sums.of_means(scores), Sums.of_means(scores), 100, 0).p == 1


def test_the_order_of_pictures_changes_nothing() -> None:
    """Draws come from what the clusters hold."""
    rng = np.random.default_rng(6)
    one, other, order = rng.random(30), rng.random(30), rng.permutation(30)
    straight = compare(Sums.of_means(one), Sums.of_means(other), 300, 1)
    moved = compare(Sums.of_means(one[order]), Sums.of_means(other[order]), 300, 1)
    assert moved == pytest.approx(straight)


def test_p_values_are_corrected_by_holm() -> None:
    """The smallest is multiplied by the number of all, what could not be tested among them, the next by one fewer."""
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.04, None, 0.09, 0.09])
    assert holm([None]) == [None]
    assert holm([]) == []
    ps = np.random.default_rng(5).random(9) / 5
    assert holm(ps.tolist()) == pytest.approx(multipletests(ps, method="holm")[1])


def test_the_pictures_that_show_a_difference() -> None:
    """(1.96 + 0.84)² spread² / difference², the textbook's formula; never fewer than what a test needs."""
    assert pictures_needed(0.1, difference=0.04) == math.ceil((1.959964 + 0.841621) ** 2 * (0.1 / 0.04) ** 2)
    assert pictures_needed(0.1) == 4 * pictures_needed(0.1, difference=0.04) - 3 == 197
    assert pictures_needed(0.001) == FEWEST


def test_with_so_many_pictures_80_of_100_tests_find_the_difference() -> None:
    """The power that the number promises."""
    needed = pictures_needed(0.1, difference=0.04)
    rng = np.random.default_rng(8)
    found = 0
    for trial in range(150):
        base = rng.random(needed) * 0.5
        test = compare(Sums.of_means(base + rng.normal(0.04, 0.1, needed)), Sums.of_means(base), 200, trial)
        found += test.p is not None and test.p < 0.05
    assert 0.68 <= found / 150 <= 0.92
