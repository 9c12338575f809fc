"""The scores of one set of predictions, as one type from the measurement to every report; and their one flat form.

`Scores` holds, for each view, the estimates and the counts at each threshold, and in addition to the views what makes them
believable. `flat` turns it into the dictionary that `compute()` returns and `metrics.json` holds. Nothing reads that
dictionary's keys apart again: whoever needs a number takes it from the type.

Numbers that are undefined (chance of a single picture, a mean over none) are NaN in the type, and `None` (null) in the flat form,
so that it is JSON.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = [
    "VIEWS",
    "CalibratedView",
    "Counts",
    "Coverage",
    "Estimate",
    "Localisation",
    "Pooled",
    "Scores",
    "SeverityError",
    "Verdicts",
    "ViewScores",
    "flat",
    "plain",
]

VIEWS = ("Phe", "Rea", "Full")


@dataclass(frozen=True)
class Estimate:
    """A score in 0..1 and how far to trust it.

    Attributes:
        value (`float`): the score.
        chance (`float`): what the predictions score when they are dealt to other pictures.
        low, high (`float`, *optional*): the 95 % interval over pictures; `None` if none was asked for, or there are too
            few pictures.
    """

    value: float
    chance: float = math.nan
    low: float | None = None
    high: float | None = None

    @property
    def lift(self) -> float:
        """The score above chance."""
        return self.value - self.chance

    def interval(self, name: str) -> dict[str, float]:
        """The flat keys of the interval of the score called `name`; none if there is no interval."""
        return {} if self.low is None or self.high is None else {f"{name}_low": self.low, f"{name}_high": self.high}

    @classmethod
    def named(cls, name: str, numbers: Mapping[str, Any]) -> "Estimate | None":
        """The score called `name` in a flat form that was read from a file; `None` if it is missing or undefined."""

        def number(key: str) -> float | None:
            value = numbers.get(key)
            return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

        value, chance = number(name), number(f"chance_{name}")
        if value is None:
            return None
        return cls(value, math.nan if chance is None else chance, number(f"{name}_low"), number(f"{name}_high"))


@dataclass(frozen=True)
class Pooled:
    """Counts and ratios at one threshold, pooled over all pictures; the field names are the official evaluator's."""

    TP: int
    FP: int
    FN: int
    precision: float
    recall: float
    F1: float


@dataclass(frozen=True)
class ViewScores:
    """One view (phenomenon, reasoning or both): the official scores, the ranked form, and the counts by threshold τ."""

    semap: Estimate
    semf1: Estimate
    ranked: float
    by_threshold: Mapping[float, Pooled]


@dataclass(frozen=True)
class CalibratedView:
    """One view under the calibrated similarity, at its own thresholds; `semf1` is the headline, `semap` the precision in it."""

    semap: Estimate
    semf1: Estimate


NO_VIEW = CalibratedView(Estimate(math.nan), Estimate(math.nan))
"""What stands for a view where the encoder has no calibration."""


@dataclass(frozen=True)
class SeverityError:
    """How far severities are apart on the `pairs` matched at the lowest threshold, in points of 0..100.

    `error` is the mean distance, `bias` the mean of predicted minus true severity.
    """

    error: float
    bias: float
    pairs: int


@dataclass(frozen=True)
class Localisation:
    """How often matched anomalies lie in the same place: the share of the `pairs` matched at the lowest threshold, with a box on
    both sides, whose boxes overlap with an IoU of at least 0.5. It is NaN where there are no such pairs."""

    share: Estimate
    pairs: int


@dataclass(frozen=True)
class Counts:
    """What was scored: pictures (`scored` of `images`, in `clusters` that are independent of each other; `clean` ones have no
    references), predictions and references."""

    images: int
    scored: int
    clusters: int
    clean: int
    false_alarms: int
    predictions: int
    references: int

    @property
    def false_alarm_rate(self) -> float:
        """The share of clean pictures with any prediction."""
        return self.false_alarms / self.clean if self.clean else math.nan


@dataclass(frozen=True)
class Verdicts:
    """How good real/fake verdicts are over all `pictures`; `missing` of them had no readable verdict, which is wrong."""

    accuracy: Estimate
    precision: float
    recall: float
    f1: float
    missing: int
    pictures: int


@dataclass(frozen=True)
class Coverage:
    """What files lack: pictures without a prediction, those on which the predictor failed, and those of a kind unknown to it."""

    missing: int
    failed: int
    unknown: int = 0


