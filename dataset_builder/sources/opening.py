"""What can be built and validated: a release, a run, scenes, and what is imported. One kind of row comes out of all of them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_image_id
from dataset_builder.files.regular import open_regular
from dataset_builder.files.tree import File, open_tree, within
from dataset_builder.pictures import is_picture
from dataset_builder.scenes import SCENES_VERSION, SceneRow, read_scenes
from dataset_builder.schema import Anomaly, Label
from dataset_builder.sources.conversations import read_conversations
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.hadm import is_hadm, read_hadm
from dataset_builder.sources.image_folder import is_image_folder, read_image_folder
from dataset_builder.sources.mmfr import is_mmfr, read_mmfr
from dataset_builder.sources.predicted import read_predicted
from dataset_builder.sources.release import has_annotations, is_release, read_release
from dataset_builder.sources.rows import Row, Split, split_by_hash
from dataset_builder.sources.runs import is_run, read_run
from dataset_builder.sources.synthscars import is_synthscars, read_synthscars

__all__ = ["KINDS", "Kind", "Source", "is_dataset", "open_source", "split_of"]

Kind = Literal[
    "release", "run", "scenes", "imagefolder", "predictions", "llava", "manifest", "synthscars", "mmfr", "hadm"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

_DESCRIPTIONS: dict[Kind, str] = {
    "scenes": f"scenes (version {SCENES_VERSION}): cartoon pictures rendered with known truth, not the paper's "
    "pictures. A clean picture is labelled real because it follows the world's rules, not because a camera "
    "took it.",
    "run": "Pictures annotated by the agent of this project: what defies logic in them, why, and how badly.",
    "release": "AnomReason (arXiv:2510.10231): generated pictures with what defies logic in them, why, and how "
    "badly, built from the authors' files.",
    "imagefolder": "Pictures of a folder, with what its metadata says defies logic in them, why, and how badly.",
    "predictions": "Pictures with what a model predicted to defy logic in them, why, and how badly; nobody has checked it.",
    "llava": "Pictures with what conversations about them say defies logic in them, why, and how badly.",
    "manifest": "Pictures of a manifest, which says which of them are real and which generated.",
    "synthscars": "SynthScars (arXiv:2503.15264): generated pictures with what people found wrong in them and where, in the "
    "form of AnomReason. It says neither why nor how badly, so reasoning and severity are null.",
    "mmfr": "MMFR-Dataset (arXiv:2503.21210): pictures with what a model said for or against their being real, in the form of "
    "AnomReason. Reasoning and severity are null.",
    "hadm": "Human Artifact Dataset (arXiv:2411.13842): generated people with which part of the body is wrong, and where, in the "
    "form of AnomReason. Phenomenon, reasoning and severity are null.",
}
_LABELLED: tuple[Kind, ...] = ("run", "imagefolder", "predictions", "llava")
_PICTURES_ELSEWHERE: tuple[Kind, ...] = ("run", "predictions", "llava")


@dataclass(frozen=True)
class Source:
    """A source as read: its kind, its rows in order, and the problems of its records."""

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
        return _DESCRIPTIONS[self.kind]


def is_dataset(path: Path) -> bool:
    """Whether `path` holds a dataset repository this project built."""
    return (path / "README.md").is_file() and (path / "data").is_dir()


def split_of(row: SceneRow) -> Split:
    """The split of a scene, by a hash that twins share, so that no picture's twin is in the other split."""
    return split_by_hash(min(row.image_id, row.twin_id or row.image_id))


