"""The datasets of others, in files with exactly the names and types that their own code reads and writes."""

import io
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from dataset_builder.building.build import build
from dataset_builder.building.sft import sft_turns
from dataset_builder.checks.validation import validate
from dataset_builder.sources.opening import open_source


def pictures(folder: Path, *names: str) -> None:
    """Each another, 40 × 30 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        buffer = io.BytesIO()
        colour = tuple(f"{folder.name}{name}".encode()[-7:-4])
        Image.new("RGB", (40, 30), colour).save(buffer, "PNG" if name.endswith("png") else "JPEG")  # type: ignore[arg-type]
        (folder / name).write_bytes(buffer.getvalue())


def built(source: Path, out: Path, config: str = "default") -> dict[str, dict[str, Any]]:
    """A source's rows as they are loaded after it was built, by name, each with its split."""
    if not out.exists():
        build(source, out)
    tables = datasets.load_dataset(str(out), config, cache_dir=str(out.parent / "cache"))
    return {row["image_id"]: {**row, "split": split} for split, rows in tables.items() for row in rows}


FAKE: dict[str, Any] = {
    "Semantic Irrationality": "The cup hovers above the table.",
    "Anomalous Image Texture": None,
    "Low Image Quality": None,
    "Irregular Image Edges": "The rim is doubled.",
    "Inconsistent Lighting and Shadows": None,
}
REAL: dict[str, Any] = {
    "Semantic Rationality": "Everything stands on the ground.",
    "Consistent Lighting and Shadows": "All shadows fall to the left.",
    "High Image Quality": None,
    "Smooth and Natural Image Edges": None,
    "Natural and Consistent Image Texture": None,
}
"""As `output_to_reasoning.py` writes them: five attributes, null where nothing was said."""


def mmfr(root: Path) -> Path:
    """The training folders and an evaluation set, a picture or two of each."""
    pictures(root / "diffusiondb" / "part-000001", "0a3c75bb.png")
    pictures(root / "laion" / "00000", "000000000.jpg")
    pictures(root / "evaluation_sets" / "gigagan" / "1_fake", "0001.png")
    pictures(root / "evaluation_sets" / "gigagan" / "0_real", "0002.png")
    files = {
        "diffusiondb/diffusiondb_reasoning.json": {"diffusiondb/part-000001/0a3c75bb.png": FAKE},
        "laion/laion_reasoning.json": {"laion/00000/000000000.jpg": REAL},
        "evaluation_sets/gigagan/gigagan_reasoning.json": {
            "gigagan/1_fake/0001.png": FAKE,
            "gigagan/0_real/0002.png": REAL,
        },
        "forgery_reasoning_cot.json": [],
    }
    for name, content in files.items():
        (root / name).write_text(json.dumps(content))
    return root


def test_mmfr_keeps_what_it_says_and_invents_nothing(tmp_path: Path) -> None:
    """Attributes of a generated picture are anomalies without reason and severity; those of a real one are its caption."""
    source = mmfr(tmp_path / "MMFR-Dataset")
    read = open_source(source)
    assert (read.kind, [finding.kind for finding in read.findings]) == ("mmfr", [])
    rows = built(source, tmp_path / "out", "deepfake")
    assert {name: (row["label"], row["split"], row["generator"]) for name, row in rows.items()} == {
        "0a3c75bb.png": (1, "train", None),
        "000000000.jpg": (0, "train", None),
        "0001.png": (1, "test", "gigagan"),
        "0002.png": (0, "test", None),
    }
    edges, sense = rows["0001.png"]["anomalies"]
    assert edges == {
        "name": "Irregular Image Edges",
        "phenomenon": "The rim is doubled.",
        "reasoning": None,
        "severity": None,
        "remark": None,
        "bbox": None,
    }
    assert sense["name"] == "Semantic Irrationality"
    assert rows["0002.png"]["anomalies"] is None
    assert rows["0002.png"]["caption"] == "All shadows fall to the left. Everything stands on the ground."
    assert not [turn for turn in sft_turns(read.rows, balance=False) if turn.row.anomalies]


