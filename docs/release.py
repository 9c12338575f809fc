"""Assembles the repositories of a release, checks each, shows what would change on the Hub, and pushes them.

    python docs/release.py ORG [--dataset anomreason] [--adapter demo/adapter] [--push]

`make release ORG=…` runs it after the wheel was built and checked; RELEASE.md says what else belongs to a release.

| repository | is | from |
|---|---|---|
| `ORG/anomreason` | dataset | a built dataset |
| `ORG/semap` | Space | `metric_semap/` |
| `ORG/anomreason-adapter` | model | a trained adapter, with its card |
| `ORG/anomreason-base` | model | the adapter's base, if it is the shipped tiny model |
| `ORG/anomreason-demo` | Space | `space/`, with the packages it needs beside it |
"""

import argparse
import ast
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dataset_builder import hub, publish  # noqa: E402
from dataset_builder.errors import AnomReasonError, InputError  # noqa: E402

OF_TRAINING = ("checkpoint-*", "runs", "*_results.json", "trainer_state.json", "training_args.bin")
"""What training leaves beside an adapter for itself."""


class Repository(NamedTuple):
    """A repository of the release: its kind and name on the Hub, how its folder is made, and how it is checked."""

    kind: hub.Kind
    name: str
    assemble: Callable[[Path, argparse.Namespace], None]
    check: Callable[[Path], str]


def copy(source: Path, out: Path, leave_out: tuple[str, ...] = ()) -> None:
    """Copy the files that belong into a repository: nothing hidden, no bytecode, no pickles."""
    for name in hub.repository_files(source, leave_out):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")


def assemble_dataset(out: Path, options: argparse.Namespace) -> None:
    """The built dataset; its card loads it under the name it gets."""
    from dataset_builder.built import is_dataset

    if not is_dataset(options.dataset):
        raise InputError(f"{options.dataset}: is no dataset; make one with `anomreason build SOURCE`")
    copy(options.dataset, out)
    replace(out / "README.md", 'load_dataset("anomreason"', f'load_dataset("{options.org}/anomreason"')


def check_dataset(path: Path) -> str:
    """Every configuration loads with `datasets` and has the rows that its card states."""
    import datasets

    found = []
    with tempfile.TemporaryDirectory() as cache:
        for config in datasets.get_dataset_config_names(str(path)):
            loaded = datasets.load_dataset(str(path), config, cache_dir=cache)
            found += [f"{config} {split} {len(rows):,}" for split, rows in loaded.items()]
    return ", ".join(found)


def assemble_metric(out: Path, options: argparse.Namespace) -> None:
    """The package's folder, which is a Space as it stands."""
    copy(ROOT / "metric_semap", out)
    replace(out / "README.md", "ORG/", f"{options.org}/")


def check_metric(path: Path) -> str:
    """`evaluate` loads it from the folder, and its page is there."""
    import evaluate

    with tempfile.TemporaryDirectory() as cache:
        metric = evaluate.load(str(path / "semap.py"), cache_dir=cache)
    return f"{metric.name}, {check_space(path)}"


