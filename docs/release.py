"""Assembles the repositories of a release, checks each, shows what would change on the Hub, and pushes them.

    python docs/release.py ORG [--dataset anomreason] [--adapter demo/adapter] [--push]

`make release ORG=…` runs it after the wheel was built and checked; RELEASE.md says what else belongs to a release.

| repository | is | from |
|---|---|---|
| `ORG/anomreason` | dataset | a built dataset |
| `ORG/semap` | Space | `metric_semap/` |
| `ORG/anomreason-base` | model | the adapter's base, if it is the shipped tiny model |
| `ORG/anomreason-adapter` | model | a trained adapter, with its card |
| `ORG/anomreason-demo` | Space | `space/`, with the packages it needs beside it |
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dataset_builder.errors import AnomReasonError, InputError  # noqa: E402
from dataset_builder.publishing import hub, publish  # noqa: E402  # found beside this file, installed or not
from trainer.publish import ADAPTER_FILES, BASE_FILES  # noqa: E402


class Repository(NamedTuple):
    """A repository of the release: its kind and name on the Hub, how its folder is made and checked, and what goes from the
    Hub if the folder lacks it."""

    kind: hub.Kind
    name: str
    assemble: Callable[[Path, argparse.Namespace], None]
    check: Callable[[Path], str]
    ours: Sequence[str]


class NotNeeded(Exception):  # it is no error
    """Why a repository is not a part of this release; the reason is printed, and it is skipped."""


def copy(source: Path, out: Path) -> None:
    """Copy the files that belong into a repository: nothing hidden, no bytecode, no pickles."""
    for name in hub.repository_files(source):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")


def assemble_dataset(out: Path, options: argparse.Namespace) -> None:
    """The built dataset; its card loads it under the name it gets."""
    from dataset_builder.sources.opening import is_dataset

    if not is_dataset(options.dataset):
        raise InputError(f"{options.dataset}: is not a dataset; make one with `anomreason build SOURCE` or `make demo`")
    copy(options.dataset, out)
    replace(out / "README.md", 'load_dataset("anomreason"', f'load_dataset("{options.org}/anomreason"')


def check_dataset(path: Path) -> str:
    """Every configuration loads with `datasets` and has the rows that its card states."""
    import datasets

    found = []
    with tempfile.TemporaryDirectory(dir=path.parent) as cache:  # where there is room for the pictures
        for config in datasets.get_dataset_config_names(str(path)):
            loaded = datasets.load_dataset(str(path), config, cache_dir=cache)
            found += [f"{config} {split} {len(rows):,}" for split, rows in loaded.items()]
    return ", ".join(found)


def assemble_metric(out: Path, options: argparse.Namespace) -> None:
    """The package's folder, which is a Space as it stands."""
    copy(ROOT / "metric_semap", out)
    replace(out / "README.md", "ORG/", f"{options.org}/")


def check_metric(path: Path) -> str:
    """`evaluate` loads it from the folder, and its page starts."""
    import evaluate

    with tempfile.TemporaryDirectory() as cache:
        metric = evaluate.load(str(path / "semap.py"), cache_dir=cache)
    return f"{metric.name} loads, {check_space(path)}"


def adapter_base(adapter: Path) -> tuple[str, bool]:
    """The base that an adapter names, and whether it is the shipped tiny model."""
    from trainer.loading import TINY, base_of, resolve

    if not (adapter / "adapter_config.json").is_file():
        raise InputError(f"{adapter}: is no adapter; train one with `anomreason train`, or run `make demo`")
    base = base_of(str(adapter))
    return base, Path(resolve(base)).resolve() == TINY.resolve()


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
    return f"{AutoModelForImageTextToText.from_pretrained(str(path)).num_parameters():,} parameters load"


def assemble_adapter(out: Path, options: argparse.Namespace) -> None:
    """The adapter with its card, naming base and dataset by the names that these have on the Hub."""
    from trainer.publish import assemble

    base, tiny = adapter_base(options.adapter)
    base_id = f"{options.org}/anomreason-base" if tiny else base
    assemble(options.adapter, out, f"{options.org}/anomreason-adapter", base_id)
    replace(out / "README.md", "datasets:\n- anomreason\n", f"datasets:\n- {options.org}/anomreason\n")


def check_adapter(path: Path) -> str:
    """PEFT puts it onto its base, if that is part of the release; of another base, which may be large, it fits the card."""
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForImageTextToText, AutoProcessor

    name = PeftConfig.from_pretrained(str(path)).base_model_name_or_path
    AutoProcessor.from_pretrained(str(path))
    base = path.with_name("base")
    if not base.is_dir():
        return f"its configuration and processor load; that it fits {name} was not tried"
    PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(str(base)), str(path))
    return f"loads on {name}"


def assemble_space(out: Path, options: argparse.Namespace) -> None:
    """The page, with the packages of this project that it needs beside it."""
    from space.vendor import vendor

    vendor(out, f"{options.org}/anomreason-demo")


