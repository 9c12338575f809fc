"""What is asked of people: a candidate and its picture; from a run, or from scenes whose truth is known (gold)."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.review.answers import Missed
from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_image_id, as_list, as_object
from dataset_builder.files.strict_json import read_rows
from dataset_builder.files.tree import File, open_tree
from dataset_builder.scenes import SceneAnomaly, read_scenes
from dataset_builder.schema import ADDED, Candidate
from dataset_builder.sources.annotations import read_candidate
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.runs import pictures_of

__all__ = ["Item", "RunRow", "added_item", "gold_items", "pictures_in", "read_rows_of", "run_items"]


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        key (`str`): names it, by its content: the same candidate of the same picture has the same key in every process, and
            a changed one another.
        picture (`str`): the key of its picture. Neither key contains a file's name: those of scenes give the truth away.
        image_id (`str`): the picture's file name.
        candidate (`Candidate`): what is said of it.
        gold (`str`, *optional*): the known answer.
        scenes (`Path`, *optional*): of gold, the scenes directory.
        asks (`str`): whether the candidate is right (`candidate`), or whether the agent missed anything in the picture (`missed`,
            with an empty candidate).
        added_by (`str`, *optional*): the reviewer who found what the agent had missed.
    """

    key: str
    picture: str
    image_id: str
    candidate: Candidate
    gold: Literal["accept", "reject"] | None = None
    scenes: Path | None = None
    asks: Literal["candidate", "missed"] = "candidate"
    added_by: str | None = None

    @property
    def is_question(self) -> bool:
        """Whether it asks about a candidate whose answer nobody knows yet, and not about a gold one or a whole picture."""
        return self.gold is None and self.asks == "candidate"


@dataclass(frozen=True)
class RunRow:
    """A row of a run's `annotations.jsonl`: the row itself, its picture's key, and its candidates with the keys of their
    items."""

    row: dict[str, Any]
    image_id: str
    picture: str
    candidates: list[tuple[str, Candidate]]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:20]


def _item_key(image_id: str, candidate: Candidate, repeat: int, scenes: str = "") -> str:
    said = candidate.model_dump(include={"name", "phenomenon", "reasoning", "severity", "remark", "bbox"}, mode="json")
    return _digest(image_id, sorted(said.items()), repeat, scenes)


def read_rows_of(run: Path) -> list[RunRow]:
    """The rows of a run, in its order.

    Raises:
        InputError: if `annotations.jsonl` is missing, or a row or candidate in it cannot be read.
    """
    path = run / "annotations.jsonl"
    if not path.is_file():
        raise InputError(f"{path}: does not exist; give a run that `anomreason annotate` has made")
    rows: list[RunRow] = []
    seen: set[str] = set()
    for file, value in read_rows(path):
        row = as_object(value, Place(file), "an object with image_id and anomalies")
        image_id = as_image_id(row.get("image_id"), Place(file))
        if image_id in seen:
            raise Place(file, image_id).error("appears more than once; remove the duplicates")
        seen.add(image_id)
        records = as_list(row.get("anomalies"), Place(file, image_id), "a list of records")
        repeats: Counter[str] = Counter()
        candidates = []
        for index, record in enumerate(records):
            candidate = read_candidate(record, Place(file, image_id, index))
            first = _item_key(image_id, candidate, 0)
            candidates.append((_item_key(image_id, candidate, repeats[first]), candidate))
            repeats[first] += 1
        rows.append(RunRow(row, image_id, _digest(image_id), candidates))
    return rows


def run_items(run: Path, *, ask_missed: bool = False) -> list[Item]:
    """A run's candidates as items, in its order.

    Args:
        run (`Path`): the run.
        ask_missed (`bool`): whether each picture's candidates are followed by the question whether the agent missed anything; of
            pictures without candidates too, unless the agent could not look at them wholly.

    Raises:
        InputError: if the run cannot be read or has nothing to ask about.
    """
    items = []
    for row in read_rows_of(run):
        items += [Item(key, row.picture, row.image_id, candidate) for key, candidate in row.candidates]
        if ask_missed and row.row.get("status") not in ("failed", "partial"):
            key = _digest(row.image_id, "missed")
            items.append(Item(key, row.picture, row.image_id, Candidate(), asks="missed"))
    if not items:
        raise InputError(f"{run}: has no candidates, so there is nothing to review")
    return items


def added_item(beside: Item, anomaly: Missed, reviewer: str) -> Item:
    """What a reviewer found and the agent had missed, in the picture of another item, as an item for the others."""
    candidate = Candidate(**anomaly.model_dump(), stage=ADDED)
    key = _digest(beside.picture, sorted(anomaly.model_dump(mode="json").items()), reviewer)
    return Item(key, beside.picture, beside.image_id, candidate, scenes=beside.scenes, added_by=reviewer)


def gold_items(scenes: Path) -> list[Item]:
    """Items with a known answer: of every other scene a true candidate, of the rest one that is deliberately wrong.

    A wrong one is the anomaly's own text, shown on the clean twin: the object is there, and nothing is wrong with it. Of
    a scene only one of the two is asked, or the second would give away the first.

    Raises:
        InputError: if it is not a scenes directory, or no scene in it has both an anomaly and a twin.
    """
    scenes = scenes.resolve()
    rows = {row.image_id: row for row in read_scenes(scenes)}
    items = []
    for row in rows.values():
        if not row.anomalies or row.twin_id not in rows:
            continue
        truth: Literal["accept", "reject"] = "accept" if int(_digest(row.image_id), 16) % 2 else "reject"
        shown = row.image_id if truth == "accept" else row.twin_id
        candidate = _candidate(row.anomalies[0])
        key = _item_key(shown, candidate, 0, str(scenes))
        items.append(Item(key, _digest(shown, str(scenes)), shown, candidate, truth, scenes))
    if not items:
        raise InputError(f"{scenes}: no scene has an anomaly and a clean twin; render more with `anomreason scenes`")
    # By key, that is, in no order that has to do with the answers.
    return sorted(items, key=lambda item: item.key)


def _candidate(anomaly: SceneAnomaly) -> Candidate:
    return Candidate(**anomaly.model_dump(exclude={"family"}))


def pictures_in(run: Path, items: list[Item]) -> dict[str, File]:
    """The picture files of items, by picture key; a picture that is missing, or a link, is not among them."""
    places = {item.scenes for item in items}
    files = {place: _files(place / "images" if place else pictures_of(run)) for place in places}
    return {item.picture: files[item.scenes][item.image_id] for item in items if item.image_id in files[item.scenes]}


def _files(directory: Path) -> dict[str, File]:
    return picture_files(open_tree(directory), []) if directory.is_dir() else {}
