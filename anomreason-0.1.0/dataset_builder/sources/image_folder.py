"""A folder of pictures with `metadata.jsonl`, as `load_dataset("imagefolder")` reads it, in our field names.

    {"file_name": "cup.jpg", "label": "fake", "anomalies": [{"name": …, "phenomenon": …, "reasoning": …, "severity": 12}]}

`file_name` is a path from the metadata file's own directory; several folders (`train/`, `test/`) may each have one.
`image_id` (else the file's name), `label` (`real`, `fake`, 0, 1), `anomalies` (records in any of the release's spellings;
null or missing if nobody looked), `split`, `generator` and `caption` are optional. Lost is what other fields say.
"""

from dataclasses import replace
from typing import Any

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_object, as_text, read_records
from dataset_builder.files.strict_json import loads
from dataset_builder.files.tree import File, Tree
from dataset_builder.schema import Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.imported import Item, to_rows
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.rows import SPLITS, Row, Split

__all__ = ["is_image_folder", "read_image_folder"]

_METADATA = "metadata.jsonl"
_LABELS: dict[object, Label] = {"real": "real", "fake": "fake", 0: "real", 1: "fake"}


def is_image_folder(tree: Tree) -> bool:
    """Whether a source has a `metadata.jsonl`."""
    return any(file.name == _METADATA for file in tree.files)


def read_image_folder(tree: Tree, label: Label | None) -> tuple[list[Row], list[Finding]]:
    """The rows of a folder; `label` is that of rows which have none."""
    findings: list[Finding] = []
    pictures = picture_files(tree, findings)
    items = [
        item for file in tree.files if file.name == _METADATA for item in _items(file, pictures, findings)
    ]  # fmt: skip
    return to_rows(items, pictures, label, _METADATA, findings), findings


def _items(file: File, pictures: dict[str, File], findings: list[Finding]) -> list[Item]:
    items = []
    try:
        lines = file.read().decode("utf-8-sig").split("\n")
    except (InputError, UnicodeDecodeError) as error:
        findings.append(
            Finding.of(InputError(f"{file.path}: cannot be read ({error}); save it as JSON lines in UTF-8"))
        )
        return []
    folder = file.path.rpartition("/")[0]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = Place(f"{file.path}:{number}")
        row: Any = None
        try:
            row = as_object(loads(line, place.file), place, "an object")
            items.append(_item(row, place, folder))
        except InputError as error:
            name = row.get("file_name") if isinstance(row, dict) else None
            findings.append(Finding.of(error, str(name).rsplit("/", 1)[-1] if name else None))
    return items


def _item(row: dict[str, Any], place: Place, folder: str) -> Item:
    name = as_text(row.get("file_name", row.get("image_id")), place, "file_name", empty=False)
    place = replace(place, key=name)
    label, split, anomalies = row.get("label"), row.get("split"), row.get("anomalies")
    if label is not None and (isinstance(label, bool | list | dict | float) or label not in _LABELS):
        raise place.error("is not a label; write real or fake", "label", label)
    if split is not None and split not in SPLITS:
        raise place.error("is not a split; write train or test", "split", split)
    named: Split | None = next((one for one in SPLITS if one in folder.split("/")), None)
    return Item(
        image=name,
        place=place,
        label=None if label is None else _LABELS[label],
        anomalies=None if anomalies is None else read_records(anomalies, place, prediction=True),
        split=split or named,
        generator=_optional(row, "generator", place),
        caption=_optional(row, "caption", place),
    )


def _optional(row: dict[str, Any], field: str, place: Place) -> str | None:
    value = row.get(field)
    return None if value is None else as_text(value, place, field, empty=True) or None
