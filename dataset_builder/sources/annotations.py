"""The release's annotation files: accepted anomalies, and those before review, record by record."""

import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from dataset_builder import official, severity
from dataset_builder.errors import ConflictError, DuplicateError, InputError
from dataset_builder.fields import OFFICIAL_KEYS, clean_name, clean_text
from dataset_builder.files.records import Place, as_list, as_object, as_text, read_record
from dataset_builder.files.strict_json import Repeated
from dataset_builder.files.tree import File
from dataset_builder.schema import Anomaly, Candidate, Verdict
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.lists import read_whole

__all__ = ["merged", "read_accepted", "read_annotation_file", "read_candidate"]

Record = TypeVar("Record", bound=Anomaly)

_parse_severity = functools.lru_cache(maxsize=4096)(severity.parse)
_KEYS = tuple(OFFICIAL_KEYS.values())
_RELEASED = frozenset(_KEYS)
_values = operator.itemgetter(*_KEYS)


def read_accepted(record: object, place: Place) -> Anomaly:
    """An accepted record: the quadruplet under the release's keys or ours, with a severity.

    Raises:
        RecordError: if the record cannot be read.
    """
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
        raise place.error("is not a verdict; write accept, reject or unsure", "verdict", verdict)
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


def read_annotation_file(
    file: File, findings: list[Finding], read: Callable[[object, Place], Record]
) -> dict[str, list[Record]]:
    """A file's records by file name, each read on its own by `read`; what cannot be read becomes findings."""
    content = read_whole(file, findings, _as_images)
    if isinstance(content, Repeated):
        for key in content.keys_repeated:
            problem = "appears more than once; remove the duplicates"
            error = Place(file.path, key).error(problem, kind=DuplicateError)
            findings.append(Finding.of(error, _name_of(key)))
        content = {key: value for key, value in content.items() if key not in set(content.keys_repeated)}
    names = official.ImageNames(file.path)
    found: dict[str, list[Record]] = {}
    for key, records in (content or {}).items():
        try:
            name = names.add(key)
            listed = as_list(records, Place(file.path, key), "a list of records; write [] where there are none")
        except InputError as error:
            findings.append(Finding.of(error, _name_of(key)))
            continue
        anomalies = _read_each(listed, Place(file.path, key), name, findings, read)
        if anomalies is not None:
            found[name] = anomalies
    return found


def merged(files: Mapping[str, dict[str, list[Record]]], findings: list[Finding]) -> dict[str, list[Record]]:
    """The records of several files, by path, as one; files that have different ones for a picture are an error."""
    all_of_them: dict[str, list[Record]] = {}
    homes: dict[str, str] = {}
    for path, images in files.items():
        for name, records in images.items():
            home = homes.setdefault(name, path)
            if all_of_them.setdefault(name, records) != records:
                problem = f"{home} has other records for it; keep one of them"
                findings.append(Finding.of(Place(path, name).error(problem, kind=ConflictError), name))
    return all_of_them


def _as_images(value: object, place: Place) -> dict[str, Any]:
    # Repeated keys are told one by one.
    if not isinstance(value, dict):
        raise place.error("is not an object of image names and lists of records; give the release's", value=value)
    return value


def _name_of(key: str) -> str:
    """The picture that a key means, as far as it can be told, so that it is left out with its records."""
    return key.replace("\\", "/").rsplit("/", 1)[-1] or key


def _read_each(
    records: list[Any],
    place: Place,
    name: str,
    findings: list[Finding],
    read: Callable[[object, Place], Record],
) -> list[Record] | None:
    """The records that can be read; `None` if there are some and none can, which must not pass for "nothing wrong"."""
    anomalies = []
    for index, record in enumerate(records):
        try:
            anomalies.append(read(record, replace(place, index=index)))
        except InputError as error:
            findings.append(Finding.of(error, name, index))
    return anomalies if anomalies or not records else None
