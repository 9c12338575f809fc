"""The plan `paper`: the official agent's stages, in its order, with its number of calls.

With T drafts, S samples and N objects these are T + [T > 1] + 5 N + 2 S + 1 calls, 11 + 5 N by default. An object's chain of
five is its own: no object waits for another, and the samples of the whole picture wait for none.
"""

from agent.asking import Asker, together
from agent.plans.annotation import Annotation, Evidence, Settings, candidate, conclude
from agent.stages import AnomalyItem, Finding, ObjectItem, Stage, Verdict
from dataset_builder.schema import Candidate

__all__ = ["calls", "paper"]


def calls(settings: Settings, objects: int) -> dict[Stage, int]:
    """The number of calls of each stage for a picture with so many objects, in the official order."""
    return {
        "discovery_draft": settings.drafts,
        "discovery_merge": int(settings.drafts > 1),
        "attributes_broad": objects,
        "attributes_verify": objects,
        "relations_broad": objects,
        "relations_verify": objects,
        "summary_object": objects,
        "summary_image": settings.samples,
        "scan": settings.samples,
        "format": 1,
    }


async def paper(asker: Asker, settings: Settings) -> Annotation:
    """Annotate a picture as the paper does."""
    work = [_objects(asker, settings)] + [_scan(asker, sample) for sample in range(settings.samples)]
    objects, *scans = await together(*work)
    if objects is None and not any(scans):
        return _nothing(asker)
    names = list(dict.fromkeys(item.name for item in objects or []))[: settings.max_objects]
    expected = sum(calls(settings, len(names)).values())
    chains = await together(*(_examine(asker, name, names) for name in names))
    pool = [finding for chain in chains for finding in chain or []]
    numbered = [{"id": f"o{number}", **finding.model_dump()} for number, finding in enumerate(pool, 1)]
    summaries = await together(*(_summary(asker, numbered, sample) for sample in range(settings.samples)))

    evidence: dict[str, Evidence] = {}
    for stage, sampled in (("summary_image", summaries), ("scan", scans)):
        for sample, items in enumerate(sampled):
            for number, item in enumerate(items or [], 1):
                finding = Finding(**item.model_dump(include=set(Finding.model_fields)))
                id = f"{stage[:2]}{sample + 1}.{number}"
                evidence[id] = Evidence.of(id, finding, stage, f"{stage}#{sample}")
    given = {"findings": [known.asked() for known in evidence.values()]}
    final = await asker.ask("format", given)
    assert asker.failures or asker.asked == expected, f"{asker.asked} calls instead of {expected}"
    if final is None:
        return _nothing(asker)

    boxes = {item.name: item.bbox for item in objects or []}
    candidates = [_candidate(item, evidence, boxes, asker, settings) for item in final or []]
    return conclude(asker, settings, candidates)


async def _objects(asker: Asker, settings: Settings) -> list[ObjectItem] | None:
    drafts = await together(*(asker.ask("discovery_draft", sample=sample) for sample in range(settings.drafts)))
    usable = [draft for draft in drafts if draft is not None]
    if not usable:
        return None
    if settings.drafts == 1:
        return list(usable[0])
    given = {"drafts": [[item.model_dump(exclude={"oddity"}) for item in draft] for draft in usable]}
    return await asker.ask("discovery_merge", given)


async def _scan(asker: Asker, sample: int) -> list[AnomalyItem] | None:
    return await asker.ask("scan", sample=sample, temperature=0.7)


async def _summary(asker: Asker, findings: list[dict[str, str]], sample: int) -> list[Finding] | None:
    return await asker.ask("summary_image", {"findings": findings}, sample=sample)


async def _examine(asker: Asker, name: str, names: list[str]) -> list[Finding] | None:
    """One object's five calls; given up as a whole where one of them is."""
    others = [other for other in names if other != name]
    noticed = await asker.ask("attributes_broad", {"objects": [name]}, about=name)
    if noticed is None:
        return None
    attributes = await _verified(asker, "attributes_verify", {"objects": [name]}, "a", noticed)
    if attributes is None:
        return None
    given = {"objects": [name], "others": others, "findings": attributes}
    noticed = await asker.ask("relations_broad", given, about=name)
    if noticed is None:
        return None
    relations = await _verified(asker, "relations_verify", {"objects": [name], "others": others}, "r", noticed)
    if relations is None:
        return None
    given = {"objects": [name], "findings": attributes + relations}
    return await asker.ask("summary_object", given, about=name)


async def _verified(
    asker: Asker, stage: Stage, given: dict[str, list[str]], prefix: str, findings: list[Finding]
) -> list[dict[str, str]] | None:
    numbered = {f"{prefix}{number}": finding for number, finding in enumerate(findings, 1)}
    listed = [{"id": id, **known.model_dump()} for id, known in numbered.items()]
    verdicts: list[Verdict] | None = await asker.ask(stage, {**given, "findings": listed}, about=given["objects"][0])
    if verdicts is None:
        return None
    holding = [verdict.id for verdict in verdicts if verdict.holds]
    return [{"id": id, **numbered[id].model_dump()} for id in holding]


def _candidate(
    item: AnomalyItem,
    evidence: dict[str, Evidence],
    boxes: dict[str, list[int] | None],
    asker: Asker,
    settings: Settings,
) -> Candidate:
    sources = [evidence[id] for id in item.sources if id in evidence]
    samples = {sample for source in sources for sample in source.named}
    return candidate(
        item,
        asker.picture,
        stage=sources[0].stage if sources else "format",
        support=max(len(samples), 1),
        possible=2 * settings.samples,
        box=boxes.get(item.object),
    )


def _nothing(asker: Asker) -> Annotation:
    """No statement can be made: neither what is wrong nor that nothing is."""
    ended = conclude(asker, Settings(), [])
    return ended.model_copy(update={"status": "failed"})
