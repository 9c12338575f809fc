"""The vendored Space needs nothing of this repository."""

import ast
import os
import re
import subprocess
import sys
import venv
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml
from gradio_client import Client, handle_file

from space.vendor import vendor
from tests.loopback_hub import LoopbackHub
from tests.serving import ROOT, serve_space
from tests.space.conftest import EXAMPLES

OURS = {"agent", "dataset_builder", "space", "trainer"}


def empty_venv(place: Path) -> Path:
    """A virtual environment's Python. It sees the packages installed here, and no way to this repository."""
    venv.create(place, with_pip=False)
    (packages,) = place.glob("lib/python*/site-packages")
    # A .pth names folders to look in; the .pth files there, by which an editable install works, are not followed.
    (packages / "installed.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return place / "bin" / "python"


def imported(file: Path) -> set[str]:
    """The modules that a file imports: the Space's anywhere in it, others' when they are loaded."""
    found: set[str] = set()
    tree = ast.parse(file.read_text())
    # In the other packages an import inside a function is that of another use than the Space's.
    for node in ast.walk(tree) if file.parent.name == "space" else tree.body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def reached(folder: Path) -> tuple[set[Path], set[str]]:
    """The files of ours that the Space can come to load, and the names of others' packages that these import."""
    files, others = set[Path](), set[str]()
    ahead = [folder / "app.py", *(folder / "space").glob("*.py")]
    while ahead:
        file = ahead.pop()
        if file in files:
            continue
        files.add(file)
        for name in imported(file):
            first = name.partition(".")[0]
            if first in OURS:
                place = folder / name.replace(".", "/")
                ahead += [one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file()]
            elif first not in sys.stdlib_module_names:
                others.add(first)
    return files, others


def test_the_vendored_folder_serves_alone(tmp_path: Path) -> None:
    """In an environment that knows nothing of this repository, started from elsewhere, it examines a scene."""
    space = vendor(tmp_path / "space")
    python = empty_venv(tmp_path / "venv")
    work = tmp_path / "elsewhere"
    work.mkdir()
    for package in sorted(OURS | {"anomreason", "metric_semap"}):
        found = subprocess.run([python, "-I", "-c", f"import {package}"], cwd=work, capture_output=True, text=True)
        assert "No module named" in found.stderr, f"{package} is not alone"
    with serve_space(work, command=[str(python), str(space / "app.py")], PYTHONPATH="") as served:
        answer = Client(served.url, verbose=False).predict(handle_file(EXAMPLES / "clock.png"), api_name="/examine")
    assert answer["status"] in ("anomalies", "none", "partial")


def test_the_requirements_name_what_the_vendored_files_import(tmp_path: Path) -> None:
    """Those of every backend and of the review too; and the files that these read are there."""
    space = vendor(tmp_path / "space")
    files, others = reached(space)
    assert {space / "agent" / "agent.py", space / "agent" / "review" / "app.py"} <= files
    for name in ("index.html", "review.css", "main.js", "icon.png"):
        assert (space / "agent" / "review" / "page" / name).is_file()
    lines = [line for line in (space / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    # gradio comes from the card's sdk_version, spaces from the Hub's GPU machines.
    named = {re.split("[^A-Za-z0-9._-]", line)[0].lower() for line in lines} | {"gradio", "spaces"}
    packages = packages_distributions()
    missing = {
        one for one in others if not {name.lower().replace("_", "-") for name in packages.get(one, [one])} & named
    }
    assert not missing


def test_the_card_is_one_that_the_hub_takes() -> None:
    """Front matter complete, the description short enough, the version the one that is tested."""
    import gradio

    card = yaml.safe_load((ROOT / "space" / "README.md").read_text().split("---")[1])
    assert card["sdk"] == "gradio"
    assert card["sdk_version"] == gradio.__version__
    assert len(card["short_description"]) <= 60
    assert (ROOT / "space" / card["app_file"]).is_file()
    assert card["python_version"] == "3.12"  # the Hub's own default is older than what the packages need
    assert card["license"] == "apache-2.0"
    assert {"title", "emoji", "colorFrom", "colorTo"} <= set(card)
    assert card["models"]
    assert card["datasets"]
    assert card["tags"]


def test_publish_reads_off_the_directory_that_it_is_a_space(tmp_path: Path) -> None:
    """A dry run lists what would go, the weights among it, and needs neither token nor network."""
    command = [
        sys.executable,
        str(ROOT / "anomreason.py"),
        "publish",
        str(ROOT / "space"),
        "--repo-id",
        "me/anomreason",
        "--dry-run",
    ]
    ran = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}
    )
    assert ran.returncode == 0, ran.stderr
    assert "trainer/tiny/model/model.safetensors" in ran.stdout
    assert "dry run" in ran.stdout


def test_publish_pushes_the_space_and_checks_it(tmp_path: Path) -> None:
    """What the Hub has afterwards is the vendored folder, its card naming the Space and the organisation."""
    with LoopbackHub() as hub:
        command = [sys.executable, str(ROOT / "anomreason.py"), "publish", str(ROOT / "space"), "--repo-id", "org/demo"]
        environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert ran.returncode == 0, ran.stderr
        files = hub.repositories["space", "org/demo"].files
    expected = vendor(tmp_path / "expected", "org/demo")
    assert set(files) == {path.relative_to(expected).as_posix() for path in expected.rglob("[!.]*") if path.is_file()}
    card = files["README.md"].decode()
    assert "- org/anomreason\n" in card
    assert 'Client("https://org-demo.hf.space"' in card
    assert "ORG" not in card
    assert hub.token not in ran.stdout + ran.stderr
