"""The release: what is assembled, what is refused, and that it can be loaded from the Hub it was pushed to."""

import doctest
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import REPOSITORY
from tests.loopback_hub import LoopbackHub
from tests.processes import run_python

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
    """An untrained adapter of the tiny model, as training leaves one."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    from trainer.loading import TINY, load_processor

    model = AutoModelForImageTextToText.from_pretrained(str(TINY))
    out = tmp_path_factory.mktemp("trained") / "adapter"
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(out)
    load_processor("tiny").save_pretrained(out)
    (out / "training_args.bin").write_bytes(b"left by training")
    return out


def test_the_release_loads_from_the_hub_it_was_pushed_to(dataset: Path, adapter: Path, tmp_path: Path) -> None:
    """Dry, it says what would be new; pushed, the stock libraries load all of it; again, nothing changes."""
    with LoopbackHub() as hub:
        environment = hub.environment | {"HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(REPOSITORY)}
        code = f"""
import argparse, contextlib, importlib.util, io, json
from pathlib import Path
spec = importlib.util.spec_from_file_location("release_script", {str(SCRIPT)!r})
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
said = []
for push in (False, True, False):
    options = argparse.Namespace(
        org="lab", dataset=Path({str(dataset)!r}), adapter=Path({str(adapter)!r}), out=Path("hub"), push=push
    )
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert script.release(options) in (0, 3)
    said.append(printed.getvalue())
print(json.dumps(said))
"""
        dry, pushed, again = run_python(code, tmp_path, **environment)
        assert "lab/semap: a new repository" in dry
        assert "pushed" not in dry
        assert again.count("nothing changes") == len(hub.repositories) >= 4
        assert hub.token not in dry + pushed + again
        assert b'load_dataset("lab/anomreason"' in hub.repositories["dataset", "lab/anomreason"].files["README.md"]
        assert "training_args.bin" not in hub.repositories["model", "lab/anomreason-adapter"].files
        code = """
import json
from pathlib import Path
from datasets import load_dataset
from huggingface_hub import snapshot_download
from peft import PeftModel
from transformers import AutoModelForImageTextToText
import evaluate

base = AutoModelForImageTextToText.from_pretrained("lab/anomreason-base")
tuned = PeftModel.from_pretrained(base, "lab/anomreason-adapter")
metric = evaluate.load(str(Path(snapshot_download("lab/semap", repo_type="space")) / "semap.py"))
print(json.dumps([len(load_dataset("lab/anomreason", split="test")), tuned.active_adapter, metric.name]))
"""
        rows, name, metric = run_python(code, tmp_path, **environment)
    assert (rows > 0, name, metric) == (True, "default", "semap")


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
    source = tmp_path / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.split("\0")[:-1]
    # A copy, because building leaves directories in the source.
    for name in tracked:
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).hardlink_to(REPOSITORY / name)
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packages = ("agent/", "dataset_builder/", "metric_semap/", "space/", "trainer/")
    wanted = {name for name in tracked if name.startswith(packages) and (REPOSITORY / name).is_file()}
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()
