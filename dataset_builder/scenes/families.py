"""The families of anomalies a scene can have: what they are called, how they are told, how severe they are.

A family's names are its own, so a name tells its family. Every sentence about what is seen names the object as
`<colour> <kind>`, so that a check can tell the right object from a wrong one.
"""

from typing import NamedTuple

__all__ = ["FAMILIES", "HELD_OUT", "TRAINED", "Family", "family_of"]


class Family(NamedTuple):
    """One way a picture can defy logic.

    Attributes:
        names: what it is called; no other family uses these names.
        phenomena: sentences about what is seen, with `{object}` for `<colour> <kind>`.
        reasonings: sentences about why it cannot be.
        mildest, worst: the severities at the smallest and the largest amount drawn (low is severe).
        settings: where it can be shown: `room` (a table before a wall) or `outdoors`.
    """

    names: tuple[str, ...]
    phenomena: tuple[str, ...]
    reasonings: tuple[str, ...]
    mildest: int
    worst: int
    settings: tuple[str, ...]


FAMILIES: dict[str, Family] = {
    "floating": Family(
        ("Floating object", "Object in mid-air"),
        (
            "The {object} hangs in the air with nothing under it.",
            "A gap separates the {object} from the surface and its shadow.",
        ),
        (
            "Gravity pulls every unsupported thing down until something carries it.",
            "Without a support or a string it would fall at once.",
        ),
        55,
        10,
        ("room", "outdoors"),
    ),
    "shadow": Family(
        ("Shadow towards the light", "Reversed shadow"),
        (
            "The shadow of the {object} falls towards the light.",
            "The {object} casts its shadow to the side the light comes from.",
        ),
        (
            "A shadow lies on the side away from the light that makes it.",
            "Light travels straight, so a shadow cannot point at its source.",
        ),
        60,
        25,
        ("room", "outdoors"),
    ),
    "clock": Family(
        ("Clock with too many hands", "Surplus clock hands"),
        (
            "The face of the {object} carries more hands than a clock has.",
            "Several extra hands point in all directions on the {object}.",
        ),
        (
            "A clock shows one time, with one hand for the hours and one for the minutes.",
            "With so many hands no time could be read.",
        ),
        50,
        20,
        ("room",),
    ),
    "extra_arm": Family(
        ("Surplus arm", "Person with too many arms"),
        (
            "The {object} has more than two arms.",
            "An additional arm grows from the body of the {object}.",
        ),
        (
            "People have two arms; the body has no joint where another could grow.",
            "Human anatomy allows one arm at each shoulder.",
        ),
        30,
        10,
        ("outdoors",),
    ),
    "mirror": Family(
        ("False reflection", "Mirror shows something else"),
        (
            "The mirror shows something other than the {object} in front of it.",
            "What is reflected does not match the {object} before the mirror.",
        ),
        (
            "A mirror repeats what stands before it and invents nothing.",
            "Reflected light carries the shape and colour of the thing it comes from.",
        ),
        45,
        15,
        ("room",),
    ),
    "handle": Family(
        ("Detached handle", "Handle without a joint"),
        (
            "The handle of the {object} hovers beside it without touching.",
            "There is empty space between the {object} and its handle.",
        ),
        (
            "A handle must be joined to what it lifts.",
            "A part that touches nothing would drop to the table.",
        ),
        60,
        25,
        ("room",),
    ),
    "giant": Family(
        ("Impossible size", "Giant object"),
        (
            "The {object} is far too large for its surroundings.",
            "Next to everything else the {object} is enormous.",
        ),
        (
            "Things of this kind are small enough to hold in the hand.",
            "Its scale contradicts that of everything around it.",
        ),
        50,
        15,
        ("room", "outdoors"),
    ),
    "sunk": Family(
        ("Object through the table", "Sunken object"),
        (
            "The {object} passes through the table top and shows below it.",
            "The lower part of the {object} sticks out under the table top.",
        ),
        (
            "Two solid things cannot fill the same space.",
            "A closed table top stops whatever stands on it.",
        ),
        45,
        10,
        ("room",),
    ),
    "upside_down": Family(
        ("Upside-down person", "Person on their head"),
        (
            "The {object} stands on the head with both feet in the air.",
            "Head down and feet up, the {object} balances without any help.",
        ),
        (
            "A body at rest stands on its feet; nothing holds this one up.",
            "Nobody can balance on the crown of the head with hanging arms.",
        ),
        35,
        15,
        ("outdoors",),
    ),
    "wrong_colour": Family(
        ("Impossible colour", "Fruit of a wrong colour"),
        (
            "The {object} has a colour that this fruit never has.",
            "No plant bears anything like the {object} lying here.",
        ),
        (
            "The pigments of a fruit give it a narrow range of natural colours.",
            "Such a hue does not occur in this fruit, ripe or unripe.",
        ),
        45,
        15,
        ("room",),
    ),
}
"""All families, by their key."""

HELD_OUT: tuple[str, ...] = ("upside_down", "wrong_colour")
"""Kept out of the tiny base's training, so that fine-tuning on one shows learning; drawn only when named."""

TRAINED: tuple[str, ...] = tuple(key for key in FAMILIES if key not in HELD_OUT)
"""The families drawn when none are named, and the only ones the tiny base has seen."""

_FAMILY_OF_NAME = {name: key for key, family in FAMILIES.items() for name in family.names}


def family_of(name: str) -> str | None:
    """The family an anomaly's name belongs to, or `None` for a name of no family."""
    return _FAMILY_OF_NAME.get(name)
