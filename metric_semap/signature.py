"""The signature: everything a score depends on, in one line to print with it, as sacreBLEU does; and what two of them differ in.

Equal signatures mean that the numbers may be compared; different ones say in which field they are different measurements.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from .anomalies import Quadruplet
from .errors import RecordError, shorten

__all__ = ["VERSION", "content_of", "differences", "signature"]

VERSION = "2.0"  # of the definition; moves whenever the same input would get another number

MEANINGS = {
    "semap": "version of the metric",
    "conf": "configuration",
    "views": "list of views",
    "sim": "similarity",
    "cal": "calibration of the similarity",
    "enc": "encoder",
    "lib": "list of library versions",
    "alpha": "weight of the phenomenon in the view Full (alpha)",
    "tau": "list of thresholds",
    "match": "matching",
    "missing": "treatment of pictures without a prediction (missing)",
    "empty": "treatment of pictures without references (empty)",
    "seed": "seed of chance and of the tests",
    "refs": "hash of the references",
    "n": "number of pictures scored",
    "judge": "judge",
}
"""What each field of a signature is, for a sentence about it."""


def _number(value: float) -> str:
    return repr(float(value)).removeprefix("0") if 0 < value < 1 else f"{value:g}"


def signature(
    similarity: Mapping[str, str],
    *,
    configuration: str,
    views: Sequence[str],
    alpha: float,
    thresholds: Sequence[float],
    matching: str,
    missing: str,
    empty: str,
    seed: int,
    references: str,
    pictures: int,
) -> str:
    """Two scores may be compared if, and only if, their signatures are the same.

    Args:
        similarity (`dict[str, str]`): what the similarity depends on, by field: `sim`, `cal`, `enc`, `lib`; further
            similarities add fields of their own.
        configuration (`str`): `default` or `deepfake`.
        views (`list[str]`): the views that are scored.
        alpha (`float`): the weight of the phenomenon in the view Full.
        thresholds (`list[float]`): τ.
        matching (`str`): `greedy` or `optimal`.
        missing (`str`): `count` or `ignore`: what a picture without a prediction is.
        empty (`str`): `zero` or `skip`: what a picture without references is.
        seed (`int`): of the deal that gives chance, and of the tests.
        references (`str`): the references' hash, see [`content_of`].
        pictures (`int`): how many pictures the mean is over.

    Returns:
        `str`: one line without blanks, `field:value` joined by `|`.
    """
    fields = {"semap": VERSION, "conf": configuration, "views": ",".join(views), **similarity}
    fields |= {"alpha": _number(alpha), "tau": ",".join(map(_number, thresholds)), "match": matching}
    fields |= {"missing": missing, "empty": empty, "seed": str(seed), "refs": references, "n": str(pictures)}
    return "|".join(f"{field}:{quote(value, safe='/@,+:=()~')}" for field, value in fields.items())


def content_of(references: Sequence[Sequence[Quadruplet]], labels: Sequence[str | None] = ()) -> str:
    """A hash of the references, 12 hexadecimal digits: the same in whatever order pictures and anomalies come.

    Names are left out, because no score depends on them; boxes are in it where there are any.
    """
    pictures = []
    for k, anomalies in enumerate(references):
        content = sorted(map(_content, anomalies))
        pictures.append(json.dumps([labels[k] if labels else None, content]))
    return hashlib.sha256("\n".join(sorted(pictures)).encode()).hexdigest()[:12]


def _content(one: Quadruplet) -> str:
    # To a tenth of a pixel, so that a box that was stored in single precision is the same.
    box = [] if one.bbox is None else [[round(float(corner), 1) for corner in one.bbox]]
    return json.dumps([one.phenomenon.strip(), one.reasoning.strip(), one.severity, *box])


def _fields(line: str) -> dict[str, str]:
    pairs = [part.partition(":") for part in line.split("|")]
    if not line.startswith("semap:") or not all(colon for _, colon, _ in pairs):
        raise RecordError(
            f"signature: {shorten(line)} is not a signature of SemAP; give metrics.json of anomreason score"
        )
    return {field: unquote(value) for field, _, value in pairs}


def differences(first: str, second: str) -> list[str]:
    """What two signatures differ in, a sentence per field; an empty list means that the scores may be compared.

    Raises:
        `RecordError`: if a line is not a signature.
    """
    one, other = _fields(first), _fields(second)
    return [
        f"The {MEANINGS.get(field, field)} is {one.get(field, 'not given')} in the first "
        f"and {other.get(field, 'not given')} in the second."
        for field in dict.fromkeys([*one, *other])
        if one.get(field) != other.get(field)
    ]
