"""A box goes the whole way: from scenes, runs and releases through Parquet to what a model is asked, and back."""

import io
import json
import shutil
from pathlib import Path

import datasets
import evaluate
import numpy as np
import pytest
from PIL import Image

from dataset_builder.building.build import build
from dataset_builder.building.llava import conversations
from dataset_builder.building.read_back import read_built
from dataset_builder.building.sft import sft_row
from dataset_builder.checks.validation import validate
from dataset_builder.errors import InputError
from dataset_builder.prompts import PROMPTS
from dataset_builder.scenes import read_scenes
from dataset_builder.sources.opening import open_source
from dataset_builder.textform import parse_answer
from tests.conftest import REPOSITORY
from tests.synthetic_release import write_release

BOX = [10.5, 4, 30.25, 20]


def _rows(path: Path, cache: Path, config: str | None = None) -> list[dict[str, object]]:
    return [
        row for split in datasets.load_dataset(str(path), config, cache_dir=str(cache)).values() for row in split
    ]  # fmt: skip


def test_a_scene_s_boxes_are_in_the_dataset_and_in_what_a_model_is_asked(
    dataset: Path, scenes: Path, tmp_path: Path
) -> None:
    """`bbox` is a list of four numbers; the task `grounded` of a loaded row has the box of the scene."""
    truth = {row.image_id: row for row in read_scenes(scenes)}
    rows = datasets.load_dataset(str(dataset), split="test", cache_dir=str(tmp_path))
    assert rows.features["anomalies"].feature["bbox"] == datasets.List(datasets.Value("float32"))
    boxed = 0
    for row in rows:
        expected = [list(anomaly.bbox or ()) for anomaly in truth[row["image_id"]].anomalies]
        assert [anomaly["bbox"] for anomaly in row["anomalies"]] == [pytest.approx(box, rel=1e-6) for box in expected]
        example = sft_row(row, "grounded")
        assert example["prompt"][0]["content"] == PROMPTS["grounded"]
        answered = parse_answer(example["completion"][0]["content"]).anomalies
        assert [list(anomaly.bbox or ()) for anomaly in answered] == [[round(c) for c in box] for box in expected]
        boxed += len(expected)
    assert boxed


def test_an_anomaly_without_a_box_has_null(official: Path, tmp_path: Path) -> None:
    """Not an empty list, and not four zeros."""
    boxes = [anomaly["bbox"] for row in _rows(official, tmp_path) for anomaly in row["anomalies"]]
    assert boxes
    assert set(boxes) == {None}


