"""What is declared is what is imported: every distribution, where it is needed, with a bound that can be met."""

import ast
import operator
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}

# What a file may import: the base, and the extras of the longest path here that it lies under.
EXTRAS_OF = {
    "": [],
    "agent/shards.py": ["ray"],
    "agent/review": ["space"],
    "agent/review/commands.py": [],
    "metric_semap": ["metric"],
    "metric_semap/commands.py": [],
    "metric_semap/app.py": ["metric", "space"],
    "space": ["space"],
    "space/commands.py": [],
    "space/local.py": ["space", "train"],
    "trainer": ["train"],
    "trainer/commands.py": [],
    "trainer/evaluation/commands.py": [],
    "trainer/evaluation/audit_answers.py": ["metric"],
    "trainer/evaluation/audit_page.py": ["metric"],
    "trainer/evaluation/audit_plan.py": ["metric"],
    "trainer/evaluation/audit_result.py": ["metric"],
    "trainer/evaluation/harness": ["metric"],
    "trainer/evaluation/intensity.py": ["metric"],
    "benchmarks": ["test"],
    "docs": ["test"],
    "tests": ["test"],
}
# The first is on the Hub's ZeroGPU machines, which bring it; nowhere else is it of use. The others load us, each in an environment
# of its own: they need versions that do not go together with all of our extras.
NOT_DECLARED = {"spaces", "inspect_ai", "vlmeval"}


def extras_of(file: Path) -> list[str]:
    place = file.relative_to(REPOSITORY).as_posix()
    return EXTRAS_OF[max((one for one in EXTRAS_OF if f"{place}/".startswith(f"{one}/" if one else "")), key=len)]


def direct(extra: str) -> Iterator[Requirement]:
    """The requirements of an extra, those of extras that it names included; "" is the base."""
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name == "anomreason":
            for named in requirement.extras:
                yield from direct(named)
        else:
            yield requirement


def files() -> list[Path]:
    found = [REPOSITORY / "anomreason.py"]
    for room in ("agent", "benchmarks", "dataset_builder", "docs", "metric_semap", "space", "tests", "trainer"):
        found += sorted((REPOSITORY / room).rglob("*.py"))
    return found


def imported(file: Path) -> set[str]:
    """The top-level modules that a file imports, inside functions too, without the standard library's and our own."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    ours = {path.stem for path in REPOSITORY.iterdir()} | {path.stem for path in (REPOSITORY / "tests").glob("*.py")}
    return names - sys.stdlib_module_names - ours - NOT_DECLARED


def test_every_distribution_that_is_imported_is_declared_where_it_is_needed() -> None:
    """In the base or the extra of the file's place: what another package happens to bring is not relied on."""
    owners = packages_distributions()
    missing = {}
    for file in files():
        extras = extras_of(file)
        declared = {canonicalize_name(one.name) for extra in ["", *extras] for one in direct(extra)}
        for name in imported(file):
            if not {canonicalize_name(owner) for owner in owners.get(name, [name])} & declared:
                missing[f"{file.relative_to(REPOSITORY)}: {name}"] = extras
    assert missing == {}


def bounds() -> dict[str, set[str]]:
    """Each distribution's lower bounds, wherever it is declared."""
    found: dict[str, set[str]] = {}
    for extra in EXTRAS:
        for requirement in direct(extra):
            found.setdefault(canonicalize_name(requirement.name), set()).update(
                one.version for one in requirement.specifier if one.operator in (">=", "==")
            )
    return found


def test_every_requirement_has_one_lower_bound() -> None:
    """One number for a distribution, in whichever extras it is, and in the requirements of both Spaces."""
    assert {name: found for name, found in bounds().items() if len(found) != 1} == {}
    for file in ("metric_semap/requirements.txt", "space/requirements.txt"):
        for line in (REPOSITORY / file).read_text().splitlines():
            if line and not line.startswith("#"):
                requirement = Requirement(line)
                assert {one.version for one in requirement.specifier} == bounds()[
                    canonicalize_name(requirement.name)
                ], f"{file}: {line}"


def test_the_requirements_of_the_metric_s_space_name_what_it_imports() -> None:
    """All of it but Gradio, which its card's sdk_version brings, and what only the command needs."""
    lines = (REPOSITORY / "metric_semap" / "requirements.txt").read_text().splitlines()
    named = {canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("#")}
    owners = packages_distributions()
    for file in (REPOSITORY / "metric_semap").glob("*.py"):
        if file.name != "commands.py":
            for name in imported(file) - {"gradio"}:
                assert {canonicalize_name(owner) for owner in owners[name]} & named, f"{file.name}: {name}"


def test_the_tested_versions_are_within_the_bounds() -> None:
    """constraints.txt pins every direct requirement, at its lower bound or above."""
    lines = re.findall(r"^([\w.-]+)==(\S+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    pins = {canonicalize_name(name): Version(pinned) for name, pinned in lines}
    for name, (bound,) in bounds().items():
        assert pins[name] >= Version(bound), name


def test_the_installed_versions_are_within_the_bounds() -> None:
    """At their lower bounds or above; where `make lowest` installed them exactly there: a bound that others raise is not true."""
    within = operator.eq if os.environ.get("LOWEST") else operator.ge
    installed = {name: (version(name), bound) for name, (bound,) in bounds().items()}
    assert {name: both for name, both in installed.items() if not within(*map(Version, both))} == {}
