"""What an anomaly is to the metric, and what counts as a record of one, checked field by field: the one place that
decides, for lists in memory and for files.

A record has `phenomenon` and `reasoning` (strings) and may have a `name` and a `severity`, a whole number from 0 (completely
irrational) to 100 (completely realistic): **low is severe**. A prediction may leave texts empty, and may have a `score`, its
confidence in 0..1. Either side may have a `bbox`, [x0, y0, x1, y1] in pixels of the upright picture. Other keys are not the
metric's business and are ignored. Numbers may be numpy's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, NamedTuple, Protocol

from .errors import RecordError, shorten
from .severity import HIGHEST, LOWEST, SCALE

__all__ = [
    "LABELS",
    "MAX_TEXT",
    "TEXTS",
    "Anomaly",
    "Box",
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

Box = tuple[float, float, float, float]
"""[x0, y0, x1, y1] in pixels of the upright picture, x0 ≤ x1 and y0 ≤ y1."""


class Quadruplet(Protocol):
    """What is measured: any object with these fields, such as an [`Anomaly`] or an anomaly of the caller's own type.

    `severity` (0..100, low is severe) may be `None`; `score` is a prediction's confidence in 0..1; `bbox` is where it is seen.
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
    @property
    def bbox(self) -> Box | None: ...


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A checked record."""

    name: str
    phenomenon: str
    reasoning: str
    severity: int | None = None
    score: float | None = None
    bbox: Box | None = None


class Picture(NamedTuple):
    """One picture of one side: its anomalies, its label or verdict where it has one, and the cluster of a reference that names one.

    A predictor that gave no answer about it either `failed`, or said that it does not know pictures of this kind (`unknown`).
    Where people judged its anomalies, `verdicts` has for each `accept`, `reject`, or `None`: unsure, or nobody said.
    """

    anomalies: Sequence[Quadruplet]
    label: str | None = None
    failed: bool = False
    unknown: bool = False
    cluster: str | None = None
    verdicts: tuple[str | None, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether the predictor gave an answer."""
        return not (self.failed or self.unknown)


def fault(place: str, field: str | None, value: Any, mend: str) -> RecordError:
    """The error for one value: place, field, value and fix in one sentence."""
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
        `RecordError`: naming place, index, field, value and fix.
    """
    if isinstance(anomalies, (str, bytes)) or not isinstance(anomalies, Sequence):
        raise fault(place, None, anomalies, "is not a list of anomalies; write [] where nothing is wrong")
    return [_check_anomaly(record, f"{place}[{k}]", role) for k, record in enumerate(anomalies)]


def _check_anomaly(record: Any, place: str, role: Role) -> Anomaly:
    if not isinstance(record, Mapping):
        raise fault(place, None, record, "is not an anomaly; write {name, phenomenon, reasoning, severity}")
    texts = {}
    for field in TEXTS:
        if field not in record and field != "name":  # no score depends on the name, and official files may lack it
            raise RecordError(f"{place}: {field} is missing; every anomaly has a phenomenon and a reasoning")
        if field not in record:
            texts[field] = ""
            continue
        texts[field] = _check_text(record[field], place, field, role)
    severity, score = _check_severity(record.get("severity"), place), _check_score(record.get("score"), place)
    return Anomaly(**texts, severity=severity, score=score, bbox=_check_box(record.get("bbox"), place))


def _check_text(text: Any, place: str, field: str, role: Role) -> str:
    if not isinstance(text, str):
        raise fault(place, field, text, "is not a text; write a string")
    if len(text) > MAX_TEXT:
        raise fault(place, field, text, f"is {len(text):,} characters long; the limit is {MAX_TEXT:,}")
    missing = field == "name" and not text  # what a record without a name has
    if not text.strip() and role == "reference" and not missing:
        raise fault(place, field, text, "is empty; every reference needs the text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise fault(place, field, text, "holds half a surrogate pair; write valid Unicode") from None
    return text


def _check_severity(severity: Any, place: str) -> int | None:
    """A severity as an integer in 0..100, or `None`."""
    if severity is None:
        return None
    if not _is_number(severity) or severity != severity // 1:
        raise fault(place, "severity", severity, f"is not a severity; write {SCALE}")
    if not LOWEST <= severity <= HIGHEST:
        raise fault(place, "severity", severity, f"is outside {LOWEST}..{HIGHEST}")
    return int(severity)


def _is_number(value: Any) -> bool:
    """Whether it is a number, Python's or numpy's; a truth value is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_score(score: Any, place: str) -> float | None:
    if score is None:
        return None
    if not _is_number(score) or math.isnan(score) or not 0 <= score <= 1:
        raise fault(place, "score", score, "is not a confidence; write a number in 0..1, or null")
    return float(score)


def _check_box(box: Any, place: str) -> Box | None:
    if box is None:
        return None
    corners = box.tolist() if hasattr(box, "tolist") else box
    listed = isinstance(corners, Sequence) and not isinstance(corners, (str, bytes)) and len(corners) == 4
    if not listed or not all(_is_number(corner) and math.isfinite(corner) for corner in corners):
        raise fault(place, "bbox", box, "is not a box; write [x0, y0, x1, y1] in pixels, or null")
    x0, y0, x1, y1 = map(float, corners)
    if x0 > x1 or y0 > y1:
        raise fault(place, "bbox", box, "is not a box; write [x0, y0, x1, y1] with x0 <= x1 and y0 <= y1")
    return x0, y0, x1, y1


def check_label(label: Any, place: str, role: Role) -> str | None:
    """`real`, `fake`, or, in predictions only, `None`: no verdict, or one that could not be read; both count as wrong."""
    if label is None and role == "prediction":
        return None
    if label not in LABELS:
        hint = ", or null where there was no readable verdict" if role == "prediction" else ""
        raise fault(place, "label", label, f"is neither 'real' nor 'fake'; write one of them{hint}")
    return str(label)
