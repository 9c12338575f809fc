"""Runs to review: what the agent leaves behind, made from scenes of known truth; and a small one, as version 0.1.0 left it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from agent.review.desk import Desk
from agent.review.store import FILE
from tests.reviewing import write_run

OLD = Path(__file__).parent / "run_0_1_0"
"""Four pictures of 40 × 30 pixels with two candidates each, and verdicts of two people with an overlap of two."""


@pytest.fixture
def run(scenes: Path, tmp_path: Path) -> Path:
    """A run of forty pictures, half of whose candidates are true."""
    return write_run(tmp_path / "run", scenes)


@pytest.fixture
def desk(run: Path) -> Iterator[Desk]:
    desk = Desk(run)
    yield desk
    desk.store.close()


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    """The old run's pictures and candidates without its verdicts, and a picture in which the agent found nothing."""
    run = tmp_path / "small"
    shutil.copytree(OLD, run, ignore=shutil.ignore_patterns(FILE))
    Image.new("RGB", (40, 30)).save(run / "images" / "4.png")
    with (run / "annotations.jsonl").open("a") as rows:
        rows.write(json.dumps({"image_id": "4.png", "status": "none", "anomalies": [], "failures": []}) + "\n")
    return run


@pytest.fixture
def small(small_run: Path) -> Iterator[Desk]:
    desk = Desk(small_run)
    yield desk
    desk.store.close()
