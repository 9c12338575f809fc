"""Which predictors of a leaderboard can be told apart: pairs of them are tested.

A board is ordered by `SemF1_Full`, which neither deleting right answers nor adding wrong ones raises; `SemAP_Full`, a precision,
rises when a predictor keeps only what it is surest of. Pairs are tested under both, paired by picture, with Holm's correction for
all pairs of one score.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import replace

from .details import PictureScores
from .measurement import Options
from .results import Comparison, Evaluation
from .statistics import Sums, compare, holm

__all__ = ["TESTED", "comparisons"]

TESTED: dict[str, Callable[[PictureScores], float]] = {
    "SemF1_Full": lambda picture: picture.semf1["Full"],
    "SemAP_Full": lambda picture: picture.semap["Full"],
}
"""The scores that pairs are tested under, and a picture's own."""


def comparisons(
    pairs: Iterable[tuple[Evaluation, Evaluation]], options: Options, scores: Collection[str] = tuple(TESTED)
) -> list[Comparison]:
    """The pairs tested over the pictures that both were scored on; the tests of one score are corrected together.

    Args:
        pairs (`list[tuple[Evaluation, Evaluation]]`): the better one first.
        options (`Options`): how many exchanges are drawn, and from which seed; 0 exchanges for no tests.
        scores (`list[str]`): of `TESTED`.
    """
    if not options.bootstrap:
        return []
    tested: dict[str, list[Comparison]] = {score: [] for score in scores}
    for first, second in pairs:
        sides = [_pictures(one) for one in (first, second)]
        shared = [image for image in sides[0] if image in sides[1]]
        if not shared:
            continue
        of = [sides[0][image][1] for image in shared]
        for score in scores:
            one, other = (Sums.of_means([TESTED[score](side[image][0]) for image in shared], of) for side in sides)
            test = compare(one, other, options.bootstrap, options.seed)
            name = first.scores.prefix + score
            tested[score].append(Comparison(first.name, second.name, name, len(shared), test))
    for found in tested.values():
        corrected = holm([comparison.test.p for comparison in found])
        found[:] = [
            replace(comparison, test=comparison.test._replace(p=p))
            for comparison, p in zip(found, corrected, strict=True)
        ]
    return [comparison for pair in zip(*tested.values(), strict=True) for comparison in pair]


def _pictures(evaluation: Evaluation) -> Mapping[str, tuple[PictureScores, Hashable]]:
    measured = evaluation.measurement
    return {
        evaluation.images[picture.index]: (picture, cluster)
        for picture, cluster in zip(measured.pictures, measured.clusters, strict=True)
    }
