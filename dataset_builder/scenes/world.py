"""What a scene holds: a setting, a light, a few things, and which of them are flawed.

A scene is sampled as plain data first and drawn afterwards, so its clean twin is the same data with the flaws taken out.
All lengths are pixels of the 168 × 168 picture, y downwards; a thing stands on its base line `y`, centred at `x`.
"""

import random
from dataclasses import dataclass, replace

from dataset_builder.scenes.families import FAMILIES

__all__ = ["COLOURS", "KINDS", "SIZE", "Scene", "Thing", "sample"]

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

# kind: (height range in pixels, width as a share of the height, colours it comes in)
_ANY = tuple(COLOURS)
KINDS: dict[str, tuple[tuple[int, int], float, tuple[str, ...]]] = {
    "mug": ((26, 32), 0.9, _ANY),
    "ball": ((24, 30), 1.0, _ANY),
    "book": ((26, 34), 0.75, _ANY),
    "vase": ((32, 40), 0.6, _ANY),
    "bottle": ((36, 44), 0.36, _ANY),
    "apple": ((24, 28), 1.0, ("red", "green", "yellow")),
    "banana": ((22, 26), 1.5, ("yellow", "green")),
    "person": ((78, 92), 0.34, ("red", "orange", "yellow", "green", "blue", "purple")),
    "house": ((54, 66), 0.9, ("red", "orange", "yellow", "blue", "white")),
    "tree": ((62, 78), 0.6, ("green", "orange", "yellow")),
    "car": ((26, 30), 1.9, _ANY),
    "clock": ((38, 46), 1.0, _ANY),
}
SMALL = ("mug", "ball", "book", "vase", "bottle", "apple", "banana")
FRUIT = ("apple", "banana")
LARGE = ("person", "house", "tree", "car", "ball")
# A blue apple is odder than a white one: the amount decides which is drawn.
UNNATURAL = ("white", "black", "purple", "blue")

TABLE_TOP, TABLE_BASE, TABLE_FRONT = 106, 116, 126  # far edge, where things stand, near edge
HORIZON, GROUND_BASE = 92, 148


@dataclass(frozen=True)
class Thing:
    """One thing in a scene.

    Attributes:
        kind, colour: what it is; `<colour> <kind>` is its name in every sentence.
        x, y, height: centre, base line, height in pixels.
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
        return self.height * KINDS[self.kind][1]

    @property
    def severity(self) -> int | None:
        """From the amount, between its family's mildest and worst, in steps of 5; `None` without a flaw."""
        if self.flaw is None:
            return None
        family = FAMILIES[self.flaw]
        return 5 * round((family.mildest + self.amount * (family.worst - family.mildest)) / 5)


@dataclass(frozen=True)
class Scene:
    """A setting with its light and its things; `mirror` is the index of the thing a wall mirror stands behind."""

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
        colours = KINDS[thing.kind][2]
        thing = replace(thing, colour=colours[int(thing.pose * len(colours))])
    return replace(thing, flaw=None, amount=0.0)


def _kinds_for(flaw: str, setting: str) -> tuple[str, ...]:
    match flaw:
        case "clock":
            return ("clock",)
        case "handle":
            return ("mug",)
        case "extra_arm" | "upside_down":
            return ("person",)
        case "wrong_colour":
            return FRUIT
        case "giant":
            return SMALL
        case "floating" | "shadow" if setting == "outdoors":
            return LARGE
        case _:
            return SMALL


def sample(rng: random.Random, families: tuple[str, ...]) -> Scene:
    """Sample a scene with one or two anomalies of the given families, each of another thing.

    Args:
        rng (`random.Random`): the only source of chance.
        families (`tuple[str]`): keys of `FAMILIES` to choose from.
    """
    first = rng.choice(families)
    setting = rng.choice(FAMILIES[first].settings)
    flaws = [first]
    # At most one flaw of a family: "the red and the blue ball float" would be one finding told twice.
    others = [key for key in families if key != first and setting in FAMILIES[key].settings]
    if others and rng.random() < 0.4:
        flaws.append(rng.choice(others))
    return _room(rng, flaws) if setting == "room" else _outdoors(rng, flaws)


