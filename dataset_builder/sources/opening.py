"""What can be built and validated: a release, a run, scenes. One kind of row comes out of all of them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_image_id
from dataset_builder.files.tree import File, open_tree
from dataset_builder.scenes import SCENES_VERSION, SceneRow, read_scenes
from dataset_builder.schema import Anomaly, Label
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.release import is_release, read_release
from dataset_builder.sources.rows import Row, Split, split_by_hash
from dataset_builder.sources.runs import is_run, read_run

__all__ = ["Kind", "Source", "open_source", "split_of"]

Kind = Literal["release", "run", "scenes"]


@dataclass(frozen=True)
class Source:
    """A source as read: its kind, its rows in order, and what is wrong or odd with its records."""

    kind: Kind
    rows: list[Row]
    findings: list[Finding] = field(default_factory=list)

    @property
    def version(self) -> str:
        """The dataset's version; scenes carry the renderer's."""
        return f"{SCENES_VERSION}.0.0" if self.kind == "scenes" else "1.0.0"

    @property
    def description(self) -> str:
        """One paragraph for the card and `DatasetInfo`."""
        return {
            "scenes": f"scenes (version {SCENES_VERSION}): cartoon pictures rendered with known truth, not the paper's "
            "pictures. A clean picture is labelled real because it follows the world's rules, not because a camera "
            "took it.",
            "run": "Pictures annotated by the agent of this project: what defies logic in them, why, and how badly.",
            "release": "AnomReason (arXiv:2510.10231): generated pictures with what defies logic in them, why, and how "
            "badly, built from the authors' files.",
        }[self.kind]


def split_of(row: SceneRow) -> Split:
    """The split of a scene, by a hash that twins share, so that no picture's twin stands in the other split."""
    return split_by_hash(min(row.image_id, row.twin_id or row.image_id))


def open_source(root: Path, *, label: Label | None = None, images: Path | None = None) -> Source:
    """Read a source's records; its pictures are read later.

    Args:
        root (`Path`): a release (directory or zip archive), a run directory or a scenes directory.
        label (`str`, *optional*): the label of a run's pictures, `fake` unless given.
        images (`Path`, *optional*): where a run's pictures are, if not in its `images/`.

    Raises:
        InputError: if it is none of these, or a whole file of it cannot be read.
    """
    root = Path(root)
    if (root / "scenes.jsonl").is_file():
        return _only(Source("scenes", _scenes(root)), label, images)
    if is_run(root):
        return Source("run", *read_run(root, label or "fake", images))
    tree = open_tree(root)
    if not is_release(tree):
        raise InputError(
            f"{root}: is no release (1_fake/, AnomReason_After_HITL*.json), no run (annotations.jsonl) and no scenes "
            "(scenes.jsonl); get the authors' files as the README says, or render some with `anomreason scenes`"
        )
    with _uncollected():
        rows, findings = read_release(tree)
    if not rows:
        raise InputError(f"{root}: holds no pictures with a label; put them into 1_fake/ and 0_real/")
    return _only(Source("release", rows, findings), label, images)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic collector, which would walk every record that stays, again and again, and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _only(source: Source, label: object, images: object) -> Source:
    if label or images:
        option = "--label" if label else "--images"
        raise InputError(f"{option}: is for a run; a {source.kind} tells it itself, so leave the option out")
    return source


def _scenes(root: Path) -> list[Row]:
    rows: list[Row] = []
    seen: set[str] = set()
    for row in read_scenes(root):
        place = Place(root / "scenes.jsonl", row.image_id)
        if as_image_id(row.image_id, place) != row.image_id:
            raise place.error("is no file name; render the directory again with `anomreason scenes`")
        if row.image_id in seen:
            raise place.error("stands more than once; render the directory again with `anomreason scenes`")
        seen.add(row.image_id)
        path = root / "images" / row.image_id
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise place.error("is a link or no regular file; put the picture itself in its place")
        size = path.stat().st_size if path.is_file() else 0
        split = split_of(row)
        rows.append(
            Row(
                image_id=row.image_id,
                picture=File(str(path), str(path), None, size),
                label=row.label,
                anomalies=[_plain(anomaly) for anomaly in row.anomalies],
                split=split,
                deepfake=split,
                families=[anomaly.family for anomaly in row.anomalies],
            )
        )
    return rows


def _plain(anomaly: Anomaly) -> Anomaly:
    return Anomaly(**{field: getattr(anomaly, field) for field in Anomaly.model_fields})
