"""What a scene is made of: a setting, a light, a few things, and which of them are flawed.

A scene is sampled as plain data first and drawn afterwards, so its clean twin is the same data with the flaws taken out.
All lengths are pixels of the 168 × 168 picture, y downwards; a thing stands on its base line `y`, centred at `x`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from dataset_builder.scenes.families import FAMILIES

__all__ = ["COLOURS", "KINDS", "SIZE", "Kind", "Scene", "Thing"]

SIZE = 168

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (212, 52, 48),
    "orange": (242, 134, 36),
    "yellow": (244, 208, 54),
    "green": (64, 158, 78),
    "blue": (52, 104, 208),
    "purple": (140, 72, 184),
    "white": (242, 242, 240),
    "black": (48, 48, 56),
}


class Kind(NamedTuple):
    """A kind of thing: its width as a share of its height, and the colours it comes in."""

    width: float
    colours: tuple[str, ...]


_ANY = tuple(COLOURS)
KINDS: dict[str, Kind] = {
    "mug": Kind(0.9, _ANY),
    "ball": Kind(1.0, _ANY),
    "book": Kind(0.75, _ANY),
    "vase": Kind(0.6, _ANY),
    "bottle": Kind(0.36, _ANY),
    "apple": Kind(1.0, ("red", "green", "yellow")),
    "banana": Kind(1.5, ("yellow", "green")),
    "person": Kind(0.34, ("red", "orange", "yellow", "green", "blue", "purple")),
    "house": Kind(0.8, ("red", "orange", "yellow", "blue", "white")),
    "tree": Kind(0.6, ("green", "orange", "yellow")),
    "car": Kind(1.9, _ANY),
    "clock": Kind(1.0, _ANY),
}


@dataclass(frozen=True)
class Thing:
    """One thing in a scene.

    Attributes:
        kind, colour: what it is; `<colour> <kind>` is its name in every sentence.
        x, y, height: centre, base line, height in pixels, of the thing as it should be.
        pose (`float`): 0..1, a random number that settles its small variations (arms, clock time, handle side).
        flaw (`str`, *optional*): the family of its anomaly.
        amount (`float`): 0..1, how far the flaw goes.
    """

    kind: str
    colour: str
    x: float
    y: float
    height: float
    pose: float
    flaw: str | None = None
    amount: float = 0.0

    @property
    def object(self) -> str:
        return f"{self.colour} {self.kind}"

    @property
    def width(self) -> float:
        return self.height * KINDS[self.kind].width

    @property
    def severity(self) -> int | None:
        """From the amount, between its family's mildest and worst, in steps of 5; `None` without a flaw."""
        if self.flaw is None:
            return None
        family = FAMILIES[self.flaw]
        return 5 * round((family.mildest + self.amount * (family.worst - family.mildest)) / 5)


@dataclass(frozen=True)
class Scene:
    """A setting (`room` or `outdoors`) with its light (`left` or `right`) and its things, far ones first.

    `palette`, 0..1, settles the colours of the setting; `mirror` is the index of the thing a wall mirror stands behind.
    """

    setting: str
    light: str
    palette: float
    things: tuple[Thing, ...]
    mirror: int | None = None

    def clean(self) -> "Scene":
        """The twin: the same scene with nothing wrong in it."""
        return replace(self, things=tuple(_mend(thing) for thing in self.things))


def _mend(thing: Thing) -> Thing:
    if thing.flaw == "wrong_colour":
        colours = KINDS[thing.kind].colours
        thing = replace(thing, colour=colours[int(thing.pose * len(colours))])
    return replace(thing, flaw=None, amount=0.0)
