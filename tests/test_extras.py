"""Extras: what works with one alone, what the base does without any, and the sentence for what is missing."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dataset_builder.errors import UnavailableError
from dataset_builder.extras import require
from tests.conftest import REPOSITORY
from tests.only_extra import closure
from tests.test_bounds import EXTRAS, extras_of, files

ALONE = [sys.executable, str(REPOSITORY / "tests" / "only_extra.py")]
IMPORT = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"

# Every command that needs an extra, with what has to be given, and the sentence's beginning and end.
NEEDS = [
    (["quickstart"], "quickstart", "demo"),
    (["train", "--config", "tiny"], "train", "train"),
    (["grpo", "--config", "tiny"], "grpo", "train"),
    (["merge", "adapter"], "merge", "train"),
    (["examine", "cup.png"], "examine without --base-url", "train"),
    (["predict"], "predict without --base-url", "train"),
    (["benchmark", "bench.yaml"], "benchmark", "train"),
    (["score", "preds.json", "truth.json"], "score", "metric"),
    (["audit", "generators.yaml"], "audit", "metric"),
    (["demo"], "demo", "space,train"),
    (["demo", "--base-url", "http://localhost:1/v1", "--model", "served"], "demo", "space"),
    (["verdicts", "status", "run"], "verdicts status", "space"),
    (["verdicts", "export", "run"], "verdicts export", "space"),
    (["annotate", "scenes", "--simulate", "--engine", "ray"], "--engine ray", "ray"),
]


@pytest.fixture(scope="module", autouse=True)
def installed_as_declared() -> None:
    """What is asked is the installed distribution's metadata; made from an older pyproject.toml, it would answer for that."""
    declared = [line for lines in EXTRAS.values() for line in lines]
    installed = [line.partition(";")[0].strip() for line in importlib.metadata.requires("anomreason") or []]
    assert sorted(map(str, map(Requirement, installed))) == sorted(map(str, map(Requirement, declared))), (
        "run make again"
    )


def alone(extra: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python as if the base and one extra were all that is installed; what libraries keep goes into `cwd` too."""
    command, environment = [*ALONE, extra, *map(str, arguments)], os.environ | {"HF_HOME": str(cwd / "home")}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def modules(*extras: str) -> list[str]:
    """The modules of ours that need no other extras than these."""
    return [
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for file in files()
        if set(extras_of(file)) <= set(extras)
        and file.parent.name not in ("benchmarks", "docs")
        and file.name not in ("inspect_tasks.py", "vlmeval_tasks.py")  # for harnesses, which are not among our extras
    ]


@pytest.mark.parametrize("extra", ["", "metric", "train", "space", "ray"])
def test_the_modules_of_an_extra_import_with_it_alone(extra: str, tmp_path: Path) -> None:
    """With the other extras' packages hidden, everything that belongs to the base and the extra can be imported."""
    belongs = {"": [], "train": ["metric", "train"]}.get(extra, [extra])
    done = alone(extra, "-c", IMPORT, *modules(*belongs), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_command_prints_its_help_with_the_base_alone(tmp_path: Path) -> None:
    """Whatever is installed, `--help` says what a command would do."""
    code = """
import sys, typer, anomreason
def walk(command, path):
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from walk(one, [*path, name])
for path in walk(typer.main.get_command(anomreason.app), []):
    try:
        anomreason.app([*path, "--help"])
    except SystemExit as end:
        assert end.code == 0, path
    print("HELP", *path)
"""
    done = alone("", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    helped = {line for line in done.stdout.splitlines() if line.startswith("HELP")}
    assert {f"HELP {' '.join(arguments[:1])}" for arguments, _, _ in NEEDS} <= helped


def test_a_command_whose_extra_is_missing_names_it_before_anything_else(scenes: Path, tmp_path: Path) -> None:
    """One sentence with the packages and the command that installs them, exit code 2, and nothing of the extra was imported."""
    code = """
import json, sys, anomreason
told = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["anomreason", *arguments]
    try:
        anomreason.main()
    except SystemExit as end:
        print("CODE", end.code, file=sys.stderr)
print("HEAVY", *({"trainer.loading", "metric_semap.semap", "space.site", "agent.review.app"} & set(sys.modules)))
"""
    (tmp_path / "scenes").symlink_to(scenes)
    done = alone("", "-c", code, json.dumps([arguments for arguments, _, _ in NEEDS]), cwd=tmp_path)
    assert done.stdout.split() == ["HEAVY"], done.stdout
    lines = done.stderr.splitlines()
    assert lines[1::2] == ["CODE 2"] * len(NEEDS), done.stderr
    for (_, what, extras), line in zip(NEEDS, lines[::2], strict=True):
        assert line.startswith(f"anomreason: {what}: needs packages that are not installed ("), line
        assert line.endswith(f'run pip install "anomreason[{extras}]"'), line


def test_the_base_builds_checks_loads_and_annotates(tmp_path: Path) -> None:
    """Without any extra: scenes, their dataset, its check, its plain name, a simulated annotation and the dataset of that."""
    code = """
import sys, anomreason
for line in (
    "scenes scenes --n 12",
    "build scenes --out anomreason",
    "validate anomreason",
    "annotate scenes --simulate --out run --limit 4",
    "build run --out found --images scenes/images",
):
    sys.argv = ["anomreason", *line.split()]
    try:
        anomreason.main()
    except SystemExit as end:
        assert end.code == 0, line
import datasets
print(datasets.load_dataset("anomreason")["train"][0]["image"])
"""
    done = alone("", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "PngImageFile" in done.stdout


def test_an_extra_is_what_the_distribution_says() -> None:
    """What is installed passes; a name that no extra has adds nothing, as with pip."""
    require("this", "metric", "train", "space", "demo", "ray", "test")
    require("this", "unheard-of")


def test_only_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several extras, those that lack something; of those that name others, the packages of all."""

    def distribution(name: str) -> object:
        if name in ("trl", "bert-score"):
            raise importlib.metadata.PackageNotFoundError(name)
        return object()

    monkeypatch.setattr("dataset_builder.extras.distribution", distribution)
    with pytest.raises(UnavailableError, match=r'^x: .* \(bert-score, trl\); run pip install "anomreason\[train\]"$'):
        require("x", "space", "train")


def test_the_base_is_light() -> None:
    """At most 60 packages and 700 MB, and none of PyTorch, Transformers, Gradio and Ray."""
    base = closure("anomreason", [])
    assert not base & {"torch", "transformers", "gradio", "ray"}
    assert len(base) <= 60
    files = [path for name in base - {"anomreason"} for path in importlib.metadata.files(name) or []]
    assert sum(path.locate().stat().st_size for path in files if path.locate().is_file()) <= 700e6
