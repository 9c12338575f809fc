"""Lists that say which pictures the official conversation JSON takes: allowlists and split files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_list, as_object, as_text
from dataset_builder.files.tree import File, read_json
from dataset_builder.sources.rows import Row

__all__ = ["allowed", "read_allowlist", "read_split_file"]


def read_allowlist(path: Path) -> frozenset[str]:
    """The entries of a list: a JSON list, the keys of a JSON object, or a text file with one entry per line.

    Raises:
        InputError: if it cannot be read or is none of these.
    """
    file = _file(path)
    if path.suffix.lower() != ".json":
        return _entries([line for line in file.read().decode(errors="replace").splitlines() if line.strip()], path)
    content = read_json(file)
    return _entries(list(content) if isinstance(content, dict) else content, path)


def read_split_file(path: Path, name: str) -> frozenset[str]:
    """The entries of one split of a JSON object of lists.

    Raises:
        InputError: if it cannot be read or has no such split.
    """
    splits = as_object(read_json(_file(path)), Place(path), "an object of splits and lists of pictures")
    if name not in splits:
        raise InputError(f"{path}: has no split {name!r}; choose {' or '.join(map(repr, splits))}")
    return _entries(splits[name], path, name)


def allowed(row: Row, entries: Iterable[str]) -> bool:
    """Whether entries name a row: by its file name, its path in the source, or its folder and file name."""
    folder = "1_fake" if row.label == "fake" else "0_real"
    names = {row.image_id, f"{folder}/{row.image_id}"}
    if row.picture is not None:
        names |= {_normal(row.picture.path), _normal(row.picture.place)}
    return not names.isdisjoint(entries)


def _file(path: Path) -> File:
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a list of pictures")
    return File(str(path), str(path), None, path.stat().st_size)


def _entries(listed: Any, path: Path, key: str | None = None) -> frozenset[str]:
    entries = as_list(listed, Place(path, key), "a list of pictures")
    return frozenset(
        _normal(as_text(entry, Place(path, key, at), None, empty=False)) for at, entry in enumerate(entries)
    )


def _normal(path: str) -> str:
    return path.strip().replace("\\", "/").removeprefix("./")