def adapter_base(adapter: Path) -> tuple[str, bool]:
    """The base that an adapter names, and whether it is the shipped tiny model."""
    from trainer.loading import TINY, resolve

    if not (adapter / "adapter_config.json").is_file():
        raise InputError(f"{adapter}: is no adapter; train one with `anomreason train`, or run `anomreason quickstart`")
    base = str(json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"])
    return base, Path(resolve(base)).resolve() == TINY.resolve()


def assemble_adapter(out: Path, options: argparse.Namespace) -> None:
    """The adapter with its card, naming its base by the name that has on the Hub."""
    from trainer.adapter_card import check_card, write_card
    from trainer.checkpoints import name_base

    base, tiny = adapter_base(options.adapter)
    copy(options.adapter, out, OF_TRAINING)
    name_base(out, f"{options.org}/anomreason-base" if tiny else base)
    write_card(out, repo_id=f"{options.org}/anomreason-adapter")
    check_card(out)


def check_adapter(path: Path) -> str:
    """PEFT reads its configuration, and its weights are safetensors with something in them."""
    from peft import PeftConfig
    from safetensors import safe_open

    config = PeftConfig.from_pretrained(str(path))
    with safe_open(path / "adapter_model.safetensors", framework="pt") as weights:
        return f"{len(weights.keys())} tensors for {config.base_model_name_or_path}"


def assemble_base(out: Path, options: argparse.Namespace) -> None:
    """The shipped tiny model, without which nobody could use its adapter."""
    from trainer.loading import TINY

    base, tiny = adapter_base(options.adapter)
    if not tiny:
        raise NotNeeded(f"the adapter's base, {base}, is another's")
    copy(TINY, out)
    replace(out / "README.md", "trainer/tiny/model", f"{options.org}/anomreason-base")


def check_base(path: Path) -> str:
    """`transformers` loads model and processor."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    AutoProcessor.from_pretrained(str(path))
    return f"{AutoModelForImageTextToText.from_pretrained(str(path)).num_parameters():,} parameters"


def assemble_space(out: Path, options: argparse.Namespace) -> None:
    """The page, with the packages of this project that it needs beside it."""
    from space.vendor import vendor

    vendor(out, options.org)


def check_space(path: Path) -> str:
    """What its card starts is there, every module can be parsed, and what it needs is listed."""
    from huggingface_hub import SpaceCard

    start = SpaceCard.load(path / "README.md").data.to_dict().get("app_file", "app.py")
    for name in (start, "requirements.txt"):
        if not (path / name).is_file():
            raise InputError(f"{path / name}: is missing; the Space cannot start without it")
    modules = list(path.rglob("*.py"))
    for module in modules:
        ast.parse(module.read_text(encoding="utf-8"), str(module))
    return f"{len(modules)} modules, started by {start}"


class NotNeeded(Exception):  # noqa: N818 - it is no error
    """Why a repository is no part of this release; it is told and passed over."""


REPOSITORIES = {
    "dataset": Repository("dataset", "anomreason", assemble_dataset, check_dataset),
    "metric": Repository("space", "semap", assemble_metric, check_metric),
    "base": Repository("model", "anomreason-base", assemble_base, check_base),
    "adapter": Repository("model", "anomreason-adapter", assemble_adapter, check_adapter),
    "space": Repository("space", "anomreason-demo", assemble_space, check_space),
}


def check_card(path: Path) -> None:
    """The card's front matter can be read, and says under which licence the repository stands, or on which base's it rests."""
    from huggingface_hub import RepoCard

    front = RepoCard.load(path / "README.md", ignore_metadata_errors=False).data.to_dict()
    if not front.get("license") and not front.get("base_model"):
        raise InputError(f"{path / 'README.md'}: names no license in its front matter; add one")


def check_changelog(version: str, changelog: str) -> None:
    """The version has a dated section in the changelog.

    >>> check_changelog("1.0.0", "## [1.0.0] - 2026-01-31")
    """
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        raise InputError(f"CHANGELOG.md: has no section `## [{version}] - YYYY-MM-DD`; say in it what is new")


def changes(path: Path, repo_id: str, kind: hub.Kind) -> str:
    """What a push would change on the Hub, in a few words."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(token=os.environ["HF_TOKEN"])
    files = hub.repository_files(path)
    try:
        tree = api.list_repo_tree(repo_id, repo_type=kind, recursive=True)
        there = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    except RepositoryNotFoundError:
        return f"a new repository with {len(files)} files"
    new = [name for name in files if name not in there]
    changed = [name for name in files if name in there and not is_same(path / name, there[name])]
    told = [
        f"{len(names)} {what} ({', '.join(names[:4])})" for what, names in (("new", new), ("changed", changed)) if names
    ]
    return ", ".join(told) or "nothing changes"


def is_same(path: Path, entry: Any) -> bool:
    """Whether a file is the one the Hub has, by the hash it keeps: SHA-256 of a large one, git's of any other."""
    from huggingface_hub.utils.sha import git_hash, sha_fileobj

    with path.open("rb") as file:
        return bool(
            sha_fileobj(file).hex() == entry.lfs.sha256 if entry.lfs else git_hash(file.read()) == entry.blob_id
        )


def push(path: Path, repo_id: str, kind: hub.Kind) -> str:
    """Push a folder and check what arrived; returns its address."""
    if kind == "dataset":
        return publish.publish(path, repo_id).url
    files = hub.repository_files(path)
    ours = ["*"] if kind == "space" else ["adapter_*", "assets/*"]
    return hub.push(path, files, repo_id, kind, message="Release of AnomReason", ours=ours).url


def release(options: argparse.Namespace) -> int:
    """Assemble and check everything before anything is pushed; returns the exit code: 3 if something was left out."""
    shutil.rmtree(options.out, ignore_errors=True)
    ready: list[tuple[Path, Repository]] = []
    left_out = False
    for folder, repository in REPOSITORIES.items():
        path = options.out / folder
        try:
            repository.assemble(path, options)
        except NotNeeded as reason:
            print(f"{folder}: not needed; {reason}")
            continue
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in ("space", "trainer"):
                raise
            print(f"{folder}: left out, {error.name} is not built yet")
            left_out = True
            continue
        check_card(path)
        print(f"{folder}: {repository.check(path)}")
        ready.append((path, repository))
    if not os.environ.get("HF_TOKEN"):
        print("HF_TOKEN is not set: nothing was compared with the Hub, and nothing pushed")
        return 3 if left_out or options.push else 0
    for path, repository in ready:
        repo_id = f"{options.org}/{repository.name}"
        print(f"{repo_id}: {changes(path, repo_id, repository.kind)}")
    for path, repository in ready if options.push else ():
        print(f"pushed {push(path, f'{options.org}/{repository.name}', repository.kind)}, checked")
    return 3 if left_out else 0


def main(arguments: list[str] | None = None) -> Any:
    """Run the command; errors are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("org", help="The organisation or user on the Hub.")
    parser.add_argument("--dataset", type=Path, default=ROOT / "anomreason", help="A built dataset.")
    parser.add_argument("--adapter", type=Path, default=ROOT / "demo" / "adapter", help="A trained adapter.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "hub", help="Where the repositories are assembled.")
    parser.add_argument("--push", action="store_true", help="Push them, with the token in HF_TOKEN.")
    options = parser.parse_args(arguments)
    try:
        if options.push:
            version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
            check_changelog(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        return release(options)
    except AnomReasonError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
