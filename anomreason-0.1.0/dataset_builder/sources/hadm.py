"""The Human Artifact Dataset of HADM (arXiv:2411.13842): generated people with what is wrong with their bodies, and where.

Read off https://github.com/wangkaihong/HADM: its reader `detectron2/data/datasets/human_artifact_dataset.py`, what writes
annotations of real pictures, `datasets/generate_empty_anno.py`, both at commit b6fe18fed10ce99add93cc7e349fa10318776a38, and the
folders, `README.md` at commit d09f66758e169a9271efadf6233c7bb912eb1a9e.

    images/{train_ALL,val_ALL,val_dalle2,val_dalle3,val_mj,val_sdxl}/NAME.jpg
    annotations/{the same}/NAME.json
        {"image": {"file_name": str, "height": int, "width": int, "tag": str},
         "annotation": [{"body_parts": str, "level": str, "bbox": [x, y, x, y]}, …],
         "human": [{"tag": [str, …], "bbox": [x, y, x, y]}, …]}

A malformed part of the body (`body_parts`, such as `hand`) and what a person has too little or too much of (`tag`, such as `human
with extra arm`) become names, `level` (mild or severe) the remark. Nothing is said in sentences or numbers, so phenomenon,
reasoning and severity are null. As in the publishers' reader, the corners of a box may come in any order and words outside
their two lists are passed over. `val_ALL` is the test split; it holds the other `val_` folders again, which tell the
generators. Lost are the prompts (`info.pkl`, which nobody should open) and the real pictures, which five other places have.
"""

from dataclasses import replace
from typing import Any

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_list, as_object, as_text
from dataset_builder.files.tree import File, Tree, read_json
from dataset_builder.schema import Anomaly, Box
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.imported import Item, to_rows
from dataset_builder.sources.lists import read_whole
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.rows import Row, Split

__all__ = ["is_hadm", "read_hadm"]

_PARTS = ("face", "torso", "arm", "leg", "hand", "feet")
_TAGS = {
    *(f"human missing {part}" for part in _PARTS),
    *(f"human with extra {part}" for part in _PARTS),
}
_SPLITS: dict[str, Split] = {"train_ALL": "train", "val_ALL": "test"}
_GENERATORS = {"val_dalle2": "dalle2", "val_dalle3": "dalle3", "val_mj": "mj", "val_sdxl": "sdxl"}


def is_hadm(tree: Tree) -> bool:
    """Whether a source is laid out as the Human Artifact Dataset, and its first annotation has the fields."""
    for file in tree.files:
        if _set(file, "annotations") in _SPLITS and file.name.endswith(".json"):
            try:
                return bool({"image", "annotation", "human"} <= read_json(file).keys())
            except (InputError, AttributeError):
                return False
    return False


def read_hadm(tree: Tree) -> tuple[list[Row], list[Finding]]:
    """The rows of the Human Artifact Dataset, all of them generated pictures."""
    findings: list[Finding] = []
    shown = [file for file in tree.files if _set(file, "images") in _SPLITS]
    pictures = picture_files(replace(tree, files=shown), findings)
    names = {(_set(file, "images"), _stem(file)): name for name, file in pictures.items()}
    generators = {
        _stem(file): _GENERATORS[folder] for file in tree.files if (folder := _set(file, "images")) in _GENERATORS
    }
    items = []
    for file in tree.files:
        folder = _set(file, "annotations")
        if folder not in _SPLITS or not file.name.endswith(".json"):
            continue
        name = names.get((folder, _stem(file)), f"{_stem(file)}.jpg")
        try:
            content = read_whole(file, findings, lambda value, place: as_object(value, place, "an object"))
            if content is not None:
                generator = generators.get(_stem(file)) if folder == "val_ALL" else None
                item = Item(name, Place(file.path), anomalies=_anomalies(content, file), split=_SPLITS[folder])
                items.append(replace(item, generator=generator))
        except InputError as error:
            findings.append(Finding.of(error, name))
    return to_rows(items, pictures, "fake", "HADM's annotations", findings), findings


def _set(file: File, kind: str) -> str:
    """The folder a file is in, if that lies in `images` or `annotations`, whichever is asked for."""
    *_, above, folder, _name = ["", "", *file.path.split("/")]
    return folder if above == kind else ""


def _stem(file: File) -> str:
    return file.name.rpartition(".")[0]


def _anomalies(content: dict[str, Any], file: File) -> list[Anomaly]:
    found = []
    for index, one in enumerate(as_list(content.get("annotation"), Place(file.path, "annotation"), "a list")):
        place = Place(file.path, "annotation", index)
        fields = as_object(one, place, "an object with body_parts, level and bbox")
        part = as_text(fields.get("body_parts"), place, "body_parts", empty=True)
        level = as_text(fields.get("level"), place, "level", empty=True)
        if part in _PARTS:
            found.append(Anomaly(name=part, remark=level or None, bbox=_box(fields.get("bbox"), place)))
    for index, one in enumerate(as_list(content.get("human"), Place(file.path, "human"), "a list")):
        place = Place(file.path, "human", index)
        fields = as_object(one, place, "an object with tag and bbox")
        tags = [as_text(tag, place, "tag", empty=True) for tag in as_list(fields.get("tag"), place, "a list of tags")]
        found += [Anomaly(name=tag, bbox=_box(fields.get("bbox"), place)) for tag in tags if tag in _TAGS]
    return found


def _box(corners: Any, place: Place) -> Box:
    numbers = as_list(corners, place, "a box, a list of four numbers")
    if len(numbers) != 4 or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        raise place.error("is not a box, a list of four numbers; correct it", "bbox", corners)
    x0, y0, x1, y1 = map(float, numbers)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
