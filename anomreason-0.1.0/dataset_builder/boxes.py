"""Boxes, [x0, y0, x1, y1]: brought from one grid to another, and how far two of them overlap."""

from collections.abc import Sequence

from dataset_builder.schema import Anomaly, Box

__all__ = ["iou", "rescaled", "scaled"]


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
