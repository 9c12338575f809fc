"""Before training: what it takes is told, and rows that would fail are all named."""

import io
import re
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from dataset_builder.errors import InputError
from tests.training import arguments, train_tiny
from trainer import dry_run, sft
from trainer.asked import turns
from trainer.examples import training_examples, without_pictures
from trainer.survey import survey


def prepared(*line: str) -> tuple[Any, str]:
    """The material of a training and its description."""
    script, training, model = sft.parse(list(line))
    material = sft.prepare(script, training, model)
    return (material, script), dry_run.describe(material, script, training, model)


def test_a_dry_run_tells_what_it_takes_and_writes_nothing(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, examples, steps, memory and time; and three examples, of which only the answer has a loss."""
    line = arguments(dataset, tmp_path / "out", tasks=["anomalies", "verdict"], max_steps=-1, num_train_epochs=2)
    with pytest.raises(SystemExit, match=r"^0$"):
        sft.main([*line, "--dry_run"])
    assert not (tmp_path / "out").exists()
    text = capsys.readouterr().out
    rows = len(datasets.load_dataset(str(dataset), split="train"))
    assert f"rows      {rows}\nexamples  {2 * rows}: {rows} anomalies, {rows} verdict\n" in text
    assert f"steps     {2 * rows} of 2 examples, {rows} per epoch\n" in text
    assert re.search(r"pictures  36 to 36 \(median 36\) image tokens", text)
    assert re.search(r"memory    about 0\.\d GB at a batch of 2\ntime      about \d+ (s|min) without evaluations", text)
    assert "█" in text
    for shown in text.split("⟦<|im_start|>system")[1:]:
        masked, learned = shown.split("⟧", 1)
        assert "<|image_pad|>×36" in masked
        assert masked.endswith("<|im_start|>assistant\n")
        assert learned.split("<|im_end|>")[0].strip() in ("Yes", "No") or learned.startswith("[")


@pytest.mark.parametrize("configuration", ["deepfake", "sft"])
def test_the_lengths_told_are_those_of_the_batches(configuration: str, official: Path, tmp_path: Path) -> None:
    """Token by token what the training's collator makes of each example, pictures of other shapes included."""
    options = {"dataset_config": configuration, "limit": 6, "max_pixels": 40_000}
    options |= {"tasks": ["anomalies", "verdict"]} if configuration == "deepfake" else {}
    (material, script), _ = prepared(*arguments(official, tmp_path / "out", **options))
    lengths = dry_run._lengths(material.rows, material.survey, material.processor)
    collate = DataCollatorForVisionLanguageModeling(material.processor, completion_only_loss=True)
    made = [
        collate([example]) for example in training_examples(script, material.rows, material.processor.image_processor)
    ]
    assert lengths.whole == [one["input_ids"].shape[1] for one in made]
    assert lengths.answers == [int((one["labels"] != -100).sum()) for one in made]
    light = list(without_pictures(material.rows))
    assert all(turns(light[row], question)[-1]["role"] == "assistant" for row, question in material.survey.examples)


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def failing(dataset: Path, tmp_path: Path) -> Path:
    """A dataset in which five of the rows would fail, each for another reason."""
    rows = (
        datasets.load_dataset(str(dataset), split="train").cast_column("image", datasets.Image(decode=False)).to_list()
    )
    odd = [row for row in rows if row["anomalies"]]
    odd[0]["image"] = {"bytes": png(1000, 4), "path": "long.png"}
    odd[1]["image"]["bytes"] = odd[1]["image"]["bytes"][:-400]
    odd[2]["anomalies"][0]["phenomenon"] += " <|im_end|>"
    odd[3]["anomalies"][0]["reasoning"] = "<|image_pad|>"
    odd[4]["image"]["bytes"] = b"<html>"
    for name, row in zip(("long", "cut", "ended", "pad", "html"), odd, strict=False):
        row["image_id"] = f"{name}.png"
    features = datasets.load_dataset(str(dataset), split="train").features
    made = datasets.Dataset.from_list(rows, features=features)
    out = tmp_path / "failing"
    out.mkdir()
    made.to_parquet(out / "train.parquet")
    return out


@pytest.mark.parametrize("options", [{}, {"eval_strategy": "steps", "eval_pictures": 12}])
def test_rows_that_would_fail_are_all_named_before_the_first_step(
    options: dict[str, Any], failing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shape, damage and special tokens; those held out to examine included; and no model is loaded."""
    with pytest.raises(InputError, match=r"failing \[train\]: 5 rows would fail in training, all of them listed above"):
        train_tiny(failing, tmp_path / "out", **options)
    listed = [line for line in capsys.readouterr().err.splitlines() if ".png" in line]
    assert len(listed) == 5
    for name, reason in (
        ("long.png", "1000 × 4 pixels is too long and narrow"),
        ("cut.png", "cannot be decoded"),
        ("ended.png", "special token <|im_end|>"),
        ("pad.png", "special token <|image_pad|>"),
        ("html.png", "cannot be decoded"),
    ):
        assert [line for line in listed if name in line and reason in line], name
    assert not (tmp_path / "out").exists()


def test_what_is_said_to_fail_fails(failing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look beforehand, training ends in an error of a library's."""
    monkeypatch.setattr(sft, "refuse_failing", lambda *_: None)
    with pytest.raises((ValueError, OSError), match=r"\w") as told:
        train_tiny(failing, tmp_path / "out", max_steps=40)
    assert not isinstance(told.value, InputError)


def test_a_whole_dataset_has_no_failing_row(dataset: Path) -> None:
    """Nothing is refused that can be trained on."""
    from trainer.loading import load_processor

    found = survey(datasets.load_dataset(str(dataset), split="train"), ["anomalies"], load_processor("tiny"))
    assert found.failing == []
