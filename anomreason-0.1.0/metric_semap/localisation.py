"""Localisation: whether a predicted anomaly that is matched by its text also lies where the reference does.

Of the pairs matched in the view Full at the lowest threshold, those count in which both sides have a box; the score is the share
of them whose boxes overlap with an intersection over union (IoU) of at least 0.5, as in PASCAL VOC
(Everingham et al., 2010, https://doi.org/10.1007/s11263-009-0275-4). It says nothing about anomalies that are not matched.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from .anomalies import Quadruplet
from .matching import Match
from .scores import Estimate, Localisation
from .statistics import Sums, interval

__all__ = ["IOU", "iou", "localisation"]

IOU = 0.5
"""The overlap from which on two boxes are the same place."""


# The same as in `dataset_builder.boxes`, from which the metric may not import.
def iou(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes [x0, y0, x1, y1], 0..1; 0 where either has no area.

    >>> iou([0, 0, 2, 2], [1, 0, 3, 2])
    0.3333333333333333
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - both)


def localisation(
    predictions: Sequence[Sequence[Quadruplet]],
    references: Sequence[Sequence[Quadruplet]],
    matches: Sequence[Sequence[Match]],
    threshold: float,
    clusters: Sequence[Hashable],
    intervals: bool,
) -> Localisation:
    """The share of matched pairs with boxes on both sides that lie in the same place.

    Args:
        predictions, references (`list[list[Quadruplet]]`): the anomalies of each picture.
        matches (`list`): the matched pairs of each picture in the view Full.
        threshold (`float`): pairs below it do not count.
        clusters (`list`): the cluster of each picture.
        intervals (`bool`): whether the share gets an interval, over clusters.
    """
    overlaps = [
        [
            iou(said.bbox, true.bbox)
            for p, r, score in pairs
            if score >= threshold and (said := left[p]).bbox is not None and (true := right[r]).bbox is not None
        ]
        for left, right, pairs in zip(predictions, references, matches, strict=True)
    ]
    hits = Sums.of_means([sum(one >= IOU for one in picture) for picture in overlaps], clusters).parts
    pairs = Sums.of_means([len(picture) for picture in overlaps], clusters).parts
    sums = Sums(np.asarray(hits, dtype=np.float64), np.asarray(pairs, dtype=np.float64))
    found = interval(sums) if intervals else None
    return Localisation(
        Estimate(sums.value, low=found.low, high=found.high) if found else Estimate(sums.value), int(pairs.sum())
    )
