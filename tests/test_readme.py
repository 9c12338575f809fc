"""The README's snippets run as they stand."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dataset_builder.scenes import pair

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
