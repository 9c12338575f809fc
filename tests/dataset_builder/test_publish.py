"""Publishing, against a real HTTP server that implements the Hub's endpoints."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_command
from tests.loopback_hub import LoopbackHub
from tests.processes import run_process, run_python


def test_what_is_published_can_be_loaded_validated_and_published_again(official: Path, tmp_path: Path) -> None:
    """A dry run sends nothing; a push arrives whole, loads by its name, passes card validation; the next one is no commit."""
    with LoopbackHub() as hub:
        environment = hub.environment | {"HF_HOME": str(tmp_path)}
        dry = run_process("publish", official, "--repo-id", "org/anomreason", "--dry-run", cwd=tmp_path, **environment)
        assert (dry.returncode, hub.log) == (0, []), dry.stderr
        assert "data/train-00000.parquet" in dry.stdout
        for _ in range(2):
            done = run_process(
                "publish", official, "--repo-id", "org/anomreason", "--private", cwd=tmp_path, **environment
            )
            assert done.returncode == 0, done.stderr
            assert hub.token not in done.stdout + done.stderr
        repository = hub.repositories["dataset", "org/anomreason"]
        assert (repository.commits, repository.private) == (1, True)
        assert "eval.yaml" in repository.files  # by which it is a benchmark of the Hub
        for name, data in repository.files.items():
            assert data == (official / name).read_bytes()
        code = (
            "from datasets import load_dataset\nfrom huggingface_hub import DatasetCard\n"
            "assert len(load_dataset('org/anomreason', 'deepfake', split='test')) == 30\n"
            # To the end: one that is broken off can keep Python from ending (apache/arrow#45214).
            "assert all(row['anomalies'] for row in load_dataset('org/anomreason', split='test', streaming=True))\n"
            "DatasetCard.load('org/anomreason').validate()"
        )
        run_python(code, tmp_path, **environment)


def test_damage_on_the_way_is_told(official: Path, tmp_path: Path) -> None:
    """A file that the Hub has with another content makes the command fail and name it."""
    with LoopbackHub() as hub:
        hub.spoil = "test-00000.parquet"
        done = run_process("publish", official, "--repo-id", "org/spoilt", cwd=tmp_path, **hub.environment)
        assert done.returncode == 2
        assert "data/test-00000.parquet has another content" in done.stderr


def test_a_push_that_was_killed_can_be_run_again(official: Path, tmp_path: Path) -> None:
    """kill -9 while files are under way leaves no half dataset on the Hub; the next push completes it."""
    with LoopbackHub() as hub:
        hub.seconds = 2.0
        command = [sys.executable, "-m", "anomreason", "publish", str(official), "--repo-id", "org/killed"]
        process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | hub.environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 240
        while not any(line.startswith("PUT") for line in hub.log):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert hub.repositories["dataset", "org/killed"].files == {}
        hub.seconds = 0.0
        done = run_process("publish", official, "--repo-id", "org/killed", cwd=tmp_path, **hub.environment)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("run", "environment", "repo_id", "word"),
    [
        (run_command, {"HF_TOKEN": ""}, "org/x", "HF_TOKEN"),
        (run_process, {"HF_TOKEN": "hf_wrong"}, "org/x", "401"),
        (run_command, {}, "no name", "ORG/NAME"),
        (run_process, {"HF_ENDPOINT": "http://127.0.0.1:9"}, "org/x", "cannot be reached"),
    ],
)
def test_what_cannot_be_published_is_one_sentence(
    run: Callable[..., Any], environment: dict[str, str], repo_id: str, word: str, official: Path, tmp_path: Path
) -> None:
    """No token, a wrong one, no name, no Hub: exit code 2, the fix, and never the token.

    Those that ask the Hub do so in a process of their own: its library reads the address when it is imported.
    """
    with LoopbackHub() as hub:
        done = run("publish", official, "--repo-id", repo_id, cwd=tmp_path, **hub.environment | environment)
    assert done.returncode == 2
    assert word in done.stderr.strip().splitlines()[-1]
    assert "hf_wrong" not in done.stderr
    assert "Traceback" not in done.stderr
