"""The scores as one type, and the files they are written to: nothing of those files moves when the code behind them does."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from metric_semap.evaluation import score_pictures, write_results
from metric_semap.measurement import Options, measure
from metric_semap.records import read_records
from metric_semap.results import Leaderboard
from metric_semap.scores import VIEWS, Coverage, Estimate, flat
from tests.word_similarity import WordSimilarity

FILES = Path(__file__).parent / "score_files"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "official": ("default", {"bootstrap": 200}),
    "every option": (
        "default",
        {
            "thresholds": (0.75, 0.3, 0.5),
            "alpha": 0.3,
            "matching": "optimal",
            "empty": "skip",
            "missing": "ignore",
            "bootstrap": 0,
            "seed": 3,
        },
    ),
    "deepfake": ("deepfake", {"bootstrap": 200, "seed": 1}),
}


def board(case: str) -> Leaderboard:
    """Two predictors' files, scored by the words they share with the truth."""
    configuration, options = CASES[case]
    said = {name: read_records(FILES / f"{name}.jsonl", "prediction") for name in ("good", "poor")}
    truth = read_records(FILES / "truth.jsonl", "reference")
    similarity: Any = WordSimilarity()
    return score_pictures(said, truth, similarity, Options(**options), configuration)


def rounded(text: str) -> str:
    """Its decimal numbers to nine digits: the last ones are the processor's."""
    return re.sub(r"\d+\.\d+(?:e[+-]?\d+)?", lambda number: f"{float(number[0]):.9g}", text)


@pytest.mark.parametrize("case", CASES)
def test_score_files_stay_what_they_were(case: str, tmp_path: Path) -> None:
    """`metrics.json` and every `matched_results` file: keys, their order, texts and numbers."""
    write_results(board(case), tmp_path)
    written = {path.name: rounded(path.read_text()) for path in tmp_path.glob("*.json")}
    expected = {path.name: rounded(path.read_text()) for path in (FILES / case.replace(" ", "_")).glob("*.json")}
    assert list(expected) != []
    assert written == expected


@pytest.mark.parametrize("case", CASES)
def test_the_flat_form_gives_every_headline_back(case: str) -> None:
    """A card made from `metrics.json` shows the estimates that were measured."""
    for evaluation in board(case).evaluations:
        numbers = json.loads(json.dumps(flat(evaluation.scores, evaluation.coverage)))
        for name, estimate in evaluation.scores.headlines().items():
            assert repr(Estimate.named(name, numbers)) == repr(estimate)


def test_the_flat_form_holds_each_number_of_the_type_once() -> None:
    """Views, thresholds, counts and verdicts are under their names; what no file lacks is not spoken of."""
    scores = board("deepfake").evaluations[0].scores
    numbers = flat(scores)
    assert scores.verdicts is not None
    for view in VIEWS:
        of = scores.views[view]
        assert numbers[f"CSemAP_{view}"] == of.semap.value
        assert numbers[f"lift_CSemF1_{view}"] == of.semf1.value - of.semf1.chance
        assert numbers[f"CSemAP_ranked_{view}"] == of.ranked
        for threshold, pooled in of.by_threshold.items():
            found = [
                numbers[f"{name}_{view}@{threshold:g}"] for name in ("TP", "FP", "FN", "Precision", "Recall", "F1")
            ]
            assert found == [pooled.TP, pooled.FP, pooled.FN, pooled.precision, pooled.recall, pooled.F1]
    assert numbers["accuracy"] == scores.verdicts.accuracy.value
    assert numbers["verdicts"] == scores.verdicts.pictures == 6
    assert numbers["false_alarms"] == scores.counts.false_alarms
    assert not {"missing_images", "failed_images"} & numbers.keys()
    assert flat(scores, Coverage(missing=2, failed=1)).items() >= {"missing_images": 2, "failed_images": 1}.items()


def test_an_anomaly_of_the_callers_own_type_is_measured_as_it_is() -> None:
    """The project's anomalies, with their boxes and remarks, score as the metric's own do."""
    from dataset_builder.predictions import read_predictions

    truth = read_records(FILES / "truth.jsonl", "reference")
    similarity: Any = WordSimilarity()
    references = [picture.anomalies for picture in truth.values()]
    own = [picture.anomalies for picture in read_records(FILES / "good.jsonl", "prediction").values()]
    theirs = [prediction.anomalies for prediction in read_predictions(FILES / "good.jsonl").values()]
    assert own != theirs
    one, other = (measure(side, references, similarity, Options()).scores for side in (own, theirs))
    assert repr(one) == repr(other)


@pytest.mark.parametrize("value", [None, math.nan, "0.5", [0.5]])
def test_a_score_that_a_file_does_not_have_is_none(value: Any) -> None:
    """Missing, null, or of another type."""
    assert Estimate.named("SemAP_Full", {"SemAP_Full": value}) is None
    assert Estimate.named("SemAP_Full", {}) is None
