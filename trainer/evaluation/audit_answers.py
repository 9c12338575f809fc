"""A reviewer's answers about a generator's pictures: read from files, or asked for and kept in files.

A reviewer is a callable that fills a prediction file: a model on this machine (`local_reviewer`), or whatever the caller hands
in, because endpoints and the agent lie in a package that this one knows nothing of. Rows are kept in `predictions/NAME.jsonl`,
so an audit that was stopped resumes where it was; another reviewer's answers are never taken for its own.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from dataset_builder.contestants import Contestant, Limits, Outcome, claim, rest
from dataset_builder.errors import InputError, PictureError
from dataset_builder.files.tree import open_tree
from dataset_builder.pictures import open_picture
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.prompts import Asked
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.release import picture_files
from dataset_builder.stored import StoredPictures, open_split
from metric_semap.anomalies import Picture
from metric_semap.records import parse_records, read_records
from metric_semap.strict_json import parse_rows
from trainer.evaluation.audit_plan import REVIEWER, Plan, Source
from trainer.evaluation.names import file_name

if TYPE_CHECKING:  # torch comes with it, which an audit from files does not need
    from trainer.predict import Progress

__all__ = [
    "HUMAN",
    "Answers",
    "Reviewed",
    "Reviewer",
    "Shown",
    "Unfinished",
    "local_reviewer",
    "pictures_below",
    "pictures_of",
    "review",
]

HUMAN = "human verdicts"
BATCH = 16


class Unfinished(Exception):
    """Why an audit cannot be ranked yet, although nothing is wrong with it: a budget ended it, or no picture was answered."""


class Shown(NamedTuple):
    """A source's pictures, to be shown to the reviewer.

    Attributes:
        name (`str`): the generator, or the clean pictures.
        pictures (`StoredPictures`): the pictures.
        path (`Path`): the prediction file to write, or to continue.
        budget (`Limits`): what the sources before it left.
    """

    name: str
    pictures: StoredPictures
    path: Path
    budget: Limits


Reviewer = Callable[[Shown], Outcome]


class Answers(NamedTuple):
    """What each reviewer said of a source's pictures, and a way to get at the pictures (None where there are none)."""

    by_reviewer: dict[str, dict[str, Picture]]
    picture: Callable[[str], Image.Image | None]


class Reviewed(NamedTuple):
    """All answers: about each generator and, where there are any, the clean pictures.

    Attributes:
        notes (`list[str]`): whose answers they are.
        unfinished (mapping): reviewers without answers, and why.
    """

    generators: dict[str, Answers]
    clean: Answers | None
    notes: list[str]
    unfinished: Mapping[str, str] = MappingProxyType({})


def local_reviewer(settings: Contestant, progress: "Progress", task: Asked = "anomalies") -> Reviewer:
    """A model on this machine, asked for a `task`; it is loaded once, when the first picture is asked about, and resumes after
    the last row."""
    loaded: list[Any] = []

    def ask(shown: Shown) -> Outcome:
        with (
            PredictionWriter(shown.path, resume=True) as writer,
            progress.bar(shown.name, len(shown.pictures.ids)) as done,
        ):

            def pending() -> Iterator[tuple[str, Image.Image]]:
                for image_id in shown.pictures.ids:
                    if image_id not in writer.done:
                        try:
                            yield image_id, open_picture(image_id, shown.pictures.content(image_id))
                        except PictureError:  # one bad file ends no audit; it is counted and told
                            writer.append(Prediction(image_id=image_id, status="failed"))

            done(len(writer.done))
            if not writer.done.issuperset(shown.pictures.ids):
                from trainer.loading import load
                from trainer.predict import predict

                loaded[:] = loaded or load(settings.model, settings.adapter)
                model, processor = loaded
                for prediction in predict(pending(), model, processor, task, batch_size=BATCH):
                    writer.append(prediction)
                    done(len(writer.done))
        return Outcome()

    return ask


