"""The examples as supervised fine-tuning wants them: `images`, `prompt`, `completion`.

Two recipes are the official builder's. `anomaly_only`: what is wrong with this picture? `authenticity_reasoning`: was it
generated? and then why. A third, `grounded`, asks for a box to each anomaly and takes the pictures whose anomalies all
have one. Unlike there, real and clean pictures are asked for anomalies too and answer that there are none, the prompts are
those of inference, the classes are balanced, and a picture comes once unless copies are asked for.

Boxes are in pixels of the upright picture here as in every file. A model is taught them in the pixels that its processor
shows, which nobody knows before there is a model: `trainer.shown` does that as an example is read.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from dataset_builder.errors import InputError
from dataset_builder.prompts import ANOMALY_QUESTIONS, CREDIBILITY_QUESTIONS, OFFICIAL_FORMAT, PROMPTS, Task, draw
from dataset_builder.schema import Anomaly
from dataset_builder.sources.rows import Row
from dataset_builder.textform import write_answer, write_official_text

__all__ = [
    "RECIPES",
    "Recipe",
    "Turns",
    "check_boxes",
    "conversation_row",
    "has_boxes",
    "is_complete",
    "sft_row",
    "sft_turns",
]

Recipe = Literal["anomaly_only", "authenticity_reasoning", "grounded"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)


class Turns(NamedTuple):
    """What is asked of a picture: a recipe, and wordings of the questions (`None`: the prompt of inference)."""

    row: Row
    recipe: Recipe
    question: str | None
    credibility: str


def sft_turns(
    rows: Iterable[Row], recipe: Recipe = "anomaly_only", *, copies: int = 1, seed: int = 0, balance: bool = True
) -> list[Turns]:
    """What is asked of which picture, in the rows' order.

    Args:
        rows (iterable of `Row`): annotated generated pictures, and real ones.
        recipe (`str`): `anomaly_only`, `authenticity_reasoning` or `grounded`.
        copies (`int`, defaults to 1): how often each picture comes; the first time with the prompt of inference, then with
            other wordings, answered in the release's labelled lines. `grounded` has one wording, since those lines have no
            place for a box.
        seed (`int`): which pictures of the larger class stay, and the wordings; nothing else is left to chance.
        balance (`bool`): whether as many pictures with anomalies as without are taken, as long as there are both.

    Raises:
        InputError: for an unknown recipe, fewer than one copy, or more than one of `grounded`.
    """
    if recipe not in RECIPES:
        raise InputError(f"recipe {recipe!r}: is not known; choose {' or '.join(RECIPES)}")
    if copies < 1:
        raise InputError(f"copies {copies}: at least one is needed")
    if recipe == "grounded":
        if copies > 1:
            raise InputError(f"copies {copies}: the recipe grounded has one wording; give 1")
        rows = [row for row in rows if has_boxes(row)]
    rows = [row for row in rows if is_complete(row)]
    chosen = _balanced(rows, seed) if balance else rows
    count = len(chosen)
    credibility = draw(CREDIBILITY_QUESTIONS, count * copies, seed)
    others = draw(ANOMALY_QUESTIONS, count * (copies - 1), seed)
    wordings = [None] * count + [f"{question}\n\n{OFFICIAL_FORMAT}" for question in others]
    turns = zip(chosen * copies, wordings, credibility, strict=True)
    return [Turns(row, recipe, question, why) for row, question, why in turns]


def is_complete(row: Row) -> bool:
    """Whether each anomaly of a row has a phenomenon, a reasoning and a severity: what a model is trained to give."""
    return all(one.phenomenon and one.reasoning and one.severity is not None for one in row.anomalies or [])


def has_boxes(row: Row) -> bool:
    """Whether a row can be asked for boxes: it was looked at, or is real, and each of its anomalies has one."""
    return all(anomaly.bbox is not None for anomaly in row.anomalies or [])


def check_boxes(rows: Iterable[Row], recipe: Recipe) -> None:
    """Raise an `InputError` if the recipe is `grounded` and only pictures without anomalies would be left.

    A model that is trained on these learns to answer that nothing is wrong.
    """
    if recipe == "grounded" and not any(row.anomalies and has_boxes(row) for row in rows):
        raise InputError("recipe grounded: no picture has a box for each of its anomalies; choose another recipe")


def _balanced(rows: list[Row], seed: int) -> list[Row]:
    odd = [row for row in rows if row.anomalies]
    clean = [row for row in rows if not row.anomalies]
    if not odd or not clean:
        return rows

    def place(row: Row) -> bytes:
        return hashlib.sha256(f"{seed}:{row.image_id}".encode()).digest()

    size = min(len(odd), len(clean))
    kept = {id(row) for group in (odd, clean) for row in sorted(group, key=place)[:size]}
    return [row for row in rows if id(row) in kept]


def conversation_row(turns: Turns, data: bytes) -> dict[str, Any]:
    """A row of the configuration `sft`, with `data` as its picture."""
    row = turns.row
    if turns.question is None:
        task: Task = "grounded" if turns.recipe == "grounded" else "anomalies"
        ask, answer = PROMPTS[task], write_answer(row.anomalies or [], boxes=task == "grounded")
    else:
        ask, answer = turns.question, write_official_text(row.anomalies or [])
    messages = [("user", ask), ("assistant", answer)]
    if turns.recipe == "authenticity_reasoning":
        messages = [("user", PROMPTS["verdict"]), ("assistant", _verdict(row.label)), *messages]
        if row.caption:
            messages += [("user", turns.credibility), ("assistant", row.caption)]
    content = [{"role": role, "content": text} for role, text in messages]
    return {
        "images": [{"bytes": data, "path": row.image_id}],
        "prompt": content[:1],
        "completion": content[1:],
    }


def _verdict(label: object) -> str:
    return "Yes" if label in (1, "fake") else "No"


def sft_row(example: Mapping[str, Any], task: Task = "anomalies") -> dict[str, Any]:
    """One row of the dataset as a training example.

    Contents are plain strings: TRL puts the image's placeholder before the prompt's text, which gives the very tokens that
    `dataset_builder.prompts.chat` gives at inference.

    Args:
        example (mapping): a row with `image`, `label` and `anomalies` (null counts as none).
        task (`str`, defaults to `"anomalies"`): what is asked.
    """
    if task == "verdict":
        answer = _verdict(example["label"])
    else:
        answer = write_answer((Anomaly(**anomaly) for anomaly in example["anomalies"] or []), boxes=task == "grounded")
    return {
        "images": [example["image"]],
        "prompt": [{"role": "user", "content": PROMPTS[task]}],
        "completion": [{"role": "assistant", "content": answer}],
    }
