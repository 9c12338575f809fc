"""The plan `efficient`: the same five agents, each asked as seldom as its answer allows.

- The drafts' descriptions and first suspicions are passed on instead of being dropped, and their lists are merged here.
- Objects are examined in groups of `GROUP`, the second examination knowing what the first found. `SCANS` of the
  whole picture are made too, because what nobody names is lost for good.
- The integrator is asked only where two findings could be one anomaly, before they are verified twice.
- Only what somebody found is verified. A sample that named a finding is a vote for it, one that verifies it a vote for or
  against; it is kept when `ENOUGH` more spoke for it than against, `min_support` if that is more, and at least one that
  verified it did. Votes end as soon as those left could change nothing. A picture in which nobody found anything is done
  before that.
- What is verified comes with a close view where the picture has more detail than the whole shows.
- A finding that the formatter leaves out is lost only if its verification was not of one mind.
"""

import statistics
from collections.abc import Sequence
from typing import Any

from agent.asking import Asker, together
from agent.plans.annotation import Annotation, Evidence, Settings, candidate, conclude
from agent.plans.findings import Known, integrate
from agent.plans.objects import Seen, called, content_words, merge
from agent.plans.verification import FINDINGS, verify
from agent.stages import AnomalyItem, Finding, Stage
from dataset_builder.schema import Candidate

__all__ = ["calls", "efficient"]

GROUP = 4
"""Objects examined in one call."""
SCANS = 2
"""Examinations of the whole picture."""
ENOUGH = 3
"""Votes by which a finding is kept: one less where it is verified by only one sample, more where more support is asked for."""


def calls(settings: Settings, objects: int, findings: int) -> dict[Stage, int]:
    """About the number of calls of each stage for a picture with so many objects, in which so much is found."""
    groups = -(-objects // GROUP)
    looks: dict[Stage, int] = {
        "discovery_draft": settings.drafts,
        "attributes_broad": groups,
        "relations_broad": groups,
        "scan": SCANS,
    }
    if not findings:
        return looks
    return looks | {"relations_verify": -(-findings // FINDINGS), "integrate": 1, "format": 1}


async def efficient(asker: Asker, settings: Settings) -> Annotation:
    """Annotate a picture with as few calls as its anomalies allow."""
    drafts = await together(*(asker.ask("discovery_draft", sample=sample) for sample in range(settings.drafts)))
    listed = [(number, draft) for number, draft in enumerate(drafts) if draft is not None]
    if not listed:
        return conclude(asker, settings, []).model_copy(update={"status": "failed"})
    objects = merge(listed, settings.max_objects)
    known = Known()
    for seen in objects:
        for draft, oddity in seen.oddities:
            suspicion = Finding(object=seen.name, name=f"Odd {seen.name}", phenomenon=oddity, reasoning=oddity)
            known.add(suspicion, "discovery_draft", draft)
    groups = [objects[start : start + GROUP] for start in range(0, len(objects), GROUP)]
    looks = [_examine(asker, group, objects) for group in groups]
    scans = [_scan(asker, sample) for sample in range(SCANS)]
    for findings in await together(*looks, *scans):
        for stage, sample, finding in findings:
            # A scan calls objects as it likes, and other stages do not always keep to the names they were given.
            known.add(finding.model_copy(update={"object": called(finding.object, objects)}), stage, sample)
    found = await integrate(asker, known.found, _alike)
    if not found:
        return conclude(asker, settings, [])
    # Findings about relations need a view of more than one object, and others do not suffer from it: they go together.
    relational = any(evidence.stage == "relations_broad" for evidence in found)
    question: Stage = "relations_verify" if relational else "attributes_verify"
    boxes = {seen.name: seen.box for seen in objects}
    await verify(asker, question, found, boxes, settings.samples, lambda evidence: _decided(evidence, settings))
    held = [evidence for evidence in found if _holds(evidence, settings)]
    if not held:
        return conclude(asker, settings, [])
    items = await asker.ask("format", {"findings": [evidence.asked() for evidence in held]})
    if items is not None:
        told = {id for item in items for id in item.sources}
        held = [evidence for evidence in held if evidence.id in told or evidence.confirmed == evidence.judged]
    return conclude(asker, settings, _candidates(asker, settings, items or [], held, boxes))


_Found = list[tuple[Stage, int, Finding]]


async def _examine(asker: Asker, group: Sequence[Seen], objects: Sequence[Seen]) -> _Found:
    names = [seen.name for seen in group]
    about = ", ".join(names)
    given: dict[str, Any] = {"objects": names, "descriptions": {seen.name: seen.description for seen in group}}
    attributes: list[Finding] = await asker.ask("attributes_broad", given, about=about) or []
    given["others"] = [seen.name for seen in objects if seen.name not in names]
    given["findings"] = [{"id": str(number), **found.model_dump()} for number, found in enumerate(attributes, 1)]
    relations: list[Finding] = await asker.ask("relations_broad", given, about=about) or []
    first: _Found = [("attributes_broad", 0, finding) for finding in attributes]
    return first + [("relations_broad", 0, finding) for finding in relations]


async def _scan(asker: Asker, sample: int) -> _Found:
    items: list[AnomalyItem] = await asker.ask("scan", sample=sample, temperature=0.7) or []
    return [("scan", sample, Finding(**item.model_dump(include=set(Finding.model_fields)))) for item in items]


def _balance(evidence: Evidence) -> int:
    """Votes for a finding less votes against it; a sample that named it is a vote for it."""
    return len(evidence.named) + 2 * evidence.confirmed - evidence.judged


def _holds(evidence: Evidence, settings: Settings) -> bool:
    """Whether the votes keep a finding: a look at it confirmed it, and enough spoke for it."""
    return evidence.confirmed > 0 and _balance(evidence) >= _needed(settings)


def _needed(settings: Settings) -> int:
    return max(min(ENOUGH, 1 + settings.samples), settings.min_support)


def _decided(evidence: Evidence, settings: Settings) -> bool:
    """Whether the votes that are left could not change what becomes of a finding."""
    left = settings.samples - evidence.judged
    return _holds(evidence, settings) or _balance(evidence) + left < _needed(settings)


def _alike(one: Evidence, other: Evidence) -> bool:
    """Whether two findings concern one object and what they say of it has a word in common."""
    ours, theirs = (content_words(evidence.phenomenon) - content_words(evidence.object) for evidence in (one, other))
    return one.object == other.object and bool(ours & theirs)


def _candidates(
    asker: Asker,
    settings: Settings,
    items: list[AnomalyItem],
    held: list[Evidence],
    boxes: dict[str, list[int] | None],
) -> list[Candidate]:
    words: dict[str, AnomalyItem] = {}
    for item in items:
        for id in item.sources:
            words.setdefault(id, item)
    written: list[Candidate] = []
    used: list[AnomalyItem] = []
    for evidence in held:
        severity = round(statistics.median(evidence.severities)) if evidence.severities else 50
        item = words.get(evidence.id) or AnomalyItem(
            sources=[evidence.id],
            object=evidence.object,
            name=evidence.name,
            phenomenon=evidence.phenomenon,
            reasoning=evidence.reasoning,
            severity=severity,
            bbox=None,
        )
        if any(item is other for other in used):
            continue  # the formatter made one anomaly of two findings
        used.append(item)
        support = len(evidence.named) + evidence.confirmed
        possible = settings.drafts + 1 + SCANS + evidence.judged
        item = item.model_copy(update={"object": evidence.object})
        written.append(
            candidate(
                item,
                asker.picture,
                stage=evidence.stage,
                support=support,
                possible=possible,
                box=boxes.get(evidence.object),
            )
        )
    return written
