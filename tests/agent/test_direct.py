"""One call a picture: predictions and examinations of a model behind a server."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agent.direct import examine, predict
from agent.run import Endpoint
from agent.simulated import serve
from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.official import read_annotations
from dataset_builder.predictions import read_predictions
from dataset_builder.scenes import SceneRow, family_of, read_scenes
from dataset_builder.stored import StoredPictures, open_split
from tests.annotating import stats
from tests.commands import run_command

RATES = {"miss": 0.1, "hallucinate": 0.1, "malformed": 0.15, "seed": 3}


def pictures(scenes: Path, count: int = 16) -> StoredPictures:
    rows = read_scenes(scenes)[:count]
    return StoredPictures([row.image_id for row in rows], lambda name: (scenes / "images" / name).read_bytes())


def calls(base_url: str) -> int:
    return int(stats(base_url)["calls"])


def odd(scenes: Path) -> SceneRow:
    return next(row for row in read_scenes(scenes) if row.anomalies)


def timeless(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_predictions_are_the_files_of_the_design(scenes: Path, tmp_path: Path) -> None:
    """`preds.json` is the official form in the pictures' order, `preds.jsonl` has a row a picture with how its answer ended."""
    asked = pictures(scenes)
    with serve(scenes) as base_url:
        assert predict(asked, Endpoint("simulated", base_url), tmp_path / "preds.json").failed == 0
    rows = read_predictions(tmp_path / "preds.jsonl")
    assert list(rows) == asked.ids
    truth = {row.image_id: row for row in read_scenes(scenes)}
    for name, row in rows.items():
        assert row.status == ("anomalies" if truth[name].anomalies else "none")
        assert {family_of(one.name) for one in row.anomalies} == {one.family for one in truth[name].anomalies}
        assert (row.label, row.p_fake, row.finish_reason) == (None, None, "stop")
        assert row.raw
        assert row.tokens
    official = read_annotations(tmp_path / "preds.json")
    assert {name: len(told) for name, told in official.items()} == {
        name: len(row.anomalies) for name, row in rows.items()
    }


def test_predicting_goes_on_where_it_was(scenes: Path, tmp_path: Path) -> None:
    """Answers that were paid for are not asked again, and the files are those of an undisturbed run; `restart` asks all again."""
    asked, out = pictures(scenes), tmp_path / "preds.json"
    with serve(scenes, **RATES) as base_url:
        endpoint = Endpoint("simulated", base_url, 4)
        predict(asked.first(6), endpoint, out)
        assert predict(asked, endpoint, out).failed == 0
        resumed, paid = timeless(out.with_suffix(".jsonl")), calls(base_url)
        predict(asked, endpoint, out)
        assert calls(base_url) == paid
        assert timeless(out.with_suffix(".jsonl")) == resumed
        predict(asked, endpoint, out, restart=True)
        assert calls(base_url) >= paid + len(asked)
    with serve(scenes, **RATES) as base_url:
        predict(asked, Endpoint("simulated", base_url), tmp_path / "whole.json")
        assert calls(base_url) == paid > len(asked)  # answers that could not be read were asked for again
    assert timeless(tmp_path / "whole.jsonl") == resumed