HUMAN: dict[str, Any] = {
    "image": {"file_name": "a.jpg", "height": 30, "width": 40, "tag": "person"},
    "annotation": [
        {"body_parts": "hand", "level": "severe", "bbox": [20, 18, 10.5, 9]},
        {"body_parts": "face", "level": "mild", "bbox": [1, 2, 8, 9]},
        {"body_parts": "shoe", "level": "mild", "bbox": [1, 2, 8, 9]},
    ],
    "human": [{"tag": ["human with extra arm", "human missing leg", "blurred"], "bbox": [0, 0, 40, 30]}],
}
EMPTY: dict[str, Any] = {
    "image": {"file_name": "b.jpg", "height": 30, "width": 40, "tag": "empty annotation"},
    "annotation": [],
    "human": [],
}


def hadm(root: Path, human: dict[str, Any] = HUMAN) -> Path:
    """A picture to train on and two to validate with, one of them also in its generator's own folder."""
    for folder, names in {"train_ALL": "a", "val_ALL": "bc", "val_sdxl": "c"}.items():
        pictures(root / "images" / folder, *(f"{name}.jpg" for name in names))
        (root / "annotations" / folder).mkdir(parents=True)
        for name in names:
            content = EMPTY if name == "b" else human
            (root / "annotations" / folder / f"{name}.json").write_text(json.dumps(content))
    (root / "info.pkl").write_bytes(b"\x80")
    return root


def test_hadm_keeps_what_it_says_and_invents_nothing(tmp_path: Path) -> None:
    """Parts of the body and tags with their boxes; the level is a remark, not a number; the combined folders once."""
    source = hadm(tmp_path / "human_artifact_dataset")
    read = open_source(source)
    assert (read.kind, [finding.kind for finding in read.findings]) == ("hadm", [])
    rows = built(source, tmp_path / "out")
    assert {name: (row["label"], row["split"], row["generator"]) for name, row in rows.items()} == {
        "a.jpg": (1, "train", None),
        "b.jpg": (1, "test", None),
        "c.jpg": (1, "test", "sdxl"),
    }
    nothing = {"phenomenon": None, "reasoning": None, "severity": None}
    assert rows["a.jpg"]["anomalies"] == [
        {"name": "hand", **nothing, "remark": "severe", "bbox": [10.5, 9.0, 20.0, 18.0]},
        {"name": "face", **nothing, "remark": "mild", "bbox": [1.0, 2.0, 8.0, 9.0]},
        {"name": "human with extra arm", **nothing, "remark": None, "bbox": [0.0, 0.0, 40.0, 30.0]},
        {"name": "human missing leg", **nothing, "remark": None, "bbox": [0.0, 0.0, 40.0, 30.0]},
    ]
    assert rows["b.jpg"]["anomalies"] == []
    assert not validate(tmp_path / "out").has_errors
    assert not [turn for turn in sft_turns(read.rows, balance=False) if turn.row.anomalies]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda one: one["annotation"][1].update(bbox=[1, 2, 3]), 'a.json: "annotation"[1]: bbox'),
        (lambda one: one["human"][0].update(tag="human with extra arm"), 'a.json: "human"[0]: '),
        (lambda one: one["human"][0].update(bbox=[0, 0, True, 1]), 'a.json: "human"[0]: bbox'),
        (lambda one: one.update(annotation=None), 'a.json: "annotation": '),
    ],
)
def test_what_cannot_be_read_of_hadm_names_file_list_and_position(
    change: Callable[[dict[str, Any]], None], place: str, tmp_path: Path
) -> None:
    """The picture is left out and its record named; the others stay."""
    human = deepcopy(HUMAN)
    change(human)
    read = open_source(hadm(tmp_path / "human_artifact_dataset", human))
    errors = [finding for finding in read.findings if finding.is_error]
    assert [finding.image_id for finding in errors] == ["a.jpg", "c.jpg"]
    assert place in errors[0].message
    assert [row.image_id for row in read.rows] == ["b.jpg"]


@pytest.mark.parametrize("said", [FAKE | REAL, {}, FAKE | {"Low Image Quality": 3}, "none"])
def test_what_cannot_be_read_of_mmfr_names_file_and_picture(said: object, tmp_path: Path) -> None:
    """Attributes of both kinds, none at all, or a text that is none: the picture is left out and named."""
    source = mmfr(tmp_path / "MMFR-Dataset")
    content = {"gigagan/0_real/0002.png": REAL, "gigagan/1_fake/0001.png": said}
    (source / "evaluation_sets" / "gigagan" / "gigagan_reasoning.json").write_text(json.dumps(content))
    read = open_source(source)
    (error,) = (finding for finding in read.findings if finding.is_error)
    assert error.image_id == "0001.png"
    assert "gigagan_reasoning.json" in error.message
    assert len(read.rows) == 3