def review(plan: Plan, out: Path, reviewer: Reviewer) -> Reviewed:
    """The answers about every generator of a plan, and about its clean pictures where it has any.

    Args:
        plan (`Plan`): what to audit.
        out (`Path`): where `predictions/` goes.
        reviewer (`Reviewer`): asked about pictures that have no annotations.

    Raises:
        InputError: if a source cannot be read, or `out` holds another reviewer's answers.
        Unfinished: if the reviewer could not answer to the end.
    """
    sources = dict(plan.generators) | ({} if plan.clean is None else {"": plan.clean})
    notes = []
    if plan.asks:
        claim(out / "predictions" / "reviewer.json", plan.reviewer)
        notes.append(f"pictures without annotations were shown to {_name(plan.reviewer)}")
    left = plan.budget
    found, stopped = {}, {}
    for name, source in sources.items():
        shown = name or "clean pictures"
        if source.files:
            found[name] = _from_files(shown, source)
            continue
        pictures = pictures_of(shown, source)
        path = out / "predictions" / f"{file_name(shown)}.json"
        outcome = reviewer(Shown(shown, pictures, path, left))
        left = rest(left, outcome)
        notes += [note for note in (outcome.note,) if note and note not in notes]
        if outcome.unfinished:
            stopped[shown] = outcome.unfinished
            continue
        answered = read_records(path.with_suffix(".jsonl"), "prediction")
        known = {image_id: answered[image_id] for image_id in pictures.ids}
        found[name] = Answers({REVIEWER: known}, _opener(pictures))
    if stopped:
        raise Unfinished("; ".join(f"{name}: {reason}" for name, reason in stopped.items()))
    return Reviewed({name: answers for name, answers in found.items() if name}, found.get(""), notes)


def _name(reviewer: Contestant) -> str:
    adapter = f" with the adapter {reviewer.adapter}" if reviewer.adapter else ""
    plan = f", plan {reviewer.plan or 'direct'}" if reviewer.is_remote else ""
    return f"{reviewer.model or 'its base'}{adapter}{plan}"


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
    if not source.images and not images.is_dir():
        return Answers(by_reviewer, lambda _: None)
    return Answers(by_reviewer, _opener(pictures_below(images)))


def _annotations(path: Path) -> Path:
    """The file itself, or of a run directory its annotations, reviewed ones first."""
    if not path.is_dir():
        return path
    for name in ("reviewed.jsonl", "annotations.jsonl", "candidates.json"):
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path}: is a directory without annotations.jsonl; give a run or a file of annotations")


def _accepted(path: Path, answered: dict[str, Picture]) -> dict[str, Picture]:
    """What people accepted, what they added among it, of the pictures whose every anomaly has a verdict; empty where there are no
    verdicts."""
    verdicts: dict[str, list[Any]] = {}
    added: dict[str, list[Any]] = {}
    for row in parse_rows(path.read_text(encoding="utf-8-sig"), path.name) or []:
        if isinstance(row, dict) and isinstance(row.get("image_id"), str):
            listed, besides = row.get("anomalies") or [], row.get("added") or []
            verdicts[row["image_id"]] = [one.get("verdict") for one in listed if isinstance(one, dict)]
            added[row["image_id"]] = [
                one for one in besides if isinstance(one, dict) and one.get("verdict") == "accept"
            ]
    if not any(any(listed) for listed in verdicts.values()) and not any(added.values()):
        return {}
    found = parse_records(json.dumps(added), "prediction", path.name) if any(added.values()) else {}
    accepted = {}
    for image_id, picture in answered.items():
        said = verdicts.get(image_id, [])
        if len(said) == len(picture.anomalies) and all(said):
            kept = [one for one, verdict in zip(picture.anomalies, said, strict=True) if verdict == "accept"]
            more = found[image_id].anomalies if image_id in found else ()
            accepted[image_id] = picture._replace(anomalies=[*kept, *more])
    return accepted


def pictures_of(name: str, source: Source) -> StoredPictures:
    """The pictures of a source that are to be shown."""
    if source.dataset:
        pictures = open_split(str(source.dataset), source.split, where=source.where)
    else:
        pictures = pictures_below(Path(source.images or ""))
    if not pictures.ids:
        raise InputError(f"{source.dataset or source.images}: holds no picture of {name}; give some")
    return pictures


def pictures_below(root: Path) -> StoredPictures:
    """The pictures below a directory, by name."""
    findings: list[Finding] = []
    if not root.is_dir():
        raise InputError(f"{root}: is not a directory; give one with pictures")
    files = picture_files(open_tree(root), findings)
    broken = next((finding for finding in findings if finding.is_error), None)
    if broken is not None:
        raise InputError(f"{root}: {broken.message}")

    def content(image_id: str) -> bytes:
        if image_id not in files:
            raise PictureError(f"{image_id}: is not below {root}; put it there")
        return files[image_id].read()

    return StoredPictures(sorted(files), content)


def _opener(pictures: StoredPictures) -> Callable[[str], Image.Image]:
    return lambda image_id: open_picture(image_id, pictures.content(image_id))
