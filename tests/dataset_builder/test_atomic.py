"""Files and directories appear whole or not at all."""

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
    with pytest.raises(OutputError, match=r"taken: cannot be written .* give another place"):
        atomic.write(tmp_path / "taken", "text")
    with pytest.raises(OutputError, match="cannot be written"):
        atomic.write(tmp_path / "taken" / "inside" / "file", "text")
    assert [item.name for item in tmp_path.iterdir()] == ["taken"]


def test_directory_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    """The directory is filled beside its place, then takes the place of the old one."""
    target = tmp_path / "data"
    for content in ("old", "new"):
        with atomic.new_directory(target) as work:
            (work / "file").write_text(content)
            assert not target.exists() or (target / "file").read_text() == "old"
    assert (target / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_interrupted_directory_leaves_the_old_one(tmp_path: Path) -> None:
    """An error in the block leaves what was there, and nothing beside it."""
    target = tmp_path / "data"
    with atomic.new_directory(target) as work:
        (work / "file").write_text("old")

    def interrupted() -> None:
        with atomic.new_directory(target) as work:
            (work / "file").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_file_in_the_place_of_a_directory_is_kept(tmp_path: Path) -> None:
    """A file is not replaced by a directory."""
    (tmp_path / "data").write_text("mine")
    with pytest.raises(OutputError, match="is a file, not a directory"), atomic.new_directory(tmp_path / "data"):
        pass
    assert (tmp_path / "data").read_text() == "mine"
