"""The text forms of an answer, and the one parser that reads them.

Models are trained to write a JSON list of quadruplets (`write_answer`); the release's own models write labelled lines
(`write_official_text`). `parse_answer` reads both, in every variant models are known to produce, and says what it could
not read:

- `dataset_builder.textform.loose_json` finds JSON: fenced, between prose, cut off, badly quoted;
- `dataset_builder.textform.labelled_lines` finds labelled lines: bold or plain, bulleted, numbered, cut off;
- this module turns what they found into anomalies, and tells "nothing is wrong" from "could not be read".
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from dataset_builder import severity
from dataset_builder.errors import RecordError
from dataset_builder.fields import OFFICIAL_KEYS, TEXT_FIELDS, Field, clean_name, field_of, repair
from dataset_builder.schema import Anomaly, Label
from dataset_builder.textform.denials import says_none
from dataset_builder.textform.labelled_lines import read_blocks
from dataset_builder.textform.loose_json import Array, Object, scan

__all__ = ["Dropped", "Parsed", "parse_answer", "parse_verdict", "write_answer", "write_official_text"]


class Dropped(NamedTuple):
    """A piece of an answer that gave no anomaly, or no part of one: the text (at most 200 characters) and why."""

    text: str
    reason: str


class Parsed(NamedTuple):
    """What an answer holds.

    `status` is `anomalies` (at least one, nothing lost), `none` (it says that nothing is wrong), `partial` (something
    was dropped) or `failed` (nothing could be read).
    """

    status: Literal["anomalies", "none", "partial", "failed"]
    anomalies: list[Anomaly]
    dropped: list[Dropped]


def write_answer(anomalies: Iterable[Anomaly], *, boxes: bool = False) -> str:
    """The answer a model should give: a JSON list, one object an anomaly, `[]` when nothing is wrong.

    Args:
        anomalies (iterable of `Anomaly`): in the order they should be written.
        boxes (`bool`, defaults to `False`): whether each carries its `bbox`, rounded to whole pixels (the task `grounded`).

    >>> write_answer([Anomaly(name="Floating cup", phenomenon="It hovers.", reasoning="Cups fall.", severity=10)])
    '[{"name": "Floating cup", "phenomenon": "It hovers.", "reasoning": "Cups fall.", "severity": 10}]'
    """
    records = []
    for anomaly in anomalies:
        record: dict[str, object] = {
            "name": anomaly.name,
            "phenomenon": anomaly.phenomenon,
            "reasoning": anomaly.reasoning,
            "severity": anomaly.severity,
        }
        if boxes and anomaly.bbox is not None:
            record["bbox"] = [round(corner) for corner in anomaly.bbox]
        records.append(record)
    return json.dumps(records, ensure_ascii=False)


def write_official_text(anomalies: Iterable[Anomaly]) -> str:
    """The answer the release's models are trained to give: four labelled lines an anomaly, a blank line between two.

    A field is one line here: runs of whitespace in it become one space. Nothing wrong is `No anomalies.`, which the
    release cannot say. An unknown severity leaves its label without a value.

    >>> print(write_official_text([Anomaly(name="Cup", phenomenon="It hovers.", reasoning="Cups fall.", severity=10)]))
    @1. Name: Cup
    Observed Phenomenon: It hovers.
    Reasoning: Cups fall.
    Severity Score: 10/100
    """
    blocks = []
    for number, anomaly in enumerate(anomalies, 1):
        level = "" if anomaly.severity is None else severity.format_official(anomaly.severity, anomaly.remark)
        values = (anomaly.name, anomaly.phenomenon, anomaly.reasoning, level)
        pairs = zip(OFFICIAL_KEYS.values(), values, strict=True)
        lines = [f"{label}: {' '.join(value.split())}".rstrip() for label, value in pairs]
        blocks.append(f"@{number}. " + "\n".join(lines))
    return "\n\n".join(blocks) or "No anomalies."


def parse_answer(text: str) -> Parsed:
    """Read a model's answer, in whatever form it came.

    Every complete anomaly is kept, whatever is broken around it. An anomaly whose severity is missing or `null` is kept
    with `severity=None`; one whose severity, box or another part is unreadable is kept without that part, and the part
    is listed in `dropped`. An anomaly that the end of the answer cut is dropped.

    Args:
        text (`str`): the answer; any text at all.

    Returns:
        `Parsed`: status, anomalies and what was dropped. Never raises; takes time linear in the length of the text.

    >>> parse_answer('[{"name": "Floating cup", "phenomenon": "It hovers.", "reasoning": "Cups fall.", "severity": 10}]').status
    'anomalies'
    >>> parse_answer("[]").status, parse_answer("I cannot see the picture.").status
    ('none', 'failed')
    >>> parse_answer('[{"name": "A", "phenomenon": "B", "reasoning": "C", "severity": 5}, {"name": "D", "pheno')[2][0].reason
    'cut off before it was complete'
    """
    text = _answer_part(repair(text))
    anomalies, dropped, empty = _from_json(text)
    if not anomalies:
        labelled, lost = _from_layout(text)
        if labelled or not dropped:
            anomalies, dropped = labelled, lost
    if not anomalies and not dropped:
        if empty or says_none(text):
            return Parsed("none", [], [])
        dropped = [Dropped(_short(text), "neither a list of anomalies nor a statement that there are none")]
    if not anomalies:
        return Parsed("failed", [], dropped)
    return Parsed("partial" if dropped else "anomalies", anomalies, dropped)


def _from_json(text: str) -> tuple[list[Anomaly], list[Dropped], bool]:
    """The anomalies in a text's JSON, what was lost, and whether an empty list is in it."""
    anomalies: list[Anomaly] = []
    dropped: list[Dropped] = []
    empty = False
    for root in scan(text):
        broken, before = False, len(anomalies)
        for record in _records(root):
            if record.problem:
                broken = True
                dropped.append(Dropped(_short(text[record.start : record.end]), record.problem))
            else:
                anomaly, lost = _anomaly(_fields(record), text[record.start : record.end])
                anomalies += [anomaly] if anomaly else []
                dropped += lost
        if root.problem and not broken and len(anomalies) > before:
            dropped.append(Dropped(_short(text[root.start : root.end]), f"the list is not closed: {root.problem}"))
        empty = empty or (not root.problem and _is_empty(root))
    return anomalies, dropped, empty


