"""Prediction: the same answers in a batch as alone, and verdicts with their probability."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from dataset_builder.errors import InputError, PictureError, UnavailableError
from dataset_builder.predictions import read_predictions
from dataset_builder.prompts import chat
from dataset_builder.scenes import pair
from trainer.examining import examine_files
from trainer.loading import load
from trainer.predict import predict, predict_dataset
from trainer.verdict import judge


class Silent:
    def step(self, text: str) -> None: ...

    def bar(self, text: str, total: int) -> Any:
        from contextlib import nullcontext

        return nullcontext(lambda done: None)


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


@pytest.mark.parametrize("task", ["anomalies", "both", "verdict"])
def test_a_picture_that_no_model_takes_fails_alone(tiny: tuple[Any, Any], task: Any) -> None:
    """One that is too narrow is told, with its size; the others of its batch are answered, in their order."""
    whole = pair(21, 0)[0].image
    pictures = [("a.png", whole), ("thin.png", Image.new("RGB", (4, 1200), "red")), ("b.png", whole)]
    first, thin, last = predict(pictures, *tiny, task=task)
    assert (first.image_id, last.image_id) == ("a.png", "b.png")
    assert first.raw == last.raw
    assert thin.status == "failed"
    assert "thin.png: 4 × 1200 pixels" in thin.dropped[0].reason


def test_examine_refuses_such_a_picture_before_a_model_is_loaded(tmp_path: Path) -> None:
    """In one sentence with place, value and fix."""
    Image.new("RGB", (1200, 4), "red").save(tmp_path / "thin.png")
    with pytest.raises(
        PictureError, match=r"thin\.png: 1200 × 4 pixels is more than 200 times as long as wide; crop it"
    ):
        examine_files([tmp_path / "thin.png"], "nowhere/to-be-found", None)


def test_a_verdict_comes_with_its_probability(tiny: tuple[Any, Any]) -> None:
    """Scenes with an anomaly are called fake and their twins real; p_fake is on the label's side and the same in both tasks."""
    pictures = [(f"{index}-{side}", pair(24, index)[side].image) for index in range(4) for side in (0, 1)]
    verdicts = list(predict(pictures, *tiny, task="verdict"))
    assert [verdict.label for verdict in verdicts] == ["fake", "real"] * 4
    assert all((verdict.p_fake > 0.5) == (verdict.label == "fake") for verdict in verdicts)  # type: ignore[operator]
    assert {(verdict.status, verdict.raw, verdict.tokens) for verdict in verdicts} == {
        ("none", "Yes", 1),
        ("none", "No", 1),
    }
    both = list(predict(pictures, *tiny, task="both"))
    assert [answer.p_fake for answer in both] == pytest.approx([verdict.p_fake for verdict in verdicts], abs=1e-4)
    assert [answer.raw for answer in both] == [answer.raw for answer in predict(pictures, *tiny)]


def test_an_answer_that_is_neither_yes_nor_no_is_no_verdict(tiny: tuple[Any, Any]) -> None:
    """Asked for anomalies, the model begins a list: no label, no probability."""
    model, processor = tiny
    prompt = processor.apply_chat_template(chat("anomalies"), tokenize=False, add_generation_prompt=True)
    inputs = processor(images=[pair(23, 0)[0].image], text=[prompt], return_tensors="pt")
    (verdict,) = judge(model, processor, inputs)
    assert (verdict.label, verdict.p_fake) == (None, None)
    assert verdict.raw.startswith("[")


def test_too_little_memory_names_the_batch_size(tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's and a CPU's own words for it become one sentence that says what to lower; other errors stay what they are."""
    model, processor = tiny
    pictures = [(f"{index}", pair(21, index)[0].image) for index in range(3)]
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ):

        def fail(*_: Any, error: BaseException = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(model, "generate", fail)
        with pytest.raises(UnavailableError, match="--batch-size 3: out of memory; give a smaller one"):
            list(predict(pictures, model, processor))
    monkeypatch.setattr(model, "generate", lambda **_: [][0])
    with pytest.raises(IndexError):
        list(predict(pictures, model, processor))


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

    out = tmp_path / "preds.json"
    unanswered = predict_dataset(str(dataset), "test", 5, "tiny", None, 4, out, Silent())
    rows = read_predictions(tmp_path / "preds.jsonl")
    official = json.loads(out.read_text())
    assert unanswered == (sum(row.status == "failed" for row in rows.values()), 0)
    assert list(official) == list(rows)
    assert len(rows) == 5
    for name, row in rows.items():
        assert [record["Name"] for record in official[name]] == [anomaly.name for anomaly in row.anomalies]
        assert row.finish_reason == "stop"
        assert row.tokens


def test_a_split_or_model_that_is_not_there_is_named(dataset: Path, tmp_path: Path) -> None:
    """The message names the dataset and split, or the model, and what to give."""
    with pytest.raises(InputError, match="validation"):
        predict_dataset(str(dataset), "validation", None, "tiny", None, 4, tmp_path / "p.json", Silent())
    with pytest.raises(UnavailableError, match="no-such-model"):
        load(str(tmp_path / "no-such-model"))
    with pytest.raises(UnavailableError, match="no-such-adapter"):
        load("tiny", adapter=str(tmp_path / "no-such-adapter"))


def test_any_picture_gets_an_answer(tiny: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of one pixel, extreme shapes, transparency and palettes are answered like any other, by a model without `known`."""
    monkeypatch.setattr(tiny[0], "known", None)
    pictures = [
        ("dot", Image.new("RGB", (1, 1))),
        ("thread", Image.new("L", (400, 3), 200)),
        ("glass", Image.new("RGBA", (90, 60), (0, 0, 0, 0))),
        ("palette", Image.new("P", (60, 90))),
    ]
    # What is not a scene may make the tiny model write without an end.
    assert len(list(predict(pictures, *tiny, max_new_tokens=48))) == 4


def test_an_answer_is_cut_at_the_length_asked_for(dataset: Path, tmp_path: Path) -> None:
    """`max_new_tokens` holds for each answer, is told as the reason, and is part of what a run goes on with."""
    out = tmp_path / "preds.json"
    predict_dataset(str(dataset), "test", 4, "tiny", None, 4, out, Silent(), max_new_tokens=7)
    rows = read_predictions(out.with_suffix(".jsonl")).values()
    assert {row.finish_reason for row in rows} == {"length", "stop"}
    assert all(row.tokens == 7 for row in rows if row.finish_reason == "length")
    with pytest.raises(InputError, match="max_new_tokens was 7 and is now 1024"):
        predict_dataset(str(dataset), "test", 4, "tiny", None, 4, out, Silent())
