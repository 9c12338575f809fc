"""The release: what is assembled, what is refused, and that it can be loaded from the Hub it was pushed to."""

import doctest
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from gradio_client import Client, handle_file

from tests.adapters import make_adapter
from tests.conftest import REPOSITORY
from tests.hub_client import HubClient
from tests.loopback_hub import LoopbackHub
from tests.serving import serve_space

SCRIPT = REPOSITORY / "docs" / "release.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The release script as a module."""
    spec = importlib.util.spec_from_file_location("release_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the tiny model, as training leaves one."""
    out = make_adapter(tmp_path_factory.mktemp("trained") / "adapter")
    (out / "training_args.bin").write_bytes(b"left by training")
    return out


# The changelog's section is the person's to write; what the script would push once it is there is what is tested.
RELEASE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("release_script", {script!r})
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
script.check_changelog = lambda version, changelog: None
assert script.main({arguments!r}) == 0
for folder, repository in script.REPOSITORIES.items():
    print(script.changes(script.Path({out!r}) / folder, f"lab/{{repository.name}}", repository))
"""


def release(dataset: Path, adapter: Path, out: Path) -> str:
    """Code that assembles, checks and pushes a release, and says at the end what a second push would change."""
    arguments = ["lab", "--dataset", str(dataset), "--adapter", str(adapter), "--out", str(out), "--push"]
    return RELEASE.format(script=str(SCRIPT), arguments=arguments, out=str(out))


def test_the_release_loads_from_the_hub_it_was_pushed_to(
    dataset: Path, adapter: Path, hub_client: HubClient, tmp_path: Path
) -> None:
    """It says what would be new, pushes it, and would change nothing by a second push; stock libraries load all of it."""
    repositories = hub_client.hub.repositories
    said = hub_client.python(release(dataset, adapter, tmp_path / "hub"))
    assert "space lab/semap: a new repository" in said
    assert said.count("pushed and checked") == len([name for _, name in repositories if name.startswith("lab/")]) == 5
    assert said.splitlines()[-5:] == ["nothing changes"] * 5
    card = repositories["dataset", "lab/anomreason"].files["README.md"]
    assert b'load_dataset("lab/anomreason"' in card
    card = repositories["model", "lab/anomreason-adapter"].files["README.md"]
    assert b"base_model: lab/anomreason-base\ndatasets:\n- lab/anomreason\n" in card
    assert "training_args.bin" not in repositories["model", "lab/anomreason-adapter"].files
    loaded = json.loads(hub_client.python(LOAD.format(space=str(tmp_path / "space"))).splitlines()[-1])
    assert loaded["rows"] > 0
    assert loaded["adapter"] == "default"
    assert loaded["SemAP"] == pytest.approx(1)
    alone = [sys.executable, "-I", "-c", ALONE.format(root=str(REPOSITORY))]
    with serve_space(tmp_path / "space", command=alone) as served:
        scene = handle_file(REPOSITORY / "space" / "examples" / "clock.png")
        answer = Client(served.url, verbose=False).predict(scene, api_name="/examine")
    assert answer["status"] in ("anomalies", "none")


LOAD = """
import json
import evaluate
from datasets import load_dataset
from huggingface_hub import snapshot_download
from peft import PeftModel
from transformers import AutoModelForImageTextToText

base = AutoModelForImageTextToText.from_pretrained("lab/anomreason-base")
tuned = PeftModel.from_pretrained(base, "lab/anomreason-adapter")
semap = evaluate.load("lab/semap")
record = {{"name": "Third arm", "phenomenon": "Three arms.", "reasoning": "People have two.", "severity": 10}}
scores = semap.compute(predictions=[[record]], references=[[record]], encoder="minilm")
found = {{
    "rows": len(load_dataset("lab/anomreason", split="test")),
    "adapter": tuned.active_adapter,
    "SemAP": scores["SemAP_Full"],
    "space": snapshot_download("lab/anomreason-demo", repo_type="space", local_dir={space!r}),
}}
print(json.dumps(found))
"""

# Isolated, without this repository, on whatever way it was installed.
ALONE = """
import runpy, sys
sys.path[:] = ["", *(place for place in sys.path if place != {root!r})]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
runpy.run_path("app.py", run_name="__main__")
"""


def test_a_version_without_a_section_in_the_changelog_is_not_pushed(script: ModuleType) -> None:
    """The section has to be there, under the very version and with a date; `Unreleased` is none."""
    assert doctest.testmod(script).failed == 0
    with pytest.raises(Exception, match=r"\[1\.0\.0\] - YYYY-MM-DD"):
        script.check_changelog("1.0.0", "## [Unreleased]\n\n## [1.0.0]\n\n## [1.0.01] - 2026-01-31")


def test_the_version_stands_in_one_place() -> None:
    """pyproject.toml alone says it: neither the citation file nor a module repeats it."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert f"version: {version}" not in (REPOSITORY / "CITATION.cff").read_text()
    for module in REPOSITORY.glob("*/__init__.py"):
        assert "__version__" not in module.read_text()


@pytest.mark.soak
def test_a_push_that_was_killed_is_completed_by_the_next(dataset: Path, adapter: Path, tmp_path: Path) -> None:
    """kill -9 between two repositories: each is there whole or not at all, and the next release sends what is missing."""
    with LoopbackHub() as hub:
        hub.seconds = 2.0
        environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-c", release(dataset, adapter, tmp_path / "hub")]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 1200
        while not under_way(hub):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
        process.communicate()
        for repository in hub.repositories.values():
            assert repository.commits in (0, 1)
            assert bool(repository.files) == bool(repository.commits)
        assert any(not repository.files for repository in hub.repositories.values())
        hub.seconds = 0.0
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "dataset lab/anomreason: nothing changes" in done.stdout
        assert done.stdout.splitlines()[-5:] == ["nothing changes"] * 5
        assert all(repository.commits == 1 for repository in hub.repositories.values())


def under_way(hub: LoopbackHub) -> bool:
    """Whether one repository has arrived and a file of another is being sent."""
    first = next((k for k, line in enumerate(hub.log) if "/commit/" in line), len(hub.log))
    return any(line.startswith("PUT") for line in hub.log[first:])


@pytest.mark.soak
@pytest.mark.parametrize("form", ["wheel", "sdist"])
def test_quickstart_passes_where_only_the_package_is_installed(form: str, tmp_path: Path) -> None:
    """In a clean environment whose project comes from the wheel or the source archive alone, the others from this one."""
    built = tmp_path / "dist"
    build = [sys.executable, "-m", "build", "--quiet", "--no-isolation", "--outdir", str(built)]
    subprocess.run([*build, str(tracked_copy(tmp_path / "source"))], check=True, capture_output=True)
    (package,) = built.glob("*.whl" if form == "wheel" else "*.tar.gz")
    clean = tmp_path / "clean"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(clean)], check=True)
    places = [sysconfig.get_path("purelib", vars={"base": str(clean)}), sysconfig.get_path("purelib")]
    (Path(places[0]) / "others.pth").write_text(places[1] + "\n")
    python = str(clean / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--ignore-installed", str(package)], check=True, capture_output=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"HF_HOME": str(tmp_path / "home")}
    where = (
        "import anomreason, metric_semap, trainer; print(anomreason.__file__, metric_semap.__file__, trainer.__file__)"
    )
    found = subprocess.run([python, "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert all(file.startswith(str(clean)) for file in found.stdout.split()), found.stdout + found.stderr
    done = subprocess.run(
        [str(clean / "bin" / "anomreason"), "quickstart"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "demo" / "metrics.json").read_text())
    print(form, metrics["base"], metrics["tuned"], sep="\n")
    assert metrics["tuned"]["SemAP_Full"] > metrics["base"]["SemAP_Full"]


def tracked_copy(out: Path) -> Path:
    """A copy of what git tracks, because building leaves directories in the source."""
    for name in tracked():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, out / name)
    return out


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0")[:-1] if (REPOSITORY / name).is_file()]


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    """What git tracks below the packages, weights, templates and recipes included, is in the wheel."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(tmp_path),
        ".",
    ]
    subprocess.run(command, cwd=tracked_copy(tmp_path / "source"), check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    wanted = {
        name
        for name in tracked()
        if name.startswith(("agent/", "dataset_builder/", "metric_semap/", "space/", "trainer/"))
    }
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()
