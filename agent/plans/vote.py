"""The plan `vote`: the whole picture looked at several times, each time asked in other words, and what the looks agree on.

- Looks know nothing of each other. They are made in rounds of `ROUND`, and end when everything that was found has been named
  by `AGREE` of them (so at once where nothing was found), or after `ROUNDS` rounds.
- One call says which findings are the same anomaly. It is left out where it could change nothing: where no other look found
  anything, or there is only one finding. It comes before the last round only if each finding could be one of another look's.
- What fewer than `AGREE` looks named is dropped, whatever a second look at it would say: a model that is asked whether what
  it sees is there says yes too easily.
- What is left is looked at again, and kept when more of these looks confirm it than deny it: the first that confirms it ends
  this, two that deny it in a row do too. Looks that agree share errors, so what all of them named is verified as well.
- Nothing is rewritten: the texts are those of a look, severity and box are the medians.
"""

import statistics
from typing import NamedTuple

from agent.asking import Asker, together
from agent.pictures import common_box
from agent.plans.annotation import Annotation, Evidence, Settings, candidate, conclude
from agent.plans.findings import Known, integrate
from agent.plans.objects import plain
from agent.plans.verification import FINDINGS, verify
from agent.stages import AnomalyItem, Finding, Stage
from dataset_builder.boxes import iou
from dataset_builder.schema import Candidate

__all__ = ["calls", "vote"]

ROUND = 3
"""Looks made at once."""
ROUNDS = 2
"""Rounds of looks at most."""
AGREE = 2
"""Looks that must name a finding."""
DENIED = 2
"""Looks again that deny a finding, more than confirm it, by which it is dropped."""
OVERLAP = 0.5
"""Intersection over union from which two boxes may show the same thing under two names."""


def calls(findings: int, *, settled: bool) -> dict[Stage, int]:
    """About the number of calls of each stage for a picture in which so much is found.

    Args:
        settled (`bool`): whether the first round agrees on everything, as with a model that makes no errors.
    """
    if not findings:
        return {"look": ROUND}
    verified = -(-findings // FINDINGS)
    return {"look": ROUND if settled else ROUND * ROUNDS, "integrate": 1, "relations_verify": verified}


async def vote(asker: Asker, settings: Settings) -> Annotation:
    """Annotate a picture by the agreement of independent looks."""
    found, made, answered = await _looks(asker, settings)
    if not answered:
        return conclude(asker, settings, []).model_copy(update={"status": "failed"})
    agreed = [evidence for evidence in found if len(evidence.named) >= AGREE]
    # A finding that was left apart from its like is told twice unless what is kept is compared once more.
    agreed = await integrate(asker, agreed, _may_be_one, sample=ROUNDS)
    boxes = {evidence.object: common_box(evidence.boxes) for evidence in reversed(agreed)}
    await verify(
        asker, "relations_verify", agreed, boxes, settings.samples, lambda evidence: _decided(evidence, settings)
    )
    held = [evidence for evidence in agreed if _balance(evidence) > 0]
    return conclude(asker, settings, [_candidate(asker, evidence, made) for evidence in held])


class _Looks(NamedTuple):
    """What the looks found, how many were made, and how many of these answered."""

    found: list[Evidence]
    made: int
    answered: int


async def _looks(asker: Asker, settings: Settings) -> _Looks:
    known, answered = Known(), 0
    wanted = max(AGREE, settings.min_support)
    for last in range(ROUND, ROUND * ROUNDS + 1, ROUND):
        numbers = range(last - ROUND, last)
        looks = await together(*(asker.ask("look", sample=number, temperature=0.7) for number in numbers))
        for number, items in zip(numbers, looks, strict=True):
            answered += items is not None
            for item in items or []:
                _add(known, item, number)
        if last == ROUND * ROUNDS or all(_could_reach(evidence, known.found, wanted) for evidence in known.found):
            known.found = await integrate(asker, known.found, _of_other_looks, sample=last // ROUND - 1)
            if all(len(evidence.named) >= wanted for evidence in known.found):
                break
    return _Looks(known.found, last, answered)


def _add(known: Known, item: AnomalyItem, number: int) -> None:
    evidence = known.add(Finding(**item.model_dump(include=set(Finding.model_fields))), "look", number)
    evidence.severities.append(item.severity)
    if item.bbox is not None:
        evidence.boxes.append(item.bbox)


def _of_other_looks(one: Evidence, other: Evidence) -> bool:
    """Whether no look named both findings: one that did has told them apart."""
    return not one.named & other.named


def _may_be_one(one: Evidence, other: Evidence) -> bool:
    """Whether two findings concern one object, by its name or by its place."""
    if plain(one.object) == plain(other.object):
        return True
    first, second = common_box(one.boxes), common_box(other.boxes)
    return first is not None and second is not None and iou(first, second) > OVERLAP


def _could_reach(evidence: Evidence, found: list[Evidence], wanted: int) -> bool:
    """Whether a finding would have been named often enough if everything that may be the same as it were."""
    same = (other.named for other in found if other is evidence or _may_be_one(evidence, other))
    return len(set().union(*same)) >= wanted


def _balance(evidence: Evidence) -> int:
    """Looks again that confirmed a finding, less those that denied it."""
    return 2 * evidence.confirmed - evidence.judged


def _decided(evidence: Evidence, settings: Settings) -> bool:
    """Whether the looks again that are left need not be made."""
    left, balance = settings.samples - evidence.judged, _balance(evidence)
    if balance > 0:
        support = len(evidence.named) + evidence.confirmed
        return not support < settings.min_support <= support + left
    return balance <= -DENIED or balance + left <= 0


def _candidate(asker: Asker, evidence: Evidence, made: int) -> Candidate:
    item = AnomalyItem(
        sources=[evidence.id],
        object=evidence.object,
        name=evidence.name,
        phenomenon=evidence.phenomenon,
        reasoning=evidence.reasoning,
        severity=round(statistics.median(evidence.severities)),
        bbox=common_box(evidence.boxes),
    )
    return candidate(
        item,
        asker.picture,
        stage="look",
        support=len(evidence.named) + evidence.confirmed,
        possible=made + evidence.judged,
    )
