"""What a reviewer may send: a verdict with what goes with it, or an anomaly that was missed; checked field by field."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from dataset_builder.errors import InputError, shorten
from dataset_builder.schema import Box, Text, Verdict

__all__ = [
    "REASONS",
    "Answer",
    "Corrections",
    "Missed",
    "Reason",
    "answer_of",
    "corrections_of",
    "missed_of",
    "name_of",
    "token_of",
]

Reason = Literal["hallucinated", "wrong object", "wrong reason", "duplicate", "trivial"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why a candidate is rejected: it is not there; it is said of the wrong thing; what is seen is right and the explanation is not;
another candidate says it; it is there and does not matter."""

Corrections = dict[str, str | int | list[float]]
"""Corrected fields of a candidate: texts, the severity, the box."""

_NAME, _NOTE, _TOKEN = 64, 2_000, 100

# Stripped before the length is looked at: a constraint after another validator would count the blanks.
_Stripped = BeforeValidator(lambda text: text.strip() if isinstance(text, str) else text)
Name = Annotated[Text, StringConstraints(min_length=1, max_length=300), _Stripped]
Sentence = Annotated[Text, StringConstraints(min_length=1, max_length=4_000), _Stripped]
Severity = Annotated[int, Field(ge=0, le=100, strict=True)]


class _Edit(BaseModel):
    """Corrected fields; those left out stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    phenomenon: Sentence | None = None
    reasoning: Sentence | None = None
    severity: Severity | None = None
    bbox: Box | None = None


class Missed(BaseModel):
    """An anomaly that the agent missed: the whole quadruplet, and a box where it has a place.

    Attributes:
        name, phenomenon, reasoning (`str`): neither may be empty.
        severity (`int`): 0 (completely irrational) to 100 (completely realistic).
        bbox (`tuple`, *optional*): [x0, y0, x1, y1] in pixels of the upright picture.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    phenomenon: Sentence
    reasoning: Sentence
    severity: Severity
    bbox: Box | None = None


@dataclass(frozen=True)
class Answer:
    """What a reviewer says of an item.

    Attributes:
        token (`str`): made by who asks; the same token is stored once, however often it is sent.
        item, reviewer (`str`): the item's key and the reviewer's name.
        verdict (`str`): `accept`, `reject` or `unsure`.
        reason (`str`, *optional*): of a reject, one of `REASONS`.
        rating (`int`, *optional*): the severity, 0..100, by somebody who did not see the model's.
        edit (`dict`): corrected fields of the candidate; empty for none.
        note (`str`): empty for none.
        seconds (`float`): how long the item was looked at.
    """

    token: str
    item: str
    reviewer: str
    verdict: Verdict
    reason: Reason | None = None
    rating: int | None = None
    edit: Corrections | None = None
    note: str = ""
    seconds: float = 0.0


def answer_of(
    reviewer: object,
    item: str,
    verdict: object,
    token: object,
    reason: object,
    rating: object,
    edit: object,
    note: object,
    seconds: object,
) -> Answer:
    """An answer from what was sent. Raises `InputError` naming the field, the value and what it may be."""
    if verdict not in get_args(Verdict):
        raise InputError(f"verdict {shorten(verdict)}: is not a verdict; send accept, reject or unsure")
    if reason is not None and (verdict != "reject" or reason not in REASONS):
        raise InputError(
            f"reason {shorten(reason)}: a reject may have one of {', '.join(REASONS)}; leave it out elsewhere"
        )
    if rating is not None and (isinstance(rating, bool) or not isinstance(rating, int) or not 0 <= rating <= 100):
        raise InputError(f"rating {shorten(rating)}: is not a severity; send a whole number from 0 to 100")
    return Answer(
        token=token_of(token),
        item=item,
        reviewer=name_of(reviewer),
        verdict=verdict,  # type: ignore[arg-type]
        reason=reason,  # type: ignore[arg-type]
        rating=rating,
        edit=corrections_of(edit),
        note=_text(note, "the note", _NOTE),
        seconds=_seconds(seconds),
    )


def corrections_of(edit: object) -> Corrections:
    """Corrected fields from what was sent; none for `None`."""
    return _validated(_Edit, edit or {}, "edit").model_dump(mode="json", exclude_none=True)


def missed_of(fields: dict[str, Any]) -> Missed:
    """A missed anomaly from what was sent."""
    found = _validated(Missed, fields, "the anomaly")
    assert isinstance(found, Missed)
    return found


def name_of(reviewer: object) -> str:
    """A reviewer's name: 1 to 64 printable characters."""
    name = _text(reviewer, "the reviewer's name", _NAME).strip()
    if not name or not name.isprintable():
        raise InputError("who are you? give a name of printable characters")
    return name


def token_of(token: object) -> str:
    """A request's token, which is not empty."""
    if not _text(token, "the token", _TOKEN):
        raise InputError("the token is empty; send one of your own with each request, such as a UUID")
    return str(token)


def _validated(model: type[BaseModel], fields: object, what: str) -> BaseModel:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or what
        raise InputError(f"{what}: {shorten(field)}: {first['msg']}; correct it or leave it out") from None


def _text(value: object, what: str, limit: int) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what}: {shorten(value)} is not a text; send a string")
    if len(value) > limit:
        raise InputError(f"{what}: {len(value):,} characters are more than {limit:,}; make it shorter")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(f"{what}: holds half a character (a lone surrogate); write the whole one") from None
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"seconds {shorten(value)}: is not a time; send a number from 0")
    return round(min(float(value), 3_600.0), 3)  # an open page overnight is no hour of thought
