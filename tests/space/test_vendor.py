"""The vendored Space needs nothing of this repository."""

import ast
import os
import re
import subprocess
import sys
import time
from importlib.metadata import packages_distributions
from pathlib import Path

import yaml
from gradio_client import Client, handle_file

from space.vendor import vendor
from tests.loopback_hub import LoopbackHub
from tests.serving import ROOT, serve_space
from tests.space.conftest import EXAMPLES

# Isolated, without this repository, on whatever way it was installed; asked, it tells which files of ours it has loaded.
_ALONE = """
import runpy, sys, threading, time
from pathlib import Path
sys.path[:] = ["", *(place for place in sys.path if {root!r} not in place)]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]

def tell():
    while not Path("tell").exists():
        time.sleep(0.05)
    ours = {{"agent", "dataset_builder", "space", "trainer", "metric_semap", "anomreason"}}
    loaded = [m.__file__ for name, m in list(sys.modules.items()) if name.partition(".")[0] in ours and m.__file__]
    Path("loaded.new").write_text(chr(10).join(loaded))
    Path("loaded.new").rename("loaded")

threading.Thread(target=tell, daemon=True).start()
runpy.run_path("app.py", run_name="__main__")
"""


def imported(file: Path) -> set[str]:
    """The packages that a file imports: the Space's anywhere in it, others' when they are loaded."""
    found: set[str] = set()
    tree = ast.parse(file.read_text())
    # In the other packages an import inside a function is that of another use than the Space's.
    for node in ast.walk(tree) if file.parent.name == "space" else tree.body:
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_the_vendored_folder_serves_alone(tmp_path: Path) -> None:
    """Started where only it is, it examines a scene with its own packages, and its requirements name all that they import."""
    space = vendor(tmp_path / "space")
    command = [sys.executable, "-I", "-c", _ALONE.format(root=str(ROOT))]
    with serve_space(space, command=command) as served:
        answer = Client(served.url, verbose=False).predict(handle_file(EXAMPLES / "clock.png"), api_name="/examine")
        (space / "tell").touch()
        deadline = time.monotonic() + 20
        while not (space / "loaded").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert answer["status"] in ("anomalies", "none", "partial")
    loaded = [Path(line) for line in (space / "loaded").read_text().splitlines()]
    assert loaded
    assert all(file.is_relative_to(space) for file in loaded)
    lines = [line for line in (space / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    # gradio comes from the card's sdk_version, spaces from the Hub's GPU machines.
    named = {re.split("[^A-Za-z0-9._-]", line)[0].lower() for line in lines} | {"gradio", "spaces"}
    packages = packages_distributions()
    ours = {"agent", "dataset_builder", "space", "trainer"}
    for file in loaded:
        wanted = imported(file) - ours
        missing = {
            one for one in wanted if not {name.lower().replace("_", "-") for name in packages.get(one, [one])} & named
        }
        assert not missing, f"{file.name} imports {missing}"


def test_the_card_is_one_that_the_hub_takes() -> None:
    """Front matter complete, the description short enough, the version the one that is tested."""
    import gradio

    card = yaml.safe_load((ROOT / "space" / "README.md").read_text().split("---")[1])
    assert card["sdk"] == "gradio"
    assert card["sdk_version"] == gradio.__version__
    assert len(card["short_description"]) <= 60
    assert (ROOT / "space" / card["app_file"]).is_file()
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
    assert set(files) == {path.relative_to(expected).as_posix() for path in expected.rglob("*") if path.is_file()}
    card = files["README.md"].decode()
    assert "- org/anomreason\n" in card
    assert 'Client("org/demo")' in card
    assert hub.token not in ran.stdout + ran.stderr
