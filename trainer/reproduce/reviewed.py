"""Candidates with what people said of them: from a reviewed run, from a dataset, or from a release.

Only pictures count whose every candidate has a verdict. Where the files have no verdicts, as the authors' have none, a
candidate counts as accepted if the annotations after review hold it, word for word in phenomenon and reasoning.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_image_id, as_list, as_object
from dataset_builder.files.strict_json import read_rows
from dataset_builder.scenes import SceneRow, family_of, read_scenes
from dataset_builder.schema import ADDED, Candidate, Verdict
from dataset_builder.sources.annotations import read_candidate
from dataset_builder.sources.opening import open_source
from dataset_builder.stored import load_split

__all__ = ["Gold", "Seen", "Verified", "read_dataset", "read_release", "read_run"]


class Seen(NamedTuple):
    """A candidate: its stage and severity, what the reviewers' votes came to, each one's own, and whether it is true, where
    known."""

    stage: str
    severity: int | None
    verdict: Verdict | None
    by_reviewer: Mapping[str, Verdict]
    true: bool | None

    @property
    def kept(self) -> bool:
        return self.verdict == "accept"


class Gold(NamedTuple):
    """A reviewer on items with a known answer: how many were answered, and how many rightly."""

    name: str
    answers: int
    gold: int
    right: int


class Verified(NamedTuple):
    """The agent's candidates of each picture, by name; reviewers on items with a known answer; what to know of them; and what
    people added to these pictures, which is not a candidate of the agent's."""

    pictures: Mapping[str, Sequence[Seen]]
    gold: Sequence[Gold] = ()
    notes: Sequence[str] = ()
    added: Sequence[Seen] = ()


Reviewing = Callable[[Path], tuple[dict[tuple[str, int], dict[str, Verdict]], list[Gold]]]
"""Reads a run's verdicts: each reviewer's own, by picture and place in its list, and the reviewers on gold items."""


def read_run(run: Path, reviewing: Reviewing | None = None) -> Verified:
    """The candidates of `reviewed.jsonl` in a run, of the pictures whose every candidate has a verdict.

    Where the run's pictures are scenes, `scenes.jsonl` beside them tells what is true.

    Args:
        run (`Path`): the run directory.
        reviewing (callable, *optional*): reads each reviewer's own verdicts and how they did on gold items.

    Raises:
        InputError: if the file is missing, or no picture has all its verdicts.
    """
    path = run / "reviewed.jsonl"
    if not path.is_file():
        raise InputError(f"{path}: does not exist; write it with `anomreason verdicts export {run}`")
    truth, (own, gold) = _truth(run), reviewing(run) if reviewing else ({}, [])
    found: dict[str, list[Seen]] = {}
    added: list[Seen] = []
    for file, value in read_rows(path):
        row = as_object(value, Place(file), "an object with image_id and anomalies")
        image_id = as_image_id(row.get("image_id"), Place(file))
        records = as_list(row.get("anomalies"), Place(file, image_id), "a list of records")
        listed = [read_candidate(record, Place(file, image_id, at)) for at, record in enumerate(records)]
        if all(one.verdict is not None for one in listed):
            found[image_id] = [
                Seen(
                    one.stage or "none stated",
                    one.severity,
                    one.verdict,
                    own.get((image_id, at), {}),
                    None if truth is None else _is_true(one, truth.get(image_id)),
                )
                for at, one in enumerate(listed)
            ]
            missed = as_list(row.get("added", []), Place(file, image_id), "a list of what people added")
            besides = [read_candidate(record, Place(file, image_id, at)) for at, record in enumerate(missed)]
            added += [Seen(ADDED, one.severity, one.verdict, {}, None) for one in besides]
    if not any(found.values()):
        raise InputError(
            f"{path}: no picture has a verdict on each of its candidates; continue with `anomreason review {run}`"
        )
    return Verified(found, gold, added=added)


def _truth(run: Path) -> dict[str, SceneRow] | None:
    """The scenes that a run's pictures are, if they are."""
    try:
        images = json.loads((run / "run.json").read_text(encoding="utf-8")).get("images")
    except (OSError, ValueError, AttributeError):
        return None
    place = Path(str(images)).parent
    return {row.image_id: row for row in read_scenes(place)} if (place / "scenes.jsonl").is_file() else None


