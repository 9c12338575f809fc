"""What an anomaly is to the metric, and what counts as a record of one, checked field by field: the one place that
decides, for lists in memory and for files.

A record has `name`, `phenomenon` and `reasoning` (strings) and `severity`, a whole number from 0 (completely
irrational) to 100 (completely realistic): **low is severe**. A prediction may leave texts empty, may lack a severity,
and may have a `score`, its confidence in 0..1. Other keys are not the metric's business and are ignored.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from .errors import RecordError, shorten
from .severity import HIGHEST, LOWEST, SCALE

__all__ = [
    "LABELS",
    "MAX_TEXT",
    "TEXTS",
    "Anomaly",
    "Picture",
    "Quadruplet",
    "Role",
    "check_anomalies",
    "check_label",
    "fault",
]

Role = Literal["prediction", "reference"]
LABELS = ("real", "fake")
TEXTS = ("name", "phenomenon", "reasoning")
MAX_TEXT = 100_000  # characters; an encoder reads about the first 2,000


class Quadruplet(Protocol):
    """What is measured: any object with these fields, such as an [`Anomaly`] or an anomaly of the caller's own type.

    `severity` (0..100, low is severe) may be `None` in predictions; `score` is a prediction's confidence in 0..1.
    """

    @property
    def name(self) -> str: ...
    @property
    def phenomenon(self) -> str: ...
    @property
    def reasoning(self) -> str: ...
    @property
    def severity(self) -> int | None: ...
    @property
    def score(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A checked record."""

    name: str
    phenomenon: str
    reasoning: str
    severity: int | None = None
    score: float | None = None


class Picture(NamedTuple):
    """One picture of one side: its anomalies, and its label or verdict where it has one.

    A predictor that gave no answer about it either `failed`, or said that it does not know pictures of this kind (`unknown`).
    """

    anomalies: Sequence[Quadruplet]
    label: str | None = None
    failed: bool = False
    unknown: bool = False

    @property
    def answered(self) -> bool:
        """Whether the predictor gave an answer."""
        return not (self.failed or self.unknown)


def fault(place: str, field: str | None, value: Any, mend: str) -> RecordError:
    """The error for one value: place, field, value and mend in one sentence."""
    return RecordError(f"{place}: {f'{field}: ' if field else ''}{shorten(value)} {mend}")


def check_anomalies(anomalies: Any, place: str, role: Role) -> list[Anomaly]:
    """Check the anomalies of one picture and keep the fields the metric knows.

    Args:
        anomalies (`list[dict]`): as they came.
        place (`str`): what to call the list in an error, e.g. `predictions[3]`.
        role (`str`): `prediction` or `reference`.

    Returns:
        `list[Anomaly]`: in the same order.

    Raises:
        `RecordError`: naming place, index, field, value and mend.
    """
    if isinstance(anomalies, (str, bytes)) or not isinstance(anomalies, Sequence):
        raise fault(place, None, anomalies, "is no list of anomalies; write [] where nothing is wrong")
    return [_check_anomaly(record, f"{place}[{k}]", role) for k, record in enumerate(anomalies)]


def _check_anomaly(record: Any, place: str, role: Role) -> Anomaly:
    if not isinstance(record, Mapping):
        raise fault(place, None, record, "is no anomaly; write {name, phenomenon, reasoning, severity}")
    texts = {}
    for field in TEXTS:
        if field not in record:
            raise RecordError(f"{place}: {field} is missing; every anomaly has {', '.join(TEXTS)} and severity")
        texts[field] = _check_text(record[field], place, field, role)
    if "severity" not in record and role == "reference":
        raise RecordError(f"{place}: severity is missing; every reference has one, 0 (completely irrational) to 100")
    severity, score = _check_severity(record.get("severity"), place, role), _check_score(record.get("score"), place)
    return Anomaly(**texts, severity=severity, score=score)


def _check_text(text: Any, place: str, field: str, role: Role) -> str:
    if not isinstance(text, str):
        raise fault(place, field, text, "is no text; write a string")
    if len(text) > MAX_TEXT:
        raise fault(place, field, text, f"is {len(text):,} characters long; the limit is {MAX_TEXT:,}")
    if not text.strip() and role == "reference":
        raise fault(place, field, text, "is empty; every reference needs the text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise fault(place, field, text, "holds half a surrogate pair; write valid Unicode") from None
    return text


def _check_severity(severity: Any, place: str, role: Role) -> int | None:
    """A severity as an integer in 0..100; `None` only in predictions."""
    if severity is None and role == "prediction":
        return None
    if isinstance(severity, bool) or not isinstance(severity, (int, float)) or severity != severity // 1:
        raise fault(place, "severity", severity, f"is no severity; write {SCALE}")
    if not LOWEST <= severity <= HIGHEST:
        raise fault(place, "severity", severity, f"is outside {LOWEST}..{HIGHEST}")
    return int(severity)


def _check_score(score: Any, place: str) -> float | None:
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, (int, float)) or math.isnan(score) or not 0 <= score <= 1:
        raise fault(place, "score", score, "is no confidence; write a number in 0..1, or null")
    return float(score)


def check_label(label: Any, place: str, role: Role) -> str | None:
    """`real`, `fake`, or, in predictions only, `None`: no verdict, or one that could not be read; both count as wrong."""
    if label is None and role == "prediction":
        return None
    if label not in LABELS:
        hint = ", or null where there was no readable verdict" if role == "prediction" else ""
        raise fault(place, "label", label, f"is neither 'real' nor 'fake'; write one of them{hint}")
    return str(label)
