"""Findings looked at again: in calls of a few findings each, with close views, until their votes are decided."""

from collections.abc import Callable, Mapping, Sequence

from agent.asking import Asker, together
from agent.plans.annotation import Evidence
from agent.stages import Stage

__all__ = ["FINDINGS", "verify"]

FINDINGS = 5
"""Findings verified in one call."""
CROPS = 4
"""Close views in one call."""

Boxes = Mapping[str, Sequence[int] | None]


async def verify(
    asker: Asker,
    stage: Stage,
    found: list[Evidence],
    boxes: Boxes,
    samples: int,
    decided: Callable[[Evidence], bool],
) -> None:
    """Count the votes of up to `samples` looks at each finding, until `decided` says that more would change nothing.

    Args:
        stage (`str`): which question verifies.
        boxes (mapping): where an object is, on the grid from 0 to 1000; what is verified comes with a close view of it where the
            picture has more detail than the whole shows.
    """
    chunks = [found[start : start + FINDINGS] for start in range(0, len(found), FINDINGS)]
    await together(*(_vote(asker, stage, chunk, boxes, samples, decided) for chunk in chunks))


async def _vote(
    asker: Asker,
    stage: Stage,
    chunk: list[Evidence],
    boxes: Boxes,
    samples: int,
    decided: Callable[[Evidence], bool],
) -> None:
    for sample in range(samples):
        undecided = [evidence for evidence in chunk if not decided(evidence)]
        if not undecided:
            return
        await _judge(asker, stage, undecided, boxes, sample)


async def _judge(asker: Asker, stage: Stage, chunk: list[Evidence], boxes: Boxes, sample: int) -> None:
    views = _views(asker, chunk, boxes)
    given = {"findings": [evidence.asked() for evidence in chunk], "crops": list(views)}
    about = ", ".join(dict.fromkeys(evidence.object for evidence in chunk))
    verdicts = await asker.ask(stage, given, about=about, sample=sample, crops=list(views.values()))
    by_id = {evidence.id: evidence for evidence in chunk}
    for verdict in verdicts or []:
        evidence = by_id[verdict.id]
        evidence.judged += 1
        if verdict.holds:
            evidence.confirmed += 1
            evidence.severities.append(verdict.severity)


def _views(asker: Asker, chunk: list[Evidence], boxes: Boxes) -> dict[str, str]:
    views: dict[str, str] = {}
    for evidence in chunk:
        box = boxes.get(evidence.object)
        if box is None or evidence.object in views or len(views) == CROPS:
            continue
        if view := asker.picture.crop(box):
            views[evidence.object] = view
    return views
