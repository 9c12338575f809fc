"""The release's lists: which picture is in which split, what makes a photograph credible, and the manifest.

All that is wrong with them becomes findings. A list that cannot be read as a whole concerns all pictures: a build
without it could train on what it keeps for the test.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, get_args

from dataset_builder import official
from dataset_builder.errors import ConflictError, InputError, SecondListError, shorten
from dataset_builder.files.records import Place, as_image_id
from dataset_builder.files.tree import File, read_json
from dataset_builder.schema import Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.rows import SPLITS, Split

__all__ = [
    "Stated",
    "read_caption_files",
    "read_deepfake_list",
    "read_manifests",
    "read_split_list",
    "read_whole",
    "the_only",
]

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Stated:
    """What a manifest says of a picture; `None` where it says nothing."""

    label: Label | None = None
    generator: str | None = None
    split: Split | None = None


def read_whole(file: File, findings: list[Finding], read: Callable[[object, Place], Content]) -> Content | None:
    """A JSON file's content as `read` gives it; `None` and a finding if the file as a whole is not what it should be."""
    try:
        return read(read_json(file), Place(file.path))
    except InputError as error:
        findings.append(Finding.of(InputError(str(error))))
        return None


def the_only(files: list[File], what: str, findings: list[Finding]) -> File | None:
    """The one file of its kind; the first, and an error that names all, where there are several."""
    if len(files) > 1:
        paths = " and ".join(file.path for file in files)
        findings.append(Finding.of(SecondListError(f"{paths}: each is {what}; keep the one that is right")))
    return files[0] if files else None


def read_split_list(file: File | None, findings: list[Finding]) -> dict[str, Split]:
    """The split of each picture that `dataset_split_list.json` names."""
    if file is None:
        return {}
    found = read_whole(file, findings, lambda value, place: official.as_split(value, file.path, _tell(findings)))
    return {name: split for split in SPLITS for name in found[split]} if found else {}


def read_deepfake_list(file: File | None, findings: list[Finding]) -> dict[str, Label | None]:
    """The pictures of the deepfake test list, each with the label that the list gives it."""
    if file is None:
        return {}
    read = read_whole(file, findings, lambda value, place: official.as_deepfake_list(value, file.path, _tell(findings)))
    return read or {}


def read_caption_files(files: list[File], findings: list[Finding]) -> dict[str, str]:
    """Each photograph's caption; files that have different ones for a picture are an error that names both."""
    captions: dict[str, str] = {}
    homes: dict[str, str] = {}
    for file in files:
        read = read_whole(file, findings, lambda value, place: official.as_captions(value, place.file, _tell(findings)))
        for name, text in (read or {}).items():
            home = homes.setdefault(name, file.path)
            if captions.setdefault(name, text) != text:
                error = Place(file.path, name).error(f"{home} has another caption for it", kind=ConflictError)
                findings.append(Finding.of(error, name))
    return captions


def _tell(findings: list[Finding]) -> Callable[[InputError], None]:
    def tell(error: InputError) -> None:
        key = getattr(error, "value", ...)
        name = key if isinstance(key, str) else getattr(error, "key", None)
        findings.append(Finding.of(error, str(name).replace("\\", "/").rsplit("/", 1)[-1] if name else None))

    return tell


_COLUMNS: dict[str, tuple[str, ...]] = {"label": get_args(Label), "split": SPLITS}


def read_manifests(files: list[File], findings: list[Finding]) -> dict[str, Stated]:
    """What the manifests say of each picture; a picture in two rows is an error that names both."""
    stated: dict[str, Stated] = {}
    lines: dict[str, str] = {}
    for file in files:
        try:
            table = csv.DictReader(io.StringIO(file.read().decode("utf-8-sig")), strict=True)
            if "image" not in (table.fieldnames or ()):
                raise InputError(f"{file.path}: has no column image; its columns are image, label, generator, split")
            for row in table:
                place = Place(f"{file.path}:{table.line_num}", row.get("image") or "")
                try:
                    name, says = _manifest_row(row, place)
                    if lines.setdefault(name, str(place.file)) != str(place.file):
                        problem = f"{lines[name]} is a row for it too; keep one of them"
                        raise place.error(problem, kind=ConflictError)
                except InputError as error:
                    findings.append(Finding.of(error, (place.key or "").rsplit("/", 1)[-1] or None))
                    continue
                stated[name] = says
        except (csv.Error, UnicodeDecodeError) as error:
            message = f"{file.path}: cannot be read ({shorten(str(error))}); save it as CSV in UTF-8"
            findings.append(Finding.of(InputError(message)))
        except InputError as error:
            findings.append(Finding.of(InputError(str(error))))
    return stated


def _manifest_row(row: dict[str, str | None], place: Place) -> tuple[str, Stated]:
    name = as_image_id(row.get("image") or "", place)
    for column, values in _COLUMNS.items():
        value = row.get(column) or None
        if value not in (None, *values):
            raise place.error(f"is not a {column}; write {' or '.join(values)}", column, value)
    label, generator, split = (row.get(column) or None for column in ("label", "generator", "split"))
    return name, Stated(label, generator, split)  # type: ignore[arg-type]
