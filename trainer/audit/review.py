"""A reviewer's answers about a generator's pictures: read from files, or asked for and kept in files.

A reviewer is a callable from pictures to predictions. What it answers goes row by row into `predictions/NAME.jsonl`, so an
audit that was stopped goes on where it was; another reviewer's answers are never taken for its own.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image, UnidentifiedImageError

from dataset_builder import atomic
from dataset_builder.errors import InputError, OutputError, PictureError
from dataset_builder.findings import Finding
from dataset_builder.pictures import upright
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.release import picture_files
from dataset_builder.tree import open_tree
from metric_semap.records import Picture, read_records
from metric_semap.strict_json import parse_rows
from trainer.audit.plan import REVIEWER, Plan, ReviewerSettings, Source
from trainer.names import file_name

if TYPE_CHECKING:  # torch comes with it, which an audit from files does not need
    from trainer.predict import Progress

__all__ = ["HUMAN", "Answers", "Reviewer", "local_reviewer", "review"]

HUMAN = "human verdicts"
Reviewer = Callable[[Iterable[tuple[str, Image.Image]]], Iterator[Prediction]]


class Answers(NamedTuple):
    """What each reviewer said of a source's pictures, and a way to get at the pictures (None where there are none)."""

    by_reviewer: dict[str, dict[str, Picture]]
    picture: Callable[[str], Image.Image | None]


def local_reviewer(settings: ReviewerSettings) -> Reviewer:
    """A local model; it is loaded once, when the first picture is asked about."""
    loaded: list[Any] = []

    def ask(pictures: Iterable[tuple[str, Image.Image]]) -> Iterator[Prediction]:
        from trainer.loading import load
        from trainer.predict import predict

        loaded[:] = loaded or load(settings.model, settings.adapter)
        model, processor = loaded
        yield from predict(pictures, model, processor, batch_size=settings.batch_size)

    return ask


def review(
    plan: Plan, out: Path, reviewer: Reviewer, progress: "Progress"
) -> tuple[dict[str, Answers], Answers | None]:
    """The answers about every generator of a plan, and about its clean pictures where it has any.

    Args:
        plan (`Plan`): what to audit.
        out (`Path`): where `predictions/` goes.
        reviewer (`Reviewer`): asked about pictures that have no annotations.
        progress (`Progress`): told of each source that is reviewed.

    Raises:
        InputError: if a source cannot be read, or `out` holds another reviewer's answers.
    """
    sources = dict(plan.generators) | ({} if plan.clean is None else {"": plan.clean})
    if any(not source.files for source in sources.values()):
        _claim(out / "predictions" / "reviewer.json", plan.reviewer)
    found = {}
    for name, source in sources.items():
        shown = name or "clean pictures"
        if source.files:
            found[name] = _from_files(shown, source)
        else:
            found[name] = _from_pictures(shown, source, out / "predictions", reviewer, progress)
    return {name: answers for name, answers in found.items() if name}, found.get("")


def _claim(path: Path, settings: ReviewerSettings) -> None:
    """Marks whose answers lie here; a resumed audit must have the same reviewer."""
    mine = settings.model_dump(exclude={"batch_size"})  # how many at once changes no answer
    if not path.exists():
        atomic.write(path, json.dumps(mine, indent=2) + "\n")
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be read ({error}); give another --out") from None
    if known != mine:
        raise OutputError(
            f"{path}: the answers here are of {json.dumps(known)}; give another --out for another reviewer"
        )


def _from_files(name: str, source: Source) -> Answers:
    by_reviewer: dict[str, dict[str, Picture]] = {}
    for reviewer, place in source.files.items():
        path = _annotations(Path(place))
        answered = read_records(path, "prediction")
        if not answered:
            raise InputError(f"{path}: holds no picture of {name}; give the reviewer's answers")
        by_reviewer[reviewer] = answered
        if accepted := _accepted(path, answered):
            by_reviewer[HUMAN] = accepted
    first = Path(next(iter(source.files.values())))
    images = Path(source.images) if source.images else first / "images"
    return Answers(by_reviewer, PicturesBelow(images) if source.images or images.is_dir() else lambda _: None)


