"""Boxes as models give them: in pixels of the picture they were sent, per mille of its sides, or as fractions of them.

Many models keep to the convention of their training, whatever a prompt asks for, so they are asked for that one; `KNOWN` has
those of common families, from their model cards and documentation. A box that does not lie in the picture is dropped rather
than clamped: it is a sign that the convention is another one.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from dataset_builder.boxes import iou
from dataset_builder.errors import InputError

__all__ = ["DROPPED", "GRID", "KNOWN", "ON_GRID", "Boxes", "Frame", "Unit", "boxes_of", "check_unit", "told_by_probe"]

Unit = Literal["pixels", "permille", "fraction"]

DROPPED = "a box outside the picture was dropped; if there are many, see --boxes"
SLACK = 0.02
"""By how much of a side a box may pass the picture: models round pictures to their patches, and corners."""


class Boxes(NamedTuple):
    """How a model gives boxes.

    Attributes:
        unit (`str`): `pixels` of the picture sent, `permille` of its sides, or `fraction`.
        swapped (`bool`): whether it gives [y0, x0, y1, x1].
    """

    unit: Unit
    swapped: bool = False

    @property
    def named(self) -> str:
        """The convention in words."""
        words = {
            "pixels": "pixels of the picture sent",
            "permille": "thousandths of its sides",
            "fraction": "fractions of its sides",
        }
        return words[self.unit] + (", y before x" if self.swapped else "")

    @property
    def asked(self) -> str:
        """The convention as a prompt asks for it.

        >>> Boxes("permille", swapped=True).asked
        '[y0, x0, y1, x1] from 0 to 1000 over the whole picture'
        """
        corners = "[y0, x0, y1, x1]" if self.swapped else "[x0, y0, x1, y1]"
        words = {
            "pixels": "in pixels of the whole picture",
            "permille": "from 0 to 1000 over the whole picture",
            "fraction": "from 0 to 1 over the whole picture",
        }
        return f"{corners} {words[self.unit]}"

    def written(self, shares: Sequence[float], size: tuple[int, int]) -> list[float]:
        """The inverse of `shares`: a box as a model of this convention writes it.

        >>> Boxes("pixels").written([0.25, 0.0, 1.0, 0.5], (400, 300)), Boxes("fraction").written([0.25, 0.0, 1.0, 0.5], (4, 3))
        ([100, 0, 400, 150], [0.25, 0.0, 1.0, 0.5])
        """
        width, height = self._sides(size)
        digits = 3 if self.unit == "fraction" else None
        x0, y0, x1, y1 = (round(share * side, digits) for share, side in zip(shares, (width, height) * 2, strict=True))
        return [y0, x0, y1, x1] if self.swapped else [x0, y0, x1, y1]

    def shares(self, box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float] | None:
        """The box as shares of the sides of a picture; `None` if it does not lie in it.

        Args:
            box (sequence of four numbers): as the model gave it.
            size (`tuple[int, int]`): width and height of the picture sent.

        >>> Boxes("permille", swapped=True).shares([0, 250, 500, 1000], (400, 300))
        (0.25, 0.0, 1.0, 0.5)
        """
        width, height = self._sides(size)
        first, second, third, fourth = box
        x0, y0, x1, y1 = (second, first, fourth, third) if self.swapped else (first, second, third, fourth)
        found = (x0 / width, y0 / height, x1 / width, y1 / height)
        if not all(-SLACK <= corner <= 1 + SLACK for corner in found):
            return None
        left, top, right, bottom = (min(max(corner, 0.0), 1.0) for corner in found)
        return (left, top, right, bottom) if left < right and top < bottom else None

    def in_picture(
        self, box: Sequence[float], shown: tuple[int, int], size: tuple[int, int]
    ) -> tuple[float, float, float, float] | None:
        """The box in pixels of a picture of `size` that was sent as one of `shown`, in tenths; `None` if it does not lie in it.

        >>> Boxes("permille").in_picture([0, 250, 500, 1000], (400, 300), (800, 600))
        (0.0, 150.0, 400.0, 600.0)
        """
        found = self.shares(box, shown)
        if found is None:
            return None
        x0, y0, x1, y1 = (round(share * side, 1) for share, side in zip(found, size * 2, strict=True))
        return x0, y0, x1, y1

    def _sides(self, size: tuple[int, int]) -> tuple[int, int]:
        """The largest corner of a box in a picture of `size`."""
        return {"pixels": size, "permille": (1000, 1000), "fraction": (1, 1)}[self.unit]


class Frame(NamedTuple):
    """How a model's boxes lie in a picture of `size`, as it was sent."""

    boxes: Boxes
    size: tuple[int, int]

    def on_grid(self, box: Sequence[float]) -> list[int] | None:
        """A box on the grid from 0 to 1000; `None` if it does not lie in the picture."""
        found = self.boxes.shares(box, self.size)
        return None if found is None else [round(1000 * share) for share in found]


GRID = Boxes("permille")
"""As the stages ask a model for boxes of whose convention nothing is known, and as they hand them on."""
ON_GRID = Frame(GRID, (1000, 1000))

KNOWN: tuple[tuple[str, Boxes], ...] = (
    (r"qwen-?2\.?5-?-?vl|qwen2_5_vl", Boxes("pixels")),
    (r"qwen3(\.\d)?-?vl|qwen-?2-?vl|qwen-?vl", Boxes("permille")),
    (r"gemini|gemma-?3|paligemma", Boxes("permille", swapped=True)),
    (r"internvl|glm-4\.\d?v|cogvlm|minicpm-v|deepseek-vl", Boxes("permille")),
    (r"claude", Boxes("pixels")),
    (r"llava|kimi-vl", Boxes("fraction")),
)
"""Patterns of model names, with how these models give boxes; the first that is found counts."""


def boxes_of(model: str, asked: Unit, told: Unit | None = None) -> Boxes:
    """How a model gives boxes: as its user says, else as its family does, else as it is asked to.

    >>> boxes_of("Qwen/Qwen2.5-VL-7B-Instruct", "permille").unit, boxes_of("mine", "permille").unit
    ('pixels', 'permille')
    """
    family = next((boxes for pattern, boxes in KNOWN if re.search(pattern, model.lower())), Boxes(asked))
    return family if told is None else family._replace(unit=told)


def check_unit(value: str | None) -> Unit | None:
    """A value of `--boxes`.

    Raises:
        InputError: if it is not one.
    """
    if value is not None and value not in get_args(Unit):
        raise InputError(f"--boxes {value}: is not known; choose {', '.join(get_args(Unit))}")
    return value  # type: ignore[return-value]


def told_by_probe(box: Sequence[float], place: Sequence[float], size: tuple[int, int]) -> Boxes | None:
    """The convention in which a model gave a box of a thing whose place is known.

    Args:
        box (sequence of four numbers): as the model gave it.
        place (sequence of four numbers): where the thing is, in pixels of the picture sent; not on the diagonal, and the picture
            neither square nor about a thousand pixels large, or conventions look alike.
        size (`tuple[int, int]`): width and height of that picture.

    Returns:
        The convention that brings the box closest to the place; `None` if none does (IoU below 0.5).
    """
    true = Boxes("pixels").shares(place, size)
    best, found = 0.5, None
    for unit in get_args(Unit):
        for swapped in (False, True):
            tried = Boxes(unit, swapped)
            shares = tried.shares(box, size)
            if shares and true and (close := iou(shares, true)) >= best:
                best, found = close + 1e-9, tried
    return found
