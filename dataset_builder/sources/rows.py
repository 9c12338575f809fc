"""A row before it is written: what a source knows of a picture, whichever kind of source it is."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from dataset_builder.files.tree import File
from dataset_builder.schema import Anomaly, Candidate, Label

__all__ = ["SPLITS", "TEST_SHARE", "Config", "Row", "Split", "generator_of", "of_config", "split_by_hash"]

Split = Literal["train", "test"]
SPLITS: tuple[Split, Split] = ("train", "test")
Config = Literal["default", "candidates", "deepfake", "sft"]

TEST_SHARE = 0.25
"""The share of the test split where nothing says otherwise."""

_OFFICIAL = re.compile(r"\d{4}(?:_\d\d){5}_\d{15,20}(?:_[01]_[01])?(?:_(?P<generator>[A-Za-z][A-Za-z0-9.-]*))?")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture.

    Attributes:
        image_id (`str`): its file name.
        picture (`File`, *optional*): where it is; `None` in a built dataset, whose pictures lie in the Parquet files.
        label (`str`): `real` or `fake`.
        anomalies (`list[Anomaly]`, *optional*): the accepted ones; `None` if nobody looked.
        candidates (`list[Candidate]`, *optional*): those before review; `None` if there are none of this picture.
        generator, caption (`str`, *optional*): where known.
        split (`str`, *optional*): of the configurations `default`, `candidates` and `sft`.
        deepfake (`str`, *optional*): of the configuration `deepfake`.
        families (`list[str]`): the kinds of anomaly, where the source knows them.
    """

    image_id: str
    picture: File | None
    label: Label
    anomalies: list[Anomaly] | None = None
    candidates: list[Candidate] | None = None
    generator: str | None = None
    caption: str | None = None
    split: Split | None = None
    deepfake: Split | None = None
    families: list[str] = field(default_factory=list)


def split_by_hash(name: str, test_share: float = TEST_SHARE) -> Split:
    """The split of a name, only by its hash: the same on every machine and whatever else the dataset holds."""
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return "test" if place < test_share else "train"


def generator_of(image_id: str) -> str | None:
    """The generator in a name of the release's form.

    >>> generator_of("2025_04_18_02_29_58_1234567890123456789_flux.jpg")
    'flux'
    >>> generator_of("2025_04_18_02_29_58_1234567890123456789_0_1.jpg"), generator_of("holiday_flux.jpg")
    (None, None)
    """
    match = _OFFICIAL.fullmatch(image_id.rsplit(".", 1)[0])
    return match["generator"] if match else None


def of_config(rows: Iterable[Row], config: Config, split: Split) -> list[Row]:
    """The rows of a configuration's split, in the source's order."""
    if config == "deepfake":
        return [row for row in rows if row.deepfake == split]
    if config == "candidates":
        return [row for row in rows if row.split == split and row.candidates is not None]
    chosen = [row for row in rows if row.split == split]
    if config == "default":
        return [row for row in chosen if row.anomalies is not None]
    return [row for row in chosen if row.anomalies is not None or row.label == "real"]