@dataclass(frozen=True)
class Scores:
    """Everything that was measured of one set of predictions.

    Attributes:
        views (`dict[str, ViewScores]`): by the names in `VIEWS`.
        ranked_by (`str`): what the ranked form orders predictions by, `score` or `severity`.
        severity (`SeverityError`), counts (`Counts`): as their types say.
        signature (`str`): what the numbers depend on; only scores with the same one may be compared.
        bert_score_hash (`str`): bert-score's own hash code of the setting.
        needed (`int`, *optional*): how many pictures would show a difference of .02 in SemAP_Full between two systems that
            vary as this one does; `None` where there are too few to say.
        warnings (`tuple[str, ...]`): where a number is right but easily misread.
        verdicts (`Verdicts`, *optional*): in the configuration `deepfake`; the views then count only what was said
            under a right verdict.
        calibrated (`dict[str, CalibratedView]`): the views under the calibrated similarity; empty where the encoder has no
            calibration.
        localisation (`Localisation`): where matched anomalies lie.
    """

    views: Mapping[str, ViewScores]
    ranked_by: str
    severity: SeverityError
    counts: Counts
    signature: str
    bert_score_hash: str
    needed: int | None = None
    warnings: tuple[str, ...] = ()
    verdicts: Verdicts | None = None
    calibrated: Mapping[str, CalibratedView] = field(default_factory=dict)
    localisation: Localisation = Localisation(Estimate(math.nan), 0)

    @property
    def full(self) -> ViewScores:
        """The view of both texts, which rankings go by."""
        return self.views["Full"]

    @property
    def prefix(self) -> str:
        """What the names of the scores begin with: `C` where they depend on the verdict."""
        return "" if self.verdicts is None else "C"

    def explained(self) -> dict[str, Estimate]:
        """The views' estimates by name: `SemAP_Phe` … `SemF1_Full`, or `CSemAP_Phe` … `CSemF1_Full`."""
        c, views = self.prefix, self.views.items()
        return {f"{c}SemAP_{name}": view.semap for name, view in views} | {
            f"{c}SemF1_{name}": view.semf1 for name, view in views
        }

    def calibrated_estimates(self) -> dict[str, Estimate]:
        """The calibrated estimates by name: `SemAPC_Phe` … `SemF1C_Full`; NaN where the encoder has no calibration."""
        c, views = self.prefix, [(name, self.calibrated.get(name, NO_VIEW)) for name in VIEWS]
        return {f"{c}SemAPC_{name}": view.semap for name, view in views} | {
            f"{c}SemF1C_{name}": view.semf1 for name, view in views
        }

    def headlines(self) -> dict[str, Estimate]:
        """All estimates by name: the `accuracy` of verdicts, where there are any, and the views'."""
        return ({} if self.verdicts is None else {"accuracy": self.verdicts.accuracy}) | self.explained()


def flat(scores: Scores, coverage: Coverage | None = None) -> dict[str, Any]:
    """The scores as the flat dictionary of `compute()` and of `metrics.json`, e.g. `{"SemAP_Full": …, "TP_Full@0.7": …}`.

    `coverage` is what the predictions' file lacks, where they come from one.
    """
    c, numbers = scores.prefix, _verdicts(scores.verdicts)
    for name, view in scores.views.items():
        for key, estimate in ((f"{c}SemAP_{name}", view.semap), (f"{c}SemF1_{name}", view.semf1)):
            numbers |= {key: estimate.value, f"chance_{key}": estimate.chance, f"lift_{key}": estimate.lift}
    for key, estimate in scores.explained().items():
        numbers |= estimate.interval(key)
    for name, view in scores.views.items():
        numbers[f"{c}SemAP_ranked_{name}"] = view.ranked
        for t, pooled in view.by_threshold.items():
            numbers |= {f"{key[0].upper()}{key[1:]}_{name}@{t:g}": value for key, value in asdict(pooled).items()}
    for key, estimate in scores.calibrated_estimates().items():
        numbers |= {key: estimate.value, f"chance_{key}": estimate.chance, **estimate.interval(key)}
    counts, severity, located = scores.counts, scores.severity, scores.localisation
    numbers |= {
        "ranked_by": scores.ranked_by,
        "severity_error": severity.error,
        "severity_bias": severity.bias,
        "severity_pairs": severity.pairs,
        "localisation": located.share.value,
        **located.share.interval("localisation"),
        "localisation_pairs": located.pairs,
        "images": counts.images,
        "scored_images": counts.scored,
        "clusters": counts.clusters,
        "clean_images": counts.clean,
        "false_alarms": counts.false_alarms,
        "false_alarm_rate": counts.false_alarm_rate,
        "predictions": counts.predictions,
        "references": counts.references,
        "pictures_needed": scores.needed,
        "signature": scores.signature,
        "bert_score_hash": scores.bert_score_hash,
        "warnings": list(scores.warnings),
    }
    if coverage is not None:
        numbers |= {"missing_images": coverage.missing, "failed_images": coverage.failed}
        numbers["unknown_images"] = coverage.unknown
    return {key: plain(value) for key, value in numbers.items()}


def plain(value: Any) -> Any:
    """The value as JSON has it: what is undefined becomes `None`."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _verdicts(verdicts: Verdicts | None) -> dict[str, Any]:
    if verdicts is None:
        return {}
    return {
        "accuracy": verdicts.accuracy.value,
        "verdict_precision": verdicts.precision,
        "verdict_recall": verdicts.recall,
        "verdict_F1": verdicts.f1,
        "verdicts_missing": verdicts.missing,
        "verdicts": verdicts.pictures,
        **verdicts.accuracy.interval("accuracy"),
    }
