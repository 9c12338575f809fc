"""Real or fake: the verdict's accuracy, and CSemAP and CSemF1, which count a picture's anomalies only if its verdict is right."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import SemapError
from .measurement import Measurement, Options, measure
from .resampling import intervals
from .similarity import BertScoreSimilarity

__all__ = ["judge", "verdict_numbers"]


def verdict_numbers(predicted: Sequence[str | None], actual: Sequence[str]) -> dict[str, float]:
    """How good the verdicts are, `fake` being what is looked for.

    Args:
        predicted (`list[str | None]`): `real`, `fake`, or `None` where there was no readable verdict, which is wrong.
        actual (`list[str]`): `real` or `fake`.

    Returns:
        `dict`: `accuracy`, `verdict_precision`, `verdict_recall`, `verdict_F1` in 0..1, each 0 where undefined, and
        `verdicts_missing`, a count.
    """
    right = sum(p == a for p, a in zip(predicted, actual, strict=True))
    hits = sum(p == a == "fake" for p, a in zip(predicted, actual, strict=True))
    said, true = sum(p == "fake" for p in predicted), sum(a == "fake" for a in actual)
    return {
        "accuracy": right / len(actual),
        "verdict_precision": hits / said if said else 0.0,
        "verdict_recall": hits / true if true else 0.0,
        "verdict_F1": 2 * hits / (said + true) if said + true else 0.0,
        "verdicts_missing": sum(p is None for p in predicted),
    }


def judge(
    predictions: Sequence[dict[str, Any]],
    references: Sequence[dict[str, Any]],
    similarity: BertScoreSimilarity,
    options: Options,
    progress: Callable[[int], None] | None = None,
) -> Measurement:
    """Score verdicts over all pictures, and explanations over the fake ones, as the official protocol does.

    Args:
        predictions (`list[dict]`): `{"label", "anomalies"}` a picture; a label may be `None`.
        references (`list[dict]`): as many, with labels.
        similarity (`BertScoreSimilarity`), options (`Options`), progress: as in [`measure`].

    Returns:
        `Measurement`: the scores are called `CSemAP_…` and `CSemF1_…`; the counts (`images`, `clean_images`, …) are of
        fake pictures.

    Raises:
        `SemapError`: if no picture is fake.
    """
    predicted, actual = [p["label"] for p in predictions], [r["label"] for r in references]
    fakes = [i for i, label in enumerate(actual) if label == "fake"]
    if not fakes:
        raise SemapError("no picture among the references is fake; CSemAP is a mean over fake pictures")
    counted = [predictions[i]["anomalies"] if predicted[i] == "fake" else [] for i in fakes]
    explained = measure(counted, [references[i]["anomalies"] for i in fakes], similarity, options, progress)

    numbers = dict(verdict_numbers(predicted, actual))
    numbers["verdicts"] = len(actual)
    if options.bootstrap:
        right = np.array([[float(p == a)] for p, a in zip(predicted, actual, strict=True)])
        low, high = intervals(right, options.bootstrap, options.seed)[:, 0]
        numbers["accuracy_low"], numbers["accuracy_high"] = float(low), float(high)
    numbers |= {_conditioned(key): value for key, value in explained.numbers.items()}
    pictures = [
        {**{_conditioned(key): value for key, value in picture.items()}, "index": fakes[picture["index"]]}
        for picture in explained.pictures
    ]
    return Measurement(numbers, pictures, explained.curves, explained.views)


def _conditioned(key: str) -> str:
    """`SemAP_Full` → `CSemAP_Full`: the explanation's score on condition of the verdict."""
    return key.replace("SemAP", "CSemAP").replace("SemF1", "CSemF1")
