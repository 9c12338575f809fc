"""The text forms that answers are written in: JSON for models to learn, labelled lines as the release's own models write."""

import json
from collections.abc import Iterable

from dataset_builder import severity
from dataset_builder.fields import OFFICIAL_KEYS
from dataset_builder.schema import Anomaly

__all__ = ["write_answer", "write_official_text"]


def write_answer(anomalies: Iterable[Anomaly], *, boxes: bool = False) -> str:
    """The answer a model should give: a JSON list, one object per anomaly, `[]` when nothing is wrong.

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
    """The answer the release's models are trained to give: four labelled lines per anomaly, a blank line between two.

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
