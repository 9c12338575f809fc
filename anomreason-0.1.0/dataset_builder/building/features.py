"""The columns of each configuration, and rows as Arrow tables with the pictures' own bytes in them."""

from collections.abc import Iterable, Sequence
from typing import Any, get_args

import pyarrow as pa
from datasets import ClassLabel, Features, Image, List, Value

from dataset_builder.schema import Anomaly, Candidate, Label, Verdict
from dataset_builder.sources.rows import Config, Row

__all__ = ["DESCRIPTIONS", "FEATURES", "example", "table"]

_LABELS = list(get_args(Label))
_VERDICTS = list(get_args(Verdict))

_QUADRUPLET = {
    "name": Value("string"),
    "phenomenon": Value("string"),
    "reasoning": Value("string"),
    "severity": Value("int32"),
    "remark": Value("string"),
    "bbox": List(Value("float32")),
}
_PICTURE = {
    "image": Image(),
    "image_id": Value("string"),
    "label": ClassLabel(names=_LABELS),
    "generator": Value("string"),
}
_MESSAGES = List({"role": Value("string"), "content": Value("string")})

DESCRIPTIONS: dict[Config, str] = {
    "default": "accepted anomalies of generated pictures; of scenes, all pictures",
    "candidates": "anomalies before review, with verdicts and votes",
    "deepfake": "real and generated pictures, real ones with what makes them credible",
    "sft": "images, prompt, completion, for supervised fine-tuning",
}

FEATURES: dict[Config, Features] = {
    "default": Features(_PICTURE | {"anomalies": List(_QUADRUPLET)}),
    "candidates": Features(
        _PICTURE
        | {
            "anomalies": List(
                _QUADRUPLET
                | {
                    "object": Value("string"),
                    "stage": Value("string"),
                    "support": Value("int32"),
                    "verdict": ClassLabel(names=_VERDICTS),
                    "votes": {verdict: Value("int32") for verdict in _VERDICTS},
                }
            )
        }
    ),
    "deepfake": Features(_PICTURE | {"anomalies": List(_QUADRUPLET), "caption": Value("string")}),
    "sft": Features({"images": List(Image()), "prompt": _MESSAGES, "completion": _MESSAGES}),
}
"""The features of each configuration."""


def example(row: Row, config: Config, data: bytes) -> dict[str, Any]:
    """A row of `default`, `candidates` or `deepfake`, with `data` as its picture.

    A picture of `deepfake` that nobody annotated has `anomalies: None`, which is not the empty list of a clean one.
    """
    columns: dict[str, Any] = {
        "image": {"bytes": data, "path": row.image_id},
        "image_id": row.image_id,
        "label": _LABELS.index(row.label),
        "generator": row.generator,
    }
    if config == "candidates":
        return columns | {"anomalies": [_candidate(candidate) for candidate in row.candidates or []]}
    columns["anomalies"] = None if row.anomalies is None else [_quadruplet(anomaly) for anomaly in row.anomalies]
    return columns | ({"caption": row.caption} if config == "deepfake" else {})


def _quadruplet(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "name": anomaly.name,
        "phenomenon": anomaly.phenomenon or None,
        "reasoning": anomaly.reasoning or None,
        "severity": anomaly.severity,
        "remark": anomaly.remark,
        "bbox": None if anomaly.bbox is None else list(anomaly.bbox),
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    verdict = None if candidate.verdict is None else _VERDICTS.index(candidate.verdict)
    return _quadruplet(candidate) | {
        "object": candidate.object,
        "stage": candidate.stage,
        "support": candidate.support,
        "verdict": verdict,
        "votes": {name: candidate.votes.get(name, 0) for name in get_args(Verdict)},
    }


def table(examples: Iterable[dict[str, Any]], config: Config) -> pa.Table:
    """Examples as an Arrow table with the configuration's schema; pictures are copied once, as they are."""
    listed: Sequence[dict[str, Any]] = list(examples)
    schema = FEATURES[config].arrow_schema
    columns = [pa.array([row[field.name] for row in listed], type=field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)
