"""What there is to see in a scene, and how findings are told and recognised again.

Findings travel through prompts and answers as sentences of `dataset_builder.scenes.FAMILIES`. A finding is recognised by
its sentence alone, in whatever form it comes back, as (object, family).
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from agent.simulated.rates import Dice, Rates
from dataset_builder.scenes import FAMILIES, HELD_OUT, TRAINED, SceneRow, family_of, pair, read_scenes
from dataset_builder.scenes.world import COLOURS, KINDS
from dataset_builder.schema import Box

__all__ = ["ATTRIBUTES", "RELATIONS", "Fact", "Scene", "contents", "read_fact", "tell"]

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
        objects (`dict`): name → box on a grid from 0 to 1000: those that its anomalies or its twin's concern, and the other
            things in it where the directory was rendered by `write_scenes`.
        facts (`dict`): the anomalies → severity.
    """

    def __init__(self, row: SceneRow, twin: SceneRow | None, size: tuple[int, int]) -> None:
        self.facts = {Fact(one.object, one.family): one.severity for one in row.anomalies if one.severity is not None}
        concerned = [*row.anomalies, *(twin.anomalies if twin else [])]
        placed = [(one.object, one.bbox) for one in concerned if one.bbox is not None] + _things(row, twin)
        self.objects: dict[str, list[int]] = {}
        for name, box in placed:
            corners = [round(1000 * corner / side) for corner, side in zip(box, size * 2, strict=True)]
            self.objects.setdefault(name, corners)

    def of(self, name: str) -> dict[str, int]:
        """The families an object shows → severity; none for an object that is not there."""
        return {fact.family: severity for fact, severity in self.facts.items() if fact.object == name.casefold()}


def contents(scenes: Path, image_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """How many objects and how many anomalies each of some scenes holds, as the simulated model sees them."""
    rows = {row.image_id: row for row in read_scenes(scenes)}
    found = {}
    for image_id in image_ids:
        if row := rows.get(image_id):
            with Image.open(scenes / "images" / image_id) as picture:
                scene = Scene(row, rows.get(row.twin_id or ""), picture.size)
            found[image_id] = (len(scene.objects), len(scene.facts))
    return found


def _things(row: SceneRow, twin: SceneRow | None) -> list[tuple[str, Box]]:
    """All things in a scene, found by rendering it again from what its name says; none if it comes out as another."""
    number = re.fullmatch(r"scene_(\d+)_(\d+)_(?:odd|clean)\.png", row.image_id)
    if number is None:
        return []
    for families in (TRAINED, tuple(FAMILIES), HELD_OUT, *((family,) for family in FAMILIES)):
        rendered = pair(int(number[1]), int(number[2]), families)
        if all(one in [picture.row for picture in rendered] for one in (row, twin) if one is not None):
            drawn = next(picture for picture in rendered if picture.row == row)
            return [(thing.object, box) for thing, box in zip(drawn.scene.things, drawn.extents, strict=True)]
    return []


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


FAVOURITES = ("floating", "wrong_colour")
"""What a biased model sees where nothing is, a relation or an attribute, whichever it looks for first."""


def invent(
    objects: Iterable[str], scene: Scene, families: tuple[str, ...], rates: Rates, dice: Dice, often: float = 1.0
) -> list[Fact]:
    """What a look at these objects finds that is not there; `often` is how often, of the usual rate."""
    found = []
    for name in objects:
        at, free = dice.error("invents", name), [family for family in families if family not in scene.of(name)]
        if at < (rate := rates.hallucinate * often):
            # What is invented follows from the same draw, or it would be another thing each time.
            which = at / rate
            if which < rates.bias:
                family = next((family for family in FAVOURITES if family in free), free[0])
            else:
                family = free[int((which - rates.bias) / (1 - rates.bias) * len(free))]
            found.append(Fact(name, family))
    return found
