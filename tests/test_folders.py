"""Commands that write directories: a history, notes and other files are the same before and after."""

import ctypes
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import anomreason
from dataset_builder import command_line, owned
from dataset_builder.sources.opening import is_dataset
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


@pytest.fixture
def scoring(tmp_path: Path) -> list[str]:
    """The arguments of `score` for two pictures, answered rightly."""
    said = {"name": "Odd", "phenomenon": "The red ball hangs in the air.", "reasoning": "Things fall.", "severity": 20}
    for name in ("preds.json", "truth.json"):
        (tmp_path / name).write_text(json.dumps({"a.png": [said], "b.png": [said]}))
    return [
        "score",
        str(tmp_path / "preds.json"),
        str(tmp_path / "truth.json"),
        "--encoder",
        "minilm",
        "--bootstrap",
        "0",
    ]


def test_scores_take_the_place_of_no_file_of_somebody(
    scoring: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results are added to a directory of anybody; a report.html that is not ours is refused and stays, until --overwrite."""
    out = tmp_path / "out"
    keep_mine_in(out)
    assert run(*scoring, "--out", out) == 0
    assert mine_in(out) == MINE
    capsys.readouterr()
    assert run(*scoring, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["configuration"] == "default"
    (out / "report.html").write_text("edited")
    assert run(*scoring, "--out", out) == 2
    assert "report.html: was changed since anomreason wrote it" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    (other / "report.html").write_text("mine")
    assert run(*scoring, "--out", other) == 2
    assert (other / "report.html").read_text() == "mine"
    assert run(*scoring, "--out", other, "--overwrite") == 0
    assert (other / "metrics.json").is_file()


@pytest.mark.parametrize(
    ("place", "said"),
    [("file", "is a file, not a directory"), ("locked", "is read-only"), ("locked/in", "is read-only")],
)
def test_scores_cannot_go_into_a_file_or_a_locked_directory(
    place: str, said: str, scoring: list[str], tmp_path: Path
) -> None:
    """One sentence and exit code 2, before an encoder is loaded."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("anomreason")), *scoring, "--out", str(tmp_path / place)],
        capture_output=True,
        text=True,
        check=False,
        # Permissions hold for this process, also where it is root's: it gives up CAP_DAC_OVERRIDE.
        preexec_fn=lambda: ctypes.CDLL(None).prctl(24, 1, 0, 0, 0),
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "locked", "preds.json", "truth.json"]
