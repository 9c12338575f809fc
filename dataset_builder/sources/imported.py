"""What importers have in common: an item for each picture that a file names, and how items become rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from dataset_builder.errors import AnnotatedRealError, DuplicateError, InputError
from dataset_builder.files.records import Place, as_image_id
from dataset_builder.files.tree import File
from dataset_builder.schema import Anomaly, Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.names import Names, check_matched
from dataset_builder.sources.rows import SPLITS, Row, Split, generator_of, split_by_hash

__all__ = ["Item", "to_rows"]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture as a file names it; `None` where the file does not say.

    Attributes:
        image (`str`): the picture's path or name in the file.
        place (`Place`): where the file names it, for messages.
        anomalies (`list[Anomaly]`, *optional*): `None` if nobody looked.
    """

    image: str
    place: Place
    label: Label | None = None
    anomalies: list[Anomaly] | None = None
    split: Split | None = None
    generator: str | None = None
    caption: str | None = None


def to_rows(
    items: Iterable[Item], pictures: dict[str, File], label: Label | None, source: str, findings: list[Finding]
) -> list[Row]:
    """The rows of the items whose picture is there.

    An item without a label has `label`; without that it is `fake` if it has anomalies. Without a split it is in the one
    that its picture's folder is called after (`train/`, `test/`), else in the one that a hash of its name says.

    Args:
        items (iterable of `Item`): what the files say.
        pictures (`dict`): the pictures by file name.
        label (`str`, *optional*): the label of items that have none.
        source (`str`): the file, for messages.
        findings (`list[Finding]`): problems are added here.
    """
    named: dict[str, Item] = {}
    for item in items:
        try:
            name = as_image_id(item.image, item.place)
            if name in named:
                problem = f"appears more than once, before at {named[name].place.file}; remove the duplicates"
                raise item.place.error(problem, kind=DuplicateError)
            named[name] = item
        except InputError as error:
            findings.append(Finding.of(error, str(item.image).replace("\\", "/").rsplit("/", 1)[-1] or None))
    found = Names(pictures).match(named, source, findings)
    check_matched(source, found, pictures, "pictures", findings)
    rows = []
    for name, item in found.items():
        if name not in pictures:
            message = f"{source} names it, but there is no such picture"
            findings.append(Finding("annotations without picture", name, message, name))
            continue
        try:
            rows.append(_row(name, item, pictures[name], label))
        except InputError as error:
            findings.append(Finding.of(error, name))
    message = f"{source} does not name it; left out"
    left = [name for name in pictures if name not in found]
    findings += [Finding("picture without annotations", name, message, name) for name in left]
    return rows


def _row(name: str, item: Item, picture: File, label: Label | None) -> Row:
    known = item.label or label or ("fake" if item.anomalies else None)
    if known is None:
        raise item.place.error('has no label; write "label": "real" or "fake", or give one for all with --label')
    if known == "real" and item.anomalies:
        problem = "is labelled real but has anomalies, which would be lost; correct its label, or remove them"
        raise item.place.error(problem, kind=AnnotatedRealError)
    split = item.split or _folder_split(picture) or split_by_hash(name)
    return Row(
        image_id=name,
        picture=picture,
        label=known,
        anomalies=item.anomalies,
        generator=item.generator or (generator_of(name) if known == "fake" else None),
        caption=item.caption,
        split=split,
        deepfake=split,
    )


def _folder_split(picture: File) -> Split | None:
    return next((split for part in picture.path.split("/")[:-1] for split in SPLITS if part == split), None)
