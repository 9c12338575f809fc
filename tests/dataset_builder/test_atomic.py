"""Files appear whole or not at all."""

import stat
from pathlib import Path

import pytest

from dataset_builder import OutputError, atomic


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    """Text and bytes are written, parents are made, nothing else is left, and others may read the file."""
    path = tmp_path / "a" / "file.json"
    atomic.write(path, "old")
    assert atomic.write(path, "né".encode()) == path
    assert path.read_text(encoding="utf-8") == "né"
    assert [item.name for item in path.parent.iterdir()] == ["file.json"]
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR


def test_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    """A destination that cannot be written is named, and nothing half-written stays."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "inside").touch()
    with pytest.raises(OutputError, match=r"taken: cannot be written .* choose another path"):
        atomic.write(tmp_path / "taken", "text")
    with pytest.raises(OutputError, match="cannot be written"):
        atomic.write(tmp_path / "taken" / "inside" / "file", "text")
    assert [item.name for item in tmp_path.iterdir()] == ["taken"]
