"""A judge of texts in addition to the similarities: are a prediction and a reference the same anomaly, for the same reason?

Who judges is handed in, a language model as a rule; the metric asks nobody. Which pairs it is asked about: for each prediction, the
reference that SemAP's matching gave it, and that one's best rival, the most similar other reference (by the calibrated
similarity where the encoder has one). So no prediction costs more than two pairs, however long the lists are. Each pair is asked
about in both orders, because judges prefer a place; it is the same only where both say so.

A prediction is right where the judge calls it the same anomaly as a reference, each reference counting for one prediction;
precision, recall and F1 are means over pictures, as SemAP's and SemF1's. Pairs that were not asked about count as different, so
these are lower bounds. A pair without an answer (refused, unreadable, not asked) is never a "no": a picture is left out where
such pairs could change its count.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Protocol
from urllib.parse import quote

import numpy as np

from .agreement import Agreement, Rater, agreement
from .anomalies import Quadruplet
from .errors import SemapError
from .judgement import Chosen, Judged, JudgedPair, Judgement, Opinion
from .matching import most_pairs
from .results import Evaluation, Leaderboard
from .scores import Estimate
from .scoring import Tally, mean
from .statistics import Sums, interval

__all__ = ["Judge", "judged", "questions"]

VERSION = "1"  # of which pairs are asked about, and of what follows from the answers

JUDGES = ("judge", "judge with reason")
"""What a judge's two opinions are called in the agreement: the same anomaly, and for the same reason as well."""

Pair = tuple[Quadruplet, Quadruplet]


class Judge(Protocol):
    """Gives an opinion on each pair of anomalies, of which it may read the phenomenon and the reasoning, in the order given."""

    @property
    def identity(self) -> str:
        """What its opinions depend on besides the texts, such as a model's name and a hash of the wording."""
        ...

    def __call__(self, pairs: Sequence[Pair], /) -> Sequence[Opinion]: ...


def questions(board: Leaderboard) -> list[Pair]:
    """All ordered pairs that a judge would be asked about, the same texts once for each time they are needed."""
    return [
        pair
        for evaluation in board.evaluations
        for chosen in _chosen(evaluation)
        for pair in _orders(evaluation, chosen)
    ]


def judged(board: Leaderboard, judge: Judge, intervals: bool = True) -> Leaderboard:
    """The board with what the judge says of its models' predictions; baselines are not judged.

    Args:
        judge (`Judge`): called once, with all pairs.
        intervals (`bool`, defaults to `True`): whether shares, scores and agreements get intervals, over clusters.

    Raises:
        `SemapError`: if the judge gives more or fewer opinions than it was asked for; the judge's own errors.
    """
    asked = questions(board)
    said = judge(asked)
    if len(said) != len(asked):
        raise SemapError(f"judge: {len(said)} opinions on {len(asked)} pairs; give one for each, in their order")
    opinions = iter(said)
    predictors = {
        evaluation.name: _judged(
            evaluation,
            [JudgedPair(pair, (next(opinions), next(opinions))) for pair in _chosen(evaluation)],
            judge.identity,
            intervals,
        )
        for evaluation in board.evaluations
    }
    return replace(
        board, judgement=Judgement(judge.identity, predictors, _agreement(board.evaluations, predictors, intervals))
    )


def _chosen(evaluation: Evaluation) -> list[Chosen]:
    """The pairs that a judge is asked about."""
    measured, found = evaluation.measurement, []
    for k, picture in enumerate(measured.pictures):
        full, calibrated = measured.views["Full"].matrices[k], measured.calibrated[k] if measured.calibrated else None
        partner = {pair.prediction: pair.reference for pair in picture.pairs}
        for p in range(full.shape[0]):
            rivals = (full if calibrated is None else calibrated)[p].copy()
            if p in partner:
                rivals[partner[p]] = -np.inf
            chosen = [partner[p]] if p in partner else []
            chosen += [int(rivals.argmax())] if np.isfinite(rivals).any() else []
            for r in chosen:
                alike = float(full[p, r]), None if calibrated is None else float(calibrated[p, r])
                place = evaluation.images[picture.index], picture.index, measured.clusters[k]
                found.append(Chosen(*place, p, r, partner.get(p) == r, *alike))
    return found


def _orders(evaluation: Evaluation, pair: Chosen) -> tuple[Pair, Pair]:
    said = evaluation.predictions[pair.index][pair.prediction]
    true = evaluation.references[pair.index][pair.reference]
    return (said, true), (true, said)


