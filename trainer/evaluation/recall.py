"""Which kinds of anomalies a predictor finds."""

from collections import Counter
from typing import NamedTuple

from metric_semap.results import Evaluation
from trainer.evaluation.kinds import KINDS, kinds_of

__all__ = ["Recall", "recall_by_kind"]


class Recall(NamedTuple):
    """The share of a kind's references that is found: the mean over thresholds, as in the score; and how many there are."""

    value: float
    references: int


def recall_by_kind(evaluation: Evaluation) -> dict[str, Recall]:
    """The recall of each kind that occurs among the references, in the view of both texts."""
    thresholds = evaluation.scores.full.by_threshold
    found, there = Counter[str](), Counter[str]()
    for picture in evaluation.measurement.pictures:
        kinds = kinds_of(evaluation.references[picture.index])
        there.update(kinds)
        for pair in picture.pairs:
            found[kinds[pair.reference]] += sum(pair.similarity["Full"] >= limit for limit in thresholds)
    return {kind: Recall(found[kind] / (there[kind] * len(thresholds)), there[kind]) for kind in KINDS if there[kind]}
