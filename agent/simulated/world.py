"""What there is to see in a scene, and how findings are told and recognised again.

Findings travel through prompts and answers as sentences of `dataset_builder.scenes.FAMILIES`. A finding is recognised by
its sentence alone, in whatever form it comes back, as (object, family).
"""

import random
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agent.simulated.rates import Dice
from dataset_builder.scenes import FAMILIES, SceneRow, family_of
from dataset_builder.scenes.world import COLOURS, KINDS

__all__ = ["ATTRIBUTES", "RELATIONS", "Fact", "Scene", "read_fact", "tell"]

ATTRIBUTES = ("clock", "extra_arm", "handle", "upside_down", "wrong_colour")
"""The families that an object shows by itself."""

RELATIONS = tuple(family for family in FAMILIES if family not in ATTRIBUTES)
"""The families that need an object's surroundings to be seen."""

_SENTENCES = [
    (re.compile(re.escape(sentence).replace(re.escape("{object}"), "(.+?)")), family)
    for family, told in FAMILIES.items()
    for sentence in told.phenomena
]


class Fact(NamedTuple):
    """That an object shows an anomaly of a family, true or not."""

    object: str
    family: str


class Scene:
    """A scene as the model sees it.

    Attributes:
        objects (`dict`): name → box on a grid from 0 to 1000. Besides those that the anomalies concern there are a few that
            stand for what else a model lists; twins have the same.
        facts (`dict`): the anomalies → severity.
    """

    def __init__(self, row: SceneRow, twin: SceneRow | None, size: tuple[int, int]) -> None:
        concerned = [*row.anomalies, *(twin.anomalies if twin else [])]
        self.label = row.label
        self.facts = {Fact(one.object, one.family): one.severity for one in row.anomalies if one.severity is not None}
        self.objects: dict[str, list[int]] = {}
        rng = random.Random(min(row.image_id, row.twin_id or row.image_id))
        for one in concerned:
            if one.bbox is not None:
                spans = zip(one.bbox, (*size, *size), strict=True)
                self.objects[one.object] = [round(1000 * corner / length) for corner, length in spans]
        for _ in range(rng.randint(2, 3)):
            kind = rng.choice(list(KINDS))
            x, y = rng.randint(0, 750), rng.randint(200, 750)
            self.objects.setdefault(f"{rng.choice(KINDS[kind][2])} {kind}", [x, y, x + 200, y + 200])

    def of(self, name: str) -> dict[str, int]:
        """The families an object shows → severity; none for an object that is not there."""
        return {fact.family: severity for fact, severity in self.facts.items() if fact.object == name.casefold()}


def invented_object(dice: Dice) -> str:
    """An object that a model may believe to see."""
    kind = dice.one(list(KINDS), "kind")
    return f"{dice.one(list(COLOURS), 'colour')} {kind}"


def read_fact(finding: Mapping[str, Any]) -> Fact | None:
    """What a finding of a request says, or `None` if it is not told in the scenes' sentences."""
    told = str(finding.get("phenomenon", ""))
    for sentence, family in _SENTENCES:
        if match := sentence.search(told):
            return Fact(match[1], family)
    named = family_of(str(finding.get("name", "")))
    return Fact(str(finding.get("object", "")).casefold(), named) if named else None


def tell(fact: Fact, dice: Dice) -> dict[str, str]:
    """A finding in words, which differ from sample to sample."""
    family = FAMILIES[fact.family]
    return {
        "object": fact.object,
        "name": dice.one(family.names, "name", *fact),
        "phenomenon": dice.one(family.phenomena, "phenomenon", *fact).format(object=fact.object),
        "reasoning": dice.one(family.reasonings, "reasoning", *fact),
    }


def invent(objects: Iterable[str], scene: Scene, families: tuple[str, ...], rate: float, dice: Dice) -> list[Fact]:
    """What a look at these objects finds that is not there."""
    return [
        Fact(name, dice.one([family for family in families if family not in scene.of(name)], "invented", name))
        for name in objects
        if dice.happens(rate, "invents", name)
    ]