def _judged(evaluation: Evaluation, pairs: list[JudgedPair], identity: str, intervals: bool) -> Judged:
    answered = [one for one in pairs if one.same is not None]
    matched = [one for one in answered if one.pair.matched]
    counts, clusters, total = _counted(evaluation, pairs)

    def share(values: Sequence[float], of: Sequence[Hashable]) -> Estimate:
        found = interval(Sums.of_means(values, of)) if intervals and values else None
        value = mean(np.array(values, dtype=np.float64))
        return Estimate(value, low=found.low, high=found.high) if found else Estimate(value)

    def scores(column: int) -> dict[str, Estimate]:
        kinds = {"precision": counts.precision, "recall": counts.recall, "F1": counts.f1}
        return {name: share(values[:, column].tolist(), clusters) for name, values in kinds.items()}

    of = [one.pair.cluster for one in matched]
    return Judged(
        signature=f"{evaluation.scores.signature}|judge:{VERSION}/{quote(identity, safe='/@,+:=()~')}",
        pairs=pairs,
        same_anomaly=share([bool(one.same and one.same[0]) for one in matched], of),
        same_reason=share([bool(one.same and one.same[1]) for one in matched], of),
        disagreement=share(
            [bool(one.said and 0.5 in one.said) for one in answered], [one.pair.cluster for one in answered]
        ),
        anomaly=scores(0),
        reason=scores(1),
        pictures=len(clusters),
        open=total - len(clusters),
        matched=len(matched),
    )


def _counted(evaluation: Evaluation, pairs: Sequence[JudgedPair]) -> tuple[Tally, list[Hashable], int]:
    """The right predictions of the pictures that are decided, [pictures, (anomaly, and reason)]; their clusters; of how many."""
    measured = evaluation.measurement
    of: dict[int, list[JudgedPair]] = {}
    for one in pairs:
        of.setdefault(one.pair.index, []).append(one)
    hits, sizes, clusters = [], [], []
    for k, picture in enumerate(measured.pictures):
        shape = measured.views["Full"].matrices[k].shape
        own = of.get(picture.index, [])
        counts = [[_right(own, shape, column, unknown) for column in (0, 1)] for unknown in (False, True)]
        if counts[0] == counts[1]:
            hits.append(counts[0])
            sizes.append(shape)
            clusters.append(measured.clusters[k])
    shapes = np.array(sizes, dtype=np.int64).reshape(-1, 2)
    return (
        Tally(np.array(hits, dtype=np.int64).reshape(-1, 2), shapes[:, 0], shapes[:, 1]),
        clusters,
        len(measured.pictures),
    )


def _right(pairs: Sequence[JudgedPair], shape: tuple[int, ...], column: int, unknown: bool) -> int:
    """How many predictions of a picture are right, with pairs that have no answer taken for `unknown`."""
    allowed = np.zeros(shape, dtype=bool)
    for one in pairs:
        allowed[one.pair.prediction, one.pair.reference] = unknown if one.same is None else one.same[column]
    return most_pairs(allowed)


def _agreement(evaluations: Sequence[Evaluation], predictors: dict[str, Judged], intervals: bool) -> list[Agreement]:
    """How far judge, people, SemAP and SemF1C agree on which predictions are right, over all predictors."""
    rows: list[tuple[float, ...]] = []
    clusters: list[Hashable] = []
    for evaluation in evaluations:
        of: dict[tuple[int, int], list[JudgedPair]] = {}
        for one in predictors[evaluation.name].pairs:
            of.setdefault((one.pair.index, one.pair.prediction), []).append(one)
        for (index, p), pairs in of.items():
            verdicts = evaluation.verdicts[index] if evaluation.verdicts else ()
            person = {"accept": 1.0, "reject": 0.0}.get(str(verdicts[p]), math.nan) if verdicts else math.nan
            similar = max((one.pair.similarity for one in pairs if one.pair.matched), default=0.0)
            calibrated = max(math.nan if one.pair.calibrated is None else one.pair.calibrated for one in pairs)
            rows.append((person, _opinion(pairs, 0), _opinion(pairs, 1), similar, calibrated))
            clusters.append(pairs[0].pair.cluster)
    if not rows:
        return []
    best = evaluations[0]
    calibration = best.measurement.calibration
    limits = (
        1.0,
        1.0,
        1.0,
        min(best.scores.full.by_threshold),
        calibration.thresholds["Full"][0] if calibration else 0.0,
    )
    names = ("people", *JUDGES, "SemAP", "SemF1C")
    columns = np.array(rows, dtype=np.float64).T
    raters = [Rater(name, numbers, limit) for name, numbers, limit in zip(names, columns, limits, strict=True)]
    return [one for one in agreement(raters, clusters, intervals) if (one.first, one.second) != JUDGES]


def _opinion(pairs: Sequence[JudgedPair], column: int) -> float:
    """The largest share of orders that call a prediction right; NaN where a pair without an answer could be more."""
    said = [one.said[column] for one in pairs if one.said is not None]
    largest = max(said, default=math.nan)
    return largest if largest == 1 or len(said) == len(pairs) else math.nan
