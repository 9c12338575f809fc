"""The official release's files, read and written.

| file | form | reader |
|---|---|---|
| `AnomReason_After_HITL*.json`, ground truth | image → list of records | `read_annotations` |
| a model's predictions, merged | image → list of records, or `null` | `read_merged` |
| `responses_structured.json` of the release's annotating tools | list of {path: list of records} | `read_merged` |
| `predictions.ndjson` of its inference driver | one row per attempt | `dataset_builder.predictions.read_predictions` |
| `dataset_split_list.json` | {"train": names, "test": names} | `read_split` |
| `Real_image_caption_*.json` | image → text | `read_captions` |
| `AnomReason_Deepfake_Test_list.json` | names, or name → label, or label → names | `read_deepfake_list` |

Images are named by file name: paths are reduced to it, and two paths with the same one are an error that names both.
Every reader raises `InputError` for a file that cannot be read and `RecordError` for a value in it, naming file, key,
index, field and value.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dataset_builder import atomic
from dataset_builder.errors import ConflictError, DuplicateError, InputError, SameNameError, shorten
from dataset_builder.files.records import Place, as_image_id, as_list, as_object, as_text, dump_record, read_records
from dataset_builder.files.strict_json import read_json
from dataset_builder.schema import Anomaly, Label

__all__ = [
    "ImageNames",
    "as_captions",
    "as_deepfake_list",
    "as_split",
    "dump_annotations",
    "read_annotations",
    "read_captions",
    "read_deepfake_list",
    "read_merged",
    "read_split",
    "write_annotations",
]

_LABELS: dict[object, Label] = {
    "fake": "fake",
    "1_fake": "fake",
    "1": "fake",
    1: "fake",
    "real": "real",
    "0_real": "real",
    "0": "real",
    0: "real",
}


class ImageNames:
    """The images of one file, by file name; refuses two paths that end in the same one.

    Args:
        file (`str` or path): the file, for messages.
    """

    def __init__(self, file: object) -> None:
        self.file = file
        self._paths: dict[str, str] = {}

    def add(self, path: object, *, place: Place | None = None, again: bool = False) -> str:
        """A path's file name; with `again`, the same path may come more than once. `place` is where it is.

        Raises:
            RecordError: if a path with that file name was there before; it names both.
        """
        place = place or Place(self.file, path if isinstance(path, str) else None)
        name = as_image_id(path, place)
        other = self._paths.setdefault(name, "") or path
        if other != path:
            raise place.error(
                f"and {shorten(other)} have the same file name; rename one of the pictures", kind=SameNameError
            )
        if self._paths[name] and not again:
            raise place.error("appears more than once; remove the duplicates", kind=DuplicateError)
        self._paths[name] = str(path)
        return name


def read_annotations(path: str | os.PathLike[str]) -> dict[str, list[Anomaly]]:
    """Ground truth: file name → its anomalies, in the file's order.

    Strict: every text is there and not empty, every severity is there.

    Raises:
        InputError, RecordError: see the module.
    """
    names = ImageNames(path)
    images = as_object(read_json(path), Place(path), "an object of image names and lists of records")
    return {
        names.add(key): read_records(records, Place(path, key), prediction=False) for key, records in images.items()
    }


def read_merged(path: str | os.PathLike[str]) -> dict[str, list[Anomaly] | None]:
    """A model's answers: file name → its anomalies, or `None` where there is no answer.

    Takes the merged predictions (`null` is no answer, `[]` is nothing wrong) and `responses_structured.json`, a list of
    single entries. There `[]` is no answer: the tools that write it take an empty list for a failure and cannot say
    "nothing wrong". As in all predictions, texts may be empty or missing and a severity `null`, empty or missing.

    Raises:
        InputError, RecordError: see the module.
    """
    names = ImageNames(path)
    content = read_json(path)
    answers: dict[str, list[Anomaly] | None] = {}
    if isinstance(content, list):
        for position, entry in enumerate(content):
            place = Place(f"{path}[{position}]")
            for key, records in as_object(entry, place, "an object of one path and its list of records").items():
                answers[names.add(key)] = read_records(records, Place(path, key), prediction=True) or None
        return answers
    for key, records in as_object(content, Place(path), "an object of image names and lists of records").items():
        name = names.add(key)
        answers[name] = None if records is None else read_records(records, Place(path, key), prediction=True)
    return answers


def dump_annotations(images: Mapping[str, Iterable[Anomaly]]) -> str:
    """The release's form as text, byte for byte as its authors write it: one space per level, no newline at the end.

    A severity of `None`, which only predictions have, is written as an empty text; boxes and scores have no place in
    it.
    """
    content = {image: [dump_record(anomaly) for anomaly in anomalies] for image, anomalies in images.items()}
    return json.dumps(content, indent=1, ensure_ascii=False)


def write_annotations(path: str | os.PathLike[str], images: Mapping[str, Iterable[Anomaly]]) -> Path:
    """Write `dump_annotations` to a file, whole or not at all. Raises `OutputError` if it cannot be written."""
    return atomic.write(path, dump_annotations(images))


Told = Callable[[InputError], None]
"""Called with each thing that cannot be read, which is then left out; the default raises the first."""


def _raise(error: InputError) -> None:
    raise error


def read_split(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """The split list: `train` and `test`, each a list of file names in the file's order.

    Raises:
        InputError, RecordError: see the module; also if a picture is in both, or a split is missing or unknown.
    """
    return as_split(read_json(path), path)


def as_split(content: object, file: object, told: Told = _raise) -> dict[str, list[str]]:
    """`read_split` of a file's content; `told` gets what is wrong with single names."""
    place = Place(file)
    splits = as_object(content, place, 'an object {"train": names, "test": names}')
    if set(splits) != {"train", "test"}:
        raise place.error('are the splits; there should be "train" and "test"', value=sorted(splits))
    names = ImageNames(file)
    found: dict[str, list[str]] = {}
    home: dict[str, str] = {}
    for split, members in splits.items():
        found[split] = []
        for index, member in enumerate(as_list(members, Place(file, split), "a list of image names")):
            at = Place(file, split, index)
            try:
                as_image_id(member, at)
                name = names.add(member, again=True)
                if home.setdefault(name, split) != split:
                    problem = f"is also in {home[name]}; keep it in one split"
                    raise at.error(problem, value=member, kind=ConflictError)
            except InputError as error:
                told(error)
                continue
            found[split].append(name)
        found[split] = list(dict.fromkeys(found[split]))
    return found