def check_space(path: Path) -> str:
    """What its card starts is there, lists what it needs, and serves its page from this folder."""
    from huggingface_hub import SpaceCard

    from tests.serving import serve_space

    start = SpaceCard.load(path / "README.md").data.to_dict().get("app_file", "app.py")
    for name in (start, "requirements.txt"):
        if not (path / name).is_file():
            raise InputError(f"{path / name}: is missing; the Space cannot start without it")
    command = [sys.executable, str(path.absolute() / start)]
    with tempfile.TemporaryDirectory() as work:
        try:
            with serve_space(Path(work), command=command, PYTHONPATH="", PYTHONDONTWRITEBYTECODE="1") as served:
                return f"its page answers after {served.seconds:.0f} s"
        except AssertionError as error:
            reason = (str(error).strip() or "it says nothing").splitlines()[-1]
            raise InputError(f"{path / start}: does not start ({reason}); run it by itself to see why") from None


REPOSITORIES = {
    "dataset": Repository("dataset", "anomreason", assemble_dataset, check_dataset, publish.DATASET_FILES),
    "metric": Repository("space", "semap", assemble_metric, check_metric, ["*"]),
    "base": Repository("model", "anomreason-base", assemble_base, check_base, BASE_FILES),
    "adapter": Repository("model", "anomreason-adapter", assemble_adapter, check_adapter, ADAPTER_FILES),
    "space": Repository("space", "anomreason-demo", assemble_space, check_space, ["*"]),
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


def prepare(options: argparse.Namespace) -> list[tuple[Path, Repository]]:
    """Assemble and check the folders of the release; returns those that belong to it."""
    shutil.rmtree(options.out, ignore_errors=True)
    ready = []
    for folder, repository in REPOSITORIES.items():
        path = options.out / folder
        print(f"assemble and check {path}", flush=True)
        try:
            repository.assemble(path, options)
        except NotNeeded as reason:
            print(f"  not needed: {reason}")
            continue
        check_card(path)
        print(f"  {repository.check(path)}", flush=True)
        ready.append((path, repository))
    return ready


def changes(path: Path, repo_id: str, repository: Repository) -> str:
    """What a push would change on the Hub, in a few words; the Hub is asked whether it takes the card."""
    from huggingface_hub import RepoCard
    from huggingface_hub.errors import RepositoryNotFoundError

    files = hub.repository_files(path)
    with hub.told(repo_id):
        RepoCard.load(path / "README.md").validate(repo_type=repository.kind)
        try:
            found = hub.compare(path, files, repo_id, repository.kind, repository.ours)
        except RepositoryNotFoundError:
            return f"a new repository with {len(files)} files"
    told = (("new", found.new), ("changed", found.changed), ("to be deleted", found.gone))
    shown = [
        f"{len(names)} {what} ({', '.join(names[:4])}{', …' if names[4:] else ''})" for what, names in told if names
    ]
    return ", ".join(shown) or "nothing changes"


def push(path: Path, repo_id: str, repository: Repository) -> str:
    """Push a folder and check what arrived; returns its address."""
    if repository.kind == "dataset":
        return publish.publish(path, repo_id).url
    files, message = hub.repository_files(path), "Release of AnomReason"
    return hub.push(path, files, repo_id, repository.kind, message=message, ours=repository.ours).url


def release(options: argparse.Namespace) -> int:
    """Assemble and check everything before anything is pushed; returns the exit code: 3 if there was no token to push with."""
    hub.check_repo_id(f"{options.org}/anomreason", "ORG")
    ready = prepare(options)
    if not os.environ.get("HF_TOKEN"):
        print("HF_TOKEN is not set: nothing was compared with the Hub, and nothing pushed")
        return 3 if options.push else 0
    for path, repository in ready:
        repo_id = f"{options.org}/{repository.name}"
        print(f"{repository.kind} {repo_id}: {changes(path, repo_id, repository)}", flush=True)
    for path, repository in ready if options.push else ():
        print(f"pushed and checked: {push(path, f'{options.org}/{repository.name}', repository)}", flush=True)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command; errors are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("org", metavar="ORG", help="The organisation or user on the Hub.")
    parser.add_argument("--dataset", type=Path, default=ROOT / "anomreason", help="A built dataset.")
    parser.add_argument("--adapter", type=Path, default=ROOT / "demo" / "adapter", help="A trained adapter.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "hub", help="Where the repositories are assembled.")
    parser.add_argument("--push", action="store_true", help="Push them, with the token in HF_TOKEN.")
    options = parser.parse_args(arguments)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    try:
        try:
            check_changelog(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        except InputError as error:
            if options.push:
                raise
            print(f"note: {error}; without it, a push is refused")
        return release(options)
    except AnomReasonError as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("release: stopped; run it again, what is on the Hub already is not sent twice", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
