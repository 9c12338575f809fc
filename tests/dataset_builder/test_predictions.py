"""Prediction files: written so that a crash loses nothing, read by whoever needs them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from dataset_builder import Anomaly, OutputError, Prediction, PredictionWriter, read_predictions

CUP = Anomaly(
    name="Cup",
    phenomenon="It hovers — high.",
    reasoning="Cups fall.",
    severity=10,
    remark="severe",
    bbox=(1, 2, 3, 4),
    score=0.5,
)
ROWS = [
    Prediction(
        image_id="cup.png",
        status="anomalies",
        label="fake",
        p_fake=0.75,
        anomalies=[CUP],
        raw="…",
        finish_reason="stop",
        seconds=0.5,
        tokens=40,
    ),
    Prediction(image_id="clean.png", status="none", label="real", p_fake=0.0, raw="[]"),
    Prediction.from_answer("odd.png", '[{"name": "a", "phenomenon": "b", "reasoning": "c", "severity": "high"}]'),
    Prediction.from_answer("lost.png", "I cannot see the picture.", finish_reason="stop"),
]


def test_rows_are_read_back_as_they_were(tmp_path: Path) -> None:
    """Both files together hold everything; the rows alone give every field back."""
    with PredictionWriter(tmp_path / "out" / "preds.json") as writer:
        writer.append(ROWS[0])
        writer.append(*ROWS[1:])
        assert writer.done == {row.image_id for row in ROWS}
    assert list(read_predictions(tmp_path / "out" / "preds.jsonl").values()) == ROWS
    first = json.loads((tmp_path / "out" / "preds.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert list(first) == [
        "image_id",
        "status",
        "label",
        "p_fake",
        "anomalies",
        "raw",
        "dropped",
        "finish_reason",
        "seconds",
        "tokens",
    ]


def test_json_file_is_the_official_form_and_nothing_else(tmp_path: Path) -> None:
    """`preds.json` holds every picture with four keys a record; an unknown severity is an empty text."""
    with PredictionWriter(tmp_path / "preds.json") as writer:
        writer.append(*ROWS)
    assert json.loads((tmp_path / "preds.json").read_text(encoding="utf-8")) == {
        "cup.png": [
            {
                "Name": "Cup",
                "Observed Phenomenon": "It hovers — high.",
                "Reasoning": "Cups fall.",
                "Severity Score": "10/100 (severe).",
            }
        ],
        "clean.png": [],
        "odd.png": [{"Name": "a", "Observed Phenomenon": "b", "Reasoning": "c", "Severity Score": ""}],
        "lost.png": [],
    }
    predictions = read_predictions(tmp_path / "preds.json")
    assert predictions["cup.png"].anomalies == [CUP.model_copy(update={"bbox": None, "score": None})]
    assert predictions["odd.png"].anomalies == ROWS[2].anomalies


def test_interrupted_run_is_resumed_after_its_last_whole_row(tmp_path: Path) -> None:
    """Rows of a run that died stay; the torn last one is cut; the finished file equals that of an undisturbed run."""
    with PredictionWriter(tmp_path / "whole.json") as writer:
        writer.append(*ROWS)

    def interrupted() -> None:
        with PredictionWriter(tmp_path / "preds.json") as writer:
            writer.append(*ROWS[:2])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / "preds.json").exists()
    rows = tmp_path / "preds.jsonl"
    # Torn in the middle of a character that takes three bytes.
    rows.write_bytes(rows.read_bytes() + ROWS[0].model_dump_json().encode().split(b"\x94")[0])
    assert list(read_predictions(rows)) == ["cup.png", "clean.png"]
    with PredictionWriter(tmp_path / "preds.json", resume=True) as writer:
        assert writer.done == {"cup.png", "clean.png"}
        writer.append(*ROWS[2:])
    assert rows.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert (tmp_path / "preds.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_killed_process_loses_no_row_that_append_returned_for(tmp_path: Path) -> None:
    """kill -9 right after `append`: the row is in the file."""
    code = (
        "import os, signal\n"
        "from dataset_builder import Prediction, PredictionWriter\n"
        "with PredictionWriter('preds.json') as writer:\n"
        "    for number in range(3):\n"
        "        writer.append(Prediction.from_answer(f'{number}.png', '[]'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert list(read_predictions(tmp_path / "preds.jsonl")) == ["0.png", "1.png", "2.png"]
    assert not (tmp_path / "preds.json").exists()


def test_later_row_of_a_picture_counts(tmp_path: Path) -> None:
    """A picture predicted again replaces its earlier row and keeps its place."""
    with PredictionWriter(tmp_path / "preds.json") as writer:
        writer.append(*ROWS)
        writer.append(ROWS[3].model_copy(update={"status": "none"}))
    assert [row.status for row in read_predictions(tmp_path / "preds.jsonl").values()] == [
        "anomalies",
        "none",
        "partial",
        "none",
    ]


def test_new_run_starts_anew(tmp_path: Path) -> None:
    """Without `resume` nothing of an earlier run is left, not even when no picture follows."""
    for rows in (ROWS, []):
        with PredictionWriter(tmp_path / "preds.json") as writer:
            writer.append(*rows)
    assert read_predictions(tmp_path / "preds.json") == {}
    assert read_predictions(tmp_path / "preds.jsonl") == {}


def test_resuming_a_run_that_never_began(tmp_path: Path) -> None:
    """`resume` needs nothing to be there, and takes an empty file of rows."""
    (tmp_path / "b.jsonl").touch()
    for name in ("a.json", "b.json"):
        with PredictionWriter(tmp_path / name, resume=True) as writer:
            writer.append(ROWS[1])
        assert list(read_predictions(tmp_path / name)) == ["clean.png"]


def test_name_of_the_rows_is_refused(tmp_path: Path) -> None:
    """The writer wants the name of the official file and says so."""
    with pytest.raises(OutputError, match=r"preds\.jsonl: .* give a name that ends in \.json"):
        PredictionWriter(tmp_path / "preds.jsonl")


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    """A destination that cannot be written is an output error, not a traceback."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"preds\.jsonl: cannot be written"),
        PredictionWriter(tmp_path / "file" / "preds.json"),
    ):
        pass


def test_full_disk_is_named() -> None:
    """A disk that fills up while predicting is an output error that names the file."""
    writer = PredictionWriter("preds.json")
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer._file = full
        with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\); make room there"):
            writer.append(ROWS[0])


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "none", "anomalies": [CUP]},
        {"status": "failed", "anomalies": [CUP]},
        {"status": "unknown", "anomalies": [CUP]},
        {"status": "anomalies"},
        {"status": "none", "p_fake": 1.5},
        {"status": "none", "raw": "\ud800"},
        {"status": "none", "image_id": ""},
    ],
)
def test_contradictory_prediction_is_refused(fields: dict[str, object]) -> None:
    """A status that its anomalies contradict, and values that no file can hold, do not become a prediction."""
    with pytest.raises(ValidationError):
        Prediction.model_validate({"image_id": "cup.png", **fields})


def test_answer_with_half_a_character_can_be_written(tmp_path: Path) -> None:
    """An answer is stored even if it holds a lone surrogate, which becomes the replacement character."""
    with PredictionWriter(tmp_path / "preds.json") as writer:
        writer.append(Prediction.from_answer("cup.png", '[{"name": "\ud800", "phenomenon": "b"}]'))
    assert read_predictions(tmp_path / "preds.json")["cup.png"].anomalies[0].name == "\ufffd"
