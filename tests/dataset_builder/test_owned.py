"""Only files of ours are replaced or removed; everything else in a directory stays."""

import json
from pathlib import Path

import pytest

from dataset_builder import OutputError, owned


def fill(directory: Path, files: dict[str, str], command: str = "build", *, overwrite: bool = False) -> None:
    with owned.replaced(directory, command, overwrite=overwrite) as work:
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)


def tree(directory: Path) -> dict[str, str]:
    return {
        file.relative_to(directory).as_posix(): file.read_text()
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.name != owned.MANIFEST
    }


def keep_things_in(directory: Path) -> dict[str, str]:
    """A history, notes, and a file among ours."""
    things = {".git/HEAD": "ref: refs/heads/main", "notes.md": "mine", "data/mine.txt": "mine too"}
    for name, text in things.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return things


def test_a_directory_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    """The files are written beside their place and are there whole, with nothing left beside them."""
    target = tmp_path / "data"
    for content in ("old", "new"):
        with owned.replaced(target, "build") as work:
            (work / "file").write_text(content)
            assert not target.exists() or (target / "file").read_text() == "old"
    assert tree(target) == {"file": "new"}
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    """An error in the block changes nothing."""
    target = tmp_path / "data"
    fill(target, {"file": "old"})

    def interrupted() -> None:
        with owned.replaced(target, "build") as work:
            (work / "file").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert tree(target) == {"file": "old"}
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """A history, notes and files in our folders survive; files of ours that are not written again go."""
    target = tmp_path / "data"
    fill(target, {"README.md": "one", "data/a": "a", "data/b": "b", "gone/deep/c": "c"})
    things = keep_things_in(target)
    fill(target, {"README.md": "two", "data/a": "A"})
    assert tree(target) == things | {"README.md": "two", "data/a": "A"}
    assert not (target / "gone").exists()
    fill(target, {"README.md": "three"}, overwrite=True)
    assert tree(target) == things | {"README.md": "three"}


def test_a_directory_that_is_not_ours_is_refused_with_the_fix(tmp_path: Path) -> None:
    """Without --overwrite nothing is written; with it, only the names that are written."""
    target = tmp_path / "data"
    things = keep_things_in(target)
    with pytest.raises(OutputError, match=r"`anomreason build` did not make it .*--overwrite"):
        fill(target, {"README.md": "ours"})
    assert tree(target) == things
    fill(target, {"README.md": "ours"}, overwrite=True)
    assert tree(target) == things | {"README.md": "ours"}
    with pytest.raises(OutputError, match=r"was made by `anomreason build`; .*--overwrite"):
        fill(target, {"scenes.jsonl": "{}"}, "scenes")


def test_a_file_of_ours_that_somebody_changed_is_refused(tmp_path: Path) -> None:
    """The first such file is named; a removed one is no change; --overwrite replaces it."""
    target = tmp_path / "data"
    fill(target, {"README.md": "one", "b": "b"})
    (target / "b").unlink()
    fill(target, {"README.md": "one", "b": "b"})
    (target / "README.md").write_text("edited by hand")
    with pytest.raises(OutputError, match=r"README.md: was changed since anomreason wrote it; .*--overwrite"):
        fill(target, {"README.md": "two"})
    assert (target / "README.md").read_text() == "edited by hand"
    fill(target, {"README.md": "two"}, overwrite=True)
    assert (target / "README.md").read_text() == "two"


def test_a_new_file_does_not_take_the_place_of_a_foreign_one(tmp_path: Path) -> None:
    """Also in a directory of ours, and among files that are only added."""
    target = tmp_path / "data"
    fill(target, {"a": "a"})
    (target / "report.html").write_text("mine")
    with pytest.raises(OutputError, match=r"report.html: already exists, and anomreason did not write it"):
        fill(target, {"a": "a", "report.html": "ours"})
    with pytest.raises(OutputError, match=r"report.html: already exists"):
        owned.check(target, "score", ["report.html"])
    owned.check(target, "score", ["metrics.json"])
    assert (target / "report.html").read_text() == "mine"


