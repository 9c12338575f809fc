"""A run to review: what the agent leaves behind, made from scenes of known truth."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.review.desk import Desk
from tests.reviewing import write_run


@pytest.fixture
def run(scenes: Path, tmp_path: Path) -> Path:
    """A run of forty pictures, half of whose candidates are true."""
    return write_run(tmp_path / "run", scenes)


@pytest.fixture
def desk(run: Path) -> Iterator[Desk]:
    desk = Desk(run)
    yield desk
    desk.store.close()
