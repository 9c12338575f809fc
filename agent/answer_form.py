"""What a stage is told of its answer: the list that is wanted, what its fields mean, and a short worked example.

It comes after the picture. Servers that take a schema hold answers to it, but not all of them show it to the model.
"""

import functools
import json
from typing import Any

from pydantic import BaseModel

from agent.boxes import Boxes
from agent.stages import ANSWERS, LIST_OF, Anomalies, Findings, Groups, Objects, Stage, Verdicts

__all__ = ["form_of"]

_BOX = "bbox is {boxes}, or null"
_SEVERITY = (
    "severity is a whole number, low is severe: 0-19 completely irrational (impossible in any world like ours), 20-39 "
    "severely irrational (breaks physics or anatomy at first sight), 40-59 clearly implausible (wrong once noticed), 60-79 "
    "slightly odd (a contrived reason would explain it), 80-100 nearly realistic"
)
_FIELDS: dict[type[BaseModel], str] = {
    Objects: (
        "name is short and unlike the other names (add colour or place); description says form, pose, place and what it "
        f"touches; oddity is what looks impossible about it, or null; {_BOX}."
    ),
    Findings: (
        "object is one of the names given; name is a short title; phenomenon is what is seen; reasoning is why it cannot be. "
        "An empty list if nothing is wrong."
    ),
    Verdicts: (
        "one for each finding of the input, with its id; evidence is what you see at that place; holds is true only if the "
        f"picture shows the finding and it is impossible or implausible; {_SEVERITY}."
    ),
    Groups: "each finding's id stands in exactly one group, and those that are the same anomaly stand together.",
    Anomalies: (
        "sources has the ids of the input's findings that it is made of, if there are any; object is the thing concerned; name "
        "is a short title; phenomenon is one sentence on what is seen; reasoning is one or two on why it cannot be; "
        f"{_BOX}; {_SEVERITY}. An empty list if nothing is wrong."
    ),
}
_SIZE = (1200, 800)
_MUG, _TABLE = (0.4, 0.25, 0.55, 0.45), (0.05, 0.6, 0.95, 1.0)
_SHOWN = "Example, for another picture ({} x {} pixels) with a blue mug in the air over a table:".format(*_SIZE)


@functools.cache
def form_of(stage: Stage, boxes: Boxes) -> str:
    """The form of a stage's answer in words, then an example of it; `boxes` is the model's convention.

    >>> print(form_of("integrate", Boxes("pixels")).partition("}}:")[0])
    Answer {"answer": {"groups": [...]
    """
    answer = ANSWERS[stage]
    name, _ = LIST_OF[answer]
    fields = _FIELDS[answer].format(boxes=boxes.asked)
    example = json.dumps({"answer": {name: _example(stage, name, boxes)}})
    return f'Answer {{"answer": {{"{name}": [...]}}}}: {fields}\n{_SHOWN} {example}'


def _example(stage: Stage, name: str, boxes: Boxes) -> list[Any]:
    mug, table = (boxes.written(place, _SIZE) for place in (_MUG, _TABLE))
    if name == "objects":
        described = "An upright mug in the air, touching nothing."
        return [
            {"name": "blue mug", "description": described, "oddity": "nothing holds it up", "bbox": mug},
            {"name": "table", "description": "Wooden, along the lower edge.", "oddity": None, "bbox": table},
        ]
    if name == "verdicts":
        return [
            {"id": "1", "evidence": "The wall shows between mug and table.", "holds": True, "severity": 12},
            {"id": "2", "evidence": "The table's edge is straight.", "holds": False, "severity": 95},
        ]
    if name == "groups":
        return [{"ids": ["1", "3"]}, {"ids": ["2"]}]
    finding = {
        "object": "blue mug",
        "name": "Mug in the air",
        "phenomenon": "The mug hangs a hand's breadth above the table.",
        "reasoning": "A mug falls unless something holds it.",
    }
    if name == "findings":
        return [finding]
    return [{"sources": ["1", "3"] if stage == "format" else [], **finding, "severity": 12, "bbox": mug}]
