"""What the system message says of answers: the fields of each list, and a worked example of all lists for one picture.

It is the same in all calls, so it is read once where a server caches prefixes. Servers that take a schema hold answers to it, but
not all of them show it to the model; this is what every model sees.
"""

import functools
import json
from typing import Any

from agent.boxes import Boxes

__all__ = ["FORM", "example"]

FORM = (
    'Each task names the one list of its answer: {{"answer": {{LIST: [...]}}}}, empty where there is nothing to report.\n'
    "- objects: name is short and unlike the other names (add colour or place), description says form, pose, place and what "
    "it touches, oddity is what looks impossible about it or null.\n"
    "- findings: object is one of the names given, name a short title, phenomenon what is seen, reasoning why it cannot be.\n"
    "- verdicts, one for each finding of the input: evidence is what you see at that place, holds is true only if the "
    "picture shows the finding and it is impossible or implausible.\n"
    "- groups: each finding's id stands in exactly one group, and those that are the same anomaly stand together.\n"
    "- anomalies: sources are the ids of the findings it is made of, object is the thing concerned, name a short title, "
    "phenomenon one sentence on what is seen, reasoning one or two on why it cannot be.\n"
    "Ids are strings, as the input has them. bbox is {boxes}, or null. severity is a whole number, low is severe: 0-19 "
    "completely irrational (impossible in any world like ours), 20-39 severely irrational (breaks physics or anatomy at "
    "first sight), 40-59 clearly implausible (wrong once noticed), 60-79 slightly odd (a contrived reason would explain "
    "it), 80-100 nearly realistic."
)
"""The fields of all lists; `boxes` is the model's convention."""

_SIZE = (1200, 800)
_MUG, _TABLE = (0.4, 0.25, 0.55, 0.45), (0.05, 0.6, 0.95, 1.0)


@functools.cache
def example(boxes: Boxes) -> str:
    """An answer of each list, about a picture that is told in a sentence; its boxes are in the model's convention."""
    mug, table = (boxes.written(place, _SIZE) for place in (_MUG, _TABLE))
    finding = {
        "object": "blue mug",
        "name": "Mug in the air",
        "phenomenon": "The mug hangs a hand's breadth above the table.",
        "reasoning": "A mug falls unless something holds it.",
    }
    answers: dict[str, list[Any]] = {
        "objects": [
            {
                "name": "blue mug",
                "description": "An upright mug in the air, touching nothing.",
                "oddity": "nothing holds it up",
                "bbox": mug,
            },
            {
                "name": "table",
                "description": "A wooden table along the lower edge, empty.",
                "oddity": None,
                "bbox": table,
            },
        ],
        "findings": [finding],
        "verdicts": [
            {"id": "1", "evidence": "Wall shows between mug and table.", "holds": True, "severity": 12},
            {"id": "2", "evidence": "The table's edge is straight.", "holds": False, "severity": 95},
        ],
        "groups": [{"ids": ["1", "3"]}, {"ids": ["2"]}],
        "anomalies": [{"sources": ["1", "3"], **finding, "severity": 12, "bbox": mug}],
    }
    lines = (json.dumps({"answer": {name: items}}) for name, items in answers.items())
    return "\n".join((_ABOUT, *lines, f"If nothing is wrong: {json.dumps({'answer': {'anomalies': []}})}"))


_ABOUT = (
    "Examples, one of each list, for another picture ({} x {} pixels) in which a blue mug hangs in the air over a table; "
    "nothing of it is in yours:"
).format(*_SIZE)