def _is_true(candidate: Candidate, row: SceneRow | None) -> bool:
    """Whether a candidate says what is wrong with a scene: the name is of the family, and the object is named."""
    family, told = family_of(candidate.name), f"{candidate.object} {candidate.phenomenon}".casefold()
    return row is not None and any(one.family == family and one.object in told for one in row.anomalies)


class _Said(NamedTuple):
    """An anomaly's texts as they are compared, its severity, and of a candidate its stage and verdict."""

    texts: tuple[str, str]
    severity: int | None
    stage: str = ""
    verdict: Verdict | None = None

    @classmethod
    def of(cls, phenomenon: str, reasoning: str, *rest: Any) -> "_Said":
        return cls((" ".join(phenomenon.casefold().split()), " ".join(reasoning.casefold().split())), *rest)


def read_release(release: Path) -> Verified:
    """The candidates of a release that has them (`AnomReason_candidates*.json`), and which of them stayed.

    Raises:
        InputError: if it has none, or nothing was annotated after review.
    """
    found = (
        (
            row.image_id,
            [_Said.of(one.phenomenon, one.reasoning, one.severity, one.stage, one.verdict) for one in row.candidates],
            None
            if row.anomalies is None
            else [_Said.of(one.phenomenon, one.reasoning, one.severity) for one in row.anomalies],
        )
        for row in open_source(release).rows
        if row.candidates is not None
    )
    return _decided(found, str(release))


def read_dataset(dataset: str) -> Verified:
    """The candidates of a built dataset's or Hub dataset's configuration `candidates`, all splits, and which of them stayed.

    Raises:
        InputError: if it has no such configuration, or nothing was reviewed.
    """
    rows = load_split(dataset, "all", {"image_id", "anomalies"}, "candidates").select_columns(["image_id", "anomalies"])
    verdicts = rows.features["anomalies"].feature["verdict"]
    kept = load_split(dataset, "all", {"image_id", "anomalies"}, "default").select_columns(["image_id", "anomalies"])
    after = {row["image_id"]: row["anomalies"] for row in kept}

    def said(one: Mapping[str, Any]) -> _Said:
        verdict: Any = one.get("verdict")
        named = None if verdict is None else verdicts.int2str(verdict)
        return _Said.of(one["phenomenon"], one["reasoning"], one["severity"], one.get("stage") or "", named)

    found = (
        (
            row["image_id"],
            [said(one) for one in row["anomalies"]],
            None if after.get(row["image_id"]) is None else [said(one) for one in after[row["image_id"]]],
        )
        for row in rows
    )
    return _decided(found, dataset)


def _decided(rows: Iterable[tuple[str, list[_Said], list[_Said] | None]], place: str) -> Verified:
    """Pictures with a verdict on each candidate, stated or told from what was annotated after review."""
    pictures: dict[str, list[Seen]] = {}
    added: list[Seen] = []
    left_out = told = foreign = 0
    for image_id, candidates, after in rows:
        stated = all(one.verdict is not None for one in candidates)
        if not stated and (after is None or any(one.verdict is not None for one in candidates)):
            left_out += 1
            continue
        verdicts = [one.verdict for one in candidates]
        if not stated and after is not None:
            stayed = {one.texts for one in after}
            verdicts = ["accept" if one.texts in stayed else "reject" for one in candidates]
            foreign += len(stayed - {one.texts for one in candidates})
            told += 1
        seen = [
            Seen(one.stage or "none stated", one.severity, verdict, {}, None)
            for one, verdict in zip(candidates, verdicts, strict=True)
        ]
        pictures[image_id] = [one for one in seen if one.stage != ADDED]
        added += [one for one in seen if one.stage == ADDED]
    if not any(pictures.values()):
        raise InputError(
            f"{place}: has no candidates with verdicts; build it from a reviewed run, or from a release with candidates and "
            "annotations after review"
        )
    notes = []
    if told:
        notes.append(
            f"{told} pictures have no verdicts: a candidate counts as kept if the annotations hold its very texts."
        )
    if foreign:
        notes.append(f"{foreign} annotations are no candidate's texts (people changed or added them) and are left out.")
    if left_out:
        notes.append(f"{left_out} pictures without a verdict on each candidate are left out.")
    return Verified(pictures, notes=notes, added=added)
