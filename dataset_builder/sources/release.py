"""The release as its authors ship it: annotation files, lists and folders of pictures, unpacked or in zip archives.

| file | read as |
|---|---|
| `AnomReason_After_HITL*.json` | accepted anomalies; several files are merged, and have to agree |
| `*candidate*.json` | anomalies before review |
| `dataset_split_list.json` | the splits of the generated pictures |
| `AnomReason_Deepfake_Test_list.json` | the test split of `deepfake` |
| `Real_image_caption_*.json` | why each photograph is credible |
| `manifest.csv` (`image,label,generator,split`) | what the other files do not say; it wins over them |
| pictures below `1_fake/` and `0_real/` | generated pictures and photographs |

Every record is read on its own, so that all that is wrong is told at once.
"""

import csv
import fnmatch
import functools
import io
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, get_args

from pydantic import ValidationError

from dataset_builder import official, severity
from dataset_builder.errors import InputError, PictureError, shorten
from dataset_builder.fields import OFFICIAL_KEYS, clean_name, clean_text
from dataset_builder.files.records import Place, as_image_id, as_list, as_object, as_text, read_record
from dataset_builder.files.strict_json import Repeated
from dataset_builder.files.tree import File, Tree, read_json
from dataset_builder.pictures import is_picture
from dataset_builder.schema import Anomaly, Candidate, Label, Verdict
from dataset_builder.sources.findings import Finding, of_record
from dataset_builder.sources.rows import SPLITS, TEST_SHARE, Row, Split, generator_of, split_by_hash

__all__ = ["is_release", "read_release"]

_ACCEPTED, _CANDIDATES = "anomreason_after_hitl*.json", "*candidate*.json"
_SPLITS, _DEEPFAKE = "dataset_split_list.json", "anomreason_deepfake_test_list.json"
_CAPTIONS, _MANIFEST = "real_image_caption*.json", "manifest.csv"
_FOLDERS: dict[str, Label] = {"1_fake": "fake", "0_real": "real"}


def _matching(files: Iterable[File], pattern: str) -> list[File]:
    return [file for file in files if fnmatch.fnmatchcase(file.name.lower(), pattern)]


def _folder(file: File) -> Label | None:
    """The label that a file's folder tells."""
    return next((_FOLDERS[part] for part in file.path.split("/")[:-1] if part in _FOLDERS), None)


def is_release(tree: Tree) -> bool:
    """Whether a source is laid out as the authors' release."""
    return any(_folder(file) for file in tree.files) or any(
        _matching(tree.files, pattern) for pattern in (_ACCEPTED, _MANIFEST)
    )


def read_release(tree: Tree) -> tuple[list[Row], list[Finding]]:
    """The rows of a release, generated pictures first, by path; and what is wrong or odd with its files.

    Raises:
        InputError: if a whole file is not what its name says.
    """
    findings: list[Finding] = []
    files = [file for file in tree.files if not is_picture(file.path)]
    accepted = _annotations(_matching(files, _ACCEPTED), findings, _accepted)
    candidates = _annotations(_matching(files, _CANDIDATES), findings, read_candidate)
    captions = _captions(_matching(files, _CAPTIONS), findings)
    listed = _split_list(_matching(files, _SPLITS))
    deepfake = _deepfake_list(_matching(files, _DEEPFAKE))
    manifest = _manifest(_matching(files, _MANIFEST), findings)
    pictures = picture_files(tree, findings)

    rows: list[Row] = []
    for name, file in pictures.items():
        stated = manifest.get(name, {})
        told = [label for label in (stated.get("label"), _folder(file), deepfake.get(name)) if label]
        known: Label | None = "fake" if name in accepted or name in candidates else None
        label = told[0] if told else known or ("real" if name in captions else None)
        if label is None:
            findings.append(
                Finding(
                    "label unknown",
                    file.path,
                    "lies in neither 1_fake/ nor 0_real/ and no file names it; left out",
                )
            )
            continue
        if len(set(told)) > 1:
            findings.append(
                Finding("label contradiction", file.path, f"folder, manifest and lists say {', '.join(told)}", name)
            )
        fake = label == "fake"
        if fake and name not in accepted:
            findings.append(
                Finding("picture without annotations", file.path, "no annotation file names it; only in deepfake", name)
            )
        rows.append(
            Row(
                image_id=name,
                picture=file,
                label=label,
                anomalies=accepted.get(name) if fake else None,
                candidates=candidates.get(name) if fake else None,  # type: ignore[arg-type]
                generator=stated.get("generator") or (generator_of(name) if fake else None),
                caption=None if fake else captions.get(name),
                split=stated.get("split"),
            )
        )
    rows.sort(key=lambda row: row.label == "real")
    for what, names in (("annotations", accepted), ("candidates", candidates), ("a caption", captions)):
        findings += [
            Finding("annotations without picture", name, f"{what} but no picture of this name", name)
            for name in names
            if name not in pictures
        ]
    return _with_splits(rows, listed, deepfake, pictures, findings), findings