def _annotations(path: Path) -> Path:
    """The file itself, or of a run directory its annotations, reviewed ones first."""
    if not path.is_dir():
        return path
    for name in ("reviewed.jsonl", "annotations.jsonl", "candidates.json"):
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path}: is a directory without annotations.jsonl; give a run or a file of annotations")


def _accepted(path: Path, answered: dict[str, Picture]) -> dict[str, Picture]:
    """What people accepted, of the pictures whose every anomaly has a verdict; empty where there are no verdicts."""
    verdicts: dict[str, list[Any]] = {}
    for row in parse_rows(path.read_text(encoding="utf-8-sig"), path.name) or []:
        if isinstance(row, dict) and isinstance(row.get("image_id"), str):
            listed = row.get("anomalies") or []
            verdicts[row["image_id"]] = [one.get("verdict") for one in listed if isinstance(one, dict)]
    if not any(any(listed) for listed in verdicts.values()):
        return {}
    accepted = {}
    for image_id, picture in answered.items():
        said = verdicts.get(image_id, [])
        if len(said) == len(picture.anomalies) and all(said):
            kept = [one for one, verdict in zip(picture.anomalies, said, strict=True) if verdict == "accept"]
            accepted[image_id] = picture._replace(anomalies=kept)
    return accepted


def _from_pictures(name: str, source: Source, directory: Path, reviewer: Reviewer, progress: "Progress") -> Answers:
    if source.dataset:
        ids, picture = _rows(source)
    else:
        below = PicturesBelow(Path(source.images or ""))
        ids, picture = below.names, below
    if not ids:
        raise InputError(f"{source.dataset or source.images}: holds no picture of {name}; give some")
    path = directory / f"{file_name(name)}.json"
    with PredictionWriter(path, resume=True) as writer, progress.bar(name, len(ids)) as done:

        def pending() -> Iterator[tuple[str, Image.Image]]:
            for image_id in ids:
                if image_id not in writer.done:
                    try:
                        yield image_id, picture(image_id)
                    except PictureError:  # one bad file ends no audit; it is counted and told
                        writer.append(Prediction(image_id=image_id, status="failed"))

        done(len(writer.done))
        if len(writer.done.intersection(ids)) < len(ids):
            for prediction in reviewer(pending()):
                writer.append(prediction)
                done(len(writer.done))
    answered = read_records(writer.rows_path, "prediction")
    return Answers({REVIEWER: {image_id: answered[image_id] for image_id in ids}}, picture)


class PicturesBelow:
    """The pictures below a directory, by name."""

    def __init__(self, root: Path) -> None:
        findings: list[Finding] = []
        if not root.is_dir():
            raise InputError(f"{root}: is no directory; give one with pictures")
        self.files = picture_files(open_tree(root), findings)
        broken = next((finding for finding in findings if finding.is_error), None)
        if broken is not None:
            raise InputError(f"{root}: {broken.message}")
        self.names = sorted(self.files)

    def __call__(self, image_id: str) -> Any:
        file = self.files.get(image_id)
        if file is None:
            return None
        try:
            with Image.open(io.BytesIO(file.read())) as picture:
                return upright(picture, file.path)
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
            raise PictureError(f"{file.path}: cannot be decoded ({error}); give an undamaged picture") from None


def _rows(source: Source) -> tuple[list[str], Callable[[str], Any]]:
    """The chosen rows of a dataset: their image ids, and the picture of each."""
    from trainer.loading import load_split

    rows = load_split(str(source.dataset), source.split, {"image", "image_id", *source.where})
    for key, wanted in source.where.items():
        labels = getattr(rows.features[key], "names", None)  # of a ClassLabel: the column holds their positions
        value = labels.index(wanted) if labels and wanted in labels else wanted
        rows = rows.select([i for i, held in enumerate(rows.select_columns([key])[key]) if held == value])
    ids = list(rows.select_columns(["image_id"])["image_id"])
    at = {image_id: i for i, image_id in enumerate(ids)}
    return ids, lambda image_id: upright(rows[at[image_id]]["image"], image_id) if image_id in at else None
