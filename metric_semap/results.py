"""What scoring files gives, and the JSON it is written as: evaluations, the leaderboard they make, `metrics.json` and
`matched_results.json`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .anomalies import Quadruplet
from .measurement import Measurement
from .resampling import PairedTest
from .scores import VIEWS, Coverage, Scores, flat

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
    """Two neighbours of a leaderboard under one score, over the pictures that both were scored on."""

    first: str
    second: str
    score: str
    pictures: int
    test: PairedTest

    def __str__(self) -> str:
        test = self.test
        found = (
            f"{self.first} over {self.second}, {self.score}: {test.difference:.3f} ({test.low:.3f} to {test.high:.3f}), "
            f"p = {test.p:.3f}, paired bootstrap over {self.pictures:,} pictures"
        )
        return found if test.p < 0.05 else f"{found}: no difference that these pictures could show"


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
        "results": {
            evaluation.name: _plain(flat(evaluation.scores, evaluation.coverage)) for evaluation in board.evaluations
        },
        "comparisons": [_plain(asdict(c) | {"test": c.test._asdict()}) for c in board.comparisons],
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


def _plain(value: Any) -> Any:
    """The value as JSON has it: NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
