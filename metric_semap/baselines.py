"""Baselines: answers that any model has to beat, as predictors of a leaderboard, because nobody looked at the picture for them.

- *One constant answer*: the anomaly that is most like all others of the truth (their medoid in the view Full), said of every
  picture. For each picture it is chosen without the truth of the picture's own cluster.
- *First answer only*: what the best model says first of each picture. A score that this raises rewards silence. There is none for a
  model that never says more.
- *Answers of other pictures*: the best model's answers, each picture's dealt to a picture of another cluster.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .anomalies import Anomaly, Picture
from .measurement import Options, views
from .similarity import BertScoreSimilarity

__all__ = ["CONSTANT", "DEALT", "FIRST", "baselines"]

MOST = 100  # references among which the medoid is looked for: all pairs of them are compared
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
    known = [
        (anomaly.phenomenon, anomaly.reasoning, clusters[image], anomaly)
        for image, picture in references.items()
        for anomaly in picture.anomalies
    ]
    known.sort(key=lambda one: one[:3])  # in whatever order pictures come
    taken = [known[k] for k in np.linspace(0, len(known) - 1, min(len(known), MOST)).round().astype(int)]
    texts = [Anomaly(one.name, one.phenomenon, one.reasoning, one.severity) for *_, one in taken]
    own = np.array([cluster for _, _, cluster, _ in taken], dtype=object)
    if len(set(own)) < 2:
        return {}
    alike = views(similarity.matrices([texts], [texts])[0], options.alpha)["Full"]
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
