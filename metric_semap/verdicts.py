"""Real or fake: the verdict's accuracy, and CSemAP and CSemF1, which count a picture's anomalies only if its verdict is right."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .anomalies import Picture
from .errors import SemapError
from .measurement import Measurement, Options, measure
from .resampling import intervals
from .scores import Estimate, Verdicts
from .similarity import BertScoreSimilarity

__all__ = ["judge", "verdicts"]


def verdicts(predicted: Sequence[str | None], actual: Sequence[str | None], options: Options) -> Verdicts:
    """How good the verdicts are, `fake` being what is looked for; ratios are 0 where they are undefined.

    Args:
        predicted (`list[str | None]`): `real`, `fake`, or `None` where there was no readable verdict, which is wrong.
        actual (`list[str]`): `real` or `fake`.
        options (`Options`): `bootstrap` and `seed` of the accuracy's interval.
    """
    right = [p == a for p, a in zip(predicted, actual, strict=True)]
    hits = sum(p == a == "fake" for p, a in zip(predicted, actual, strict=True))
    said, true = sum(p == "fake" for p in predicted), sum(a == "fake" for a in actual)
    accuracy = Estimate(sum(right) / len(actual))
    if options.bootstrap:
        low, high = intervals(np.array(right, dtype=np.float64)[:, None], options.bootstrap, options.seed)[:, 0]
        accuracy = replace(accuracy, low=float(low), high=float(high))
    return Verdicts(
        accuracy=accuracy,
        precision=hits / said if said else 0.0,
        recall=hits / true if true else 0.0,
        f1=2 * hits / (said + true) if said + true else 0.0,
        missing=sum(p is None for p in predicted),
        pictures=len(actual),
    )


def judge(
    predictions: Sequence[Picture],
    references: Sequence[Picture],
    similarity: BertScoreSimilarity,
    options: Options,
    progress: Callable[[int], None] | None = None,
) -> Measurement:
    """Score verdicts over all pictures, and explanations over the fake ones, as the official protocol does.

    Args:
        predictions (`list[Picture]`): a label may be `None`.
        references (`list[Picture]`): as many, each with a label.
        similarity (`BertScoreSimilarity`), options (`Options`), progress: as in [`measure`].

    Returns:
        `Measurement`: its scores have `verdicts`, and their views are CSemAP and CSemF1; the counts are of fake
        pictures.

    Raises:
        `SemapError`: if no picture is fake.
    """
    fakes = [i for i, picture in enumerate(references) if picture.label == "fake"]
    if not fakes:
        raise SemapError("no picture among the references is fake; CSemAP is a mean over fake pictures")
    counted = [predictions[i].anomalies if predictions[i].label == "fake" else [] for i in fakes]
    explained = measure(counted, [references[i].anomalies for i in fakes], similarity, options, progress)
    judged = verdicts([p.label for p in predictions], [r.label for r in references], options)
    return replace(
        explained,
        scores=replace(explained.scores, verdicts=judged),
        pictures=[replace(picture, index=fakes[picture.index]) for picture in explained.pictures],
    )
