"""Real or fake: the verdict's accuracy, and CSemAP and CSemF1, which count a picture's anomalies only if its verdict is right."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np

from .anomalies import Picture
from .errors import SemapError
from .measurement import Measurement, Options, estimate, measure, signed
from .scores import Verdicts
from .signature import content_of
from .similarity import BertScoreSimilarity

__all__ = ["judge", "verdicts"]


def verdicts(
    predicted: Sequence[str | None],
    actual: Sequence[str | None],
    options: Options,
    clusters: Sequence[Hashable] | None = None,
) -> Verdicts:
    """How good the verdicts are, `fake` being what is looked for; ratios are 0 where they are undefined.

    Args:
        predicted (`list[str | None]`): `real`, `fake`, or `None` where there was no readable verdict, which is wrong.
        actual (`list[str]`): `real` or `fake`.
        options (`Options`): whether the accuracy has an interval.
        clusters (`list`, *optional*): the cluster of each picture, as in [`measure`].
    """
    right = [p == a for p, a in zip(predicted, actual, strict=True)]
    hits = sum(p == a == "fake" for p, a in zip(predicted, actual, strict=True))
    said, true = sum(p == "fake" for p in predicted), sum(a == "fake" for a in actual)
    return Verdicts(
        accuracy=estimate(
            np.array(right, dtype=np.float64), range(len(actual)) if clusters is None else clusters, options
        ),
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
    clusters: Sequence[Hashable] | None = None,
    curves: Sequence[str] = ("Full",),
) -> Measurement:
    """Score verdicts over all pictures, and explanations over the fake ones, as the official protocol does.

    Args:
        predictions (`list[Picture]`): a label may be `None`.
        references (`list[Picture]`): as many, each with a label.
        similarity (`BertScoreSimilarity`), options (`Options`), progress, clusters, curves: as in [`measure`].

    Returns:
        `Measurement`: its scores have `verdicts`, and their views are CSemAP and CSemF1; the counts are of fake
        pictures.

    Raises:
        `SemapError`: if no picture is fake.
    """
    if clusters is not None and len(clusters) != len(references):
        raise SemapError(f"clusters: {len(clusters)} for {len(references)} pictures; give one per picture")
    fakes = [i for i, picture in enumerate(references) if picture.label == "fake"]
    if not fakes:
        raise SemapError("no picture among the references is fake; CSemAP is a mean over fake pictures")
    counted = [predictions[i].anomalies if predictions[i].label == "fake" else [] for i in fakes]
    of_fakes = None if clusters is None else [clusters[i] for i in fakes]
    true = [references[i].anomalies for i in fakes]
    explained = measure(counted, true, similarity, options, progress, of_fakes, curves)
    judged = verdicts([p.label for p in predictions], [r.label for r in references], options, clusters)
    content = content_of([r.anomalies for r in references], [r.label for r in references])
    sign = signed(similarity, options, "deepfake", content, explained.scores.counts.scored)
    return replace(
        explained,
        scores=replace(explained.scores, verdicts=judged, signature=sign),
        pictures=[replace(picture, index=fakes[picture.index]) for picture in explained.pictures],
    )
