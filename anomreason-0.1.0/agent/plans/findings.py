"""Findings of a picture that may say the same: collected without a call, and told apart by one."""

import itertools
from collections.abc import Callable

from agent.asking import Asker
from agent.plans.annotation import Evidence
from agent.plans.objects import plain, same_text
from agent.stages import Finding, Stage

__all__ = ["Known", "integrate"]


class Known:
    """The findings of a picture; the same thing found again is support for the first."""

    def __init__(self) -> None:
        self.found: list[Evidence] = []
        self._numbers = itertools.count(1)

    def add(self, finding: Finding, stage: Stage, sample: int) -> Evidence:
        """The evidence that a finding is or belongs to: of one object, in about the same words."""
        for evidence in self.found:
            same_object = plain(evidence.object) == plain(finding.object)
            if same_object and same_text(evidence.phenomenon, finding.phenomenon):
                evidence.named.add(f"{stage}#{sample}")
                if evidence.reasoning == evidence.phenomenon:  # a suspicion, now with its reason
                    evidence.name, evidence.reasoning = finding.name, finding.reasoning
                return evidence
        self.found.append(Evidence.of(str(next(self._numbers)), finding, stage, f"{stage}#{sample}"))
        return self.found[-1]


async def integrate(
    asker: Asker, found: list[Evidence], may_be_one: Callable[[Evidence, Evidence], bool], sample: int = 0
) -> list[Evidence]:
    """Findings that are one anomaly become one, by one call; nothing is asked where no two could be.

    `sample` is the number of the call: the same findings compared once more are a new question.
    """
    doubtful = [one for one in found if any(one is not other and may_be_one(one, other) for other in found)]
    if not doubtful:
        return found
    given = [{key: value for key, value in one.asked().items() if key != "reasoning"} for one in doubtful]
    groups = await asker.ask("integrate", {"findings": given}, sample=sample)
    by_id = {evidence.id: evidence for evidence in doubtful}
    merged: set[str] = set()
    for group in groups or []:
        ids = [id for id in dict.fromkeys(group.ids) if id in by_id and id not in merged]
        if len(ids) < 2:
            continue
        first, *rest = sorted((by_id[id] for id in ids), key=lambda evidence: (-len(evidence.named), int(evidence.id)))
        for evidence in rest:
            first.named |= evidence.named
            first.severities += evidence.severities
            first.boxes += evidence.boxes
            merged.add(evidence.id)
    return [evidence for evidence in found if evidence.id not in merged]