def _from_layout(text: str) -> tuple[list[Anomaly], list[Dropped]]:
    """The anomalies in a text's labelled lines, and what was lost."""
    anomalies: list[Anomaly] = []
    dropped: list[Dropped] = []
    for block in read_blocks(text):
        if block.problem:
            dropped.append(Dropped(_short(block.text), block.problem))
        else:
            anomaly, lost = _anomaly(dict(block.fields), block.text)
            anomalies += [anomaly] if anomaly else []
            dropped += lost
    return anomalies, dropped


def _answer_part(text: str) -> str:
    """The text after a model's thinking, which may hold drafts that it took back."""
    if text.lstrip()[:1] in ("[", "{") or ("<think" not in text and "</think>" not in text):
        return text
    return text.rpartition("</think>")[2] if "</think>" in text else text[: text.index("<think")]


def _records(root: Object | Array) -> Iterator[Object]:
    """The objects in a value that are anomalies, complete or not, in order."""
    stack: list[Any] = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, Object) and (_is_record(value) or (value.problem and not value and value is not root)):
            yield value
        elif isinstance(value, Object):
            stack += reversed(value.values())
        elif isinstance(value, Array):
            stack += reversed(value)


def _is_record(value: Object) -> bool:
    fields = {field_of(key) for key in value}
    if "phenomenon" in fields or "reasoning" in fields:
        return True
    holds_others = any(
        isinstance(inner, Object) or (isinstance(inner, Array) and not _is_box(inner)) for inner in value.values()
    )
    return not holds_others and ("name" in fields or "severity" in fields)


def _is_box(value: Array) -> bool:
    return bool(value) and all(isinstance(corner, int | float) for corner in value)


def _is_empty(root: Object | Array) -> bool:
    return root == [] or (isinstance(root, Object) and any(root.get(key) == [] for key in _LISTS))


_LISTS = ("anomalies", "Anomalies", "anomaly", "items", "results", "issues", "findings", "answer", "quadruplets")


def _fields(record: Object) -> dict[Field, Any]:
    """The record by our names. Of two keys for one field, the field's own name or else the first counts."""
    fields: dict[Field, Any] = {}
    for key, value in record.items():
        field = field_of(key)
        if field and (field not in fields or key == field):
            # Only the release's own key carries its numbering; our form is taken literally.
            fields[field] = clean_name(value) if field == "name" and key != field and isinstance(value, str) else value
    return fields


def _anomaly(fields: dict[Field, Any], source: str) -> tuple[Anomaly | None, list[Dropped]]:
    """Our fields as an anomaly, without the parts that cannot be read, which are listed."""
    lost: list[Dropped] = []
    values: dict[str, Any] = {}
    for field in TEXT_FIELDS:
        value = fields.get(field)
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            value = "\n".join(value)
        if value is not None and not isinstance(value, str | int | float):
            lost.append(Dropped(_short(str(value)), f"{field} is not a text"))
            value = None
        values[field] = "" if value is None else str(value)
    if not any(field in fields for field in TEXT_FIELDS):
        return None, [Dropped(_short(source), "has neither name nor phenomenon nor reasoning")]
    level = fields.get("severity")
    if level is not None and level != "":
        try:
            values["severity"], values["remark"] = severity.parse(level)
        except RecordError as error:
            lost.append(Dropped(_short(str(level)), f"severity {error.problem}"))
    if isinstance(fields.get("remark"), str):
        values["remark"] = fields["remark"]
    for part in ("bbox", "score"):
        if fields.get(part) is not None:
            try:
                Anomaly.model_validate({part: fields[part]})
            except ValidationError as error:
                lost.append(Dropped(_short(str(fields[part])), f"{part}: {error.errors()[0]['msg']}"))
            else:
                values[part] = fields[part]
    return Anomaly.model_validate(values), lost


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"


def parse_verdict(answer: str) -> Label | None:
    """The verdict that an answer to the task `verdict` gives by its first word, as the official code reads it; else `None`.

    >>> parse_verdict("**Yes**, the hand has six fingers."), parse_verdict("no"), parse_verdict("Perhaps. Yes?")
    ('fake', 'real', None)
    """
    word = _WORD.search(answer)
    return _VERDICTS.get(word[0].lower()) if word else None


_WORD = re.compile(r"[^\W\d_]+")
_VERDICTS: dict[str, Label] = {"yes": "fake", "no": "real"}