def picture_files(tree: Tree, findings: list[Finding]) -> dict[str, File]:
    """The pictures of a source by file name; those that share one are findings and are left out."""
    by_name: dict[str, list[File]] = defaultdict(list)
    for file in tree.files:
        if is_picture(file.path):
            try:
                by_name[as_image_id(file.path, Place(file.path.encode(errors="replace").decode()))].append(file)
            except InputError as error:  # a name that is not UTF-8
                findings.append(Finding("unreadable picture", "a file's name", str(error)))
    for name, files in by_name.items():
        if len(files) > 1:
            paths = " and ".join(file.path for file in files)
            findings.append(Finding("basename collision", name, f"{paths} have the same name; rename one", name))
    findings += [Finding("link not followed", link, "put the file itself in its place") for link in tree.links]
    return {name: files[0] for name, files in by_name.items() if len(files) == 1}


_parse_severity = functools.lru_cache(maxsize=4096)(severity.parse)
_KEYS = tuple(OFFICIAL_KEYS.values())
_RELEASED = frozenset(_KEYS)
_values = operator.itemgetter(*_KEYS)


def _accepted(record: object, place: Place) -> Anomaly:
    anomaly = _as_released(record) if type(record) is dict and record.keys() == _RELEASED else None
    # Read as a prediction is, because an empty text is odd and no reason to lose the record; a severity has to be there.
    anomaly = anomaly or read_record(record, place, prediction=True)
    if anomaly.severity is None:
        raise place.error('is missing; add the key "Severity Score"', "severity")
    return anomaly


def _as_released(record: dict[str, Any]) -> Anomaly | None:
    """A record under exactly the released keys, which is nearly every one, in a fifth of the time; `None` for any other."""
    name, phenomenon, reasoning, level = _values(record)
    try:
        value, remark = _parse_severity(level)
        return Anomaly(
            name=clean_name(name),
            phenomenon=clean_text(phenomenon),
            reasoning=clean_text(reasoning),
            severity=value,
            remark=remark,
        )
    except (InputError, ValidationError, TypeError, AttributeError):
        return None  # read_record says what is wrong, and where


def read_candidate(record: object, place: Place) -> Candidate:
    """A record before review: the quadruplet and, where stated, object, stage, support, votes and verdict.

    Raises:
        RecordError: if the record, or a vote or verdict in it, cannot be read.
    """
    fields = as_object(record, place, "a record")
    # Candidates of our own agent keep the object and stage under these keys, which are no field of the quadruplet.
    evidence = {key: fields[key] for key in ("object", "stage", "support", "votes", "verdict") if key in fields}
    rest = {key: value for key, value in fields.items() if key not in evidence}
    anomaly = read_record(rest, place, prediction=True)
    if anomaly.severity is None:
        raise place.error('is missing; add the key "Severity Score"', "severity")
    verdict, votes = evidence.get("verdict"), evidence.get("votes") or {}
    if verdict not in (None, *get_args(Verdict)):
        raise place.error("is no verdict; write accept, reject or unsure", "verdict", verdict)
    if not isinstance(votes, dict) or not all(
        key in get_args(Verdict) and isinstance(count, int) and count >= 0 for key, count in votes.items()
    ):
        raise place.error("are no votes; write counts of accept, reject and unsure", "votes", votes)
    return Candidate(
        **dict(anomaly),
        object=as_text(evidence.get("object") or "", place, "object", empty=True),
        stage=as_text(evidence.get("stage") or "", place, "stage", empty=True),
        support=evidence["support"] if isinstance(evidence.get("support"), int) else 0,
        votes=votes,
        verdict=verdict,
    )


def _annotations(
    files: list[File], findings: list[Finding], read: Callable[[object, Place], Anomaly]
) -> dict[str, list[Anomaly]]:
    merged: dict[str, list[Anomaly]] = {}
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict):
            raise InputError(f"{file.path}: is not an object of image names and lists of records; give the release's")
        if isinstance(content, Repeated):
            place = Place(file.path, content.key)
            findings.append(of_record(place.error("stands more than once; keep one of them"), content.key))
            content = {key: value for key, value in content.items() if key != content.key}
        names = official.ImageNames(file.path)
        for key, records in content.items():
            try:
                name = names.add(key)
                listed = as_list(records, Place(file.path, key), "a list of records; write [] where there are none")
            except InputError as error:
                findings.append(of_record(error, key))
                continue
            anomalies = _read_each(listed, file, key, name, findings, read)
            if anomalies is None:
                continue
            if merged.setdefault(name, anomalies) != anomalies:
                conflict = Place(file.path, key).error("stands more than once: another file has other records for it")
                findings.append(of_record(conflict, name))
    return merged


