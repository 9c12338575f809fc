"""The vendored Space needs nothing of this repository."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml
from gradio_client import Client, handle_file

from space.vendor import vendor
from tests.loopback_hub import LoopbackHub
from tests.serving import ROOT, serve_space
from tests.space.conftest import EXAMPLES

_ALONE = """
import re, runpy, sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path
sys.path[:] = [place for place in sys.path if {root!r} not in place]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
import threading, time

def check():
    '''What was imported after an answer is in the requirements, or in theirs.'''
    name = lambda line: re.split("[^A-Za-z0-9._-]", line.strip())[0].lower().replace("_", "-")
    open_ = [name(line) for line in Path("requirements.txt").read_text().splitlines() if line and line[0] != "#"] + ["gradio"]
    known = set()
    while open_:
        one = open_.pop()
        if one not in known:
            known.add(one)
            try: open_ += [name(line) for line in requires(one) or [] if "extra ==" not in line]
            except Exception: pass
    dists = packages_distributions()
    stray = {{}}
    for top in {{module.partition(".")[0] for module in list(sys.modules)}}:
        if top in dists and not {{d.lower().replace("_", "-") for d in dists[top]}} & known:
            stray[top] = dists[top]
    ours = {{m: sys.modules[m].__file__ for m in ("space", "dataset_builder", "trainer")}}
    Path("imported.txt").write_text(repr((stray, ours)))

def wait():
    while not Path("check").exists(): time.sleep(.1)
    check()

threading.Thread(target=wait, daemon=True).start()
sys.path.insert(0, "")
runpy.run_path("app.py", run_name="__main__")
"""


def test_the_vendored_folder_serves_alone(tmp_path: Path) -> None:
    """Started where only it is, it examines a scene with its own packages; all that it imports is in its requirements."""
    space = vendor(tmp_path / "space")
    command = [sys.executable, "-I", "-c", _ALONE.format(root=str(ROOT))]
    with serve_space(space, command=command) as served:
        answer = Client(served.url, verbose=False).predict(handle_file(EXAMPLES / "clock.png"), api_name="/examine")
        assert answer["status"] in ("anomalies", "none", "partial")
        (space / "check").touch()
        for _ in range(100):
            if (space / "imported.txt").exists():
                break
            time.sleep(0.1)
    stray, ours = ast.literal_eval((space / "imported.txt").read_text())
    assert stray == {}
    assert all(file.startswith(str(space)) for file in ours.values())


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
    """What the Hub has afterwards is the vendored folder, its card naming the organisation."""
    with LoopbackHub() as hub:
        command = [sys.executable, str(ROOT / "anomreason.py"), "publish", str(ROOT / "space"), "--repo-id", "org/demo"]
        environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert ran.returncode == 0, ran.stderr
        files = hub.repositories["space", "org/demo"].files
    expected = vendor(tmp_path / "expected", "org")
    assert set(files) == {path.relative_to(expected).as_posix() for path in expected.rglob("*") if path.is_file()}
    assert "- org/anomreason" in files["README.md"].decode()
    assert hub.token not in ran.stdout + ran.stderr
