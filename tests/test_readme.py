"""What the README and the guides for a first day show runs as it is printed."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from agent.simulated import serve
from anomreason import app
from dataset_builder import read_annotations
from dataset_builder.command_line import run
from dataset_builder.official import write_annotations
from dataset_builder.scenes import pair, read_scenes
from dataset_builder.sources.opening import split_of
from metric_semap.errors import SemapError
from tests.adapters import make_adapter

ROOT = Path(__file__).resolve().parents[1]
README, DATASET, PICTURES, SCORING, AUDITING = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/dataset.md", "docs/pictures.md", "docs/scoring.md", "docs/auditing.md")
)
SNIPPETS = re.findall(r"```python\n(.*?)```", README + DATASET + PICTURES + SCORING, re.DOTALL)
COMMANDS = [
    line.partition(" #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("anomreason ")
]
SERVERS = {"anomreason demo --model MODEL --base-url URL": "http://", "anomreason review runs/mine": "open http"}
"""Those that serve until they are interrupted, and what they say when they do."""


def test_the_python_snippets_run(dataset: Path, tmp_path: Path) -> None:
    """One after the other, in a directory with the build and a picture, after `install`, as the text around them says."""
    (tmp_path / "anomreason").symlink_to(dataset)
    (tmp_path / "picture.png").write_bytes(pair(0, 0)[0].png())
    environment = os.environ | {
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
    }
    install = [str(Path(sys.executable).with_name("anomreason")), "install"]
    for command in (install, [sys.executable, "-c", "\n".join(SNIPPETS)]):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_files_it_links_are_there() -> None:
    """Every relative link of the README leads to a file of the repository; those of the guides are checked by `make docs`."""
    links = [link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_badges_say_what_the_package_says() -> None:
    """Licence and Python version are those of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Licence: {project['license']}]" in README
    assert f"Python {project['requires-python'].removeprefix('>=')} or later]" in README


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
    for name in ("bench.yaml", "generators.yaml"):
        (text,) = re.findall(rf"```yaml\n(# {name}.*?)```", SCORING + AUDITING, re.DOTALL)
        (place / name).write_text(text, encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("command", "files"),
    [("benchmark", ["leaderboard.json", "leaderboard.html"]), ("audit", ["audit.json", "audit.html"])],
)
def test_the_yaml_files_run_as_printed(
    command: str, files: list[str], demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bench.yaml` and `generators.yaml`, offline, next to what `make demo` leaves; the result as JSON on stdout."""
    name = {"benchmark": "bench.yaml", "audit": "generators.yaml"}[command]
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


def test_its_commands_run_in_their_order(
    demo: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a directory that has been through `make demo`, with a simulated model for MODEL and URL, and two versions for OLD and NEW.

    `benchmark` and `audit` with their files are above.
    """
    demo = shutil.copytree(demo, tmp_path / "demo", symlinks=True, ignore=shutil.ignore_patterns("audit", "benchmark"))
    images = sorted((scenes / "images").iterdir())[:4]
    (demo / "pictures").mkdir()
    for image in images:
        shutil.copy(image, demo / "pictures")
    shutil.copy(images[0], demo / "picture.png")
    ratings = "".join(f"{severity},{severity + 5},{severity},ann\n" for severity in range(0, 90, 2))
    (demo / "ratings.csv").write_text("severity,rating,item,rater\n" + ratings)
    monkeypatch.chdir(demo)
    with serve(scenes) as url:
        given = {"MODEL": "simulated", "URL": url, "OLD": "demo/truth.json", "NEW": "demo/preds_base.json"}
        for command in COMMANDS:
            if command in ("anomreason benchmark bench.yaml", "anomreason audit generators.yaml"):
                continue
            words = [given.get(word, word) for word in command.split()[1:]]
            if command in SERVERS:
                assert serves(words, demo, SERVERS[command])
            else:
                assert run(app, words, (SemapError,)) in (0, 1), capsys.readouterr().err
    assert len(json.loads((demo / "preds.json").read_text())) == len(read_annotations(demo / "demo" / "truth.json"))
    assert (demo / "runs" / "mine" / "report.html").is_file()


def serves(words: list[str], place: Path, ready: str) -> bool:
    """Whether a command says that it can be reached, at a free port; it is ended then."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("anomreason")), *words, "--port", str(port)]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = any(ready in line for line in process.stdout)
        process.terminate()
    return said


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
