"""What people have and want to bring in: each form is recognised by itself, and what it does not say is null."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image
from typer.testing import CliRunner

from dataset_builder.building.build import BuildError, build
from dataset_builder.building.read_back import read_built
from dataset_builder.building.sft import sft_turns
from dataset_builder.commands import app
from dataset_builder.errors import InputError
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.schema import Anomaly
from dataset_builder.sources.opening import KINDS, open_source
from dataset_builder.sources.rows import Row

RECORD = {"name": "Floating cup", "phenomenon": "It hovers.", "reasoning": "Cups fall.", "severity": 12}


def _pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 30), (number * 9 % 256, 90, 120)).save(buffer, "JPEG")
        (folder / name).write_bytes(buffer.getvalue())


def _lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.image_id: row for row in rows}


def _loaded(out: Path, cache: Path, config: str | None = None) -> dict[str, dict[str, object]]:
    rows = datasets.load_dataset(str(out), config, cache_dir=str(cache))
    return {row["image_id"]: row for table in rows.values() for row in table}


def test_an_image_folder_with_metadata_in_our_field_names(tmp_path: Path) -> None:
    """Labels, anomalies, boxes, captions, splits by folder; what nobody looked at is null, not empty."""
    for split in ("train", "test"):
        _pictures(tmp_path / "pictures" / split, [f"{split}_{number}.jpg" for number in range(4)])
        _lines(
            tmp_path / "pictures" / split / "metadata.jsonl",
            [
                {"file_name": f"{split}_0.jpg", "label": "fake", "anomalies": [RECORD | {"bbox": [1, 2, 30, 20]}]},
                {"file_name": f"{split}_1.jpg", "label": 0, "caption": "The light agrees.", "anomalies": []},
                {"file_name": f"{split}_2.jpg", "label": "fake"},
                {"file_name": f"{split}_3.jpg", "anomalies": [RECORD], "generator": "flux"},
            ],
        )
    build(tmp_path / "pictures", tmp_path / "out")
    deepfake = _loaded(tmp_path / "out", tmp_path / "cache", "deepfake")
    for split in ("train", "test"):
        assert deepfake[f"{split}_0.jpg"]["anomalies"] == [RECORD | {"remark": None, "bbox": [1, 2, 30, 20]}]
        assert deepfake[f"{split}_1.jpg"]["caption"] == "The light agrees."
        assert deepfake[f"{split}_1.jpg"]["anomalies"] == []
        assert deepfake[f"{split}_2.jpg"]["anomalies"] is None
        assert deepfake[f"{split}_3.jpg"]["generator"] == "flux"
    rows = _by_name(open_source(tmp_path / "pictures").rows)
    assert all(row.split == name.split("_")[0] for name, row in rows.items())


def test_all_problems_of_a_metadata_file_are_told_with_their_lines(tmp_path: Path) -> None:
    """A label that is none, a record without a name, a picture twice, a row without a label, a line that is not JSON."""
    _pictures(tmp_path / "pictures", [f"{number}.jpg" for number in range(6)])
    _lines(
        tmp_path / "pictures" / "metadata.jsonl",
        [
            {"file_name": "0.jpg", "label": "maybe"},
            {"file_name": "1.jpg", "label": "fake", "anomalies": [{"severity": 101}]},
            {"file_name": "2.jpg", "label": "fake", "anomalies": [RECORD]},
            {"file_name": "2.jpg", "label": "fake"},
            {"file_name": "3.jpg"},
            {"file_name": "4.jpg", "label": "real", "anomalies": [RECORD]},
        ],
    )
    with (tmp_path / "pictures" / "metadata.jsonl").open("a") as file:
        file.write("{oops\n")
    with pytest.raises(BuildError) as raised:
        build(tmp_path / "pictures", tmp_path / "out")
    told = {finding.image_id: finding for finding in raised.value.findings}
    assert {name: finding.kind for name, finding in told.items()} == {
        "0.jpg": "unreadable record",
        "1.jpg": "severity out of range",
        "2.jpg": "duplicate id",
        "3.jpg": "unreadable record",
        "4.jpg": "annotated real picture",
        None: "unreadable file",
    }
    assert "metadata.jsonl:1" in told["0.jpg"].message
    assert "--label" in told["3.jpg"].message


def test_predictions_with_their_pictures(tmp_path: Path) -> None:
    """`preds.json` and `preds.jsonl`; a severity that is not known stays null; no answer is not "nothing wrong"."""
    _pictures(tmp_path / "photos", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    with PredictionWriter(tmp_path / "preds.json") as writer:
        unknown = Anomaly(name="N", phenomenon="P", reasoning="R", score=0.5)
        writer.append(Prediction(image_id="a.jpg", status="anomalies", anomalies=[unknown]))
        writer.append(Prediction(image_id="b.jpg", status="none"))
        writer.append(Prediction(image_id="c.jpg", status="failed"))
        writer.append(Prediction(image_id="d.jpg", status="unknown"))
    rows = _by_name(open_source(tmp_path / "preds.jsonl", images=tmp_path / "photos").rows)
    assert {name: row.anomalies for name, row in rows.items()} == {
        "a.jpg": [Anomaly(name="N", phenomenon="P", reasoning="R")],
        "b.jpg": [],
    }
    assert {
        row.label for row in open_source(tmp_path / "preds.json", label="real", images=tmp_path / "photos").rows
    } <= {"real"}
    build(tmp_path / "preds.jsonl", tmp_path / "out", images=tmp_path / "photos")
    loaded = _loaded(tmp_path / "out", tmp_path / "cache")
    assert loaded["a.jpg"]["anomalies"][0]["severity"] is None  # type: ignore[index]
    assert sft_turns(open_source(tmp_path / "preds.jsonl", images=tmp_path / "photos").rows, balance=False)


def test_our_own_conversations_come_back_as_they_went_out(release: Path, tmp_path: Path) -> None:
    """Exported with copies and shuffled, in both file forms, then imported: the same anomalies, labels and captions."""
    pictures = tmp_path / "pictures"
    (pictures / "0_real").mkdir(parents=True)
    shutil.copytree(release / "1_fake", pictures / "1_fake")
    shutil.unpack_archive(release / "0_real.zip", pictures)
    truth = _by_name(open_source(release).rows)
    for name in ("sft.json", "sft.jsonl"):
        command = ["sft", str(release), "--out", str(tmp_path / name), "--fake-copies", "2", "--shuffle-anomalies"]
        assert CliRunner().invoke(app, command).exit_code == 0
        source = open_source(tmp_path / name, images=pictures)
        assert source.kind == "llava"
        assert not [finding for finding in source.findings if finding.is_error]
        assert len(source.rows) > 20
        for row in source.rows:
            assert row.label == truth[row.image_id].label
            key = lambda anomaly: anomaly.name + anomaly.phenomenon  # noqa: E731
            assert sorted(row.anomalies or [], key=key) == sorted(truth[row.image_id].anomalies or [], key=key)


def test_conversations_that_contradict_each_other_are_an_error(tmp_path: Path) -> None:
    """Two answers about one picture; an answer that says nothing of anomalies about a generated one."""
    _pictures(tmp_path / "1_fake", ["a.jpg", "b.jpg", "c.jpg"])

    def sample(image: str, answer: object) -> dict[str, object]:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        turns = [{"from": "human", "value": "<image>\nWhat is wrong?"}, {"from": "gpt", "value": text}]
        return {"image": f"1_fake/{image}", "id": image, "conversations": turns}

    samples = [
        sample("a.jpg", [RECORD]),
        sample("a.jpg", []),
        sample("b.jpg", "A lovely cup."),
        sample("c.jpg", [RECORD]),
    ]
    (tmp_path / "sft.json").write_text(json.dumps(samples))
    findings = [finding for finding in open_source(tmp_path / "sft.json").findings if finding.is_error]
    assert {(one.kind, one.image_id) for one in findings} == {
        ("conflicting statements", "a.jpg"),
        ("unreadable record", "b.jpg"),
    }


def test_a_manifest_alone_gives_real_and_generated_pictures(tmp_path: Path) -> None:
    """Under any name, with pictures below it; nobody looked for anomalies, so there is only `deepfake`."""
    _pictures(tmp_path / "mine" / "pictures", [f"{number}.jpg" for number in range(6)])
    lines = [
        f"pictures/{number}.jpg,{'real' if number % 2 else 'fake'},,{'test' if number < 2 else 'train'}"
        for number in range(6)
    ]
    (tmp_path / "mine" / "pictures.csv").write_text("image,label,generator,split\n" + "\n".join(lines))
    result = build(tmp_path / "mine" / "pictures.csv", tmp_path / "out", recipe=None)
    assert result.rows == {"deepfake": {"train": 4, "test": 2}}
    loaded = _loaded(tmp_path / "out", tmp_path / "cache")
    assert {name: row["label"] for name, row in loaded.items()} == {f"{n}.jpg": int(n % 2 == 0) for n in range(6)}
    assert {row["anomalies"] for row in loaded.values()} == {None}


def test_a_built_dataset_is_a_source_of_conversations(official: Path, release: Path, tmp_path: Path) -> None:
    """`sft` on it gives what `sft` on its release gives; `build` says that there is nothing to build."""
    for source, name in ((official, "a.json"), (release, "b.json")):
        done = CliRunner().invoke(app, ["sft", str(source), "--out", str(tmp_path / name), "--split", "test"])
        assert done.exit_code == 0, done.output
    one, other = (
        sorted(json.loads((tmp_path / name).read_text()), key=lambda s: s["id"]) for name in ("a.json", "b.json")
    )
    assert [sample["image"] for sample in one] == [sample["image"] for sample in other]
    with pytest.raises(InputError, match="is a built dataset already"):
        build(official, tmp_path / "out")


SYNTHSCARS = [
    {
        "1172": {
            "caption": "Upon examining the image. I have found: A man stands outdoors.",
            "img_file_name": "/mnt/data/richhf-18k/train/raw_imgs/0.jpg",
            "refs": [
                {
                    "sentence": "Man's right ear.",
                    "explanation": "The ear is shown at a wrong angle.",
                    "bbox": None,
                    "segmentation": [[2.5, 14.0, 18.6, 12.8, 19.2, 17.5], [20.0, 3.0, 21.0, 4.0, 22.5, 5.0]],
                },
                {"sentence": "Man's eyes", "explanation": "The pupils differ.", "bbox": None, "segmentation": []},
            ],
        }
    },
    {"566": {"caption": "A train.", "img_file_name": "/mnt/data/raw_imgs/1.jpg", "refs": []}},
]
"""Two entries with exactly the published names and types, shortened; see `dataset_builder.sources.synthscars`."""


def test_synthscars_keeps_what_it_says_and_invents_nothing(tmp_path: Path) -> None:
    """Place and finding as name and phenomenon, the box around the outlines; no reason, no severity, hence no training rows."""
    root = tmp_path / "SynthScars"
    for split, numbers in (("train", (0, 1)), ("test", (2,))):
        _pictures(root / split / "images", [f"{number}.jpg" for number in numbers])
        (root / split / "annotations").mkdir()
    (root / "train" / "annotations" / "train.json").write_text(json.dumps(SYNTHSCARS))
    text = json.dumps(SYNTHSCARS[:1]).replace("raw_imgs/0.jpg", "raw_imgs/2.jpg")
    (root / "test" / "annotations" / "test.json").write_text(text)
    source = open_source(root)
    assert source.kind == "synthscars"
    result = build(root, tmp_path / "out")
    assert result.rows["default"] == {"train": 2, "test": 1}
    loaded = _loaded(tmp_path / "out", tmp_path / "cache")
    ear, eyes = loaded["0.jpg"]["anomalies"]  # type: ignore[misc]
    assert ear == {
        "name": "Man's right ear.",
        "phenomenon": "The ear is shown at a wrong angle.",
        "reasoning": None,
        "severity": None,
        "remark": None,
        "bbox": [2.5, 3.0, 22.5, 17.5],
    }
    assert eyes["bbox"] is None
    assert loaded["1.jpg"]["anomalies"] == []
    assert Anomaly(**ear).reasoning == ""
    assert read_built(tmp_path / "out")[1] == []
    assert not [turn for turn in sft_turns(source.rows, balance=False) if turn.row.anomalies]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda entry: entry["refs"][1].update(sentence=7), 'train.json: "1172"[1]: '),
        (lambda entry: entry["refs"][0].update(segmentation=[[1, 2, 3]]), 'train.json: "1172"[0]: '),
        (lambda entry: entry["refs"][0].update(segmentation=[["a", 2]]), 'train.json: "1172"[0]: '),
        (lambda entry: entry.update(refs="none"), 'train.json: "1172": '),
        (lambda entry: entry.update(img_file_name=""), 'train.json: "1172": '),
    ],
)
def test_what_cannot_be_read_of_synthscars_names_file_entry_and_position(
    change: Callable[[dict[str, Any]], None], place: str, tmp_path: Path
) -> None:
    """The other entries are read all the same."""
    root = tmp_path / "SynthScars"
    _pictures(root / "train" / "images", ["0.jpg", "1.jpg"])
    (root / "train" / "annoations").mkdir()  # as its README writes it
    entries = json.loads(json.dumps(SYNTHSCARS))
    change(entries[0]["1172"])
    (root / "train" / "annoations" / "train.json").write_text(json.dumps(entries))
    source = open_source(root)
    errors = [finding for finding in source.findings if finding.is_error]
    assert [finding.kind for finding in errors] == ["unreadable record"]
    assert f"train/annoations/{place}" in errors[0].message
    assert [(row.image_id, row.split, row.label) for row in source.rows] == [("1.jpg", "train", "fake")]


def test_a_format_can_be_named_and_must_be_known(release: Path, tmp_path: Path) -> None:
    """`--format` decides where files could be two things; options that a form has no use for are refused."""
    run = CliRunner().invoke(app, ["build", str(release), "--format", "poem", "--out", str(tmp_path / "out")])
    assert isinstance(run.exception, InputError)
    assert all(kind in str(run.exception) for kind in KINDS)
    assert open_source(release, kind="release").kind == "release"
    for option in ({"label": "real"}, {"images": release}):
        with pytest.raises(InputError, match="leave the option out"):
            open_source(release, **option)  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"metadata\.jsonl"):
        open_source(tmp_path / "empty")
