"""The README's snippets run as they stand."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from anomreason import app
from dataset_builder.command_line import run
from dataset_builder.official import write_annotations
from dataset_builder.scenes import pair, read_scenes
from dataset_builder.sources.opening import split_of
from metric_semap.errors import SemapError
from tests.adapters import make_adapter

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.strip().splitlines()[0])
def test_a_python_snippet_runs(snippet: str, dataset: Path, tmp_path: Path) -> None:
    """In a directory with the build and a picture, after `install`, as the text around it says."""
    (tmp_path / "anomreason").symlink_to(dataset)
    (tmp_path / "picture.png").write_bytes(pair(0, 0)[0].png())
    environment = os.environ | {
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
    }
    install = [str(Path(sys.executable).with_name("anomreason")), "install"]
    for command in (install, [sys.executable, "-c", snippet]):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_files_it_links_are_there() -> None:
    """Every relative link of the README leads to a file of the repository."""
    root = Path(__file__).resolve().parents[1]
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (root / link).exists()] == []


def test_its_contents_lead_to_its_headings() -> None:
    """Every heading but the title stands in the table of contents, in order, and every entry leads to one."""
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    headings = re.findall(r"^##+ (.+)$", prose, re.MULTILINE)
    entries = re.findall(r"^ *- \[(.+?)\]\(#(.+?)\)", prose, re.MULTILINE)
    assert ["Contents", *(name for name, _ in entries)] == headings
    assert [anchor for _, anchor in entries] == [name.lower().replace(" ", "-") for name, _ in entries]


def test_its_badges_say_what_the_package_says() -> None:
    """Licence and Python version are those of pyproject.toml."""
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
    assert f"Licence: {project['license']}]" in README
    assert f"Python {project['requires-python'].removeprefix('>=')} or later]" in README


def test_every_command_it_shows_exists() -> None:
    """`anomreason NAME` in the README is a command of the program."""
    from typer.main import get_command

    from anomreason import app

    shown = set(re.findall(r"^anomreason ([a-z]+)", README, re.MULTILINE))
    assert shown
    assert shown <= set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def demo(dataset: Path, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that `make demo` leaves and the README's YAML files name."""
    place = tmp_path_factory.mktemp("demo")
    (place / "anomreason").symlink_to(dataset)
    shutil.copytree(scenes, place / "demo" / "scenes")
    make_adapter(place / "demo" / "adapter")
    truth = {row.image_id: row.anomalies for row in read_scenes(scenes) if split_of(row) == "test"}
    for name in ("truth.json", "preds_base.json", "preds_tuned.json"):
        write_annotations(place / "demo" / name, truth)
    return place


@pytest.mark.parametrize(
    ("command", "files"),
    [("benchmark", ["leaderboard.json", "leaderboard.html"]), ("audit", ["audit.json", "audit.html"])],
)
def test_its_yaml_files_run_as_printed(
    command: str, files: list[str], demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench.yaml` and `generators.yaml`, offline, beside what `make demo` leaves; the result as JSON on stdout."""
    name = {"benchmark": "bench.yaml", "audit": "generators.yaml"}[command]
    (text,) = re.findall(rf"```yaml\n(# {name}.*?)```", README, re.DOTALL)
    (demo / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(demo)
    assert run(app, [command, name, "--json"], (SemapError,)) == 0
    captured = capsys.readouterr()
    assert isinstance(json.loads(captured.out), dict)
    assert all((demo / command / file).is_file() for file in files)
    # Again, over its own files; and not over one that somebody changed.
    assert run(app, [command, name], (SemapError,)) == 0
    (demo / command / files[0]).write_text("{}")
    assert run(app, [command, name], (SemapError,)) == 2
    assert "was changed since anomreason wrote it" in capsys.readouterr().err


def test_a_benchmark_lists_all_that_is_missing_before_it_begins(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dataset, an adapter, a prediction file, an encoder and an endpoint that are not there: one message, nothing predicted."""
    lines = [
        "dataset: nowhere",
        "encoder: no-such-encoder",
        "models:",
        "  tiny: {model: tiny}",
        "  adapted: {model: tiny, adapter: demo/nothing}",
        "  theirs: {predictions: nothing.json}",
        "  served: {model: gone, base_url: 'http://127.0.0.1:9/v1'}",
    ]
    (demo / "missing.yaml").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(demo)
    assert run(app, ["benchmark", "missing.yaml", "--out", "never"], (SemapError,)) == 2
    said = capsys.readouterr().err
    assert "because of 5 problems" in said
    for word in ("nowhere", "no-such-encoder", "demo/nothing", "nothing.json", "127.0.0.1:9"):
        assert word in said
    assert not (demo / "never").exists()
