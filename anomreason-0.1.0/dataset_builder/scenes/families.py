"""The families of anomalies a scene can have: what they are called, how they are told, how severe they are.

A family's names are its own, so a name tells its family. Every sentence about what is seen names the object as
`<colour> <kind>`, so that a check can tell the right object from a wrong one.
"""

from typing import NamedTuple

from dataset_builder.scenes.phrasings import PHENOMENA, REASONINGS

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
    key: Family(names, PHENOMENA[key], REASONINGS[key], mildest, worst, settings)
    for key, names, mildest, worst, settings in (
        ("floating", ("Floating object", "Object in mid-air"), 55, 10, ("room", "outdoors")),
        ("shadow", ("Shadow towards the light", "Reversed shadow"), 60, 25, ("room", "outdoors")),
        ("clock", ("Clock with too many hands", "Surplus clock hands"), 50, 20, ("room",)),
        ("extra_arm", ("Surplus arm", "Person with too many arms"), 30, 10, ("outdoors",)),
        ("mirror", ("False reflection", "Mirror shows something else"), 45, 15, ("room",)),
        ("handle", ("Detached handle", "Handle without a joint"), 60, 25, ("room",)),
        ("giant", ("Impossible size", "Giant object"), 50, 15, ("room", "outdoors")),
        ("sunk", ("Object through the table", "Sunken object"), 45, 10, ("room",)),
        ("upside_down", ("Upside-down person", "Person on their head"), 35, 15, ("outdoors",)),
        ("wrong_colour", ("Impossible colour", "Fruit of a wrong colour"), 45, 15, ("room",)),
    )
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
