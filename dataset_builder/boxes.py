"""Boxes, [x0, y0, x1, y1]: brought from one grid to another, drawn over a picture, and how far two of them overlap."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from dataset_builder import severity
from dataset_builder.schema import Anomaly, Box

__all__ = ["Drawn", "drawn", "iou", "rescaled", "scaled"]


class Drawn(NamedTuple):
    """Where a page draws a box, in per cent of the picture; its anomaly's number and colour."""

    number: int
    left: float
    top: float
    width: float
    height: float
    colour: str


class _Placed(Protocol):
    @property
    def bbox(self) -> Sequence[float] | None: ...
    @property
    def severity(self) -> int | None: ...


def drawn(anomalies: Iterable[_Placed], size: tuple[int, int]) -> list[Drawn]:
    """The boxes of the anomalies that have one, numbered in their order and cut off at the borders of a picture of this size."""
    found = []
    for number, anomaly in enumerate(anomalies, 1):
        if anomaly.bbox is not None:
            x0, y0, x1, y1 = scaled(anomaly.bbox, size, (100, 100))
            colour = severity.colour(50 if anomaly.severity is None else anomaly.severity)
            found.append(Drawn(number, x0, y0, round(x1 - x0, 1), round(y1 - y0, 1), colour))
    return found


def scaled(box: Sequence[float], grid: tuple[float, float], size: tuple[float, float]) -> Box:
    """A box on a grid, `grid` wide and high, as a box on another one, cut off at its borders and rounded to tenths.

    A model gives boxes in the pixels it was shown, or on a grid from 0 to 1000; an anomaly has them in the picture's own.

    >>> scaled([500, 0, 1000, 1010], (1000, 1000), (640, 480))
    (320.0, 0.0, 640.0, 480.0)
    """
    x0, y0, x1, y1 = (
        round(min(max(corner, 0) * side / length, side), 1)
        for corner, length, side in zip(box, grid * 2, size * 2, strict=True)
    )
    return x0, y0, x1, y1


def rescaled(anomaly: Anomaly, grid: tuple[float, float], size: tuple[float, float]) -> Anomaly:
    """The anomaly with its box, if it has one, `scaled`."""
    if anomaly.bbox is None:
        return anomaly
    return anomaly.model_copy(update={"bbox": scaled(anomaly.bbox, grid, size)})


def iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes; 0 where neither has an area.

    >>> iou([0, 0, 2, 2], [1, 0, 3, 2])
    0.3333333333333333
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - both)
