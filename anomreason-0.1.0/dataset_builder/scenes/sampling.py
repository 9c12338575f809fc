"""Chooses what a scene holds: a setting, things of plausible sizes in places of their own, and what is wrong with which."""

import random

from dataset_builder.scenes.families import FAMILIES
from dataset_builder.scenes.geometry import TABLE_BASE, TABLE_SCALE, WALL_SCALE, ground_scale, in_view
from dataset_builder.scenes.world import KINDS, SIZE, Scene, Thing

__all__ = ["sample"]

Range = tuple[float, float]

# Heights in metres. On the table:
SMALL: dict[str, Range] = {
    "mug": (0.10, 0.12),
    "ball": (0.12, 0.15),
    "book": (0.18, 0.22),
    "vase": (0.20, 0.25),
    "bottle": (0.22, 0.26),
    "apple": (0.08, 0.09),
    "banana": (0.09, 0.10),
}
CLOCK: Range = (0.25, 0.30)
# Outdoors, with the base lines they stand on: houses and trees far away, people near.
LARGE: dict[str, tuple[Range, Range]] = {
    "person": ((1.60, 1.85), (144, 150)),
    "house": ((5.2, 5.7), (114, 117)),
    "tree": ((5.2, 6.2), (114, 117)),
    "car": ((1.40, 1.55), (123, 129)),
    "ball": ((0.50, 0.65), (143, 150)),
    "vase": ((0.50, 0.60), (143, 150)),
}
FRUIT = ("apple", "banana")
# A blue apple is odder than a white one: the amount decides which is drawn.
UNNATURAL = ("white", "black", "purple", "blue")


def _kinds_for(flaw: str | None, setting: str) -> tuple[str, ...]:
    match flaw:
        case "handle":
            return ("mug",)
        case "extra_arm" | "upside_down":
            return ("person",)
        case "wrong_colour":
            return FRUIT
        case "giant":  # what is never large, but large enough to be seen where nothing is wrong
            return ("mug", "ball", *FRUIT) if setting == "room" else ("ball", "vase")
        case "sunk":  # what is high enough to show on both sides of the table top
            return ("mug", "ball", "book", "vase", "bottle")
        case _:
            return tuple(SMALL if setting == "room" else LARGE)


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
    while True:  # few arrangements hide something
        scene = _room(rng, flaws) if setting == "room" else _outdoors(rng, flaws)
        if in_view(scene):
            return scene


def _thing(
    rng: random.Random, kind: str, taken: set[str], x: float, y: float, height: float, flaw: str | None
) -> Thing:
    colours = KINDS[kind].colours
    amount = rng.random() if flaw else 0.0
    if flaw == "wrong_colour":
        colours = (UNNATURAL[min(int(amount * len(UNNATURAL)), len(UNNATURAL) - 1)],)
    # No two things of a scene share colour and kind, so that a sentence means one of them.
    free = [colour for colour in colours if f"{colour} {kind}" not in taken] or list(colours)
    pose = rng.random()
    if flaw == "handle":  # on the side where the picture has room for it
        pose = pose / 2 if x < SIZE / 2 else 0.5 + pose / 2
    thing = Thing(kind, rng.choice(free), x, y, height, pose, flaw, amount)
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
    things = []
    for x, flaw in zip(slots, assigned, strict=True):
        kind = rng.choice(_kinds_for(flaw, "room"))
        height = TABLE_SCALE * rng.uniform(*SMALL[kind])
        things.append(_thing(rng, kind, taken, x + rng.uniform(-6, 6), TABLE_BASE, height, flaw))
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
            height, y = WALL_SCALE * rng.uniform(*CLOCK), rng.uniform(52, 56)
            things.insert(0, _thing(rng, "clock", taken, rng.choice(spots), y, height, flaw))
            mirror = None if mirror is None else mirror + 1
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
        kind = rng.choice(_kinds_for(flaw, "outdoors"))
        metres, lines = LARGE[kind]
        y = rng.uniform(*lines)
        height = ground_scale(y) * rng.uniform(*metres)
        things.append(_thing(rng, kind, taken, x + rng.uniform(-6, 6), y, height, flaw))
    things.sort(key=lambda thing: thing.y)
    return Scene("outdoors", rng.choice(("left", "right")), rng.random(), tuple(things))
