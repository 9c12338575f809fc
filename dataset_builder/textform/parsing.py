"""The one parser of answers: from any text to anomalies, and what was lost.

Models are trained to write a JSON list of quadruplets; the release's own models write labelled lines; others write what
they like. The way of an answer, a module each:

1. `unwrapping` takes thoughts and encodings off;
2. `loose_json`, `markup` and `labelled_lines` find lists of anomalies: JSON, XML and tables, labelled lines;
3. `candidates` puts them in order and says which is the answer: the last complete one that is not an example of the prompt's;
4. `names` knows which field a key means, and this module turns records into anomalies;
5. `denials` tells "nothing is wrong" from a text that could not be read.
"""

import re
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from dataset_builder import severity
from dataset_builder.errors import RecordError
from dataset_builder.fields import TEXT_FIELDS, Field, repair
from dataset_builder.schema import Anomaly, Label
from dataset_builder.textform.candidates import candidates, is_revised, stands_as_answer
from dataset_builder.textform.denials import says_none
from dataset_builder.textform.loose_json import CUT_OFF
from dataset_builder.textform.names import by_field
from dataset_builder.textform.records import Found, Record, is_placeholder
from dataset_builder.textform.unwrapping import LONGEST, readings

__all__ = ["Dropped", "Parsed", "identity", "parse_answer", "parse_verdict"]


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
    parsed = Parsed("failed", [], [])
    for reading in readings(text):
        parsed = _parse(reading)
        if parsed.status != "failed":
            break
    if len(text) > LONGEST and parsed.anomalies:
        beginning = Dropped(_short(repair(text[:1_000])), f"more than {LONGEST:,} characters before the end; not read")
        return Parsed("partial", parsed.anomalies, [beginning, *parsed.dropped])
    return parsed


class _Read(NamedTuple):
    """A list that was found, as anomalies: what was lost, and whether it denies that there are any."""

    found: Found
    anomalies: list[Anomaly]
    dropped: list[Dropped]
    denies: bool


def _parse(text: str) -> Parsed:
    lists = [_read(found) for found in candidates(text)]
    answer = _last(text, lists)
    if answer is None:
        dropped = [piece for one in lists for piece in one.dropped]
        if not dropped and says_none(text):
            return Parsed("none", [], [])
        return Parsed("failed", [], dropped or [Dropped(_short(text), _NEITHER)])
    dropped = [*_superseded(text, lists, answer), *answer.dropped]
    if not answer.anomalies:
        return Parsed("none", [], []) if not answer.dropped else Parsed("failed", [], answer.dropped)
    return Parsed("partial" if dropped else "anomalies", answer.anomalies, dropped)


_NEITHER = "neither a list of anomalies nor a statement that there are none"


def _last(text: str, lists: list[_Read]) -> _Read | None:
    """The list that is the answer: the last complete one, else the last of which anything can be read."""
    usable = [one for one in lists if one.anomalies]
    if any(one.found.framed for one in usable):
        # Remarks in labelled lines beside a list are no list of their own.
        usable = [one for one in usable if one.found.framed or _is_full(one)]
    if lists and lists[-1].denies and stands_as_answer(text, lists[-1].found, others=bool(usable)):
        return lists[-1]
    whole = [one for one in usable if one.found.problem is None and not any(r.problem for r in one.found.records)]
    return whole[-1] if whole else usable[-1] if usable else None


def _is_full(one: _Read) -> bool:
    return all(anomaly.name and anomaly.phenomenon and anomaly.reasoning for anomaly in one.anomalies)


def _superseded(text: str, lists: list[_Read], answer: _Read) -> list[Dropped]:
    """What other lists hold besides the answer, unless the text itself takes it back."""
    names = {_named(anomaly) for anomaly in answer.anomalies}
    dropped: list[Dropped] = []
    for one in lists:
        if one is answer:
            continue
        later = one.found.start > answer.found.start
        if later and one.found.problem == CUT_OFF:
            dropped.append(Dropped(_short(text[one.found.start : one.found.end]), f"a later list, {CUT_OFF}"))
        elif any(_named(anomaly) not in names for anomaly in one.anomalies) and not is_revised(
            text, one.found, answer.found
        ):
            reason = "another list; the last complete one counts"
            dropped.append(Dropped(_short(text[one.found.start : one.found.end]), reason))
    return dropped


