"""A run directory: what the annotating agent leaves, before or after people have reviewed it.

`annotations.jsonl` has one row per picture: `image_id`, how it ended (`status`) and its anomalies, each with its evidence
(`object`, `stage`, `support`, `votes`, `bbox`). `reviewed.jsonl`, the same rows with each candidate's verdict and votes and
with what people added (`added`), is read instead once people have reviewed them; without either `candidates.json`,
the same in the release's form. Pictures are those below the run's `images/`, or below the directory that was annotated,
which `run.json` names.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dataset_builder.errors import DuplicateError, InputError
from dataset_builder.files.records import Place, as_image_id, as_list, as_object
from dataset_builder.files.strict_json import read_json, read_rows
from dataset_builder.files.tree import open_tree
from dataset_builder.schema import Anomaly, Candidate, Label
from dataset_builder.sources.annotations import read_candidate
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.release import picture_files
from dataset_builder.sources.rows import Row, generator_of, split_by_hash

__all__ = ["is_run", "pictures_of", "read_run"]


def is_run(root: Path) -> bool:
    """Whether a directory is a run of the agent."""
    return (root / "annotations.jsonl").is_file() or (
        (root / "candidates.json").is_file() and (root / "journal.sqlite").is_file()
    )


def pictures_of(root: Path) -> Path:
    """The directory of a run's pictures: the one its `run.json` names, else its own `images/`.

    Raises:
        InputError: if `run.json` cannot be read or names no directory in a way that can be understood.
    """
    path = root / "run.json"
    if not path.is_file():
        return root / "images"
    images = as_object(read_json(path), Place(path), "an object").get("images")
    if images is None:
        return root / "images"
    if not isinstance(images, str):
        raise Place(path).error("is not a directory; write its path, or null for the run's own", "images", images)
    return Path(images)


def read_run(root: Path, label: Label, images: Path | None) -> tuple[list[Row], list[Finding]]:
    """The rows of a run: its anomalies are the candidates, those a verdict accepts the anomalies.

    As long as no candidate has a verdict, nobody has reviewed the run and all of them are taken.

    Args:
        root (`Path`): the run.
        label (`str`): the label of its pictures, which an annotation does not tell.
        images (`Path`, *optional*): where the pictures are, if not where `pictures_of` says.

    Raises:
        InputError: if the run or its pictures cannot be read.
    """
    place = images or pictures_of(root)
    if not place.is_dir():
        raise InputError(f"{place}: does not exist; say with --images where the pictures of the run are")
    findings: list[Finding] = []
    pictures = picture_files(open_tree(place), findings)
    candidates = _candidates(root, findings)
    reviewed = any(candidate.verdict for listed in candidates.values() for candidate in listed)
    rows = []
    for name, listed in candidates.items():
        if name not in pictures:
            findings.append(Finding("annotations without picture", name, f"no such picture in {place}", name))
            continue
        split = split_by_hash(name)
        rows.append(
            Row(
                image_id=name,
                picture=pictures[name],
                label=label,
                anomalies=[_accepted(one) for one in listed if not reviewed or one.verdict == "accept"],
                candidates=listed,
                generator=generator_of(name) if label == "fake" else None,
                split=split,
                deepfake=split,
            )
        )
    missing = [name for name in pictures if name not in candidates]
    findings += [Finding("picture without annotations", name, "the run has no answer", name) for name in missing]
    return rows, findings


def _accepted(candidate: Candidate) -> Anomaly:
    return Anomaly(**{field: getattr(candidate, field) for field in Anomaly.model_fields})


def _candidates(root: Path, findings: list[Finding]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    reviewed, path = root / "reviewed.jsonl", root / "annotations.jsonl"
    if reviewed.is_file():
        path = reviewed
    if path.is_file():
        rows: Iterable[tuple[str, str | None, Any]] = ((place, None, row) for place, row in read_rows(path))
    else:
        content = as_object(read_json(root / "candidates.json"), Place(root / "candidates.json"), "an object")
        rows = ((str(root / "candidates.json"), key, records) for key, records in content.items())
    for file, key, row in rows:
        try:
            name, records = (key, row) if key is not None else _answer(row, Place(file))
            if records is None:
                continue
            image_id = as_image_id(name, Place(file))
            if image_id in found:
                problem = "appears more than once; remove the duplicates"
                raise Place(file, name).error(problem, kind=DuplicateError)
            found[image_id] = []
        except InputError as error:
            findings.append(Finding.of(error))
            continue
        broken = 0
        for index, record in enumerate(as_list(records, Place(file, name), "a list of records")):
            try:
                found[image_id].append(read_candidate(record, Place(file, name, index)))
            except InputError as error:
                broken += 1
                findings.append(Finding.of(error, image_id, index))
        if broken and not found[image_id]:
            del found[image_id]
    return found


def _answer(row: Any, place: Place) -> tuple[str, Any]:
    fields = as_object(row, place, "an object with image_id and anomalies")
    if "image_id" not in fields or "anomalies" not in fields:
        raise place.error("lacks image_id or anomalies; give the file as the agent wrote it", value=row)
    added = as_list(fields.get("added", []), place, "a list of what people added")
    records = fields["anomalies"]
    if added:
        records = [*as_list(records, place, "a list of records"), *added]
    # A picture whose calls failed was not found clean, and one that is partial was not looked at wholly.
    failed = fields.get("status") in ("failed", "partial") and not records
    return fields["image_id"], None if failed else records
