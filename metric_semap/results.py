"""What scoring files gives, and the JSON it is written as: evaluations, the leaderboard they make, `metrics.json` and
`matched_results.json`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .anomalies import Quadruplet
from .measurement import Measurement
from .scores import VIEWS, Coverage, Scores, flat, plain
from .statistics import ALPHA, PairedTest

__all__ = ["Comparison", "Evaluation", "Leaderboard", "matched_results", "metrics"]


@dataclass(frozen=True)
class Evaluation:
    """One predictor's scores: the `images` scored, in order, their `measurement`, both sides' anomalies of each, and what the
    predictor's file lacks (`coverage`)."""

    name: str
    images: list[str]
    measurement: Measurement
    predictions: list[Sequence[Quadruplet]]
    references: list[Sequence[Quadruplet]]
    coverage: Coverage

    @property
    def scores(self) -> Scores:
        """What was measured."""
        return self.measurement.scores


@dataclass(frozen=True)
class Comparison:
    """Two neighbours of a leaderboard under one score, over the pictures that both were scored on; the test's p is Holm's, for all
    neighbours together."""

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
    """Evaluations, best first, and the tests between neighbours; `configuration` is `default` or `deepfake`."""

    configuration: str
    evaluations: list[Evaluation]
    comparisons: list[Comparison]

    @property
    def prefix(self) -> str:
        """What the scores' names begin with: `C` where they are on condition of the verdict."""
        return self.evaluations[0].scores.prefix


def metrics(board: Leaderboard) -> dict[str, Any]:
    """Everything that was measured, as `metrics.json` holds it; what is undefined is null."""
    return {
        "configuration": board.configuration,
        "results": {evaluation.name: flat(evaluation.scores, evaluation.coverage) for evaluation in board.evaluations},
        "comparisons": [plain(asdict(c) | {"test": c.test._asdict()}) for c in board.comparisons],
    }


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
