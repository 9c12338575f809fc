"""Prediction that is stopped goes on, and only with what it began with."""

import json
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import datasets
import pytest

from dataset_builder.errors import InputError, OutputError
from dataset_builder.predictions import Prediction, PredictionWriter, read_predictions
from tests.commands import run_command
from trainer import predict as module
from trainer.predict import Unanswered, predict_dataset

COMMAND = Path(sys.executable).with_name("anomreason")


class Silent:
    def step(self, text: str) -> None: ...

    def bar(self, text: str, total: int) -> Any:
        return nullcontext(lambda done: None)


def run(
    dataset: Path, out: Path, *, split: str = "test", limit: int | None = None, batch: int = 2, **options: Any
) -> Unanswered:
    return predict_dataset(
        str(dataset), split, limit, options.pop("model", None), None, batch, out, Silent(), **options
    )


def timeless(path: Path) -> list[dict[str, Any]]:
    """The rows without the seconds they took."""
    return [json.loads(line) | {"seconds": None} for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The predictions of an undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "preds.json"
    assert run(dataset, out) == (0, 0)
    return out


def test_killed_and_run_again_it_gives_the_files_of_an_undisturbed_run(
    dataset: Path, whole: Path, tmp_path: Path
) -> None:
    """kill -9 between batches, a torn last line, the same command again: the same rows and preds.json, none computed twice."""
    out = tmp_path / "preds.json"
    command = [COMMAND, "predict", "--dataset", dataset, "--out", out, "--batch-size", "2"]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows, deadline = out.with_suffix(".jsonl"), time.monotonic() + 240
    while not rows.exists() or rows.read_bytes().count(b"\n") < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    before = rows.read_bytes()
    with rows.open("ab") as file:
        file.write(b'{"image_id":"torn')
    done = run_command(*command[1:])
    assert done.returncode == 0, done.stderr
    assert rows.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert timeless(rows) == timeless(whole.with_suffix(".jsonl"))
    assert out.read_bytes() == whole.read_bytes()


def test_what_is_complete_loads_no_model(
    dataset: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run again after its end, nothing is computed and both files stay as they are; a first part can be lengthened."""
    out = tmp_path / "preds.json"
    run(dataset, out, limit=3)
    assert len(json.loads(out.read_text())) == 3
    run(dataset, out, batch=5)
    assert timeless(out.with_suffix(".jsonl")) == timeless(whole.with_suffix(".jsonl"))
    monkeypatch.setattr(module, "load", None)
    rows = out.with_suffix(".jsonl").read_bytes()
    run(dataset, out)
    assert out.with_suffix(".jsonl").read_bytes() == rows
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "verdict"}, r'task was "anomalies" and is now "verdict"'),
        ({"split": "train"}, r"not in this split"),
    ],
)
def test_other_settings_are_refused(options: dict[str, Any], message: str, dataset: Path, whole: Path) -> None:
    """Rows of another task or split are not gone on with: the message says what differs and what to do."""
    rows = whole.with_suffix(".jsonl").read_bytes()
    with pytest.raises(InputError, match=rf"{message}.*--overwrite"):
        run(dataset, whole, **options)
    assert whole.with_suffix(".jsonl").read_bytes() == rows


def test_another_model_prompt_or_picture_is_refused(
    dataset: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model is known by what it holds, not by its name; prompts by their text; pictures by their bytes."""
    import shutil

    from trainer.loading import TINY

    copy = tmp_path / "copy"
    shutil.copytree(TINY, copy)
    run(dataset, whole, model=str(copy))  # the same model under another name: complete, nothing to do
    (copy / "chat_template.jinja").write_text((copy / "chat_template.jinja").read_text() + " ")
    with pytest.raises(InputError, match=r"model was .* and is now .*copy"):
        run(dataset, whole, model=str(copy))
    with monkeypatch.context() as patched:
        patched.setitem(module.PROMPTS, "anomalies", "Anything odd?")
        with pytest.raises(InputError, match=r'prompts was "List everything.* is now "Anything odd\?"'):
            run(dataset, whole)
    noted = json.loads(whole.with_suffix(".settings.json").read_text())
    name = next(iter(noted["pictures"]))
    changed = tmp_path / "preds.json"
    shutil.copy(whole.with_suffix(".jsonl"), changed.with_suffix(".jsonl"))
    changed.with_suffix(".settings.json").write_text(json.dumps(noted | {"pictures": noted["pictures"] | {name: "0"}}))
    with pytest.raises(InputError, match=rf"{name}.* is another picture now"):
        run(dataset, changed)
    changed.with_suffix(".settings.json").unlink()
    with pytest.raises(InputError, match="does not say what made its rows"):
        run(dataset, changed)
    run(dataset, changed, limit=1, restart=True)
    assert len(read_predictions(changed)) == 1


def test_two_writers_of_one_file_are_refused(dataset: Path, tmp_path: Path) -> None:
    """While one writes, another is told so at once, and what is there stays."""
    out = tmp_path / "preds.json"
    with PredictionWriter(out) as writer:
        writer.append(Prediction(image_id="a.png", status="none"))
        with pytest.raises(OutputError, match="another process is writing it"):
            run(dataset, out, restart=True)
    assert read_predictions(out.with_suffix(".jsonl")).keys() == {"a.png"}


def test_a_picture_that_cannot_be_decoded_is_failed_and_the_others_are_answered(dataset: Path, tmp_path: Path) -> None:
    """Its row says why; it is told apart from `none`, and scored as a miss."""
    from metric_semap.records import read_records

    rows = (
        datasets.load_dataset(str(dataset), split="test")
        .select(range(3))
        .cast_column("image", datasets.Image(decode=False))
    )
    broken = rows.map(
        lambda row, index: {"image": {"bytes": row["image"]["bytes"][: 300 if index == 1 else None], "path": None}},
        with_indices=True,
    )
    broken.to_parquet(tmp_path / "broken" / "train.parquet")
    out = tmp_path / "preds.json"
    assert run(tmp_path / "broken", out, split="train") == (1, 0)
    answers = list(read_predictions(out.with_suffix(".jsonl")).values())
    assert [answer.status == "failed" for answer in answers] == [False, True, False]
    assert "cannot be decoded" in str(answers[1].finish_reason)
    assert [picture.failed for picture in read_records(out.with_suffix(".jsonl"), "prediction").values()] == [
        False,
        True,
        False,
    ]
    assert json.loads(out.read_text())[answers[1].image_id] == []


def test_a_dataset_without_pictures_or_names_is_refused(tmp_path: Path) -> None:
    """The message names the missing column, or that the column holds something else."""
    datasets.Dataset.from_dict({"image": ["a.png"], "image_id": ["a.png"]}).to_parquet(
        tmp_path / "text" / "train.parquet"
    )
    datasets.Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "none" / "train.parquet")
    with pytest.raises(InputError, match="column image holds no pictures"):
        run(tmp_path / "text", tmp_path / "p.json", split="train")
    with pytest.raises(InputError, match="lacks the columns image"):
        run(tmp_path / "none", tmp_path / "p.json", split="train")


def test_a_place_that_keeps_nothing_is_one_sentence(dataset: Path, tmp_path: Path) -> None:
    """A device is not read as if it were an earlier run's rows, and a file in the way is no directory."""
    (tmp_path / "preds.jsonl").symlink_to("/dev/full")
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "preds.json", tmp_path / "file" / "preds.json"):
        with pytest.raises(OSError, match=r"preds\.jsonl: cannot be written "):
            run(dataset, out, limit=1)
