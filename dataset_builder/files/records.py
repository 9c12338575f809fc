"""One record of a file as an `Anomaly`, under any of its spellings; what cannot be read is an error that names its place."""

import re
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from dataset_builder import severity
from dataset_builder.errors import DuplicateError, RecordError, shorten
from dataset_builder.fields import OFFICIAL_KEYS, TEXT_FIELDS, Field, clean_name, clean_text, field_of
from dataset_builder.files.strict_json import Repeated
from dataset_builder.schema import Anomaly

__all__ = ["Place", "as_image_id", "as_list", "as_object", "as_text", "dump_record", "read_record", "read_records"]


_EXTRAS: tuple[Field, ...] = ("remark", "bbox", "score")


@dataclass(frozen=True)
class Place:
    """Where a value is: a file, an image's key in it, a position in that image's list from 0."""

    file: object = None
    key: str | None = None
    index: int | None = None

    def error(
        self,
        problem: str,
        field: str | None = None,
        value: object = ...,
        *,
        kind: type[RecordError] = RecordError,
    ) -> RecordError:
        """The error of this kind that says so."""
        return kind(problem, file=self.file, key=self.key, index=self.index, field=field, value=value)


def as_object(value: object, place: Place, what: str) -> dict[str, Any]:
    """The value if it is an object without repeated keys; otherwise an error that says `what` it should be."""
    if not isinstance(value, dict):
        raise place.error(f"is not {what}", value=value)
    if isinstance(value, Repeated):
        raise place.error(
            f"the key {shorten(value.keys_repeated[0])} appears more than once in one object; remove the duplicates",
            kind=DuplicateError,
        )
    return value


def as_list(value: object, place: Place, what: str) -> list[Any]:
    """The value if it is a list; otherwise an error that says `what` it should be."""
    if not isinstance(value, list):
        raise place.error(f"is not {what}", value=value)
    return value


def as_text(value: object, place: Place, field: str | None, *, empty: bool) -> str:
    """The value if it is a text, and unless `empty` one with something in it; otherwise an error."""
    if not isinstance(value, str):
        raise place.error("is not a text; write a JSON string", field, value)
    if not empty and not value.strip():
        raise place.error("is empty; write what it should say or remove the record", field, value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise place.error("holds half a character (a lone surrogate); write the whole one", field, value) from None
    return value


def as_image_id(path: object, place: Place) -> str:
    """The file name at the end of a path of either system, which is the picture's identity.

    >>> as_image_id("1_fake/cup.jpg", Place()), as_image_id("C:\\\\pictures\\\\cup.jpg", Place())
    ('cup.jpg', 'cup.jpg')
    """
    name = re.split(r"[/\\]", as_text(path, place, "image", empty=False))[-1]
    if not name.strip() or name in (".", ".."):
        raise place.error("does not end in a file name; name the picture's file", "image", path)
    return name


def read_records(value: object, place: Place, *, prediction: bool) -> list[Anomaly]:
    """A list of records, in order. See `read_record`."""
    records = as_list(value, place, "a list of records; write [] where there are none")
    return [read_record(record, replace(place, index=i), prediction=prediction) for i, record in enumerate(records)]


def read_record(record: object, place: Place, *, prediction: bool) -> Anomaly:
    """One record, under the release's keys, ours, or another spelling; keys that name no field are passed over.

    Args:
        record (`dict`): the record.
        place (`Place`): where it is, for messages.
        prediction (`bool`): whether texts may be empty or missing, and the severity `null`, empty or missing.

    Raises:
        RecordError: if a field is missing, repeated, of the wrong type, empty or out of range.
    """
    fields = _fields(
        as_object(record, place, "a record; write an object with the keys " + ", ".join(OFFICIAL_KEYS.values())), place
    )
    if not any(name in fields for name in OFFICIAL_KEYS):
        raise place.error(f"has none of the keys {', '.join(OFFICIAL_KEYS.values())}; add them", value=record)
    values: dict[str, Any] = {}
    key: str
    value: Any
    for name in TEXT_FIELDS:
        key, value = fields.get(name, (name, None))
        if value is None and prediction:
            value = ""
        elif name not in fields:
            raise place.error(f'is missing; add the key "{OFFICIAL_KEYS[name]}"', name)
        text = as_text(value, place, name, empty=prediction)
        # Only the release's tools number their names and leave residue; our own spelling is taken literally.
        values[name] = text if key == name else clean_name(text) if name == "name" else clean_text(text)
    values["severity"], values["remark"] = _severity(fields, place, prediction)
    remark, box, score = (fields.get(name, ("", None))[1] for name in _EXTRAS)
    values |= {"bbox": box, "score": score}
    if remark is not None:
        values["remark"] = as_text(remark, place, "remark", empty=True)
    try:
        return Anomaly.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        field = str(detail["loc"][0])
        fix = {"bbox": "write [x0, y0, x1, y1] in pixels", "score": "write a number from 0 to 1"}[field]
        raise place.error(f"cannot be read ({detail['msg']}); {fix}", field, values[field]) from None


def _fields(record: dict[str, Any], place: Place) -> dict[Field, tuple[str, Any]]:
    fields: dict[Field, tuple[str, Any]] = {}
    for key, value in record.items():
        field = field_of(key)
        if field in fields:
            other = fields[field][0]
            raise place.error(f"appears twice, as {shorten(other)} and as {shorten(key)}; keep one of them", field)
        if field:
            fields[field] = key, value
    return fields


def _severity(fields: dict[Field, tuple[str, Any]], place: Place, prediction: bool) -> tuple[int | None, str | None]:
    value: Any = fields.get("severity", ("", None))[1]
    if prediction and (value is None or (isinstance(value, str) and not value.strip())):
        return None, None
    if prediction and isinstance(value, str):
        # The release's inference parser can leave the rest of an answer in its last field.
        value = value.strip().splitlines()[0]
    if "severity" not in fields:
        raise place.error(f'is missing; add the key "{OFFICIAL_KEYS["severity"]}"', "severity")
    if isinstance(value, str):
        as_text(value, place, "severity", empty=True)
    try:
        return severity.parse(value)
    except RecordError as error:
        raise place.error(error.problem, "severity", value, kind=type(error)) from None


def dump_record(anomaly: Anomaly) -> dict[str, str]:
    """The release's record: four texts under its keys. An unknown severity, which only predictions have, is an empty text."""
    level = "" if anomaly.severity is None else severity.format_official(anomaly.severity, anomaly.remark)
    values = {"name": anomaly.name, "phenomenon": anomaly.phenomenon, "reasoning": anomaly.reasoning, "severity": level}
    return {OFFICIAL_KEYS[field]: value for field, value in values.items()}
