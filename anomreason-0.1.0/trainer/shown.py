"""Where a box lies in a picture as a model is shown it.

A dataset, and every file of this project, has boxes in pixels of the upright picture in full resolution. A model sees other
pixels: `prepare` scales a large picture down, and the processor brings each one to whole patches within its pixel budget.
Models of the Qwen2.5-VL kind give boxes in the pixels that they see. So boxes are brought to these pixels in what a model is
taught, here, and back from them in what it answers, in `trainer.answers`.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from dataset_builder.boxes import scaled
from dataset_builder.errors import InputError, shorten
from dataset_builder.pictures import Prepared
from dataset_builder.prompts import PROMPTS

__all__ = ["Shown", "asks_for_boxes", "taught"]


class Shown(NamedTuple):
    """Width and height of a picture in pixels.

    Attributes:
        full (`tuple[int, int]`): of the upright picture in full resolution.
        seen (`tuple[int, int]`): of what the processor makes of it.
    """

    full: tuple[int, int]
    seen: tuple[int, int]

    @classmethod
    def of(cls, picture: Prepared, image_processor: Any) -> "Shown":
        """The sizes of a picture with a processor of Qwen2-VL's kind.

        Raises:
            ValueError: for a picture so narrow that the processor refuses it.
        """
        width, height = picture.image.size
        side, budget = image_processor.patch_size * image_processor.merge_size, image_processor.size
        rows, columns = smart_resize(
            height, width, side, min_pixels=budget["shortest_edge"], max_pixels=budget["longest_edge"]
        )
        return cls(picture.size, (columns, rows))


def asks_for_boxes(turns: Sequence[dict[str, str]]) -> bool:
    """Whether the prompt `grounded` is among the turns of a conversation."""
    return any(turn["content"] == PROMPTS["grounded"] for turn in turns)


def taught(turns: Sequence[dict[str, str]], shown: Shown) -> list[dict[str, str]]:
    """Turns of a conversation, with the boxes of answers to the prompt `grounded` in the pixels that the model sees.

    Args:
        turns (sequence of `{"role", "content"}`): with boxes in pixels of the upright picture.
        shown (`Shown`): the picture's sizes.

    Raises:
        InputError: if such an answer is not a JSON list of objects, or has a box that is not four numbers.
    """
    asked = [None, *(turn["content"] for turn in turns[:-1])]
    return [
        {**turn, "content": _on_grid(turn["content"], shown)} if before == PROMPTS["grounded"] else turn
        for before, turn in zip(asked, turns, strict=True)
    ]


def _on_grid(answer: str, shown: Shown) -> str:
    try:
        records = json.loads(answer)
        for record in records:
            if record.get("bbox") is not None:
                record["bbox"] = [round(corner) for corner in scaled(record["bbox"], shown.full, shown.seen)]
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"its answer {shorten(answer)} is not a JSON list of objects with boxes of four numbers; build it again"
        ) from None
    return json.dumps(records, ensure_ascii=False)
