"""The calibrated similarity and its scores: what they tell apart, and that leaving out right answers does not pay."""

import itertools
from typing import Any

import numpy as np
import pytest

from metric_semap.anomalies import Anomaly
from metric_semap.calibrated import calibrated_tallies
from metric_semap.calibration import CALIBRATIONS, CHANCE_RATES, Calibration
from metric_semap.errors import EncoderError
from metric_semap.measurement import Options, measure
from metric_semap.sentence import SentenceSimilarity
from metric_semap.similarity import BertScoreSimilarity

TRUE = Anomaly(
    "kite",
    "The string of the red kite ends a metre above the girl's hand.",
    "A kite is only kept in place by a string that somebody holds.",
)
SAID = {
    "truth": TRUE,
    "paraphrase": Anomaly(
        "",
        "There is a gap between the girl's fist and the end of the kite's line.",
        "Nobody holds it, so it would fly away.",
    ),
    "wrong object": Anomaly(
        "",
        "The string of the red guitar ends a metre above the horse's hand.",
        "A guitar is only kept in place by a string that somebody holds.",
    ),
    "denied": Anomaly(
        "",
        "The string of the red kite does not end a metre above the girl's hand.",
        "A kite is never kept in place by a string that somebody holds.",
    ),
    "another picture": Anomaly(
        "", "The soup in the bowl has a surface that slopes.", "Liquids at rest are always level."
    ),
}


@pytest.fixture(scope="module")
def sentence() -> SentenceSimilarity:
    return SentenceSimilarity("minilm")


def test_a_paraphrase_is_above_copies_that_say_something_else(sentence: SentenceSimilarity) -> None:
    """Though they have other words, right answers are more alike than wrong ones that repeat the truth."""
    (matrices,) = sentence.matrices([list(SAID.values())], [[TRUE]])
    full = dict(zip(SAID, np.minimum(matrices["phe"], matrices["rea"])[:, 0], strict=True))
    assert full["truth"] == 1
    assert full["paraphrase"] > full["wrong object"]
    assert full["paraphrase"] > full["denied"]
    assert full["another picture"] < min(value for name, value in full.items() if name != "another picture")
    bert = BertScoreSimilarity("minilm").matrices([list(SAID.values())], [[TRUE]])[0]["phe"][:, 0]
    assert bert[list(SAID).index("denied")] > bert[list(SAID).index("paraphrase")]  # what it is there for


def test_who_says_less_than_is_true_has_said_less(sentence: SentenceSimilarity) -> None:
    """A brief answer to a long truth is less similar than the long answer to the brief truth: no other part tells them apart."""
    both = [TRUE, Anomaly("", "The string ends above the hand.", "A kite is kept by a string.")]
    (matrices,) = sentence.matrices([both], [both])
    for key in ("phe", "rea"):
        assert 0 < matrices[key][1, 0] < matrices[key][0, 1]


def test_texts_without_words_are_like_nothing(sentence: SentenceSimilarity) -> None:
    """An empty text, and one of a special token alone, have no similarity, not even to themselves."""
    said = [Anomaly("", text, text) for text in ("", " ", "[SEP]", "...")]
    (matrices,) = sentence.matrices([said], [said])
    assert matrices["phe"][:3].max() == matrices["rea"][:, :3].max() == 0
    assert matrices["phe"].shape == (4, 4)


def test_both_similarities_of_one_pass_are_those_of_their_own(sentence: SentenceSimilarity, minilm: Any) -> None:
    """What `compare` finds in one forward pass is what each similarity finds by itself."""
    said, true = [list(SAID.values())], [[TRUE]]
    ((_, both),) = minilm.compare(said, true, [[(0, 0)]])
    for key in ("phe", "rea"):
        np.testing.assert_allclose(both[key], minilm.matrices(said, true)[0][key], atol=1e-6)
        np.testing.assert_allclose(both[f"{key}_c"], sentence.matrices(said, true)[0][key], atol=1e-6)


def calibration(*thresholds: float) -> Calibration:
    return Calibration("none", 0.0, 0.0, dict.fromkeys(("Phe", "Rea", "Full"), thresholds))


