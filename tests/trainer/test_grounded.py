"""The task `grounded`: the boxes that a model is taught are the boxes that its answer is read as."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from dataset_builder.building.build import build
from dataset_builder.building.llava import conversations, write_llava
from dataset_builder.building.read_back import read_built
from dataset_builder.errors import InputError
from dataset_builder.pictures import open_picture, prepare
from dataset_builder.prompts import PROMPTS
from dataset_builder.textform import parse_answer
from tests.training import arguments, train_tiny
from trainer import grpo, sft
from trainer.answers import Predictor
from trainer.asked import questions, sft_example
from trainer.examples import DataArguments, training_examples, training_rows
from trainer.loading import load
from trainer.shown import Shown

SIZES = [(2600, 1733), (640, 480), (2100, 301), (333, 777), (168, 168), (57, 41), (20, 9)]
"""Larger than a model is shown, small, and of odd sides."""

TURNED = (1, 6, 3, 8)
"""EXIF orientations: upright, and turned by a quarter, a half and three quarters."""

PICTURES = [(size, turned) for place, size in enumerate(SIZES) for turned in {1, TURNED[(place + 1) % 4]}]


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    """The shipped model and its processor."""
    return load("tiny")


def picture_file(size: tuple[int, int], orientation: int) -> bytes:
    """A JPEG that a viewer shows in this size, whatever way it is stored."""
    turned = Image.Exif()
    turned[0x0112] = orientation
    out = io.BytesIO()
    stored = size[::-1] if orientation in (6, 8) else size
    Image.new("RGB", stored, "teal").save(out, "JPEG", exif=turned)
    return out.getvalue()


def folder(root: Path) -> dict[str, list[float]]:
    """An image folder with pictures of each size, also turned, and the box of the one anomaly in each."""
    (root / "train").mkdir(parents=True)
    truth, lines = {}, []
    for number, ((width, height), orientation) in enumerate(PICTURES):
        name = f"{number}.jpg"
        (root / "train" / name).write_bytes(picture_file((width, height), orientation))
        truth[name] = [round(width * 0.31, 1), round(height * 0.12, 1), round(width * 0.83), height]
        record = {"name": "Cup", "phenomenon": "A cup hovers.", "reasoning": "Cups fall.", "severity": 10}
        lines.append({"file_name": name, "label": "fake", "anomalies": [record | {"bbox": truth[name]}]})
    (root / "train" / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return truth


def answered(text: str, data: bytes, tiny: tuple[Any, Any]) -> Any:
    """The prediction for a picture, of a model that answers with exactly this text."""
    model, processor = tiny
    model.known = None  # pictures of noise would not be answered about
    answer = Predictor(model, processor, "grounded")
    tokens = [*processor.tokenizer(text)["input_ids"], processor.tokenizer.eos_token_id]
    answer._decode = lambda inputs, longest: [tokens]
    (prediction,) = answer([("a", open_picture("a", data))])
    return prediction


def check(example: dict[str, Any], data: bytes, box: list[float], tiny: tuple[Any, Any]) -> None:
    """An example's answer, given back as it is, is its source's box: within a pixel of the picture as the model sees it."""
    assert example["prompt"] == [{"role": "user", "content": PROMPTS["grounded"]}]
    text = example["completion"][0]["content"]
    prepared = prepare(open_picture("a", data))
    shown = Shown.of(prepared, tiny[1].image_processor)
    (taught,) = parse_answer(text).anomalies
    assert taught.bbox is not None
    assert all(0 <= corner <= side for corner, side in zip(taught.bbox, shown.seen * 2, strict=True))
    (found,) = answered(text, data, tiny).anomalies
    assert found.bbox is not None
    for told, true, full, seen in zip(found.bbox, box, shown.full * 2, shown.seen * 2, strict=True):
        assert abs(told - true) <= max(1, full / seen)


def test_boxes_come_back_from_training_text_by_every_way(tmp_path: Path, tiny: tuple[Any, Any]) -> None:
    """From a built dataset by task, from its configuration `sft`, and from an exported conversation file that is built again."""
    truth = folder(tmp_path / "folder")
    build(tmp_path / "folder", tmp_path / "built", recipe="grounded")
    rows, _ = read_built(tmp_path / "built")
    write_llava(tmp_path / "sft.json", conversations(rows, "grounded"))
    build(tmp_path / "sft.json", tmp_path / "again", images=tmp_path / "folder" / "train", recipe=None)
    ways: list[dict[str, Any]] = [
        {"dataset_name": str(tmp_path / "built"), "tasks": ["grounded"]},
        {"dataset_name": str(tmp_path / "built"), "dataset_config": "sft"},
        {"dataset_name": str(tmp_path / "again"), "tasks": ["grounded"]},
    ]
    for way in ways:
        script = DataArguments(**way)
        stored = training_rows(script)
        examples = training_examples(script, stored, tiny[1].image_processor)
        assert len(examples) == len(stored)
        place = "images" if "images" in stored.column_names else "image"
        paths = stored.with_format("arrow")[:][place].to_pylist()
        names = [(path[0] if isinstance(path, list) else path)["path"] for path in paths]
        if way != ways[2]:
            assert sorted(names) == sorted(truth)
        for name, example in zip(names, examples, strict=True):
            data = (tmp_path / "folder" / "train" / name).read_bytes()
            check(example, data, truth[name], tiny)


def test_a_box_is_taught_in_the_pixels_that_the_processor_makes(tiny: tuple[Any, Any]) -> None:
    """What is counted without pixels is what the processor does with them, and another budget is another text."""
    image_processor = tiny[1].image_processor
    for size in SIZES:
        prepared = prepare(Image.new("RGB", size))
        patches = image_processor(prepared.image, return_tensors="pt")["image_grid_thw"][0].tolist()
        side = image_processor.patch_size
        assert Shown.of(prepared, image_processor).seen == (patches[2] * side, patches[1] * side)
    record = {"name": "Cup", "phenomenon": "It hovers.", "reasoning": "Cups fall.", "severity": 10, "remark": None}
    row = {
        "image": Image.new("RGB", (1680, 840)),
        "label": 1,
        "anomalies": [record | {"bbox": [840.0, 0.0, 1680.0, 420.0]}],
    }
    seen = Shown.of(prepare(row["image"]), image_processor).seen  # type: ignore[arg-type]
    (said,) = sft_example(row, "grounded", image_processor)["completion"]
    assert json.loads(said["content"])[0]["bbox"] == [round(seen[0] / 2), 0, seen[0], round(seen[1] / 2)]
    assert "bbox" not in sft_example(row, "anomalies", image_processor)["completion"][0]["content"]


def test_only_rows_with_a_box_to_each_anomaly_are_asked_for_boxes() -> None:
    """A clean picture has none to give; one that nobody looked at, or with an anomaly somewhere unknown, is not asked."""
    boxed, bare = {"bbox": [0.0, 0.0, 1.0, 1.0]}, {"bbox": None}
    tasks = ["anomalies", "grounded", "verdict"]
    assert questions({"label": 1, "anomalies": [boxed]}, tasks) == tasks
    assert questions({"label": 0, "anomalies": []}, tasks) == tasks
    assert questions({"label": 0, "anomalies": None}, tasks) == tasks
    assert questions({"label": 1, "anomalies": [boxed, bare]}, tasks) == ["anomalies", "verdict"]
    assert questions({"label": 1, "anomalies": [{"name": "a dataset without the column"}]}, ["grounded"]) == []
    assert questions({"label": 1, "anomalies": None}, tasks) == ["verdict"]


def test_an_adapter_is_trained_on_boxes_and_examined_with_them(dataset: Path, tmp_path: Path) -> None:
    """From a dataset built of scenes; its card has the prompt that it was taught, and its answers have boxes."""
    out = train_tiny(
        dataset, tmp_path / "out", tasks=["grounded"], eval_strategy="steps", eval_steps=3, eval_pictures=4, limit=16
    )
    assert json.loads((out / "training.json").read_text())["tasks"] == ["grounded"]
    assert "in pixels" in (out / "README.md").read_text()
    answers = json.loads((out / "examined" / "answers.json").read_text())
    assert answers[-1]["numbers"]["eval_parseable"] > 0


def test_conversations_with_boxes_are_trained_on_as_what_they_are(scenes: Path, tmp_path: Path) -> None:
    """An `sft` set of the recipe `grounded`: examined with its own question, which the card names."""
    build(scenes, tmp_path / "built", recipe="grounded")
    options = {"dataset_config": "sft", "eval_strategy": "steps", "eval_steps": 3, "eval_pictures": 4}
    out = train_tiny(tmp_path / "built", tmp_path / "out", **options)
    assert json.loads((out / "training.json").read_text())["tasks"] == ["grounded"]


def test_without_boxes_there_is_nothing_to_ground(official: Path, release: Path, dataset: Path, tmp_path: Path) -> None:
    """Real pictures alone would teach that nothing is ever wrong; refused in training, in builds and in conversation files."""
    with pytest.raises(InputError, match=r"tasks: grounded: no picture of .* has a box for each of its anomalies"):
        sft.main(arguments(official, tmp_path / "out", tasks=["grounded"]))
    with pytest.raises(InputError, match=r"recipe grounded: no picture has a box"):
        build(release, tmp_path / "built", recipe="grounded")
    assert not (tmp_path / "built").exists()
    with pytest.raises(InputError, match=r"recipe grounded: no picture has a box"):
        conversations(read_built(official)[0], "grounded")
    line = ["--config", "tiny", "--dataset_name", str(dataset), "--adapter", "x", "--output_dir", str(tmp_path / "out")]
    with pytest.raises(InputError, match="tasks: grounded: no reward looks at boxes"):
        grpo.main([*line, "--tasks", "grounded"])


def test_an_answer_with_boxes_that_cannot_be_read_is_named_before_training(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A conversation that somebody edited: its row is listed, and nothing is loaded."""
    import datasets

    answer = '[{"name": "Cup", "bbox": [1, 2, 3]}]'
    row = {
        "images": [Image.new("RGB", (56, 56))],
        "prompt": [{"role": "user", "content": PROMPTS["grounded"]}],
        "completion": [{"role": "assistant", "content": answer}],
    }
    (tmp_path / "edited").mkdir()
    written = datasets.Dataset.from_list([row] * 2).cast_column("images", datasets.List(datasets.Image()))
    written.to_parquet(str(tmp_path / "edited" / "train.parquet"))
    with pytest.raises(InputError, match="2 rows would fail"):
        sft.main(arguments(tmp_path / "edited", tmp_path / "out"))
    assert "boxes of four numbers" in capsys.readouterr().err
    assert not torch.cuda.is_initialized()
