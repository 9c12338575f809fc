"""When the calls of a picture were under way, stage by stage, without the time in which none was."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Bar", "Lane", "busy_seconds", "lanes"]


class Bar(NamedTuple):
    """A call, in per cent of the time in which any call of the picture was under way."""

    left: float
    width: float
    problem: bool


class Lane(NamedTuple):
    """The calls of a stage."""

    stage: str
    bars: list[Bar]
    tokens: int
    seconds: float


def lanes(calls: Sequence[Mapping[str, Any]]) -> list[Lane]:
    """The lanes of a picture's timeline, in the order in which its stages began.

    Args:
        calls (sequence of mappings): rows of the journal, with `stage`, `created` (when it ended), `seconds`, `problem`,
            `prompt_tokens`, `completion_tokens`.
    """
    spans = [(call["created"] - call["seconds"], call["created"]) for call in calls]
    busy = _union(spans)
    total = sum(end - start for start, end in busy) or 1.0
    found: dict[str, Lane] = {}
    for (start, end), call in sorted(zip(spans, calls, strict=True), key=lambda timed: timed[0]):
        lane = found.get(call["stage"], Lane(call["stage"], [], 0, 0.0))
        left, right = (100 * _before(moment, busy) / total for moment in (start, end))
        lane.bars.append(Bar(round(left, 2), round(max(right - left, 0.4), 2), call["problem"] is not None))
        tokens = lane.tokens + call["prompt_tokens"] + call["completion_tokens"]
        found[call["stage"]] = lane._replace(tokens=tokens, seconds=lane.seconds + call["seconds"])
    return list(found.values())


def busy_seconds(calls: Sequence[Mapping[str, Any]]) -> float:
    """How long any call was under way: the length of the timeline."""
    return sum(
        end - start for start, end in _union([(call["created"] - call["seconds"], call["created"]) for call in calls])
    )


def _union(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _before(moment: float, busy: Sequence[tuple[float, float]]) -> float:
    """Seconds that were busy before a moment."""
    return sum(min(end, moment) - start for start, end in busy if start < moment)