def _read_each(
    records: list[Any],
    file: File,
    key: str,
    name: str,
    findings: list[Finding],
    read: Callable[[object, Place], Anomaly],
) -> list[Anomaly] | None:
    """The records that can be read; `None` if there are some and none can, which must not pass for "nothing wrong"."""
    anomalies = []
    for index, record in enumerate(records):
        try:
            anomalies.append(read(record, Place(file.path, key, index)))
        except InputError as error:
            findings.append(of_record(error, name, index))
    return anomalies if anomalies or not records else None


def _captions(files: list[File], findings: list[Finding]) -> dict[str, str]:
    captions: dict[str, str] = {}
    for file in files:
        content = as_object(read_json(file), Place(file.path), "an object of image names and captions")
        for key, text in content.items():
            place = Place(file.path, key)
            try:
                captions[as_image_id(key, place)] = as_text(text, place, "caption", empty=False)
            except InputError as error:
                findings.append(of_record(error, key))
    return captions


def _split_list(files: list[File]) -> dict[str, Split]:
    listed: dict[str, Split] = {}
    for file in files:
        with file.on_disk() as path:
            content = official.read_split(path)
        listed |= {name: split for split in SPLITS for name in content[split]}
    return listed


def _deepfake_list(files: list[File]) -> dict[str, Label | None]:
    listed: dict[str, Label | None] = {}
    for file in files:
        with file.on_disk() as path:
            listed |= official.read_deepfake_list(path)
    return listed


_COLUMNS: dict[str, tuple[str, ...]] = {"label": get_args(Label), "split": SPLITS}


def _manifest(files: list[File], findings: list[Finding]) -> dict[str, dict[Any, Any]]:
    stated: dict[str, dict[Any, Any]] = {}
    for file in files:
        try:
            table = csv.DictReader(io.StringIO(file.read().decode("utf-8-sig")), strict=True)
            for row in table:
                image = row.get("image") or ""
                try:
                    name = as_image_id(image, Place(f"{file.path}:{table.line_num}"))
                    for column, values in _COLUMNS.items():
                        value = row.get(column) or None
                        if value not in (None, *values):
                            problem = f"is no {column}; write {' or '.join(values)}"
                            raise Place(f"{file.path}:{table.line_num}", image).error(problem, column, value)
                except InputError as error:
                    findings.append(of_record(error, image))
                    continue
                stated[name] = {column: row.get(column) or None for column in ("label", "generator", "split")}
        except (csv.Error, UnicodeDecodeError, PictureError) as error:
            raise InputError(f"{file.path}: cannot be read ({shorten(str(error))}); save it as CSV in UTF-8") from None
    return stated


def _with_splits(
    rows: list[Row],
    listed: dict[str, Split],
    deepfake: dict[str, Label | None],
    pictures: dict[str, File],
    findings: list[Finding],
) -> list[Row]:
    for source, names in (("dataset_split_list.json", listed), ("the deepfake test list", deepfake)):
        findings += [
            Finding("split name without picture", name, f"{source} names it, but there is no such picture", name)
            for name in names
            if name not in pictures
        ]
    fakes = [row.image_id for row in rows if row.label == "fake"]
    known = [name for name in fakes if name in listed]
    share = sum(listed[name] == "test" for name in known) / len(known) if known else TEST_SHARE
    names_reals = any(row.label == "real" and row.image_id in deepfake for row in rows)
    placed = []
    for row in rows:
        name = row.image_id
        split = row.split or listed.get(name)
        if split is None and row.label == "fake" and known:
            findings.append(Finding("picture in no split", name, "dataset_split_list.json leaves it out; train", name))
            split = "train"
        if split is None and row.label == "real" and names_reals:
            split = "test" if name in deepfake else "train"
        split = split or split_by_hash(name, share)
        # The official test list is the whole test split of `deepfake`; other test pictures must not train it either.
        tested: Split | None = split
        if deepfake and name in deepfake:
            tested = "test"
        elif deepfake and split == "test" and (row.label == "fake" or names_reals):
            tested = None
        if tested == "test" and split == "train":
            message = "in the deepfake test list, but not in test of the other configurations"
            findings.append(Finding("train picture in a test list", name, message, name))
        placed.append(replace(row, split=split, deepfake=tested))
    return placed
