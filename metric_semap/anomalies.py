"""What counts as an anomaly record, checked field by field: the one place that decides, for lists in memory and for
files.

A record has `name`, `phenomenon` and `reasoning` (strings) and `severity`, a whole number from 0 (completely
irrational) to 100 (completely realistic): **low is severe**. A prediction may leave texts empty, may lack a severity,
and may have a `score`, its confidence in 0..1. Other keys are not the metric's business and are ignored.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .errors import RecordError, shorten

__all__ = ["LABELS", "MAX_TEXT", "Role", "check_anomalies", "check_label", "check_severity", "fault"]

Role = Literal["prediction", "reference"]
LABELS = ("real", "fake")
TEXTS = ("name", "phenomenon", "reasoning")
MAX_TEXT = 100_000  # characters; an encoder reads about the first 2,000


def fault(place: str, field: str | None, value: Any, mend: str) -> RecordError:
    """The error for one value: place, field, value and mend in one sentence."""
    return RecordError(f"{place}: {f'{field}: ' if field else ''}{shorten(value)} {mend}")


def check_anomalies(anomalies: Any, place: str, role: Role) -> list[dict[str, Any]]:
    """Check the anomalies of one picture and keep the fields the metric knows.

    Args:
        anomalies (`list[dict]`): as they came.
        place (`str`): what to call the list in an error, e.g. `predictions[3]`.
        role (`str`): `prediction` or `reference`.

    Returns:
        `list[dict]`: `name`, `phenomenon`, `reasoning` (`str`), `severity` (`int` or `None`), `score` (`float` or
            `None`).

    Raises:
        `RecordError`: naming place, index, field, value and mend.
    """
    if isinstance(anomalies, (str, bytes)) or not isinstance(anomalies, Sequence):
        raise fault(place, None, anomalies, "is no list of anomalies; write [] where nothing is wrong")
    return [_check_anomaly(record, f"{place}[{k}]", role) for k, record in enumerate(anomalies)]


def _check_anomaly(record: Any, place: str, role: Role) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        raise fault(place, None, record, "is no anomaly; write {name, phenomenon, reasoning, severity}")
    checked: dict[str, Any] = {}
    for field in TEXTS:
        if field not in record:
            raise RecordError(f"{place}: {field} is missing; every anomaly has {', '.join(TEXTS)} and severity")
        checked[field] = _check_text(record[field], place, field, role)
    if "severity" not in record and role == "reference":
        raise RecordError(f"{place}: severity is missing; every reference has one, 0 (completely irrational) to 100")
    checked["severity"] = check_severity(record.get("severity"), place, role)
    checked["score"] = _check_score(record.get("score"), place)
    return checked


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


def check_severity(severity: Any, place: str, role: Role) -> int | None:
    """A severity as an integer in 0..100; `None` only in predictions."""
    if severity is None and role == "prediction":
        return None
    if isinstance(severity, bool) or not isinstance(severity, (int, float)) or severity != severity // 1:
        raise fault(
            place, "severity", severity, "is no severity; write a whole number from 0 (irrational) to 100 (realistic)"
        )
    if not 0 <= severity <= 100:
        raise fault(place, "severity", severity, "is outside 0..100")
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
