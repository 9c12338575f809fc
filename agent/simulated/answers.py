"""What the simulated model answers to each stage: the scene's truth, with errors at the given rates."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from agent.simulated.rates import Dice, Rates
from agent.simulated.world import ATTRIBUTES, RELATIONS, Fact, Scene, invent, invented_object, read_fact, tell
from agent.stages import Stage
from dataset_builder.prompts import CAPTION_PROMPT, PROMPTS, Task
from dataset_builder.schema import Anomaly
from dataset_builder.textform import write_answer

__all__ = ["answer_stage", "answer_task", "task_of"]

Given = Mapping[str, Any]
Value = dict[str, Any]


def answer_stage(stage: Stage, given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    """The answer to a stage, as the object that `agent.stages` asks for.

    Args:
        stage (`str`): which.
        given (mapping): the request's input, as `agent.stages` describes it; fields of another form count as absent.
        scene (`Scene`): what the picture shows.
        rates (`Rates`): how often the model errs.
        dice (`Dice`): the draws of this question.
    """
    return {"answer": _ANSWERS[stage](given, scene, rates, dice)}


def answer_task(task: Task | Literal["caption"], scene: Scene, size: tuple[int, int], rates: Rates, dice: Dice) -> str:
    """The answer to a prompt of `dataset_builder.prompts`: one look at the whole picture, `size` pixels large."""
    if task == "caption":
        return f"The {', the '.join(scene.objects) or 'place'} stand where they are carried, and their shadows fall to one side."
    facts = _seen_at_large(scene, rates, dice)
    if task == "verdict":
        return "Yes" if facts else "No"
    anomalies = []
    for fact in facts:
        box = scene.objects.get(fact.object) if task == "grounded" else None
        told = {key: value for key, value in tell(fact, dice).items() if key != "object"}
        corners = tuple(corner * length / 1000 for corner, length in zip(box, size * 2, strict=True)) if box else None
        anomalies.append(Anomaly(**told, severity=_severity(fact, scene, dice), bbox=corners))  # type: ignore[arg-type]
    return write_answer(anomalies, boxes=task == "grounded")


def _draft(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    names = [name for name in scene.objects if not dice.happens(rates.miss, "misses", name)]
    if dice.happens(rates.hallucinate, "invents an object"):
        names.append(invented_object(dice))
    objects = []
    for name in dict.fromkeys(names):
        families = ATTRIBUTES + RELATIONS
        noticed = [
            Fact(name, family)
            for family in scene.of(name)
            if dice.happens((1 - rates.miss) / 2, "notices", name, family)
        ]
        noticed = noticed or invent([name], scene, families, rates, dice, often=0.5)
        objects.append(
            {
                "name": name,
                "description": f"A {name}, {dice.one(('in plain view', 'seen from the front', 'a little to the side'), name)}.",
                "oddity": tell(noticed[0], dice)["phenomenon"] if noticed else None,
                "bbox": _box(name, scene, dice),
            }
        )
    return {"objects": objects}


def _merge(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    merged: dict[str, Value] = {}
    drafts = [part.get("objects") if isinstance(part, dict) else part for part in _list(given.get("drafts"))]
    for draft in [item for listed in drafts for item in _dicts(listed)]:
        name = str(draft.get("name", ""))
        if name not in scene.objects and dice.happens(rates.catch / 2, "catches", name):
            continue
        kept = merged.setdefault(
            name,
            {
                "name": name,
                "description": str(draft.get("description", name)),
                "oddity": None,
                "bbox": _box(name, scene, dice),
            },
        )
        kept["oddity"] = kept["oddity"] or draft.get("oddity")
    return {"objects": list(merged.values())}


def _broad(families: tuple[str, ...]) -> Callable[[Given, Scene, Rates, Dice], Value]:
    def look(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
        names = [str(name) for name in _list(given.get("objects"))]
        known = {read_fact(finding) for finding in _dicts(given.get("findings"))}
        miss = min(1.0, rates.miss * (2 - 1 / max(len(names), 1)))
        found = [
            Fact(name, family)
            for name in names
            for family in scene.of(name)
            if family in families and not dice.happens(miss, "misses", name, family)
        ]
        found += invent(names, scene, families, rates, dice)
        return {"findings": [tell(fact, dice) for fact in dict.fromkeys(found) if fact not in known]}

    return look


def _verify(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    verdicts, findings = [], _dicts(given.get("findings"))
    catch = rates.catch * (1 + 1 / max(len(findings), 1)) / 2
    for finding in findings:
        fact, at = read_fact(finding), str(finding.get("id", ""))
        holds = _kept(fact, scene, catch, rates.doubt, dice, fact or at)
        verdicts.append(
            {
                "id": at,
                "evidence": "It can be seen there." if holds else "The place looks as it should.",
                "holds": holds,
                "severity": _severity(fact, scene, dice) if holds else 90,
            }
        )
    return {"verdicts": verdicts}


def _summary(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    return {"findings": [_told(finding, fact, dice) for fact, finding, _ in _summed(given, scene, rates, dice)]}


def _integrate(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    return {"groups": [{"ids": ids} for _, _, ids in _sorted_out(given, rates, dice)]}


def _scan(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    facts = _seen_at_large(scene, rates, dice)
    return {"anomalies": [_anomaly(tell(fact, dice), fact, [], scene, dice) for fact in facts]}


def _format(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Value:
    return {
        "anomalies": [
            _anomaly(_told(finding, fact, dice), fact, ids, scene, dice)
            for fact, finding, ids in _summed(given, scene, rates, dice)
        ]
    }


_ANSWERS: dict[Stage, Callable[[Given, Scene, Rates, Dice], Value]] = {
    "discovery_draft": _draft,
    "discovery_merge": _merge,
    "attributes_broad": _broad(ATTRIBUTES),
    "attributes_verify": _verify,
    "relations_broad": _broad(RELATIONS),
    "relations_verify": _verify,
    "summary_object": _summary,
    "summary_image": _summary,
    "integrate": _integrate,
    "scan": _scan,
    "look": _scan,
    "format": _format,
}


def _seen_at_large(scene: Scene, rates: Rates, dice: Dice) -> list[Fact]:
    """What one look at the whole picture finds."""
    found = [fact for fact in scene.facts if not dice.happens(min(1.0, 2 * rates.miss), "misses", *fact)]
    found += invent(scene.objects, scene, ATTRIBUTES + RELATIONS, rates, dice)
    return list(dict.fromkeys(found))


def _summed(given: Given, scene: Scene, rates: Rates, dice: Dice) -> Iterable[tuple[Fact | None, Value, list[str]]]:
    """The findings given, as far as they are kept, one a fact: fact, first finding of it, the ids of all."""
    sums = _sorted_out(given, rates, dice)
    return [one for one in sums if _kept(one[0], scene, rates.catch / 2, rates.doubt / 2, dice, one[0] or one[2][0])]


def _sorted_out(given: Given, rates: Rates, dice: Dice) -> list[tuple[Fact | None, Value, list[str]]]:
    """The findings given, those that are taken for the same together: fact, first finding of it, the ids of all."""
    sums: dict[object, tuple[Fact | None, Value, list[str]]] = {}
    for finding in _dicts(given.get("findings")):
        fact, at = read_fact(finding), str(finding.get("id", ""))
        key: object = fact or at
        if dice.happens(rates.misgroup, "misgroups", at, fact):
            key = ("apart", at) if dice("apart", at) < 0.5 else next(iter(sums), key)
        sums.setdefault(key, (fact, finding, []))[2].append(at)
    return list(sums.values())


def _kept(fact: Fact | None, scene: Scene, catch: float, doubt: float, dice: Dice, of: object) -> bool:
    true = fact in scene.facts
    return not dice.happens(doubt if true else catch, "drops", of)


def _told(finding: Value, fact: Fact | None, dice: Dice) -> dict[str, str]:
    if fact:
        return tell(fact, dice)
    return {key: str(finding.get(key, "?")) for key in ("object", "name", "phenomenon", "reasoning")}


def _anomaly(told: dict[str, str], fact: Fact | None, ids: list[str], scene: Scene, dice: Dice) -> Value:
    severity, box = _severity(fact, scene, dice), _box(told["object"], scene, dice)
    return {"sources": ids, **told, "severity": severity, "bbox": box}


def _severity(fact: Fact | None, scene: Scene, dice: Dice) -> int:
    """The true one, a few points off; of what is not there, anything mild."""
    true = scene.facts.get(fact) if fact else None
    return 55 + int(25 * dice("severity", fact)) if true is None else _near(true, 5, 100, dice, "severity", fact)


def _box(name: str, scene: Scene, dice: Dice) -> list[int] | None:
    corners = scene.objects.get(name)
    return [_near(corner, 12, 1000, dice, name, k) for k, corner in enumerate(corners)] if corners else None


def _near(value: int, off: int, limit: int, dice: Dice, *what: object) -> int:
    return min(limit, max(0, value + round((2 * dice(*what) - 1) * off)))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> list[Value]:
    return [item for item in _list(value) if isinstance(item, dict)]


_TASK_OF: dict[str, Task | Literal["caption"]] = {prompt: task for task, prompt in PROMPTS.items()} | {
    CAPTION_PROMPT: "caption"
}


def task_of(text: str) -> Task | Literal["caption"] | None:
    """The task of `dataset_builder.prompts` that a text asks for."""
    return _TASK_OF.get(text.strip())
