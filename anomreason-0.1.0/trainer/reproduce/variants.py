"""The training sets of the ablation: the same pictures, with other annotations.

| variant | trained on |
|---|---|
| LoRA | the true annotations |
| without severity | the same, with a severity of null in every answer |
| unverified | candidates before review: simulated ones over scenes, else those of the dataset, where it has them |
| verified | over scenes, those of them that simulated reviewers accepted; a dataset's own annotations are those |
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets

from dataset_builder.building.build import build
from dataset_builder.errors import InputError
from dataset_builder.scenes import HELD_OUT, TRAINED, SceneRow, read_scenes, write_scenes
from dataset_builder.stored import load_split
from trainer.reproduce import embedded
from trainer.reproduce.hitl import PEOPLE
from trainer.reproduce.simulated import Person, Rates, answer, candidates

__all__ = ["LORA", "PLAIN", "UNVERIFIED", "VERIFIED", "Anomalies", "of_dataset", "of_scenes", "scenes", "written"]

LORA, PLAIN, UNVERIFIED, VERIFIED = "LoRA", "without severity", "unverified", "verified"
KEYS = ("name", "phenomenon", "reasoning", "severity")

Anomalies = Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]]
"""A variant's annotations of a picture, from its name and true ones."""


def scenes(out: Path, number: int) -> dict[str, SceneRow]:
    """The scenes below `out` by name, rendered, and built into `out/dataset`, unless they are there."""
    place = out / "scenes"
    there = (place / "scenes.jsonl").is_file() and (out / "dataset" / "README.md").is_file()
    if not there or len(read_scenes(place)) != number:
        # The family to be learned as often as all the others together, which keep the model from forgetting them.
        write_scenes(place, number, embedded.SEED + 2, (HELD_OUT[0],) * len(TRAINED) + TRAINED)
        build(place, out / "dataset", recipe=None)
    return {row.image_id: row for row in read_scenes(place)}


def of_scenes(rows: Mapping[str, SceneRow], people: Sequence[Person] = PEOPLE) -> dict[str, Anomalies]:
    """The variants over scenes: candidates and reviewers are simulated."""
    found = candidates(list(rows.values()), Rates(), 0)

    def proposed(image_id: str, *, verified: bool) -> list[dict[str, Any]]:
        kept = []
        for at, one in enumerate(found[image_id]):
            accepted = sum(answer(person, image_id, at, one, 0) == "accept" for person in people)
            if not verified or 2 * accepted > len(people):
                kept.append(_plain({key: getattr(one.candidate, key) for key in KEYS}))
        return kept

    return {
        LORA: _true,
        PLAIN: _without_severity,
        UNVERIFIED: lambda image_id, _: proposed(image_id, verified=False),
        VERIFIED: lambda image_id, _: proposed(image_id, verified=True),
    }


def of_dataset(dataset: str) -> dict[str, Anomalies]:
    """The variants over a dataset; unverified where it has the configuration `candidates`."""
    variants: dict[str, Anomalies] = {LORA: _true, PLAIN: _without_severity}
    try:
        rows = load_split(dataset, "train", {"image_id", "anomalies"}, "candidates")
    except InputError:  # there are none, and the result says so
        return variants
    rows = rows.select_columns(["image_id", "anomalies"])
    before = {row["image_id"]: [_plain(one) for one in row["anomalies"]] for row in rows}
    variants[UNVERIFIED] = lambda image_id, true: before.get(image_id, true)
    return variants


def _true(_: str, anomalies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return anomalies


def _without_severity(_: str, anomalies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one | {"severity": None} for one in anomalies]


def _plain(candidate: Mapping[str, Any]) -> dict[str, Any]:
    return {key: candidate[key] for key in KEYS} | {"remark": None, "bbox": None}


def written(dataset: str, out: Path, variant: str, change: Anomalies) -> Path:
    """A dataset's training split with a variant's annotations, below `out` unless it is there, as `load_dataset` reads it."""
    place = out / "variants" / variant.replace(" ", "_")
    target = place / "train-00000.parquet"
    if not target.is_file():
        rows = load_split(dataset, "train", {"image", "image_id", "anomalies"}, "default")
        rows = rows.select([at for at, listed in enumerate(rows["anomalies"]) if listed is not None])
        rows = rows.cast_column("image", datasets.Image(decode=False))
        changed = rows.map(lambda row: {"anomalies": change(row["image_id"], row["anomalies"])}, features=rows.features)
        place.mkdir(parents=True, exist_ok=True)
        partial = place / ".partial"
        changed.cast_column("image", datasets.Image()).to_parquet(str(partial))
        partial.replace(target)
    return place.absolute()