def test_a_killed_prediction_goes_on(scenes: Path, dataset: Path, tmp_path: Path) -> None:
    """Killed in the middle and run again, the command pays for what was in flight at most and writes all rows."""
    with serve(scenes, latency=0.3, slots=2) as base_url:
        options = [
            "--dataset",
            dataset,
            "--split",
            "train",
            "--limit",
            8,
            "--base-url",
            base_url,
            "--model",
            "simulated",
        ]
        options += ["--batch-size", 2, "--out", tmp_path / "preds.json"]
        command = [sys.executable, "-m", "anomreason", "predict", *map(str, options)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ) as process:
            while calls(base_url) < 4 and process.poll() is None:
                time.sleep(0.02)
            process.kill()
            process.wait(60)
        done = run_command("predict", *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert 8 <= calls(base_url) <= 8 + 2
    assert len(read_predictions(tmp_path / "preds.jsonl")) == 8
    assert len(json.loads((tmp_path / "preds.json").read_text())) == 8


def test_verdicts_come_with_their_own_call(scenes: Path, tmp_path: Path) -> None:
    """`both` asks for the verdict and the anomalies; `verdict` alone leaves the anomalies unasked."""
    asked = pictures(scenes, 4)
    with serve(scenes) as base_url:
        endpoint = Endpoint("simulated", base_url)
        predict(asked, endpoint, tmp_path / "both.json", task="both")
        assert calls(base_url) == 8
        predict(asked, endpoint, tmp_path / "verdicts.json", task="verdict")
    both, alone = (read_predictions(tmp_path / name) for name in ("both.jsonl", "verdicts.jsonl"))
    for row in read_scenes(scenes)[:4]:
        label = "fake" if row.anomalies else "real"
        assert (both[row.image_id].label, alone[row.image_id].label) == (label, label)
        assert bool(both[row.image_id].anomalies) == bool(row.anomalies)
        assert (alone[row.image_id].status, alone[row.image_id].anomalies) == ("none", [])


@pytest.mark.parametrize("turned", [False, True])
def test_boxes_are_in_pixels_of_the_upright_original(scenes: Path, tmp_path: Path, turned: bool) -> None:
    """What a model was shown smaller, or upright where the file is not, has its boxes where the original has the object."""
    row = odd(scenes)
    large = Image.open(scenes / "images" / row.image_id).convert("RGB").resize((3360, 3360), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    path = tmp_path / "large.jpg"
    (large.transpose(Image.Transpose.ROTATE_90) if turned else large).save(path, quality=90, exif=exif)
    with serve(scenes) as base_url:
        (found,) = examine(
            StoredPictures.of({"large.jpg": path.read_bytes()}), Endpoint("simulated", base_url), "grounded"
        )
    assert found.anomalies
    for told, true in zip(found.anomalies, row.anomalies, strict=True):
        assert told.bbox is not None
        assert true.bbox is not None
        assert all(abs(a - 20 * b) < 30 for a, b in zip(told.bbox, true.bbox, strict=True))


def test_a_picture_that_cannot_be_read_or_answered_is_a_failed_row(scenes: Path, tmp_path: Path) -> None:
    """Damaged pictures and refusals end as rows with the reason; the others are not touched."""
    stranger = tmp_path / "stranger.png"
    Image.effect_noise((200, 200), 90).convert("RGB").save(stranger)  # of no scene: the simulated model declines
    known = pictures(scenes, 2)
    others = {"empty.png": b"", "stranger.png": stranger.read_bytes()}
    asked = StoredPictures(
        ["empty.png", *known.ids, "stranger.png"], lambda name: others[name] if name in others else known.content(name)
    )
    with serve(scenes) as base_url:
        assert predict(asked, Endpoint("simulated", base_url), tmp_path / "preds.json").failed == 2
    rows = read_predictions(tmp_path / "preds.jsonl")
    assert rows["empty.png"].status == rows["stranger.png"].status == "failed"
    assert "is empty" in rows["empty.png"].dropped[0].reason
    assert "refused" in rows["stranger.png"].dropped[0].reason


def test_a_server_that_refuses_all_is_one_error(scenes: Path) -> None:
    """A wrong model's name ends in the server's reason and the fix, not in failed rows."""
    with serve(scenes) as base_url, pytest.raises(UnavailableError, match="check --model and --base-url"):
        examine(pictures(scenes, 3), Endpoint("gpt-9", base_url))


def test_examine_speaks_the_contract(scenes: Path, tmp_path: Path) -> None:
    """`examine --base-url` prints the JSON object of the Space's contract, and exits with 1, 0 or 3 by what was found."""
    row = odd(scenes)
    Image.effect_noise((200, 200), 90).convert("RGB").save(tmp_path / "stranger.png")
    with serve(scenes) as base_url:
        served = ("--base-url", base_url, "--model", "simulated")
        found = run_command("examine", scenes / "images" / row.image_id, *served, "--json", cwd=tmp_path)
        clean = run_command("examine", scenes / "images" / str(row.twin_id), *served, cwd=tmp_path)
        lost = run_command("examine", "stranger.png", *served, cwd=tmp_path)
    answer = json.loads(found.stdout)
    assert found.returncode == 1
    assert list(answer) == ["image_id", "status", "verdict", "anomalies"]
    assert answer["verdict"] == {"label": "fake", "p_fake": None}
    assert next(list(one) for one in answer["anomalies"]) == ["name", "phenomenon", "reasoning", "severity", "bbox"]
    assert {family_of(one["name"]) for one in answer["anomalies"]} == {one.family for one in row.anomalies}
    assert (clean.returncode, clean.stdout.splitlines()[1:]) == (0, ["  verdict: real", "  nothing wrong"])
    assert (lost.returncode, lost.stdout.splitlines()[1:]) == (3, ["  no readable answer"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("examine", "PICTURE"), "needs --model"),
        (("examine", "PICTURE", "--model", "m", "--adapter", "a"), "leave out --adapter"),
        (("predict", "--model", "m", "--task", "poem"), "--task poem"),
    ],
)
def test_options_that_a_server_cannot_follow_are_refused(
    scenes: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    """One line and exit code 2, before anything is asked."""
    picture = str(scenes / "images" / odd(scenes).image_id)
    words = [picture if word == "PICTURE" else word for word in options]
    done = run_command(*words, "--base-url", "http://127.0.0.1:9/v1", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert said in done.stderr


def test_a_dataset_that_is_none_is_told(tmp_path: Path) -> None:
    """A name in reach of nothing is an error that says so."""
    with pytest.raises(InputError, match="cannot be loaded"):
        open_split(str(tmp_path / "nothing"), "test")
