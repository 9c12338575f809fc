"""Questions about what is in the picture, right or wrong, that only training asks: "List every red or blue mug or ball."

Answering them, the language model learns to look things up by colour and kind together. The anomalies of the trained families
never ask for that, since the vision tower marks flaws on its image tokens; a family that only a colour gives away does.
"""

import random

from dataset_builder.scenes import Picture
from dataset_builder.scenes.world import COLOURS, KINDS

__all__ = ["QUESTION_TEXTS", "question"]

NOTHING = "nothing"


def question(picture: Picture, rng: random.Random) -> tuple[str, str]:
    """A question and its answer: what fits, as `<colour> <kind>` from left to right, or `nothing`.

    Up to four colours and three kinds are asked for, each as likely one that is there as any: most wrong answers would have the
    colour of one thing and the kind of another.
    """
    things = sorted(picture.scene.things, key=lambda thing: thing.x)
    colours = _some(rng, [thing.colour for thing in things], list(COLOURS), rng.randint(0, 4))
    kinds = _some(rng, [thing.kind for thing in things], list(KINDS), rng.randint(0, 3))
    fitting = [
        thing.object
        for thing in things
        if (not colours or thing.colour in colours) and (not kinds or thing.kind in kinds)
    ]
    return _ask(colours, kinds), ", ".join(fitting) or NOTHING


def _some(rng: random.Random, present: list[str], known: list[str], count: int) -> list[str]:
    return list(dict.fromkeys(rng.choice(present if rng.random() < 0.5 else known) for _ in range(count)))


def _ask(colours: list[str], kinds: list[str]) -> str:
    words = ["List every", " or ".join(colours), " or ".join(kinds) or "thing"]
    return " ".join(word for word in words if word) + "."


QUESTION_TEXTS = [
    _ask(list(COLOURS), list(KINDS)),
    _ask([], []),
    NOTHING,
    *(f"{colour} {kind}, {colour} {kind}" for kind, told in KINDS.items() for colour in told.colours),
]
"""Every word of the questions and answers, for the tokenizer."""
