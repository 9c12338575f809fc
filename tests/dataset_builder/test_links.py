"""Symbolic links in a source: followed within it, refused where they leave it or lead in circles."""

import os
import shutil
from pathlib import Path

import pytest

from dataset_builder.building.build import build
from dataset_builder.errors import InputError
from dataset_builder.files.tree import open_tree
from dataset_builder.scenes import write_scenes
from dataset_builder.sources.opening import Source, open_source
from tests.synthetic_release import write_release


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "release", 12)


def _rows(source: Source) -> list[tuple[object, ...]]:
    return [(row.image_id, row.label, row.split, row.anomalies) for row in source.rows]


def _as_snapshot(directory: Path, cache: Path) -> Path:
    """The same files as the Hub's cache keeps them: blobs by hash, and links to them."""
    snapshot = cache / "datasets--org--name" / "snapshots" / "0123abc"
    blobs = cache / "datasets--org--name" / "blobs"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(directory.rglob("*"))):
        if path.is_file():
            link = snapshot / path.relative_to(directory)
            link.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blobs / f"{number:064x}")
            link.symlink_to(os.path.relpath(blobs / f"{number:064x}", link.parent))
    return snapshot


def test_a_snapshot_of_the_hub_is_a_source(release: Path, scenes: Path, tmp_path: Path) -> None:
    """A release, its zip archive included, and scenes: the same rows as from plain files."""
    for name, directory in (("a", release), ("b", scenes)):
        snapshot = _as_snapshot(directory, tmp_path / name)
        source = open_source(snapshot)
        assert _rows(source) == _rows(open_source(directory))
        assert source.findings == []
    build(tmp_path / "a" / "datasets--org--name" / "snapshots" / "0123abc", tmp_path / "out", recipe=None)


def test_linked_files_and_folders_within_the_source_are_followed(release: Path) -> None:
    """Pictures that lie elsewhere in it, and a folder under another name; each of them comes once."""
    expected = _rows(open_source(release))
    (release / "store").mkdir()
    first = sorted((release / "1_fake").iterdir())[0]
    first.rename(release / "store" / first.name)
    first.symlink_to(Path("..") / "store" / first.name)
    (release / "all").mkdir()
    (release / "1_fake").rename(release / "all" / "generated")
    (release / "all" / "generated" / first.name).unlink()
    (release / "all" / "generated" / first.name).symlink_to(release / "store" / first.name)
    (release / "1_fake").symlink_to(Path("all") / "generated")
    (release / "the_list.json").symlink_to("dataset_split_list.json")
    source = open_source(release)
    assert _rows(source) == expected
    assert [finding for finding in source.findings if finding.is_error] == []


@pytest.mark.parametrize("target", ["/etc", "/etc/hostname", "../outside", "nowhere", "loop.jpg"])
def test_a_link_that_leaves_the_source_or_leads_nowhere_is_told(target: str, release: Path, tmp_path: Path) -> None:
    """Nothing behind it is read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jpg").write_bytes(b"secret")
    (release / "1_fake" / "loop.jpg").symlink_to(target)
    source = open_source(release)
    told = [finding for finding in source.findings if finding.kind == "link not followed"]
    assert [Path(finding.place).name for finding in told] == ["loop.jpg"]
    assert len(source.rows) == 12


def test_folders_that_link_to_each_other_come_to_an_end(release: Path) -> None:
    """Circles, and many links to one another, which would multiply."""
    for name in "abcdefgh":
        (release / name).mkdir()
    for name in "abcdefgh":
        (release / name / "up").symlink_to("..")
        for other in "abcdefgh":
            (release / name / f"to_{other}").symlink_to(Path("..") / other)
    (release / "1_fake" / "self").symlink_to(".")
    source = open_source(release)
    assert len(source.rows) == 12
    assert any(finding.kind == "link not followed" for finding in source.findings)
    assert len(open_tree(release).links) < 200


def test_a_scene_s_picture_may_not_be_a_link_out_of_its_directory(tmp_path: Path) -> None:
    """Such a picture could be any file of this machine."""
    scenes = write_scenes(tmp_path / "scenes", 4, seed=1)
    picture = next(iter((scenes / "images").iterdir()))
    picture.unlink()
    picture.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="leads out of the directory"):
        open_source(scenes)
