"""What scoring files gives, and the JSON it is written as: evaluations, the leaderboard they make, `metrics.json` and
`matched_results.json`."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .anomalies import Quadruplet
from .groups import groups
from .judgement import Judgement, judgement_json
from .measurement import Measurement
from .scores import VIEWS, Coverage, Scores, flat, plain
from .statistics import ALPHA, PairedTest

__all__ = ["ORDER", "Comparison", "Evaluation", "Leaderboard", "matched_results", "metrics"]


ORDER = "SemF1_Full"
"""The score that leaderboards are ordered by, without the prefix of conditional scores."""


@dataclass(frozen=True)
class Evaluation:
    """One predictor's scores: the `images` scored, in order, their `measurement`, both sides' anomalies of each, and what the
    predictor's file lacks (`coverage`); `is_baseline` where the predictor is one of `baselines.py`. `verdicts` has what people said
    of each image's predictions, where they did."""

    name: str
    images: list[str]
    measurement: Measurement
    predictions: list[Sequence[Quadruplet]]
    references: list[Sequence[Quadruplet]]
    coverage: Coverage
    is_baseline: bool = False
    verdicts: Sequence[Sequence[str | None]] = ()

    @property
    def scores(self) -> Scores:
        """What was measured."""
        return self.measurement.scores

    def best_first(self) -> tuple[float, float, str]:
        """What a leaderboard is sorted by: SemF1_Full, of equal ones SemAP_Full, then the name; undefined ones come last."""
        full = self.scores.full
        values = (math.inf if math.isnan(of.value) else -of.value for of in (full.semf1, full.semap))
        return (*values, self.name)  # type: ignore[return-value]


@dataclass(frozen=True)
class Comparison:
    """Two predictors of a leaderboard under one score, over the pictures that both were scored on; the test's p is Holm's, for all
    pairs together."""

    first: str
    second: str
    score: str
    pictures: int
    test: PairedTest

    @property
    def told_apart(self) -> bool:
        """Whether these pictures show a difference."""
        return self.test.p is not None and self.test.p < ALPHA

    @property
    def found(self) -> str:
        """What was found, without the names."""
        test, over = self.test, f"paired permutation test over {self.pictures:,} pictures"
        if test.p == 1 and test.low is None:
            return f"the same on all {self.pictures:,} pictures"
        if test.p is None or test.low is None or test.high is None:
            return (
                f"{test.difference:.3f}; too few pictures to tell ({self.pictures:,}, or too few on which they differ)"
            )
        shown = f"{test.difference:.3f} ({test.low:.3f} to {test.high:.3f}), p = {test.p:.3f}, {over}"
        if self.told_apart:
            return shown
        needed = "" if test.needed is None else f"; about {test.needed:,} pictures would show a difference of .02"
        return f"{shown}: these pictures show no difference{needed}"

    def __str__(self) -> str:
        return f"{self.first} over {self.second}, {self.score}: {self.found}"


