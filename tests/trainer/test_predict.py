"""Prediction: the same answers in a batch as alone, written as the design's prediction files."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.predictions import read_predictions
from dataset_builder.scenes import pair
from trainer.loading import load
from trainer.predict import predict, predict_dataset


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    """The shipped model and its processor."""
    return load("tiny")


def test_a_batch_gives_the_answers_of_one_at_a_time(tiny: tuple[Any, Any]) -> None:
    """Left padding and pictures of other shapes in the batch change no answer."""
    pictures = [(f"{index}.png", pair(21, index)[index % 2].image) for index in range(6)]
    pictures.append(("wide.png", pair(21, 9)[0].image.resize((300, 150))))
    together = [prediction.raw for prediction in predict(pictures, *tiny, batch_size=7)]
    alone = [prediction.raw for prediction in predict(pictures, *tiny, batch_size=1)]
    assert together == alone


def test_boxes_are_in_the_picture_s_own_pixels(tiny: tuple[Any, Any]) -> None:
    """The same scene twice as large gets boxes twice as large."""
    image = pair(21, 0)[0].image
    small, large = predict([("a", image), ("b", image.resize((336, 336)))], *tiny, task="grounded")
    boxes = [
        (one.bbox, two.bbox)
        for one, two in zip(small.anomalies, large.anomalies, strict=False)
        if one.bbox and two.bbox
    ]
    assert boxes
    for one, two in boxes:
        assert all(
            abs(2 * a - b) <= 24 for a, b in zip(one, two, strict=True)
        )  # the enlarged picture reads a little differently


def test_predictions_are_written_in_both_forms(dataset: Path, tmp_path: Path) -> None:
    """`preds.json` is the official form for every picture of the split, `preds.jsonl` says how each answer ended."""

    class Silent:
        def step(self, text: str) -> None: ...

        def bar(self, text: str, total: int) -> Any:
            from contextlib import nullcontext

            return nullcontext(lambda done: None)

    out = tmp_path / "preds.json"
    failed = predict_dataset(str(dataset), "test", 5, "tiny", None, 4, out, Silent())
    rows = read_predictions(tmp_path / "preds.jsonl")
    official = json.loads(out.read_text())
    assert failed == sum(row.status == "failed" for row in rows.values())
    assert list(official) == list(rows)
    assert len(rows) == 5
    for name, row in rows.items():
        assert [record["Name"] for record in official[name]] == [anomaly.name for anomaly in row.anomalies]
        assert row.finish_reason == "stop"
        assert row.tokens


def test_a_split_or_model_that_is_not_there_is_named(dataset: Path, tmp_path: Path) -> None:
    """The message names the dataset and split, or the model, and what to give."""
    with pytest.raises(InputError, match="validation"):
        predict_dataset(str(dataset), "validation", None, "tiny", None, 4, tmp_path / "p.json", None)  # type: ignore[arg-type]
    with pytest.raises(UnavailableError, match="no-such-model"):
        load(str(tmp_path / "no-such-model"))
    with pytest.raises(UnavailableError, match="no-such-adapter"):
        load("tiny", adapter=str(tmp_path / "no-such-adapter"))


def test_any_picture_gets_an_answer(tiny: tuple[Any, Any]) -> None:
    """Pictures of one pixel, extreme shapes, transparency and palettes are answered like any other."""
    pictures = [
        ("dot", Image.new("RGB", (1, 1))),
        ("thread", Image.new("L", (400, 3), 200)),
        ("glass", Image.new("RGBA", (90, 60), (0, 0, 0, 0))),
        ("palette", Image.new("P", (60, 90))),
    ]
    assert len(list(predict(pictures, *tiny))) == 4
