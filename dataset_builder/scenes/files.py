"""A scenes directory: `images/` and `scenes.jsonl`, one row per picture."""

import json
import random
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from dataset_builder import owned
from dataset_builder.errors import InputError, RecordError
from dataset_builder.files.regular import read_regular
from dataset_builder.scenes.draw import draw_scene
from dataset_builder.scenes.families import FAMILIES, TRAINED
from dataset_builder.scenes.geometry import Extent
from dataset_builder.scenes.sampling import sample
from dataset_builder.scenes.world import Scene
from dataset_builder.schema import Anomaly, Label

__all__ = [
    "SCENES_VERSION",
    "Picture",
    "SceneAnomaly",
    "SceneRow",
    "clean",
    "odd",
    "pair",
    "read_scenes",
    "write_scenes",
]

SCENES_VERSION = 2
"""Raised whenever a seed would give other pictures or other texts than before."""


class SceneAnomaly(Anomaly):
    """An anomaly of known truth: with its family and the object (`<colour> <kind>`) it concerns."""

    family: str
    object: str


class SceneRow(BaseModel):
    """A row of `scenes.jsonl`; `twin_id` is the same scene without (or with) its anomalies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: str
    twin_id: str | None
    seed: int
    label: Label
    anomalies: list[SceneAnomaly]


class Picture(NamedTuple):
    """A rendered scene: its row, the picture, the scene it was drawn from and each thing's extent in pixels."""

    row: SceneRow
    image: Image.Image
    scene: Scene
    extents: list[Extent]

    def png(self) -> bytes:
        """The picture's PNG file; the same bytes for the same scene, in any process."""
        buffer = BytesIO()
        self.image.save(buffer, "PNG")
        return buffer.getvalue()


def pair(seed: int, index: int, families: Sequence[str] = TRAINED) -> tuple[Picture, Picture]:
    """Render scene `index` of a seed and its clean twin.

    Args:
        seed (`int`): names a series of scenes.
        index (`int`): the scene's number in the series, from 0; scenes are independent of each other.
        families (sequence of `str`): the families to draw anomalies from.

    Returns:
        The picture with one or two anomalies, left to right, and the same scene with none.
    """
    return odd(seed, index, families), clean(seed, index, families)


def odd(seed: int, index: int, families: Sequence[str] = TRAINED) -> Picture:
    """Render scene `index` of a seed with its anomalies; see `pair`."""
    scene, rng = _sampled(seed, index, families)
    image, extents = draw_scene(scene)
    anomalies = []
    for thing, extent in sorted(zip(scene.things, extents, strict=True), key=lambda drawn: drawn[1]):
        if thing.flaw is not None:
            family = FAMILIES[thing.flaw]
            anomaly = SceneAnomaly(
                name=rng.choice(family.names),
                phenomenon=rng.choice(family.phenomena).format(object=thing.object),
                reasoning=rng.choice(family.reasonings),
                severity=thing.severity,
                bbox=extent,
                family=thing.flaw,
                object=thing.object,
            )
            anomalies.append(anomaly)
    odd_id, clean_id = _names(seed, index)
    row = SceneRow(image_id=odd_id, twin_id=clean_id, seed=seed, label="fake", anomalies=anomalies)
    return Picture(row, image, scene, extents)


def clean(seed: int, index: int, families: Sequence[str] = TRAINED) -> Picture:
    """Render scene `index` of a seed with nothing wrong in it; see `pair`."""
    scene = _sampled(seed, index, families)[0].clean()
    image, extents = draw_scene(scene)
    odd_id, clean_id = _names(seed, index)
    row = SceneRow(image_id=clean_id, twin_id=odd_id, seed=seed, label="real", anomalies=[])
    return Picture(row, image, scene, extents)


def _sampled(seed: int, index: int, families: Sequence[str]) -> tuple[Scene, random.Random]:
    """The scene, and the chance that is left for its words."""
    # A string seeds through SHA-512: the same scene in every process and Python version.
    rng = random.Random(f"scenes {SCENES_VERSION} {seed} {index}")
    return sample(rng, tuple(families)), rng


def _names(seed: int, index: int) -> tuple[str, str]:
    return f"scene_{seed}_{index:06d}_odd.png", f"scene_{seed}_{index:06d}_clean.png"


def _pictures(n: int, seed: int, families: Sequence[str]) -> Iterator[Picture]:
    for index in range(n // 2):
        yield from pair(seed, index, families)
    if n % 2:
        last = clean(seed, n // 2, families)
        yield last._replace(row=last.row.model_copy(update={"twin_id": None}))


def check_families(families: Sequence[str]) -> None:
    """Raise `InputError` for a family that does not exist, or none at all."""
    unknown = [family for family in families if family not in FAMILIES]
    if unknown or not families:
        raise InputError(f"families: {', '.join(unknown) or 'none given'}: choose from {', '.join(FAMILIES)}")


def write_scenes(
    directory: Path, n: int, seed: int, families: Sequence[str] = TRAINED, *, overwrite: bool = False
) -> Path:
    """Render a scenes directory.

    Args:
        directory (`Path`): a new place, or a scenes directory, whose files are replaced.
        n (`int`): number of pictures, twins included; with an odd number the last one is clean and has no twin.
        seed (`int`): the same seed gives the same bytes.
        families (sequence of `str`): the families to draw from; by default those the tiny base was trained on.
        overwrite (`bool`): write into a directory that is not one, and over files of one that were changed.

    Raises:
        InputError: for an unknown family, or fewer than one picture.
        OutputError: for a directory that holds something else, or cannot be written.
    """
    check_families(families)
    if n < 1:
        raise InputError(f"--n {n}: at least one picture is needed")
    directory = Path(directory)
    with owned.replaced(directory, "scenes", overwrite=overwrite) as work:
        (work / "images").mkdir()
        with (work / "scenes.jsonl").open("w", encoding="utf-8") as rows:
            for picture in _pictures(n, seed, families):
                (work / "images" / picture.row.image_id).write_bytes(picture.png())
                rows.write(
                    json.dumps(picture.row.model_dump(exclude_none=True) | {"twin_id": picture.row.twin_id}) + "\n"
                )
    return directory


def read_scenes(directory: Path) -> list[SceneRow]:
    """Read the rows of a scenes directory.

    Raises:
        InputError: if it is not a scenes directory, or a row is not one (with file, line and value).
    """
    path = Path(directory) / "scenes.jsonl"
    if not path.is_file():
        raise InputError(f"{directory}: holds no scenes.jsonl; make a scenes directory with `anomreason scenes`")
    try:
        lines = read_regular(path).removesuffix(b"\n").split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); render the directory again") from None
    rows = []
    for number, line in enumerate(lines if lines != [b""] else [], 1):
        try:
            rows.append(SceneRow.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "row"
            raise RecordError(
                f"{first['msg']}; render the directory again with `anomreason scenes`",
                file=f"{path}:{number}",
                field=where,
                value=first["input"],
            ) from None
    if not rows:
        raise InputError(f"{path}: is empty; render the directory again with `anomreason scenes`")
    return rows