def test_files_are_added_to_a_directory_of_anybody(tmp_path: Path) -> None:
    """`added` leaves a directory to whoever made it, and knows its own files again."""
    fill(tmp_path / "data", {"a": "a"})
    for text in ("one", "two"):
        with owned.added(tmp_path / "data", "score") as work:
            (work / "metrics.json").write_text(text)
    assert tree(tmp_path / "data") == {"a": "a", "metrics.json": "two"}
    owned.check(tmp_path / "data", "build")


def test_results_of_an_earlier_run_go_and_nothing_else_does(tmp_path: Path) -> None:
    """What fits a command's patterns and is not written again; an edited result is refused first, and one of somebody's stays."""
    fill(tmp_path / "data", {"a": "a"})
    results = ("metrics.json", "matched_*.json", "hub/*")
    runs: tuple[dict[str, str], ...] = (
        {"metrics.json": "1", "matched_x.json": "1", "hub/x.yaml": "1"},
        {"metrics.json": "2", "matched_y.json": "2"},
    )
    for run in runs:
        with owned.added(tmp_path / "data", "score", results) as work:
            for name, text in run.items():
                (work / name).parent.mkdir(exist_ok=True)
                (work / name).write_text(text)
        (tmp_path / "data" / "matched_mine.json").write_text("mine")
    assert tree(tmp_path / "data") == {"a": "a", "matched_mine.json": "mine"} | runs[1]
    assert not (tmp_path / "data" / "hub").exists()
    owned.check(tmp_path / "data", "score", results)
    (tmp_path / "data" / "matched_y.json").write_text("edited")
    with pytest.raises(OutputError, match=r"matched_y\.json: was changed"):
        owned.check(tmp_path / "data", "score", results)


def test_what_a_command_changes_later_stays_ours(tmp_path: Path) -> None:
    """A card that `validate` writes into is ours as before; one that somebody had edited stays theirs."""
    target = tmp_path / "data"
    fill(target, {"README.md": "one"})
    with owned.changing(target, "README.md", "validation.json"):
        (target / "README.md").write_text("one, validated")
        (target / "validation.json").write_text("{}")
    owned.check(target, "build")
    (target / "README.md").write_text("edited")
    with owned.changing(target, "README.md"):
        (target / "README.md").write_text("edited, validated")
    with pytest.raises(OutputError, match=r"README\.md: was changed"):
        owned.check(target, "build")


def test_a_stop_between_two_files_can_be_repeated(tmp_path: Path) -> None:
    """A process that died while files were put in place leaves a directory that is still known as ours."""
    target = tmp_path / "data"
    fill(target, {"a": "one", "b": "one"})
    manifest = json.loads((target / owned.MANIFEST).read_text())
    (target / owned.MANIFEST).write_text(json.dumps(manifest | {"unfinished": True}))
    (target / "a").write_text("two")
    fill(target, {"a": "two", "b": "two"})
    assert tree(target) == {"a": "two", "b": "two"}


@pytest.mark.parametrize("name", ["../precious", "/etc/hostname", "link/precious", "", "..", "a/../../precious"])
def test_a_manifest_that_came_with_a_download_removes_nothing_elsewhere(name: str, tmp_path: Path) -> None:
    """Names that lead out of the directory, also through a link, are not believed."""
    (tmp_path / "precious").write_text("mine")
    target = tmp_path / "data"
    target.mkdir()
    (target / "link").symlink_to(tmp_path)
    (target / owned.MANIFEST).write_text(json.dumps({"made_by": "build", "files": {name: "0" * 64}}))
    fill(target, {"a": "a"}, overwrite=True)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_file_in_the_place_of_a_directory_is_kept(tmp_path: Path) -> None:
    """A file is not replaced by a directory, nor is one written below it."""
    (tmp_path / "data").write_text("mine")
    for target in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(OutputError, match="is a file"):
            fill(target, {"a": "a"})
    assert (tmp_path / "data").read_text() == "mine"


def test_a_linked_directory_and_the_current_one_are_filled_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link stays a link, and `.` is a directory like any other."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    fill(tmp_path / "link", {"a": "a"})
    assert tree(tmp_path / "real") == {"a": "a"}
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(tmp_path / "real")
    fill(Path("."), {"a": "b"})
    assert tree(tmp_path / "real") == {"a": "b"}