def read_captions(path: str | os.PathLike[str]) -> dict[str, str]:
    """The real photographs' captions: file name → what makes it credible, one paragraph.

    Raises:
        InputError, RecordError: see the module.
    """
    return as_captions(read_json(path), path)


def as_captions(content: object, file: object, told: Told = _raise) -> dict[str, str]:
    """`read_captions` of a file's content; `told` gets what is wrong with single captions."""
    names = ImageNames(file)
    captions: dict[str, str] = {}
    for key, text in as_object(content, Place(file), "an object of image names and captions").items():
        try:
            captions[names.add(key)] = as_text(text, Place(file, key), "caption", empty=False)
        except InputError as error:
            told(error)
    return captions


def read_deepfake_list(path: str | os.PathLike[str]) -> dict[str, Label | None]:
    """The deepfake test list: file name → `real`, `fake`, or `None` where the file does not say.

    Its form is not documented; taken are a list of names or of {"image", "label"} objects, an object of names and
    labels, and an object of labels and names. A label is `real`/`fake`, `0_real`/`1_fake` or 0/1; without one, the
    folder of the name (`1_fake/cup.jpg`) decides.

    Raises:
        InputError, RecordError: see the module; also if a label is none of these or contradicts the folder.
    """
    return as_deepfake_list(read_json(path), path)


def as_deepfake_list(content: object, file: object, told: Told = _raise) -> dict[str, Label | None]:
    """`read_deepfake_list` of a file's content; `told` gets what is wrong with single names."""
    names = ImageNames(file)
    labels: dict[str, Label | None] = {}
    for image, label, place in _entries(content, file):
        try:
            entry = image
            if isinstance(image, dict):
                row = as_object(image, place, "an object")
                if "image" not in row:
                    raise place.error('has no key "image"; add it', value=row)
                entry, label = row["image"], row.get("label")
            as_image_id(entry, place)
            name = names.add(entry)
            folder = _folder_label(str(entry))
            stated = None if label is None else _label(label, place)
            if folder and stated and folder != stated:
                problem = f"contradicts the folder of {shorten(str(entry))}; correct one of them"
                raise place.error(problem, "label", label, kind=ConflictError)
        except InputError as error:
            told(error)
            continue
        labels[name] = stated or folder
    return labels


def _entries(content: object, file: object) -> Iterable[tuple[Any, Any, Place]]:
    """Each entry of the list, with the label that the list gives it and its place."""
    if isinstance(content, list):
        yield from ((entry, None, Place(file, index=index)) for index, entry in enumerate(content))
        return
    for key, value in as_object(content, Place(file), "a list of image names or an object").items():
        if key in _LABELS or key == "test":
            for index, image in enumerate(as_list(value, Place(file, key), "a list of image names")):
                yield image, None if key == "test" else key, Place(file, key, index)
        else:
            # A value that is not a label, such as the image's records, says nothing about real or fake.
            yield key, None if isinstance(value, list | dict) else value, Place(file, key)


def _folder_label(path: str) -> Label | None:
    folders = path.replace("\\", "/").split("/")[:-1]
    return next((_LABELS[part] for part in folders if part in ("0_real", "1_fake")), None)


def _label(value: Any, place: Place) -> Label:
    # True == 1 in Python; a boolean does not say which way it points.
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in _LABELS:
        raise place.error("is not a label; write real or fake", "label", value)
    return _LABELS[value]