def test_as_many_pairs_as_can_be_are_matched_at_each_threshold() -> None:
    """Against all assignments: the best match of one does not cost two."""
    rng = np.random.default_rng(4)
    matrices = [rng.random((m, n)).round(1) for m, n in [(0, 2), (2, 0), (1, 1), (3, 2), (4, 4), (2, 5)] * 4]
    levels = (0.3, 0.6, 0.9)
    found = calibrated_tallies([{"phe_c": m, "rea_c": np.ones_like(m)} for m in matrices], calibration(*levels))["Full"]
    for k, matrix in enumerate(matrices):
        wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        for t, level in enumerate(levels):
            columns = itertools.permutations(range(wide.shape[1]), wide.shape[0])
            best = max(sum(bool(wide[p, r] >= level) for p, r in enumerate(row)) for row in columns)
            assert found.hits[k, t] == best
    assert found.predictions.tolist() == [m.shape[0] for m in matrices]


def test_leaving_out_a_right_answer_never_pays() -> None:
    """Whatever else is similar to what: without one of several right answers SemF1C falls, with a wrong one more it falls too."""
    rng, levels = np.random.default_rng(5), calibration(0.2, 0.5, 0.8)
    for _ in range(200):
        right, more, n = int(rng.integers(1, 5)), int(rng.integers(0, 3)), 5
        matrix = rng.random((right + more, n)) * 0.9
        matrix[:right, rng.permutation(n)[:right]] += np.eye(right)  # each right answer has a reference of its own
        matrix = matrix.clip(0, 1)

        def f1(kept: np.ndarray) -> float:
            tally = calibrated_tallies([{"phe_c": kept, "rea_c": np.ones_like(kept)}], levels)["Full"]
            return float(tally.semf1[0])

        answers = matrix[:right]
        assert f1(np.delete(answers, int(rng.integers(right)), axis=0)) < f1(answers)
        assert f1(np.vstack([answers, np.zeros((1, n))])) < f1(answers)


def test_full_asks_for_both_texts() -> None:
    """A right phenomenon with a wrong reason is not a hit in Full."""
    ones, low = np.ones((1, 1)), np.full((1, 1), 0.1)
    found = calibrated_tallies([{"phe_c": ones, "rea_c": low}], calibration(0.5))
    assert [int(found[view].hits[0, 0]) for view in ("Phe", "Rea", "Full")] == [1, 0, 0]


def test_the_calibrated_scores_stand_beside_the_official_ones(minilm: Any) -> None:
    """Each view has both scores with chance and interval; the official numbers are what they are without them."""
    truth = [[TRUE], [SAID["another picture"]]] * 4
    said = [[SAID["paraphrase"], SAID["another picture"]], [SAID["another picture"]]] * 4
    scores = measure(said, truth, minilm, Options(seed=1)).scores
    full = scores.calibrated["Full"]
    assert 0 < full.semap.value < full.semf1.value < 1
    assert full.semf1.chance < full.semf1.value
    assert full.semf1.low is not None
    assert set(scores.calibrated_estimates()) == {
        f"{score}_{view}" for score in ("SemAPC", "SemF1C") for view in ("Phe", "Rea", "Full")
    }


def test_an_encoder_without_a_calibration_says_so(bert_directory: Any) -> None:
    """The official scores are there, the calibrated ones are not, and a sentence says what to do."""
    similarity = BertScoreSimilarity(str(bert_directory), 2)
    scores = measure([[TRUE]], [[TRUE]], similarity, Options(bootstrap=0)).scores
    assert scores.full.semap.value == pytest.approx(1)
    assert np.isnan(scores.calibrated_estimates()["SemF1C_Full"].value)
    assert any("no calibration" in warning and "minilm" in warning for warning in scores.warnings)
    with pytest.raises(EncoderError, match="has no calibration"):
        SentenceSimilarity(str(bert_directory), 2)


def test_a_calibration_has_a_threshold_for_each_chance_rate() -> None:
    """Rarer chance, higher threshold, in every view of every encoder."""
    for one in CALIBRATIONS.values():
        for view in ("Phe", "Rea", "Full"):
            assert len(one.thresholds[view]) == len(CHANCE_RATES)
            assert list(one.thresholds[view]) == sorted(one.thresholds[view])
