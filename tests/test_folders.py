"""Commands that write directories: a history, notes and other files are the same before and after."""

from collections.abc import Callable
from pathlib import Path

import pytest

import anomreason
from dataset_builder import command_line, owned
from dataset_builder.building.read_back import is_dataset
from metric_semap.errors import SemapError

MINE = {
    ".git/HEAD": "ref: refs/heads/main",
    ".gitattributes": "*.parquet filter=lfs",
    "notes.md": "mine",
    "data/mine.csv": "1",
}


def run(*arguments: object) -> int:
    return command_line.run(anomreason.app, [str(one) for one in arguments], (SemapError,))


def keep_mine_in(directory: Path) -> None:
    for name, text in MINE.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


def mine_in(directory: Path) -> dict[str, str]:
    return {name: (directory / name).read_text() for name in MINE if (directory / name).is_file()}


Write = Callable[..., int]


@pytest.fixture(params=["build", "scenes"])
def write(request: pytest.FixtureRequest, scenes: Path) -> Write:
    """A command that writes a directory, with some of its options."""
    if request.param == "build":
        return lambda out, *more: run("build", scenes, "--out", out, "--recipe", "none", *more)
    return lambda out, *more: run("scenes", out, "--n", 4, *more)


def test_what_is_not_ours_survives_every_way_of_writing(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory of somebody's is refused with the fix; --overwrite and writing again leave everything else as it was."""
    out = tmp_path / "out"
    keep_mine_in(out)
    assert write(out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert not (out / owned.MANIFEST).exists()
    for more in (("--overwrite",), (), ("--overwrite",)):
        assert write(out, *more) == 0
        assert mine_in(out) == MINE


def test_a_file_of_ours_that_somebody_edited_is_refused(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Edits are not lost unless --overwrite says so."""
    out = tmp_path / "out"
    assert write(out) == 0
    edited = next(out / name for name in ("README.md", "scenes.jsonl") if (out / name).exists())
    edited.write_text("edited by hand")
    assert write(out) == 2
    assert "was changed since anomreason wrote it" in capsys.readouterr().err
    assert edited.read_text() == "edited by hand"
    assert write(out, "--overwrite") == 0


def test_a_command_does_not_replace_what_another_one_made(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scenes are not written over a dataset, nor a dataset over scenes."""
    assert run("build", scenes, "--out", tmp_path / "built", "--recipe", "none") == 0
    assert run("scenes", tmp_path / "built", "--n", 2) == 2
    assert "was made by `anomreason build`" in capsys.readouterr().err
    assert is_dataset(tmp_path / "built")


def test_validating_a_dataset_keeps_it_ours(scenes: Path, tmp_path: Path) -> None:
    """`validate` writes onto the card; building again is not refused because of that."""
    out = tmp_path / "built"
    assert run("build", scenes, "--out", out, "--recipe", "none") == 0
    assert run("validate", out) == 0
    assert (out / "validation.json").is_file()
    assert run("build", scenes, "--out", out, "--recipe", "none") == 0
    assert not (out / "validation.json").exists()


@pytest.mark.parametrize("arguments", [("build", "SCENES", "--out", "file"), ("scenes", "file", "--n", "2")])
def test_a_file_in_the_way_is_one_sentence(
    arguments: tuple[str, ...],
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A directory is wanted and a file is there: told, and the file stays."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    assert run(*(str(scenes) if one == "SCENES" else one for one in arguments)) == 2
    said = capsys.readouterr().err
    assert "is a file, not a directory" in said
    assert len(said.strip().splitlines()) == 1
    assert Path("file").read_text() == "mine"


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot grow any more ends the command as a full disk does."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, before[1]))
    try:
        code = run("scenes", tmp_path / "out", "--n", 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert code == 2
    assert "cannot be written" in said
    assert "make room there" in said
    assert list(tmp_path.iterdir()) == []