def open_source(
    root: Path, *, kind: Kind | None = None, label: Label | None = None, images: Path | None = None
) -> Source:
    """Read a source's records; its pictures are read later.

    Args:
        root (`Path`): a release (directory or zip archive), a run or scenes directory, a folder of pictures with
            `metadata.jsonl`, a published peer's dataset, or a file: predictions, LLaVA conversations or a manifest.
        kind (`str`, *optional*): which of `KINDS` it is, where that cannot be told from its files.
        label (`str`, *optional*): the label of pictures whose files do not tell one.
        images (`Path`, *optional*): where the pictures of a run, of predictions or of conversations are, if not next to them.

    Raises:
        InputError: if it is none of these, or cannot be read at all.
    """
    root = Path(root)
    kind = kind or _kind_of(root)
    if label and kind not in _LABELLED:
        raise InputError(
            f"--label: does not apply to a source of the kind {kind}, which records its labels; leave the option out"
        )
    if images and kind not in _PICTURES_ELSEWHERE:
        raise InputError(
            f"--images: does not apply to a source of the kind {kind}, which has its own pictures; leave the option out"
        )
    if images and not images.is_dir():
        raise InputError(f"--images {images}: is not a directory; give the one that the pictures are in")
    with _uncollected():
        rows, findings = _read(root, kind, label, images)
    if not rows and not any(finding.is_error for finding in findings):
        raise InputError(f"{root}: holds no pictures with a label; a release has them in 1_fake/ and 0_real/")
    return Source(kind, rows, findings)


def _read(root: Path, kind: Kind, label: Label | None, images: Path | None) -> tuple[list[Row], list[Finding]]:
    match kind:
        case "scenes":
            return _scenes(root), []
        case "run":
            return read_run(root, label or "fake", images)
        case "imagefolder":
            return read_image_folder(open_tree(root), label)
        case "predictions":
            return read_predicted(root, label, images)
        case "llava":
            return read_conversations(root, label, images)
        case "synthscars":
            return read_synthscars(open_tree(root))
        case "mmfr":
            return read_mmfr(open_tree(root))
        case "hadm":
            return read_hadm(open_tree(root))
        case "manifest":
            tree = open_tree(root.parent)
            lists = [file for file in tree.files if Path(file.place) == root.resolve() or Path(file.place) == root]
            pictures = [file for file in tree.files if is_picture(file.path)]
            manifest = [replace(file, path="manifest.csv") for file in lists[:1]]
            return read_release(replace(tree, files=[*manifest, *pictures]))
        case "release":
            return read_release(open_tree(root))


def _kind_of(root: Path) -> Kind:
    """What a source is, told from its files."""
    if (root / "scenes.jsonl").is_file():
        return "scenes"
    if is_run(root):
        return "run"
    if is_dataset(root):
        raise InputError(
            f"{root}: is a built dataset already; `anomreason validate`, `publish`, `sft` and `train` take it"
        )
    if root.is_file() and root.suffix in (".json", ".jsonl", ".ndjson"):
        return "llava" if _holds_conversations(root) else "predictions"
    if root.is_file() and root.suffix == ".csv":
        return "manifest"
    tree = open_tree(root)
    if is_synthscars(tree):
        return "synthscars"
    if is_hadm(tree):
        return "hadm"
    if is_mmfr(tree):
        return "mmfr"
    if is_image_folder(tree) and not has_annotations(tree):
        return "imagefolder"
    if is_release(tree):
        return "release"
    raise InputError(
        f"{root}: is not a release (1_fake/, AnomReason_After_HITL*.json), a run (annotations.jsonl), scenes (scenes.jsonl), "
        "a folder with metadata.jsonl, predictions, conversations or a manifest; get the authors' files as the README says, "
        "or render some with `anomreason scenes`"
    )


def _holds_conversations(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            head = file.read(4096)
    except OSError:
        return False  # whoever reads the file says what is wrong with it
    return b'"conversations"' in head


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


def _scenes(root: Path) -> list[Row]:
    rows: list[Row] = []
    seen: set[str] = set()
    for row in read_scenes(root):
        place = Place(root / "scenes.jsonl", row.image_id)
        if as_image_id(row.image_id, place) != row.image_id:
            raise place.error("is not a file name; render the directory again with `anomreason scenes`")
        if row.image_id in seen:
            raise place.error("appears more than once; render the directory again with `anomreason scenes`")
        seen.add(row.image_id)
        path = within(root / "images" / row.image_id, root)
        if path is None or (path.exists() and not path.is_file()):
            raise place.error(
                "is a link that leads out of the directory, or not a regular file; put the picture itself in its place"
            )
        size = path.stat().st_size if path.is_file() else 0
        split = split_of(row)
        rows.append(
            Row(
                image_id=row.image_id,
                picture=File(str(root / "images" / row.image_id), str(path), None, size),
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