@dataclass(frozen=True)
class Leaderboard:
    """Models' evaluations, best first, and the tests of all pairs of them.

    Attributes:
        configuration (`str`): `default` or `deepfake`.
        evaluations (`list[Evaluation]`): by `ORDER`.
        comparisons (`list[Comparison]`): of all pairs of models.
        baselines (`list[Evaluation]`): what any model has to beat, best first; none where they were not asked for.
        against (`list[Comparison]`): each model with each baseline, under `ORDER`.
        judgement (`Judgement`, *optional*): what a judge says of the models, where one was asked (`judging.py`).
    """

    configuration: str
    evaluations: list[Evaluation]
    comparisons: list[Comparison]
    baselines: list[Evaluation] = field(default_factory=list)
    against: list[Comparison] = field(default_factory=list)
    judgement: Judgement | None = None

    @property
    def prefix(self) -> str:
        """What the scores' names begin with: `C` where they are on condition of the verdict."""
        return self.evaluations[0].scores.prefix

    @property
    def order(self) -> str:
        """The score that the board is ordered by."""
        return self.prefix + ORDER

    @property
    def rows(self) -> list[Evaluation]:
        """Models and baselines together, best first."""
        return sorted([*self.evaluations, *self.baselines], key=Evaluation.best_first)

    def groups(self) -> list[list[str]]:
        """Groups of models that cannot be told apart under `order`, see [`groups`]; none where no pair was tested."""
        tested = [c for c in self.comparisons if c.score == self.order]
        names = [evaluation.name for evaluation in self.evaluations]
        return groups(names, [(c.first, c.second) for c in tested if c.told_apart]) if tested else []

    def letters(self) -> dict[str, str]:
        """The letters of each model's groups, `a` for the best; models with a letter in common cannot be told apart."""
        found: dict[str, list[str]] = {}
        for k, group in enumerate(self.groups()):
            for name in group:
                found.setdefault(name, []).append(_letter(k))
        return {name: " ".join(letters) for name, letters in found.items()}

    def not_beaten(self, name: str) -> list[str]:
        """The baselines that the model called `name` is not shown to beat, where that was tested."""
        beaten = {c.second for c in self.against if c.first == name and c.told_apart and c.test.difference > 0}
        return [one.name for one in self.baselines if one.name not in beaten] if self.against else []

    def findings(self) -> list[str]:
        """What the tests say of the models, in sentences: which cannot be told apart, and which beat no baseline."""
        shared = [group for group in self.groups() if len(group) > 1]
        found = [
            f"These pictures do not tell apart in {self.order}, with all pairs tested at 5 % (Holm): {', '.join(group)}"
            for group in shared
        ]
        found += [
            f"{one.name} is not shown to beat, in {self.order}: {', '.join(unbeaten)}"
            for one in self.evaluations
            if (unbeaten := self.not_beaten(one.name))
        ]
        return found


def _letter(k: int) -> str:
    """a … z, aa, ab …"""
    return (_letter(k // 26 - 1) if k >= 26 else "") + chr(ord("a") + k % 26)


def metrics(board: Leaderboard) -> dict[str, Any]:
    """Everything that was measured, as `metrics.json` holds it; what is undefined is null."""
    return {
        "configuration": board.configuration,
        "order": board.order,
        "results": _flat(board.evaluations),
        "comparisons": _tests(board.comparisons),
        "groups": board.groups(),
        "baselines": _flat(board.baselines),
        "against_baselines": _tests(board.against),
        "not_beaten": {one.name: board.not_beaten(one.name) for one in board.evaluations} if board.against else {},
    } | ({} if board.judgement is None else {"judge": judgement_json(board.judgement)})


def _flat(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    return {evaluation.name: flat(evaluation.scores, evaluation.coverage) for evaluation in evaluations}


def _tests(comparisons: Sequence[Comparison]) -> list[Any]:
    return [plain(asdict(c) | {"test": c.test._asdict()}) for c in comparisons]


def matched_results(evaluation: Evaluation) -> dict[str, Any]:
    """The matches of each view in the official evaluator's shape, as far as it is known: headline, pooled counts, images."""
    measurement, results = evaluation.measurement, {}
    for view in VIEWS:
        data, per_image = measurement.views[view], {}
        semap, semf1 = data.scored.semap, data.scored.semf1
        for k, picture in enumerate(measurement.pictures):
            said, true = (side[picture.index] for side in (evaluation.predictions, evaluation.references))
            per_image[evaluation.images[picture.index]] = {
                "SemAP": float(semap[k]),
                "SemF1": float(semf1[k]),
                "matches": [
                    {"prediction": said[p].name, "reference": true[r].name, "pred_index": p, "gt_index": r, "score": s}
                    for p, r, s in data.matches[k]
                ],
            }
        pooled = measurement.scores.views[view].by_threshold
        results[f"SemAP_{view}"] = {
            "SemAP": float(np.mean(semap)) if per_image else None,
            "SemF1": float(np.mean(semf1)) if per_image else None,
            "by_threshold": {f"{t:g}": asdict(counts) for t, counts in pooled.items()},
            "per_image": per_image,
        }
    return results
