"""The prompts: the same strings in training and in inference.

Three tasks. `anomalies` lists the quadruplets, `grounded` adds a box to each, `verdict` asks whether the picture was
generated. A prompt is one user turn, the picture first; the answer is the text form of `dataset_builder.textform` or
`Yes`/`No`.
"""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any, Literal

__all__ = [
    "ANOMALY_QUESTIONS",
    "CAPTION_PROMPT",
    "CREDIBILITY_QUESTIONS",
    "OFFICIAL_FORMAT",
    "PROMPTS",
    "TASKS",
    "Asked",
    "Task",
    "chat",
    "draw",
]

Task = Literal["anomalies", "verdict", "grounded"]

_ITEM = (
    '"name", "phenomenon" (what is wrong), "reasoning" (why it cannot be), '
    '"severity" (0 completely irrational to 100 completely realistic)'
)
_ASK = (
    "List everything in this picture that breaks common sense, physics or anatomy; leave out style and noise. "
    "Answer with a JSON list, one object per anomaly: "
)

PROMPTS: dict[Task, str] = {
    "anomalies": f"{_ASK}{_ITEM}. Answer [] if nothing is wrong.",
    "grounded": f'{_ASK}{_ITEM}, "bbox" ([x0, y0, x1, y1] in pixels). Answer [] if nothing is wrong.',
    "verdict": "Was this picture made by an image generator? Answer Yes or No.",
}

Asked = Literal["anomalies", "grounded", "verdict", "both"]
"""What a predictor asks of a picture: one of the tasks, or `both`, the verdict and then the anomalies."""

TASKS: dict[Asked, tuple[Task, ...]] = {
    "anomalies": ("anomalies",),
    "grounded": ("grounded",),
    "verdict": ("verdict",),
    "both": ("verdict", "anomalies"),
}
"""The prompts of each."""

ANOMALY_QUESTIONS: tuple[str, ...] = (
    "What in this picture could not be so in the real world?",
    "Go through the picture and name every detail that makes no sense.",
    "Which parts of this image contradict physics, anatomy or common sense?",
    "Point out whatever is impossible or implausible in the scene.",
    "Someone claims that this is a photograph. Which details speak against it?",
    "Find all the places where the picture disagrees with how things work.",
    "Describe each mistake in this image that a careful observer would notice.",
    "List the objects, bodies and relations in this scene that cannot be right.",
    "Where does this picture break the rules of the world it shows?",
    "Inspect the image closely and report every irrational element in it.",
)
"""Ten wordings of the question for anomalies; each is followed by a blank line and `OFFICIAL_FORMAT`."""

CREDIBILITY_QUESTIONS: tuple[str, ...] = (
    "What makes this photograph believable?",
    "Explain why this picture can be taken for a real one.",
    "Which details show that a camera saw this scene?",
    "How do light, shadow and perspective support that this picture is real?",
    "Say what speaks for this being an ordinary photograph.",
    "Why does nothing in this scene look made up?",
    "Describe how surfaces, materials and contacts in this picture fit the real world.",
    "Which signs of authenticity do you see in this image?",
    "Argue from what is visible that this photograph is genuine.",
    "What in this image agrees with the way the world works?",
)
"""Ten wordings of the question why a real photograph is credible, whose answer is its caption."""

CAPTION_PROMPT = (
    f"{CREDIBILITY_QUESTIONS[0]} Answer with one paragraph of plain text about what is visible: light and shadow, perspective, "
    "surfaces, and how things and people touch what carries them."
)
"""What asks a model for the caption of a real photograph."""

OFFICIAL_FORMAT = (
    "Answer with four lines for each anomaly, and a blank line between two:\n"
    "@1. Name: a short name\n"
    "Observed Phenomenon: what is wrong\n"
    "Reasoning: why it cannot be\n"
    "Severity Score: 0 (completely irrational) to 100 (completely realistic)\n"
    "Answer No anomalies. if nothing is wrong."
)
"""Asks for the release's labelled lines, exactly as `dataset_builder.textform.write_official_text` writes them."""


def draw(pool: Sequence[str], count: int, seed: int) -> list[str]:
    """`count` wordings from a pool, in rounds: each round is the whole pool in an order of its own.

    The order depends on the seed and the wordings alone, on every machine and version of Python.

    >>> draw(["a", "b", "c"], 7, seed=0) == draw(["a", "b", "c"], 7, seed=0)
    True
    >>> sorted(draw(["a", "b", "c"], 7, seed=0)[3:6])
    ['a', 'b', 'c']
    """

    def place(turn: int, wording: str) -> bytes:
        return hashlib.sha256(f"{seed}:{turn}:{wording}".encode()).digest()

    drawn: list[str] = []
    for turn in range(-(-count // len(pool))):
        drawn += sorted(pool, key=functools.partial(place, turn))
    return drawn[:count]


def chat(task: Task, answer: str | None = None) -> list[dict[str, Any]]:
    """The conversation of a task, in the form chat templates take.

    Args:
        task (`str`): `anomalies`, `verdict` or `grounded`.
        answer (`str`, *optional*): the assistant's turn; without it the conversation ends where the model should go on.

    >>> [message["role"] for message in chat("verdict", "Yes")]
    ['user', 'assistant']
    """
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPTS[task]}]}
    ]
    if answer is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return messages
