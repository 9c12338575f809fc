"""How another observer of scenes words what it sees, and reads such words again: nothing of it is the scenes' own wording.

Things go by synonyms, a name seldom tells what is meant, and besides the families of true anomalies there are claims that are
never true of a scene, and remarks about the picture as a whole.
"""

import random
import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["CLAIMS", "REMARKS", "Meant", "meant", "name_of", "named", "thing_of", "told"]


class Meant(NamedTuple):
    """What a sentence claims: about a thing (`<colour> <kind>`, or empty for the picture), under a family or another word."""

    thing: str
    claim: str


_KINDS = {
    "mug": ("cup", "mug"),
    "ball": ("sphere", "ball"),
    "book": ("volume", "book"),
    "vase": ("urn", "vase"),
    "bottle": ("flask", "bottle"),
    "apple": ("apple",),
    "banana": ("banana",),
    "person": ("figure", "person", "pedestrian"),
    "house": ("building", "house"),
    "tree": ("tree",),
    "car": ("vehicle", "car"),
    "clock": ("timepiece", "clock"),
}

CLAIMS: dict[str, tuple[str, ...]] = {
    "floating": (
        "The base of the {thing} does not reach any surface.",
        "I see no contact between the {thing} and what should hold it up.",
        "Levitation: daylight is visible below the {thing}.",
    ),
    "shadow": (
        "Light and shade disagree at the {thing}, whose shade lies on the lit side.",
        "The dark patch thrown by the {thing} points the wrong way.",
        "Shade of the {thing} is on the same side as the lamp or sun.",
    ),
    "clock": (
        "Counting the pointers of the {thing} gives far more than two.",
        "On its dial the {thing} shows a whole bundle of pointers.",
    ),
    "extra_arm": (
        "Three upper limbs belong to the {thing}.",
        "One limb too many starts at the shoulder of the {thing}.",
        "Anatomy error: the {thing} was given a spare limb.",
    ),
    "mirror": (
        "The looking glass behind the {thing} returns an unrelated item.",
        "Instead of the {thing} the glass on the wall shows something different.",
    ),
    "handle": (
        "The grip beside the {thing} is not attached to it.",
        "Nothing connects the {thing} with its grip.",
        "The loop for holding the {thing} is severed from the body.",
    ),
    "giant": (
        "Scale problem: the {thing} dwarfs the things around.",
        "The {thing} is several times bigger than it could be here.",
    ),
    "sunk": (
        "Part of the {thing} reappears beneath the board it rests on.",
        "The board is penetrated by the {thing}.",
        "Solid matter is ignored: the {thing} goes right into the furniture.",
    ),
    "upside_down": (
        "The {thing} is inverted, legs above the skull.",
        "Legs up, the {thing} rests on the skull alone.",
    ),
    "wrong_colour": (
        "Nature does not make the {thing} in such a hue.",
        "The skin of the {thing} is dyed in a tone unknown for it.",
    ),
    "outline": (
        "The contour of the {thing} is broken in one spot.",
        "An edge of the {thing} looks frayed.",
    ),
    "tilt": (
        "The {thing} leans at an angle at which it would topple.",
        "The {thing} seems about to tip over.",
    ),
    "gloss": (
        "A highlight on the {thing} has no source.",
        "The {thing} shines although nothing lights that spot.",
    ),
    "twice": (
        "A copy of the {thing} seems to overlap with it.",
        "The {thing} looks as if it were pasted in.",
    ),
}
"""What may be claimed of a thing; the last four are never true."""

REMARKS: dict[str, tuple[str, ...]] = {
    "style": (
        "The picture lacks texture and looks like a drawing.",
        "Everything has the flat look of a cartoon.",
    ),
    "light": (
        "The light of the scene comes from nowhere in particular.",
        "No lamp or sun explains how evenly everything is lit.",
    ),
}
"""What may be said of any picture, and is an anomaly of none."""

_NAMES = ("Visual inconsistency", "Physical impossibility", "Strange detail", "Something off", "Implausible element")
_PATTERNS = [
    (re.compile(re.escape(sentence).replace(re.escape("{thing}"), "(.+?)")), claim)
    for claim, sentences in CLAIMS.items()
    for sentence in sentences
]
_SAID = {sentence: remark for remark, sentences in REMARKS.items() for sentence in sentences}


def named(thing: str, dice: random.Random) -> str:
    """A thing as somebody calls it who was never told its name."""
    colour, kind = thing.split()
    word = dice.choice(_KINDS[kind])
    return dice.choice((f"{colour} {word}", f"{word}, {colour}", f"{word} ({colour})"))


def told(about: Meant, dice: random.Random) -> str:
    """A claim or a remark as a sentence."""
    if not about.thing:
        return dice.choice(REMARKS[about.claim])
    return dice.choice(CLAIMS[about.claim]).format(thing=named(about.thing, dice))


def name_of(about: Meant, dice: random.Random) -> str:
    """A title, which tells what is meant half of the time at best."""
    own = f"{about.claim.replace('_', ' ').title()} issue"
    return dice.choice((*_NAMES, *(own,) * len(_NAMES)))


def thing_of(words: str, things: Iterable[str]) -> str | None:
    """The thing of a picture that some words call by its name."""
    found = set(re.findall(r"\w+", words.lower()))
    for thing in things:
        colour, kind = thing.split()
        if colour in found and found & set(_KINDS[kind]):
            return thing
    return None


def meant(text: str, things: Iterable[str]) -> Meant | None:
    """What a sentence claims of the things of a picture, or `None` if it is none of this observer's sentences."""
    for sentence, remark in _SAID.items():
        if sentence in text:
            return Meant("", remark)
    for pattern, claim in _PATTERNS:
        if match := pattern.search(text):
            thing = thing_of(match[1], things)
            return Meant(thing, claim) if thing else None
    return None
