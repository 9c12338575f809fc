"""The command as a person types it: help at once, one line for an error, the exit codes of the design."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataset_builder.scenes import pair
from tests.commands import run_command

COMMAND = [str(Path(sys.executable).with_name("anomreason"))]


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2 and one line on stderr that holds the words; nothing like a traceback."""
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_help_needs_no_heavy_import() -> None:
    """`anomreason --help` names the commands without importing torch, datasets or transformers."""
    code = (
        "import sys, anomreason\n"
        "try:\n    anomreason.app(['--help'])\n"
        "except SystemExit:\n    print('HEAVY', [name for name in ('torch', 'datasets', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    for name in ("quickstart", "examine", "scenes", "build", "install", "train", "predict", "score"):
        assert name in done.stdout


def test_a_missing_or_broken_picture_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    """`examine` names the file and the fix for what is missing, empty, cut off, or no picture at all."""
    whole = pair(0, 0)[0].png()
    for name, content in {"empty.png": b"", "cut.png": whole[: len(whole) // 2], "text.png": b"<svg/>"}.items():
        (tmp_path / name).write_bytes(content)
        assert_refused(run_command("examine", tmp_path / name), name, "give")
    assert_refused(run_command("examine", tmp_path / "missing.png"), "missing.png", "no such file")
    (tmp_path / "folder").mkdir()
    assert_refused(run_command("examine", tmp_path / "folder"), "folder", "holds no pictures")


def test_examine_tells_what_is_wrong_and_exits_with_1(tmp_path: Path) -> None:
    """A scene with an anomaly gives its quadruplet as JSON and exit code 1; its clean twin an empty list and 0."""
    odd, clean = pair(31, 0, ("giant",))
    (tmp_path / "odd.png").write_bytes(odd.png())
    (tmp_path / "clean.png").write_bytes(clean.png())
    found = run_command("examine", tmp_path / "odd.png", "--json")
    answer = json.loads(found.stdout)
    assert found.returncode == 1, found.stderr
    assert answer["status"] == "anomalies"
    assert answer["anomalies"][0]["name"] in ("Giant object", "Impossible size")
    nothing = run_command("examine", tmp_path / "clean.png", "--json")
    assert (nothing.returncode, json.loads(nothing.stdout)["anomalies"]) == (0, [])


def test_bad_sources_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    """An empty directory, an unreadable JSON and a dataset that is not there: one sentence each, nothing half-written."""
    (tmp_path / "empty").mkdir()
    assert_refused(run_command("build", "empty", "--out", "out", cwd=tmp_path), "empty", "anomreason scenes")
    assert_refused(
        run_command("install", "empty", cwd=tmp_path, HF_DATASETS_CACHE=str(tmp_path / "cache")),
        "empty",
        "anomreason build",
    )
    (tmp_path / "broken.json").write_text('{"a.png": [')
    (tmp_path / "truth.json").write_text('{"a.png": []}')
    assert_refused(
        run_command("score", "broken.json", "truth.json", "--encoder", "minilm", cwd=tmp_path), "broken.json"
    )
    assert_refused(run_command("scenes", "drawn", "--families", "unicorn", cwd=tmp_path), "unicorn", "floating")
    assert_refused(run_command("predict", "--dataset", "nowhere", "--out", "p.json", cwd=tmp_path), "nowhere")
    assert_refused(run_command("train", "--config", "nothing", cwd=tmp_path), "nothing", "tiny")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.json", "empty", "truth.json"]


def test_quickstart_refuses_a_dataset_that_it_did_not_make(tmp_path: Path) -> None:
    """Somebody's ./anomreason is left alone."""
    (tmp_path / "anomreason").mkdir()
    (tmp_path / "anomreason" / "mine.parquet").write_bytes(b"precious")
    assert_refused(run_command("quickstart", cwd=tmp_path), "anomreason", "did not make it")
    assert (tmp_path / "anomreason" / "mine.parquet").read_bytes() == b"precious"
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_leaves_nothing_half_written(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM end a long rendering with their exit codes and without the directory or a temporary one."""
    process = subprocess.Popen(
        [*COMMAND, "scenes", "many", "--n", "1000000"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # Started in the background of a script, a process ignores Ctrl-C, and so would this child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not any(tmp_path.glob(".many.*/images/*.png")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_output_of_a_model_cannot_speak_to_the_terminal() -> None:
    """Escape codes and control characters are shown as replacement characters."""
    from dataset_builder.terminal import printable

    assert printable("\x1b[2J\x07name\u202e\n") == "\ufffd[2J\ufffdname\ufffd\ufffd"
