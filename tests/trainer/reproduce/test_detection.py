"""Rates of detection have planted truths, and their intervals hold them about as often as they say."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from trainer.reproduce.detection import auroc, precision_at, rate, threshold_for, tpr_at


@pytest.mark.parametrize(("fakes", "reals", "apart"), [(20, 20, 1.5), (100, 40, 1.0), (50, 50, 0.0)])
def test_the_interval_of_auroc_holds_the_truth(fakes: int, reals: int, apart: float) -> None:
    """Two normal groups whose AUROC is known: of 200 samples at least 91 % of intervals hold it."""
    rng, truth = np.random.default_rng(0), norm.cdf(apart / math.sqrt(2))
    found = [auroc(rng.normal(apart, 1, fakes), rng.normal(0, 1, reals)) for _ in range(200)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.91
    assert abs(np.mean([one.value for one in found]) - truth) < 0.01


def test_auroc_of_known_groups() -> None:
    """Apart is 1, reversed 0, ties count half; the interval is no point where the groups are apart; without a group it is
    undefined."""
    high, low = np.array([0.8, 0.9]), np.array([0.1, 0.2])
    assert auroc(high, low).value == 1
    assert auroc(high, low).low < 0.9
    assert auroc(low, high) == pytest.approx((0, 0, 1 - auroc(high, low).low), abs=1e-6)
    assert auroc(np.array([0.5, 0.7]), np.array([0.5, 0.1])).value == 0.875
    assert math.isnan(auroc(high, np.array([])).value)


def test_a_threshold_flags_as_many_of_further_photographs_as_it_says() -> None:
    """The false positive rate on photographs that were not seen: its mean is at most the wanted one, its interval holds it."""
    rng = np.random.default_rng(1)
    found = [threshold_for(0.05, rng.normal(size=119)) for _ in range(300)]
    rates = [1 - norm.cdf(one.value) for one in found if one]
    assert len(rates) == 300
    assert np.mean(rates) == pytest.approx(0.05, abs=0.004)
    assert (
        np.mean(
            [
                one.false_positives.low <= r <= one.false_positives.high
                for one, r in zip(found, rates, strict=True)
                if one
            ]
        )
        >= 0.92
    )


@pytest.mark.parametrize(("photographs", "known"), [(98, False), (99, True)])
def test_too_few_photographs_have_no_threshold(photographs: int, known: bool) -> None:
    """One false positive in a hundred can be told from 99 photographs, not from fewer."""
    scores = np.linspace(0, 0.5, photographs)
    assert (threshold_for(0.01, scores) is not None) == known
    assert math.isnan(tpr_at(0.01, np.array([0.9]), scores, 0).value) != known


def test_the_true_positive_rate_at_a_false_positive_rate_is_the_planted_one() -> None:
    """Normal groups two apart: at 5 % false positives 63.9 % are caught."""
    rng, truth = np.random.default_rng(2), 1 - norm.cdf(norm.ppf(0.95) - 2)
    found = [tpr_at(0.05, rng.normal(2, 1, 150), rng.normal(0, 1, 199), seed) for seed in range(40)]
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.02)
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.9


def test_precision_at_a_prevalence() -> None:
    """90 % caught, 5 % false alarms, one picture in a hundred generated: 15.4 % of what is flagged is; no alarm is no
    certainty."""
    found = precision_at(0.01, 900, 1000, 50, 1000, 0)
    assert found.value == pytest.approx(0.009 / (0.009 + 0.99 * 0.05))
    assert found.low < found.value < found.high
    without = precision_at(0.01, 90, 100, 0, 100, 0)
    assert without.value == 1
    assert without.low < 0.5


def test_a_rate_has_an_interval_and_none_is_undefined() -> None:
    assert rate(5, 10).low < 0.5 < rate(5, 10).high
    assert rate(0, 10).high > 0.2
    assert math.isnan(rate(0, 0).value)