def _thing(rng: random.Random, kind: str, taken: set[str], x: float, y: float, flaw: str | None) -> Thing:
    (low, high), _, colours = KINDS[kind]
    amount = rng.random() if flaw else 0.0
    if flaw == "wrong_colour":
        colours = (UNNATURAL[min(int(amount * len(UNNATURAL)), len(UNNATURAL) - 1)],)
    # No two things of a scene share colour and kind, so that a sentence means one of them.
    free = [colour for colour in colours if f"{colour} {kind}" not in taken] or list(colours)
    thing = Thing(kind, rng.choice(free), x, y, rng.uniform(low, high), rng.random(), flaw, amount)
    taken.add(thing.object)
    return thing


def _room(rng: random.Random, flaws: list[str]) -> Scene:
    on_table = [flaw for flaw in flaws if flaw != "clock"]
    # A giant needs room beside it, a mirror and a clock need room beside each other.
    crowded = "giant" not in flaws and not {"mirror", "clock"} <= set(flaws) and rng.random() < 0.4
    slots = [30.0, 84.0, 138.0] if crowded else [46.0, 122.0]
    assigned: list[str | None] = [*on_table, *[None] * len(slots)][: len(slots)]
    rng.shuffle(assigned)
    taken: set[str] = set()
    things = [
        _thing(rng, rng.choice(_kinds_for(flaw, "room") if flaw else SMALL), taken, x, TABLE_BASE, flaw)
        for x, flaw in zip([x + rng.uniform(-6, 6) for x in slots], assigned, strict=True)
    ]
    mirror = None
    if "mirror" in flaws:
        mirror = assigned.index("mirror")
    elif "clock" not in flaws and rng.random() < 0.35:
        # Only behind a thing that fits below it: neither giant nor in the air.
        fits = [index for index, flaw in enumerate(assigned) if flaw not in ("giant", "floating")]
        mirror = rng.choice(fits) if fits else None
    if "clock" in flaws or rng.random() < 0.4:
        spots = _free_wall(things, None if mirror is None else things[mirror].x, crowded)
        if spots:
            flaw = "clock" if "clock" in flaws else None
            things.append(_thing(rng, "clock", taken, rng.choice(spots), rng.uniform(56, 62), flaw))
    return Scene("room", rng.choice(("left", "right")), rng.random(), tuple(things), mirror)


def _free_wall(things: list[Thing], mirror: float | None, crowded: bool) -> list[float]:
    """Where a clock can hang: clear of a giant's side of the wall and of a mirror at `mirror`."""
    giant = next((thing.x for thing in things if thing.flaw == "giant"), None)
    if giant is not None:
        return [x for x in (46.0, 122.0) if (x < SIZE / 2) != (giant < SIZE / 2) and mirror is None]
    return [x for x in ((57.0, 111.0) if crowded else (84.0, 30.0, 138.0)) if mirror is None or abs(x - mirror) > 44]


def _outdoors(rng: random.Random, flaws: list[str]) -> Scene:
    slots = [32.0, 84.0, 136.0] if rng.random() < 0.5 and "giant" not in flaws else [46.0, 122.0]
    assigned: list[str | None] = [*flaws, *[None] * len(slots)][: len(slots)]
    rng.shuffle(assigned)
    taken: set[str] = set()
    things = []
    for x, flaw in zip(slots, assigned, strict=True):
        plain = SMALL if rng.random() < 0.2 else LARGE
        kinds = _kinds_for(flaw, "outdoors") if flaw else plain
        y = GROUND_BASE + rng.uniform(-6, 6)
        things.append(_thing(rng, rng.choice(kinds), taken, x + rng.uniform(-6, 6), y, flaw))
    return Scene("outdoors", rng.choice(("left", "right")), rng.random(), tuple(things))