def test_a_run_s_boxes_are_in_its_candidates_and_in_what_was_accepted(scenes: Path, tmp_path: Path) -> None:
    """Before and after review."""
    run = tmp_path / "run"
    shutil.copytree(scenes / "images", run / "images")
    record = {"name": "N", "phenomenon": "P", "reasoning": "R", "severity": 10, "object": "cup", "bbox": BOX}
    names = sorted(path.name for path in (run / "images").iterdir())
    rows = [{"image_id": name, "status": "anomalies", "anomalies": [record | {"verdict": "accept"}]} for name in names]
    (run / "annotations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    build(run, tmp_path / "out", recipe="grounded")
    for config in ("default", "candidates"):
        for row in _rows(tmp_path / "out", tmp_path / "cache", config):
            assert [anomaly["bbox"] for anomaly in row["anomalies"]] == [BOX]
    for row in _rows(tmp_path / "out", tmp_path / "cache", "sft"):
        assert row["prompt"] == [{"role": "user", "content": PROMPTS["grounded"]}]
        assert json.loads(row["completion"][0]["content"])[0]["bbox"] == [round(corner) for corner in BOX]


def test_boxes_in_a_release_reach_conversations_and_come_back_from_the_dataset(tmp_path: Path) -> None:
    """`bbox` in a record of the authors' form; of the recipe `grounded` the pictures whose anomalies all have one."""
    release = write_release(tmp_path / "release", 20)
    (release / "AnomReason_After_HITL_test.json").unlink()
    path = release / "AnomReason_After_HITL.json"
    truth = json.loads(path.read_text())
    names = sorted(truth)[:3]
    for name in names:
        truth[name] = [record | {"bbox": BOX} for record in truth[name]]
    truth[names[0]][0].pop("bbox")
    path.write_text(json.dumps(truth))
    rows = open_source(release).rows
    samples = conversations([row for row in rows if row.label == "fake"], "grounded")
    assert {sample["image"] for sample in samples} == {f"1_fake/{name}" for name in names[1:]}
    for sample in samples:
        question, answer = (turn["value"] for turn in sample["conversations"])
        assert PROMPTS["grounded"] in question
        assert {tuple(one["bbox"]) for one in json.loads(answer)} == {(10, 4, 30, 20)}
    build(release, tmp_path / "out", recipe=None)
    built = {row.image_id: row for row in read_built(tmp_path / "out")[0]}
    assert [anomaly.bbox is None for anomaly in built[names[0]].anomalies or []][:2] == [True, False]
    assert built[names[1]].anomalies == next(row for row in rows if row.image_id == names[1]).anomalies
    assert "anomalies have one" in (tmp_path / "out" / "README.md").read_text()


def test_the_card_s_pictures_show_the_boxes(dataset: Path, scenes: Path) -> None:
    """Drawn where the scene has its anomaly, in the colour of its severity."""
    first = next(row for row in open_source(scenes).rows if row.anomalies)
    with Image.open(dataset / "assets" / "example-1.jpg") as shown:
        drawn = np.asarray(shown.convert("RGB"), dtype=int)
    with Image.open(io.BytesIO(first.picture.read())) as opened:  # type: ignore[union-attr]
        plain = np.asarray(opened.convert("RGB"), dtype=int)
    assert drawn.shape == plain.shape
    ys, xs = np.where(np.abs(drawn - plain).max(axis=2) > 80)  # JPEG alone differs by 60
    x0, y0, x1, _ = (first.anomalies or [])[0].bbox or (0, 0, 0, 0)
    assert abs(drawn - plain)[round(y0) : round(y0) + 2, round(x0) : round(x1)].max(axis=2).mean() > 30
    boxes = [anomaly.bbox for anomaly in first.anomalies or [] if anomaly.bbox]
    assert xs.min() >= min(box[0] for box in boxes) - 8
    assert ys.min() >= min(box[1] for box in boxes) - 8


def test_a_box_beyond_the_upright_picture_is_told(tmp_path: Path) -> None:
    """Of a picture that EXIF turns, the box is in pixels of what a viewer shows."""
    release = write_release(tmp_path / "release", 8)
    (release / "AnomReason_After_HITL_test.json").unlink()
    turned = Image.Exif()
    turned[0x0112] = 6
    fakes = sorted((release / "1_fake").iterdir())
    Image.new("RGB", (40, 90), "teal").save(fakes[0], exif=turned)
    path = release / "AnomReason_After_HITL.json"
    truth = json.loads(path.read_text())
    inside, outside = [0, 0, 90, 40], [0, 0, 40, 90]
    truth[fakes[0].name][0]["bbox"], truth[fakes[0].name][1]["bbox"] = inside, outside
    path.write_text(json.dumps(truth))
    found = [finding for finding in validate(release).findings if finding.kind == "box outside the picture"]
    assert [(one.image_id, one.index) for one in found] == [(fakes[0].name, 1)]
    assert "90 × 40" in found[0].message


@pytest.mark.parametrize("box", [[1, 2, 3], [5, 5, 1, 9], ["a", 1, 2, 3], [0, 0, float("inf"), 1], {"x": 1}])
def test_a_box_that_is_none_is_an_error_of_its_record(box: object, tmp_path: Path) -> None:
    """It is not dropped, and the record's other fields do not go on without it."""
    release = write_release(tmp_path / "release", 8)
    (release / "AnomReason_After_HITL_test.json").unlink()
    path = release / "AnomReason_After_HITL.json"
    truth = json.loads(path.read_text())
    name = sorted(truth)[0]
    truth[name][0]["bbox"] = box
    path.write_text(json.dumps(truth))
    errors = [finding for finding in open_source(release).findings if finding.is_error]
    assert [(one.image_id, one.index) for one in errors] == [(name, 0)]
    assert "bbox" in errors[0].message


def test_more_copies_of_grounded_are_refused(scenes: Path, tmp_path: Path) -> None:
    """Its answers have one wording."""
    with pytest.raises(InputError, match="one wording"):
        build(scenes, tmp_path / "out", recipe="grounded", copies=2)


def test_the_metric_takes_rows_with_boxes(dataset: Path, tmp_path: Path) -> None:
    """The reference column of a loaded dataset goes into `compute` as it is."""
    rows = datasets.load_dataset(str(dataset), split="test", cache_dir=str(tmp_path)).select(range(4))
    metric = evaluate.load(str(REPOSITORY / "metric_semap" / "semap.py"), keep_in_memory=True)
    scores = metric.compute(predictions=rows["anomalies"], references=rows["anomalies"], encoder="minilm", empty="skip")
    assert scores["SemAP_Full"] == pytest.approx(1)
