"""What version 0.1.0 left behind still opens, or the error says what to do. The files beside this test were written by it.

Journals and reviews of that version: `tests/agent/test_journal.py` and `tests/agent/review/test_desk.py`.
"""

import json
import shutil
from pathlib import Path

import pytest
from datasets import load_dataset

from anomreason import app
from dataset_builder import read_annotations, read_predictions
from dataset_builder.command_line import run
from dataset_builder.errors import InputError
from dataset_builder.stored import load_split
from metric_semap.errors import SemapError
from trainer.loading import load

FILES = Path(__file__).parent / "version_0_1_0"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, in which a command may write."""
    shutil.copytree(FILES, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


def command(*arguments: str) -> int:
    return run(app, list(arguments), (SemapError,))


def test_a_dataset_is_read(old: Path) -> None:
    """By `datasets`, and by what predicts and scores; checked it is only where it is built again."""
    rows = load_dataset("anomreason", split="test")
    truth = read_annotations(old / "truth.json")
    assert {row["image_id"]: [one["name"] for one in row["anomalies"]] for row in rows} == {
        name: [one.name for one in anomalies] for name, anomalies in truth.items()
    }
    assert len(load_split("anomreason", "test", {"image", "anomalies"})) == len(truth)


def test_a_dataset_of_other_columns_is_to_be_built_again(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`validate` says so, and `build` does not write over it unasked."""
    assert command("validate", "anomreason") == 2
    assert "build the dataset again into another directory" in capsys.readouterr().err
    assert command("scenes", "scenes", "--n", "16") == 0
    assert command("build", "scenes", "--out", "anomreason", "--recipe", "none") == 2
    assert "version 0.1.0 did, which kept no record" in capsys.readouterr().err
    assert command("build", "scenes", "--out", "new", "--recipe", "none") == 0
    assert command("validate", "new") == 0


def test_predictions_have_the_scores_they_had(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To rounding; what the signatures add is told, and reports are not written over unasked."""
    before = json.loads((old / "scores" / "metrics.json").read_text())
    assert command("score", "preds.json", "truth.json", "--encoder", "minilm", "--out", "new") == 0
    after = json.loads((old / "new" / "metrics.json").read_text())
    old_scores, new_scores = before["results"]["preds"], after["results"]["preds"]
    keys = [f"{score}_{view}" for score in ("SemAP", "SemF1") for view in ("Phe", "Rea", "Full")]
    assert {key: new_scores[key] for key in keys} == pytest.approx({key: old_scores[key] for key in keys}, abs=1e-6)
    capsys.readouterr()
    assert command("score", "--compare", "scores/metrics.json", "new/metrics.json") == 0
    assert "is not given in the first" in capsys.readouterr().out
    assert command("score", "preds.json", "truth.json", "--encoder", "minilm", "--out", "scores") == 2
    assert "version 0.1.0 did, which kept no record" in capsys.readouterr().err


def test_predictions_of_another_model_are_not_gone_on_with(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are read; to predict more into the same file is refused, since the tiny model is another one."""
    assert len(read_predictions(old / "preds.json")) == 6
    assert command("predict", "--dataset", "anomreason", "--out", "preds.json") == 2
    assert "model was tiny" in capsys.readouterr().err


def test_an_adapter_of_another_edition_of_the_tiny_model_is_refused(old: Path) -> None:
    """It has the right shapes, and no answer of it could be read."""
    with pytest.raises(InputError, match=r'tiny model \("that of version 0\.1\.0"\) .*train it again'):
        load(adapter=str(old / "adapter"))
