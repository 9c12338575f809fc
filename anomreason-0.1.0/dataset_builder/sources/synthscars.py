"""SynthScars, the dataset of LEGION (arXiv:2503.15264): generated pictures with what people found wrong, and outlines of it.

Read off https://github.com/opendatalab/LEGION: its reader `dataset/gcg_datasets/GranDf_gcg_ds.py` at commit
11ed0117e7f3dee49e6b1923519ced6796643fcb, and its file `data/GranDf/annotations/train/legion_batch1&batch2_val.json` at
commit cd7df24148f31953a70296c7ca4c5bb603f05b0d.

    {train,test}/images/*.jpg
    {train,test}/annotations/{train,test}.json
        [{"1172": {"caption": str, "img_file_name": str (a path), "refs": [
            {"sentence": str, "explanation": str, "bbox": null, "segmentation": [[x, y, x, y, …], …]}]}}, …]

`sentence` says where and becomes the name, `explanation` says what is wrong and becomes the phenomenon. There is neither a
reason nor a severity, so both are null. Lost are the outlines, of which the box around them remains, and the caption, which
repeats the explanations.
"""

from itertools import pairwise
from typing import Any

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_list, as_object, as_text
from dataset_builder.files.tree import File, Tree, read_json
from dataset_builder.schema import Anomaly, Box
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.imported import Item, to_rows
from dataset_builder.sources.lists import read_whole
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.rows import SPLITS, Row, Split

__all__ = ["is_synthscars", "read_synthscars"]


def is_synthscars(tree: Tree) -> bool:
    """Whether a source is laid out as SynthScars, and its first annotation has the fields."""
    for file in _annotation_files(tree):
        try:
            content = read_json(file)
            first = next(iter(content[0].values()))
            return bool({"img_file_name", "refs"} <= first.keys())
        except (InputError, IndexError, AttributeError, StopIteration, TypeError, KeyError):
            return False
    return False


def read_synthscars(tree: Tree) -> tuple[list[Row], list[Finding]]:
    """The rows of SynthScars, all of them generated pictures."""
    findings: list[Finding] = []
    pictures = picture_files(tree, findings)
    items = [item for file in _annotation_files(tree) for item in _items(file, findings)]
    return to_rows(items, pictures, "fake", "SynthScars' annotations", findings), findings


def _annotation_files(tree: Tree) -> list[File]:
    # Its README writes the folder "annoations".
    return [
        file
        for file in tree.files
        if file.name in ("train.json", "test.json") and file.path.split("/")[-2:-1] in (["annotations"], ["annoations"])
    ]


def _items(file: File, findings: list[Finding]) -> list[Item]:
    split: Split | None = next((one for one in SPLITS if file.name == f"{one}.json"), None)
    entries = read_whole(file, findings, lambda value, place: as_list(value, place, "a list of single entries"))
    items = []
    for index, entry in enumerate(entries or []):
        image: str | None = None
        try:
            for key, fields in as_object(entry, Place(file.path, index=index), "an object of one entry").items():
                place = Place(file.path, key)
                record = as_object(fields, place, "an object with img_file_name and refs")
                image = as_text(record.get("img_file_name"), place, "img_file_name", empty=False)
                refs = as_list(record.get("refs"), place, "a list of refs")
                anomalies = [_anomaly(ref, Place(file.path, key, number)) for number, ref in enumerate(refs)]
                items.append(Item(image, place, anomalies=anomalies, split=split))
        except InputError as error:
            findings.append(Finding.of(error, image.rsplit("/", 1)[-1] if image else None))
    return items


def _anomaly(ref: Any, place: Place) -> Anomaly:
    fields = as_object(ref, place, "an object with sentence and explanation")
    return Anomaly(
        name=as_text(fields.get("sentence"), place, "sentence", empty=True).strip(),
        phenomenon=as_text(fields.get("explanation"), place, "explanation", empty=True).strip(),
        bbox=_around(as_list(fields.get("segmentation"), place, "a list of outlines"), place),
    )


def _around(outlines: list[Any], place: Place) -> Box | None:
    """The box around all outlines, each a list of x and y in turn."""
    xs: list[float] = []
    ys: list[float] = []
    for outline in outlines:
        corners = as_list(outline, place, "an outline, a list of x and y in turn")
        if len(corners) % 2 or not all(isinstance(corner, int | float) for corner in corners):
            raise place.error("is not an outline, a list of x and y in turn; correct it", "segmentation", corners)
        for x, y in list(pairwise(corners))[::2]:
            xs.append(float(x))
            ys.append(float(y))
    return (min(xs), min(ys), max(xs), max(ys)) if xs else None
