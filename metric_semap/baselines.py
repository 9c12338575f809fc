"""Baselines: answers given without looking at the picture, as predictors of a leaderboard; any model has to beat them.

- *One constant answer*: the anomaly that is most like all others of the truth (their medoid in the view Full), said of every
  picture. For each picture it is chosen without the truth of the picture's own cluster.
- *First answer only*: what the best model says first of each picture. A score that this raises rewards silence. There is none for a
  model that never says more.
- *Answers of other pictures*: the best model's answers, each picture's dealt to a picture of another cluster.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from .anomalies import Anomaly, Picture
from .measurement import Options, views
from .similarity import BertScoreSimilarity

__all__ = ["CONSTANT", "DEALT", "FIRST", "baselines"]

MOST = 100  # references, about, among which the medoid is looked for: all pairs of them are compared
CONSTANT, FIRST, DEALT = (
    "baseline: one constant answer",
    "baseline: first answer only",
    "baseline: answers of other pictures",
)


def baselines(
    predictions: Mapping[str, Picture],
    scored: Sequence[str],
    references: Mapping[str, Picture],
    clusters: Mapping[str, str],
    similarity: BertScoreSimilarity,
    options: Options,
) -> dict[str, dict[str, Picture]]:
    """The pictures of each baseline by its name; one that cannot be made of these is left out.

    Args:
        predictions (`dict[str, Picture]`): what the best model says of each picture.
        scored (`list[str]`): the pictures that its scores are means over.
        references (`dict[str, Picture]`): the truth of each picture.
        clusters (`dict[str, str]`): the cluster of each picture.
        similarity (`BertScoreSimilarity`), options (`Options`): as the models are scored.
    """
    found = {
        CONSTANT: _constant(references, clusters, similarity, options),
        FIRST: _first(predictions),
        DEALT: _dealt(predictions, scored, clusters, options.seed),
    }
    return {name: pictures for name, pictures in found.items() if pictures}


def _constant(
    references: Mapping[str, Picture], clusters: Mapping[str, str], similarity: BertScoreSimilarity, options: Options
) -> dict[str, Picture]:
    pictures = sorted(  # in whatever order they come
        (sorted((one.phenomenon, one.reasoning) for one in picture.anomalies), image)
        for image, picture in references.items()
        if picture.anomalies
    )
    size = max(2, MOST * len(pictures) // max(1, sum(len(texts) for texts, _ in pictures)))
    taken = [pictures[k][1] for k in np.linspace(0, len(pictures) - 1, min(len(pictures), size)).round().astype(int)]
    true = {image: references[image].anomalies for image in taken}
    own = np.array([clusters[image] for image in taken for _ in true[image]], dtype=object)
    if len(set(own)) < 2:
        return {}
    # Picture by picture, because their vectors are kept so.
    pairs = list(product(taken, taken))
    found = similarity.matrices([true[p] for p, _ in pairs], [true[r] for _, r in pairs])
    full = [views(matrices, options.alpha)["Full"] for matrices in found]
    alike = np.block([full[k : k + len(taken)] for k in range(0, len(full), len(taken))])
    texts = [Anomaly(one.name, one.phenomenon, one.reasoning, one.severity) for image in taken for one in true[image]]
    chosen: dict[str, Anomaly] = {}
    for cluster in dict.fromkeys(clusters[image] for image in references):
        others = own != cluster
        chosen[cluster] = texts[int(np.where(others, alike[:, others].sum(axis=1), -np.inf).argmax())]
    return {image: Picture([chosen[clusters[image]]], "fake") for image in references}


def _first(predictions: Mapping[str, Picture]) -> dict[str, Picture]:
    if all(len(picture.anomalies) < 2 for picture in predictions.values()):
        return {}  # it would be the model itself
    return {image: picture._replace(anomalies=picture.anomalies[:1]) for image, picture in predictions.items()}


def _dealt(
    predictions: Mapping[str, Picture], scored: Sequence[str], clusters: Mapping[str, str], seed: int
) -> dict[str, Picture]:
    """Every scored picture keeps its verdict and gets the answers of a picture of another cluster; there is no such deal if one
    cluster has more than half of the pictures."""
    together: dict[str, list[str]] = {}
    for image in sorted(scored):
        together.setdefault(clusters[image], []).append(image)
    names = list(together)
    order = [image for k in np.random.default_rng(seed).permutation(len(names)) for image in together[names[k]]]
    shift = max(map(len, together.values()), default=0)
    if not order or 2 * shift > len(order):
        return {}
    nothing = Picture([])
    given = {
        image: predictions.get(image, nothing)._replace(
            anomalies=predictions.get(order[(k + shift) % len(order)], nothing).anomalies
        )
        for k, image in enumerate(order)
    }
    return {**predictions, **given}
