"""LLaVA conversations, such as `anomreason sft --format llava` and the official builder write: a list, or an object per line.

    {"image": "1_fake/cup.jpg", "conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}

A picture may come several times, in other wordings; its answers have to agree. An answer that begins with yes or no is the
verdict on the picture, one that lists anomalies or says that there are none its anomalies, another text of a real picture
its caption. The label is the folder's (`1_fake`, `0_real`), else the verdict's. Lost are the questions and their wordings.
"""

from pathlib import Path
from typing import Any

from dataset_builder.errors import ConflictError, InputError
from dataset_builder.files.records import Place, as_image_id, as_list, as_object, as_text
from dataset_builder.files.strict_json import read_json, read_rows
from dataset_builder.files.tree import open_tree
from dataset_builder.schema import Anomaly, Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.imported import Item, to_rows
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.rows import Row
from dataset_builder.textform import parse_answer, parse_verdict

__all__ = ["read_conversations"]

_FOLDERS: dict[str, Label] = {"1_fake": "fake", "0_real": "real"}


def read_conversations(path: Path, label: Label | None, images: Path | None) -> tuple[list[Row], list[Finding]]:
    """The rows of a file of conversations, whose pictures lie next to it or in `images`.

    Raises:
        InputError: if the pictures' directory does not exist.
    """
    findings: list[Finding] = []
    pictures = picture_files(open_tree(images or path.parent), findings)
    items: dict[str, Item] = {}
    for place, sample in _samples(path, findings):
        image: Any = None
        try:
            fields = as_object(sample, place, "an object with image and conversations")
            image = as_text(fields.get("image"), place, "image", empty=False)
            name = as_image_id(image, place)
            item = _item(image, fields.get("conversations"), place)
            items[name] = _joined(items[name], item) if name in items else item
        except InputError as error:
            findings.append(Finding.of(error, str(image).rsplit("/", 1)[-1] if image else None))
    return to_rows(items.values(), pictures, label, path.name, findings), findings


def _samples(path: Path, findings: list[Finding]) -> list[tuple[Place, Any]]:
    try:
        if path.suffix == ".json":
            content = as_list(read_json(path), Place(path), "a list of conversations")
            return [(Place(path, index=index), sample) for index, sample in enumerate(content)]
        return [(Place(place), row) for place, row in read_rows(path)]
    except InputError as error:
        findings.append(Finding.of(InputError(str(error))))
        return []


def _item(image: str, turns: Any, place: Place) -> Item:
    label: Label | None = next((_FOLDERS[part] for part in image.split("/")[:-1] if part in _FOLDERS), None)
    anomalies: list[Anomaly] | None = None
    caption: str | None = None
    for turn in as_list(turns, place, "a list of turns"):
        said = as_object(turn, place, "a turn with from and value")
        text = as_text(said.get("value"), place, "value", empty=True)
        if said.get("from") not in ("gpt", "assistant"):
            continue
        parsed = parse_answer(text)
        if parsed.status in ("anomalies", "partial"):
            anomalies = parsed.anomalies
        elif parsed.status == "none":
            anomalies = []
        elif verdict := parse_verdict(text):
            label = label or verdict
        else:
            caption = text
    if anomalies is None and label == "fake":
        raise place.error("has no answer that lists anomalies; correct it, or remove the conversation", value=image)
    return Item(image, place, label=label, anomalies=anomalies, caption=caption if label == "real" else None)


def _joined(one: Item, other: Item) -> Item:
    """What two conversations about one picture say together."""
    if one.anomalies is not None and other.anomalies is not None and _sorted(one) != _sorted(other):
        problem = f"lists other anomalies than {one.place.file} does for the same picture; keep one of them"
        raise other.place.error(problem, value=other.image, kind=ConflictError)
    if one.label != other.label:
        problem = f"gives another label than {one.place.file} does for the same picture; keep one of them"
        raise other.place.error(problem, value=other.image, kind=ConflictError)
    return Item(
        one.image,
        one.place,
        label=one.label,
        anomalies=other.anomalies if one.anomalies is None else one.anomalies,
        caption=one.caption or other.caption,
    )


def _sorted(item: Item) -> list[str]:
    return sorted(anomaly.model_dump_json() for anomaly in item.anomalies or [])
