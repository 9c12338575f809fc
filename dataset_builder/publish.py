"""Publishes a repository: a built dataset, an adapter, the metric or the Space. What it is, is read off the directory."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.built import is_dataset
from dataset_builder.errors import InputError, shorten
from dataset_builder.hub import Kind, push

__all__ = ["Published", "kind_of", "publish", "repository_files"]

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_SDK = re.compile(r"^sdk:\s*\w", re.MULTILINE)
_BUILT = ("data/", "candidates/", "sft/", "assets/", "skipped.jsonl", "validation.json")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True)
class Published:
    """What was pushed: the kind of repository, its files with their sizes, the rows of a dataset, and where."""

    kind: Kind
    files: list[tuple[str, int]]
    rows: int
    url: str


def publish(path: Path, repo_id: str, *, private: bool = False, dry_run: bool = False) -> Published:
    """Push a repository to the Hub, or say what would be pushed.

    Args:
        path (`Path`): a built dataset, an adapter (or model), or a Space.
        repo_id (`str`): `ORG/NAME`; the repository is made if it is not there.
        private (`bool`): make a new repository private.
        dry_run (`bool`): check and list, without any connection.

    Raises:
        InputError: if `path` is no whole repository or `repo_id` no name.
        UnavailableError: if there is no token, or the Hub is out of reach or refuses.
        OutputError: if the Hub has something else than what was built.
    """
    kind, files = kind_of(path), repository_files(path)
    if not _REPO_ID.fullmatch(repo_id):
        raise InputError(f"--repo-id {shorten(repo_id)}: is no name; write ORG/NAME")
    rows = sum(_rows(path / name) for name in files if name.endswith(".parquet"))
    listed = [(name, (path / name).stat().st_size) for name in files]
    url = ""
    if not dry_run:
        title = {"dataset": "Build of AnomReason", "model": "Weights and card", "space": "Code and card"}[kind]
        url = push(path, files, repo_id, kind, private=private, stale=_stale(kind), message=title)
    return Published(kind, listed, rows, url)


def kind_of(path: Path) -> Kind:
    """What a directory is on the Hub.

    Raises:
        InputError: if it is no repository that can be told.
    """
    if is_dataset(path):
        return "dataset"
    if (path / "adapter_config.json").is_file() or (path / "config.json").is_file():
        if not (path / "README.md").is_file():
            raise InputError(f"{path}: has no README.md, the card; write it before the weights are published")
        return "model"
    card = path / "README.md"
    front = card.read_text(encoding="utf-8").split("---")[1:2] if card.is_file() else []
    if front and _SDK.search(front[0]):
        return "space"
    raise InputError(
        f"{path}: is no dataset (`anomreason build SOURCE --out {path}`), no adapter (adapter_config.json) "
        "and no Space (README.md with sdk:)"
    )


def _stale(kind: Kind) -> Callable[[str], bool]:
    """Whether a file that only the Hub has is a left-over: a shard of an earlier build, a module of an earlier Space."""
    if kind == "dataset":
        return lambda name: name.startswith(_BUILT)
    return lambda name: kind == "space" and name != ".gitattributes"


def repository_files(path: Path) -> list[str]:
    """The files of a repository, without what is hidden and what Python left.

    Raises:
        InputError: if there is a link, or a pickle, which could run anything where it is loaded.
    """
    files = []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_symlink():
            raise InputError(f"{file}: is a link; put the file itself there, or build the repository again")
        # What a user or another command left beside the build, hidden, is not part of it.
        if not file.is_file() or any(part.startswith(".") or part == "__pycache__" for part in name.split("/")):
            continue
        if file.suffix in _PICKLES:
            raise InputError(f"{file}: is a pickle, which can run anything where it is loaded; take it out")
        files.append(name)
    return files


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error}); build the dataset again") from None
