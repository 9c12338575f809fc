"""A build that cannot be finished: one sentence, exit code 2, and nothing left behind."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataset_builder import owned
from dataset_builder.building.build import build
from dataset_builder.errors import OutputError
from tests.conftest import REPOSITORY
from tests.synthetic_release import write_release


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release that takes a while to build."""
    return write_release(tmp_path_factory.mktemp("source") / "release", 1000, side=8)


def _command(source: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "anomreason", "build", str(source), "--out", str(out)]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY)}


def test_a_full_disk_is_one_sentence_and_leaves_nothing(large: Path, tmp_path: Path) -> None:
    """The system refuses to write more, here by a limit on the size of a file; what was there before is whole."""
    out = tmp_path / "anomreason"
    build(large, out, limit=3, recipe=None)
    before = sorted((path.name, path.read_bytes()) for path in out.rglob("*") if path.is_file())

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    for target in (out, tmp_path / "new"):
        done = subprocess.run(
            _command(large, target),
            env=ENVIRONMENT,
            preexec_fn=little_room,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert f"{target}: cannot be written (File too large)" in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["anomreason"]
    assert sorted((path.name, path.read_bytes()) for path in out.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("place", ["/proc/anomreason", "/dev/null/anomreason", "/dev/null"])
def test_a_place_that_cannot_be_written_is_one_sentence(place: str, large: Path) -> None:
    """A file system without room for directories, a file in the way, a device."""
    with pytest.raises(OutputError, match=r"/(proc|dev/null)\S*: "):
        build(large, Path(place), limit=3)


def _killed(source: Path, out: Path) -> None:
    """Start a build and kill it while it writes."""
    process = subprocess.Popen(
        _command(source, out), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 240
    while not [*out.parent.glob(".anomreason.*/data/*"), *out.glob(".anomreason.*/data/*")]:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_what_a_killed_build_left_is_removed_by_the_next(large: Path, tmp_path: Path) -> None:
    """Beside a target that was not there, and within one that was; what only looks like it stays."""
    out = tmp_path / "anomreason"
    (tmp_path / ".anomreason.notes").mkdir()
    (tmp_path / ".anomreason.0123456789ab").write_text("a file")
    _killed(large, out)
    assert len(list(tmp_path.glob(".anomreason.*"))) == 3
    build(large, out, limit=5, recipe=None)
    expected = {".anomreason.notes", ".anomreason.0123456789ab", "anomreason"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    _killed(large, out)
    assert len(list(out.glob(".anomreason.*"))) == 2  # the manifest, and what was left
    assert build(large, out, limit=5, recipe=None).rows["default"] == {"train": 5, "test": 5}
    assert [path.name for path in out.glob(".anomreason*")] == [owned.MANIFEST]
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_of_two_builds_at_once_the_second_is_told_and_the_first_is_left_alone(large: Path, tmp_path: Path) -> None:
    """It neither waits nor removes what the other is writing."""
    out = tmp_path / "anomreason"
    with owned.replaced(out, "build") as work:
        (work / "mine").write_text("mine")
        done = subprocess.run(_command(large, out), env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "another process is writing it" in done.stderr.replace("\n", " ")
        assert (work / "mine").exists()
    assert (out / "mine").read_text() == "mine"