def _named(anomaly: Anomaly) -> str:
    return " ".join((anomaly.name or anomaly.phenomenon).casefold().split())


def _read(found: Found) -> _Read:
    anomalies: list[Anomaly] = []
    dropped: list[Dropped] = []
    seen: set[object] = set()
    denies = found.empty
    for record in found.records:
        if record.problem:
            dropped.append(Dropped(_short(record.text), record.problem))
            continue
        fields = by_field(record.pairs)
        texts = [value for field in TEXT_FIELDS if isinstance(value := fields.get(field), str)]
        if is_placeholder(texts):
            continue
        if _denies(fields, texts):
            denies = True
            continue
        if fields.get("phenomenon") is None and str(fields.get("name")).casefold() in _VERDICTS:
            dropped.append(Dropped(_short(record.text), "a verdict on the picture, not an anomaly"))
            continue
        anomaly, lost = _anomaly(fields, record)
        if anomaly:
            # A model in a loop writes the same again and again.
            if identity(anomaly) in seen:
                continue
            seen.add(identity(anomaly))
            anomalies.append(anomaly)
        dropped += lost
    if found.problem and anomalies and not any(record.problem for record in found.records):
        dropped.append(Dropped(_short(found.records[-1].text), f"the list is not closed: {found.problem}"))
    return _Read(found, anomalies, dropped, denies and not anomalies)


def identity(anomaly: Anomaly) -> object:
    """What makes an anomaly of an answer another one than the next: its texts and its place. The same again counts once."""
    texts = (anomaly.name, anomaly.phenomenon, anomaly.reasoning)
    return (*(" ".join(text.casefold().split()) for text in texts), anomaly.bbox)


def _denies(fields: dict[Field, Any], texts: list[str]) -> bool:
    """Whether a record is a denial in an anomaly's clothes: its name is "None", and nothing in it is wrong."""
    name = fields.get("name")
    if not isinstance(name, str) or not says_none(name):
        return False
    return all(
        says_none(text) or not text.strip() for text in [fields.get("phenomenon") or ""] if isinstance(text, str)
    )


def _anomaly(fields: dict[Field, Any], record: Record) -> tuple[Anomaly | None, list[Dropped]]:
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
        return None, [Dropped(_short(record.text), "has neither name nor phenomenon nor reasoning")]
    level, remark = _level(fields.get("severity"))
    if level is not None and level != "":
        try:
            values["severity"], values["remark"] = severity.find(level)
        except RecordError as error:
            lost.append(Dropped(_short(str(level)), f"severity {error.problem}"))
    remark = fields.get("remark", remark)
    if isinstance(remark, str):
        values["remark"] = remark
    for part in ("bbox", "score"):
        if fields.get(part) is not None:
            try:
                Anomaly.model_validate({part: fields[part]})
            except ValidationError as error:
                lost.append(Dropped(_short(str(fields[part])), f"{part}: {error.errors()[0]['msg']}"))
            else:
                values[part] = fields[part]
    return Anomaly.model_validate(values), lost


def _level(value: Any) -> tuple[Any, Any]:
    """The severity and the remark in an object such as `{"score": 10, "remark": "obvious"}`; else the value as it is."""
    if not isinstance(value, dict):
        return value, None
    numbers = [part for key, part in value.items() if key.casefold() in _LEVELS and not isinstance(part, dict | list)]
    remarks = [part for part in value.values() if isinstance(part, str) and part not in numbers]
    return (numbers[0], remarks[0] if remarks else None) if numbers else (value, None)


_LEVELS = frozenset(
    {"score", "value", "level", "severity", "severity_score", "rating", "number", "分数", "评分", "スコア", "wert"}
)


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"


def parse_verdict(answer: str) -> Label | None:
    """The verdict that an answer to the task `verdict` gives by its first word, as the official code reads it; else `None`.

    >>> parse_verdict("**Yes**, the hand has six fingers."), parse_verdict("no"), parse_verdict("Perhaps. Yes?")
    ('fake', 'real', None)
    """
    word = _WORD.search(answer)
    return _ANSWERS.get(word[0].lower()) if word else None


_WORD = re.compile(r"[^\W\d_]+")
_ANSWERS: dict[str, Label] = {"yes": "fake", "no": "real"}
_VERDICTS = frozenset({"fake", "real", "yes", "no", "ai-generated", "generated", "true", "false"})
