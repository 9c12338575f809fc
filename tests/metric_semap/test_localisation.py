"""Localisation: whether what is matched by its text also lies where the reference does; and confidences."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import anomreason
from metric_semap.anomalies import Anomaly, Picture, check_anomalies
from metric_semap.errors import RecordError
from metric_semap.evaluation import score_pictures
from metric_semap.measurement import Options, measure
from metric_semap.records import parse_records
from metric_semap.report import render_report
from metric_semap.scores import Localisation, flat
from metric_semap.semap import SemAP
from metric_semap.signature import content_of
from tests.word_similarity import WordSimilarity

WORDS: Any = WordSimilarity()
BOX = (0.0, 0.0, 10.0, 10.0)


def one(text: str, box: tuple[float, float, float, float] | None = None) -> Anomaly:
    return Anomaly("name", text, f"{text} cannot be", 20, bbox=box)


def located(said: list[list[Anomaly]], true: list[list[Anomaly]], **options: Any) -> Localisation:
    return measure(said, true, WORDS, Options(**options)).scores.localisation


def test_matched_pairs_with_boxes_on_both_sides_are_counted() -> None:
    """An IoU of exactly .5 is the same place, a smaller one is not; a pair with one box, or of other texts, does not count."""
    true = [[one("cup", BOX), one("arm", BOX), one("clock", BOX), one("door"), one("shoe", BOX)]]
    said = [[one("cup", (0, 0, 10, 5)), one("arm", (0, 0, 10, 4.9)), one("clock"), one("door", BOX), one("tree", BOX)]]
    found = located(said, true)
    assert (found.share.value, found.pairs, found.share.low) == (0.5, 2, None)
    numbers = flat(measure(said, true, WORDS, Options()).scores)
    assert (numbers["localisation"], numbers["localisation_pairs"]) == (0.5, 2)


def test_without_boxes_it_is_undefined() -> None:
    """Null, not zero; and a box without an area overlaps with nothing."""
    numbers = flat(measure([[one("cup")]], [[one("cup", BOX)]], WORDS, Options()).scores)
    assert (numbers["localisation"], numbers["localisation_pairs"]) == (None, 0)
    point = (3.0, 3.0, 3.0, 3.0)
    assert located([[one("cup", point)]], [[one("cup", point)]]).share.value == 0


def test_the_share_has_an_interval_over_clusters() -> None:
    """Ten pictures with a pair each; without tests and intervals there is none."""
    true = [[one(f"thing{k}", BOX)] for k in range(10)]
    said = [[one(f"thing{k}", BOX if k % 2 else (50, 50, 60, 60))] for k in range(10)]
    found = located(said, true).share
    assert found.low is not None
    assert found.high is not None
    assert 0.1 < found.low < found.value == 0.5 < found.high < 0.9
    assert located(said, true, bootstrap=0).share.low is None


@pytest.mark.parametrize(
    "box",
    [[1, 2, 3], [1, 2, 3, "4"], "1234", [3, 0, 1, 1], [0, 3, 1, 1], [0, 0, 1, float("inf")], {"x": 1}, [True, 0, 1, 1]],
)
def test_a_malformed_box_is_named(box: Any) -> None:
    """Place, field, value and fix."""
    with pytest.raises(RecordError, match=r"^p\[0\]: bbox: .+ is not a box; write \[x0, y0, x1, y1\]"):
        check_anomalies([{"phenomenon": "p", "reasoning": "r", "bbox": box}], "p", "prediction")


def test_boxes_are_read_under_every_name_and_as_arrays() -> None:
    """As the dataset builder reads them; numpy's arrays and null too."""
    record = {"phenomenon": "p", "reasoning": "r"}
    for key in ("bbox", "box", "Bounding Box", "bbox_2d"):
        text = json.dumps({"a.png": [record | {key: [0, 0, 10, 10]}]})
        assert parse_records(text, "prediction", "f")["a.png"].anomalies[0].bbox == BOX
    (read,) = check_anomalies([record | {"bbox": np.array(BOX, np.float32)}], "p", "prediction")
    assert read.bbox == BOX
    assert check_anomalies([record | {"bbox": None}], "p", "prediction")[0].bbox is None


def test_both_readers_read_the_same_boxes(tmp_path: Path) -> None:
    """The metric's and the dataset builder's."""
    from dataset_builder.predictions import read_predictions
    from metric_semap.records import read_records

    said = {"name": "n", "phenomenon": "p", "reasoning": "r", "severity": 5, "bbox": [0.5, 1, 2.25, 3]}
    path = tmp_path / "preds.jsonl"
    path.write_text(json.dumps({"image_id": "a.png", "status": "anomalies", "anomalies": [said]}) + "\n")
    (theirs,), (ours,) = read_predictions(path)["a.png"].anomalies, read_records(path, "prediction")["a.png"].anomalies
    assert theirs.bbox == ours.bbox == (0.5, 1, 2.25, 3)


def test_compute_takes_boxes() -> None:
    """Through evaluate's features, in both configurations; a picture without boxes beside one with."""
    record = {"phenomenon": "A cup hovers.", "reasoning": "Cups fall."}
    with_box = [record | {"bbox": list(BOX)}]
    plain = SemAP().compute(predictions=[with_box, [record]], references=[with_box, [record]], encoder="minilm")
    assert (plain["localisation"], plain["localisation_pairs"]) == (1, 1)
    picture = {"label": "fake", "anomalies": with_box}
    judged = SemAP("deepfake").compute(predictions=[picture], references=[picture], encoder="minilm")
    assert (judged["localisation"], judged["localisation_pairs"]) == (1, 1)


def test_boxes_are_in_the_references_hash_where_there_are_any() -> None:
    """Without them it is what it was; single precision does not change it."""
    stored = tuple(float(np.float32(corner)) for corner in (10.3, 0, 20.7, 5))
    assert content_of([[one("cup", (10.3, 0, 20.7, 5))]]) == content_of([[one("cup", stored)]])  # type: ignore[arg-type]
    assert len({content_of([[one("cup", box)]]) for box in (None, BOX, (0.0, 0.0, 10.0, 11.0))}) == 3


def test_reports_tell_where_anomalies_lie_and_what_the_ranked_form_goes_by(tmp_path: Path) -> None:
    """In the page and on the terminal; without confidences they say so."""
    true = {f"{k}.png": Picture([one(f"thing{k}", BOX)]) for k in range(3)}
    other = {image: Picture([Anomaly("n", p.anomalies[0].phenomenon, "r", 5, 0.9)]) for image, p in true.items()}
    page = render_report(score_pictures({"boxes": true, "sure": other}, true, WORDS, Options()))
    assert "Of 3 matched pairs with boxes on both sides 100.0 % lie in the same place" in page
    assert "located</th>" in page
    assert "because too few of them have a confidence" in page
    sure = render_report(score_pictures({"sure": other}, true, WORDS, Options()))
    assert "ordered by confidence." in sure
    assert "same place" not in sure
    rows = [
        {"image_id": i, "anomalies": [{"phenomenon": i, "reasoning": "r", "severity": 5, "bbox": BOX}]} for i in true
    ]
    path = tmp_path / "said.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = ["score", str(path), str(path), "--encoder", "minilm", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(anomreason.app, line, catch_exceptions=False)
    assert "100.0 % of 3 matched pairs with boxes overlap" in done.output
