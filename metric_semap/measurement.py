"""Every number of one set of predictions against its references: the views, the headline, and what makes it believable."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .errors import OptionError, SemapError, shorten
from .matching import Match, matching_named
from .ranking import Curve, average_precision, confidences, precision_recall
from .resampling import deal, intervals
from .scoring import THRESHOLDS, Tally, by_threshold, check_thresholds, match_all, mean, tally
from .signature import signature
from .similarity import BertScoreSimilarity, Matrices

__all__ = ["CURVE_THRESHOLDS", "VIEWS", "Measurement", "Options", "View", "measure", "views"]

VIEWS = ("Phe", "Rea", "Full")
CURVE_THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))  # 0.50, 0.55, … 0.95
SATURATED = 0.99  # of the matched pairs reach a threshold: it then measures how long the lists are


@dataclass(frozen=True)
class Options:
    """How to score; the defaults are the official evaluator's.

    Attributes:
        thresholds (`tuple[float, ...]`): τ, above 0 and at most 1; they belong to an encoder.
        alpha (`float`): weight of the phenomenon in the view Full, 0..1.
        matching (`str`): `greedy` or `optimal`.
        empty (`str`): pictures without references count as 0 (`zero`) or stay out of the mean (`skip`).
        missing (`str`): what the caller made of pictures without a prediction, `count` or `ignore`; for the signature
            only.
        bootstrap (`int`): resamples of the intervals; 0 for none.
        seed (`int`): of the resamples and of the deal that gives chance.
    """

    thresholds: tuple[float, ...] = THRESHOLDS
    alpha: float = 0.5
    matching: str = "greedy"
    empty: str = "zero"
    missing: str = "count"
    bootstrap: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", check_thresholds(self.thresholds))
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, (int, float)) or not 0 <= self.alpha <= 1:
            raise OptionError(f"alpha: {shorten(self.alpha)} is outside 0..1 (1 phenomenon only, 0 reasoning only)")
        matching_named(self.matching)
        for name, choices in (("empty", ("zero", "skip")), ("missing", ("count", "ignore"))):
            if getattr(self, name) not in choices:
                raise OptionError(
                    f"{name}: {shorten(getattr(self, name))} is unknown; choose one of {', '.join(choices)}"
                )
        for name in ("bootstrap", "seed"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise OptionError(f"{name}: {shorten(value)} is no whole number from 0")


class Measurement(NamedTuple):
    """What `measure` finds: `numbers`, flat; `pictures`, a dict for each scored; `curves`; the `views` behind them."""

    numbers: dict[str, Any]
    pictures: list[dict[str, Any]]
    curves: dict[str, Any]
    views: dict[str, "View"]


class View(NamedTuple):
    """One view of a set: the matrices, their matches, and their counts at the thresholds of the score and of the curve."""

    matrices: list[np.ndarray]
    matches: list[list[Match]]
    scored: Tally
    curve: Tally


def views(matrices: Matrices, alpha: float) -> dict[str, np.ndarray]:
    """The three views of one picture: Phe, Rea, and Full = α·Phe + (1 − α)·Rea, each clipped to 0..1."""
    phe, rea = matrices["phe"], matrices["rea"]
    full = alpha * phe + (1 - alpha) * rea
    return {"Phe": phe.clip(0, 1), "Rea": rea.clip(0, 1), "Full": full.clip(0, 1)}


def measure(
    predictions: Sequence[list[dict[str, Any]]],
    references: Sequence[list[dict[str, Any]]],
    similarity: BertScoreSimilarity,
    options: Options,
    progress: Callable[[int], None] | None = None,
) -> Measurement:
    """Score predictions against references, picture by picture.

    Args:
        predictions (`list[list[dict]]`): a list a picture of records `{name, phenomenon, reasoning, severity, score}`.
        references (`list[list[dict]]`): as many lists.
        similarity (`BertScoreSimilarity`): with which encoder.
        options (`Options`): how.
        progress (`Callable`, *optional*): called now and then with the number of pictures done since.

    Returns:
        `Measurement`: numbers that are undefined — chance of a single picture, a mean over none — are NaN.

    Raises:
        `SemapError`: if there are no pictures; the similarity's own errors.
    """
    if len(predictions) != len(references):
        raise SemapError(f"{len(predictions)} lists of predictions, but {len(references)} of references")
    if not references:
        raise SemapError("there are no pictures to score; give at least one list of references")
    kept = [i for i, records in enumerate(references) if records or options.empty == "zero"]
    left, right = [predictions[i] for i in kept], [references[i] for i in kept]
    own, dealt = _similarities(left, right, similarity, options, progress)
    said = {view: _view([m[view] for m in own], options) for view in VIEWS}
    chance = {view: _view([m[view] for m in dealt], options) for view in VIEWS}

    numbers: dict[str, Any] = {}
    for view in VIEWS:
        numbers |= _headline(view, said[view].scored, chance[view].scored)
    if options.bootstrap and kept:
        columns = np.stack([said[v].scored.semap for v in VIEWS] + [said[v].scored.semf1 for v in VIEWS], axis=1)
        names = [f"{score}_{view}" for score in ("SemAP", "SemF1") for view in VIEWS]
        lows, highs = intervals(columns, options.bootstrap, options.seed)
        for name, low, high in zip(names, lows, highs, strict=True):
            numbers[f"{name}_low"], numbers[f"{name}_high"] = float(low), float(high)
    ranked_by, confidence = confidences(left)
    ranked: dict[str, dict[float, Curve]] = {}
    for view in VIEWS:
        ranked[view] = {t: precision_recall(said[view].matrices, confidence, t) for t in options.thresholds}
        numbers[f"SemAP_ranked_{view}"] = mean(
            np.array([average_precision(curve) for curve in ranked[view].values()] if kept else [])
        )
        for t, pooled in by_threshold(said[view].scored, options.thresholds).items():
            names_of = {"precision": "Precision", "recall": "Recall"}
            numbers |= {f"{names_of.get(key, key)}_{view}@{t:g}": value for key, value in pooled.items()}
    numbers["ranked_by"] = ranked_by
    numbers |= _severity(left, right, said["Full"].matches, options.thresholds[0])
    numbers |= _counts(predictions, references, len(kept))
    numbers["signature"] = signature(
        encoder=similarity.name,
        alpha=options.alpha,
        thresholds=options.thresholds,
        matching=options.matching,
        missing=options.missing,
        empty=options.empty,
        pictures=len(kept),
    )
    numbers["bert_score_hash"] = similarity.hash_code
    numbers["warnings"] = _cautions(numbers, said, options)
    pictures = [_picture(i, said, own[k], k, len(left[k]), len(right[k])) for k, i in enumerate(kept)]
    return Measurement(numbers, pictures, _curves(said, chance, ranked), said)


def _similarities(
    left: Sequence[list[dict[str, Any]]],
    right: Sequence[list[dict[str, Any]]],
    similarity: BertScoreSimilarity,
    options: Options,
    progress: Callable[[int], None] | None,
) -> tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]]:
    """The views of every picture's own pair, in order, and of the dealt pairs."""
    own: list[dict[str, np.ndarray]] = [{} for _ in left]
    dealt: list[dict[str, np.ndarray]] = []
    for block, pairs in deal(left, right, options.seed):
        wanted = [(i, i) for i in block] + pairs
        for (p, r), matrices in similarity.compare(left, right, [wanted]):
            if p == r:
                own[p] = {**views(matrices, options.alpha)}
            else:
                dealt.append(views(matrices, options.alpha))
        if progress is not None:
            progress(len(block))
    return own, dealt


def _view(matrices: list[np.ndarray], options: Options) -> View:
    matches = match_all(matrices, options.matching)
    sizes = [m.shape[0] for m in matrices], [m.shape[1] for m in matrices]
    return View(matrices, matches, tally(matches, *sizes, options.thresholds), tally(matches, *sizes, CURVE_THRESHOLDS))


def _headline(view: str, said: Tally, chance: Tally) -> dict[str, float]:
    numbers = {}
    for score, own, by_chance in (
        ("SemAP", mean(said.semap), mean(chance.semap)),
        ("SemF1", mean(said.semf1), mean(chance.semf1)),
    ):
        numbers[f"{score}_{view}"] = own
        numbers[f"chance_{score}_{view}"] = by_chance
        numbers[f"lift_{score}_{view}"] = own - by_chance
    return numbers


def _severity(
    left: Sequence[list[dict[str, Any]]],
    right: Sequence[list[dict[str, Any]]],
    matches: Sequence[Sequence[Match]],
    threshold: float,
) -> dict[str, Any]:
    """How far severities are apart on pairs matched at the lowest threshold, in points of 0..100."""
    errors = [
        left[i][p]["severity"] - right[i][r]["severity"]
        for i, pairs in enumerate(matches)
        for p, r, score in pairs
        if score >= threshold and left[i][p]["severity"] is not None and right[i][r]["severity"] is not None
    ]
    undefined = math.nan
    return {
        "severity_error": float(np.abs(errors).mean()) if errors else undefined,
        "severity_bias": float(np.mean(errors)) if errors else undefined,
        "severity_pairs": len(errors),
    }


def _counts(predictions: Sequence[Any], references: Sequence[Any], scored: int) -> dict[str, Any]:
    clean = [i for i, records in enumerate(references) if not records]
    alarms = sum(bool(predictions[i]) for i in clean)
    return {
        "images": len(references),
        "scored_images": scored,
        "clean_images": len(clean),
        "false_alarms": alarms,
        "false_alarm_rate": alarms / len(clean) if clean else math.nan,
        "predictions": sum(map(len, predictions)),
        "references": sum(map(len, references)),
    }


def _cautions(numbers: dict[str, Any], said: dict[str, View], options: Options) -> list[str]:
    cautions = []
    if numbers["clean_images"] and options.empty == "zero":
        cautions.append(
            f"{numbers['clean_images']} of {numbers['images']} pictures have no references and score 0 even when left empty, as in "
            'the official code; empty="skip" leaves them out of the mean'
        )
    saturated = [
        f"{threshold:g} ({', '.join(at)})"
        for t, threshold in enumerate(options.thresholds)
        if (at := [view for view in VIEWS if _is_saturated(said[view], t)])
    ]
    if saturated:
        cautions.append(
            f"saturated thresholds: {'; '.join(saturated)}: at least {SATURATED:.0%} of the matched pairs reach them, so "
            "there the score tells how long the lists are, not what they say"
        )
    return cautions


def _is_saturated(view: View, threshold: int) -> bool:
    pairs = sum(map(len, view.matches))
    return pairs > 0 and int(view.scored.hits[:, threshold].sum()) >= SATURATED * pairs


def _picture(
    position: int, said: dict[str, View], own: dict[str, np.ndarray], k: int, m: int, n: int
) -> dict[str, Any]:
    matches = said["Full"].matches[k]
    picture: dict[str, Any] = {"index": position}
    for view in VIEWS:
        picture[f"SemAP_{view}"] = float(said[view].scored.precision[k].mean())
        picture[f"SemF1_{view}"] = float(said[view].scored.f1[k].mean())
    picture["matches"] = [
        {"prediction": p, "reference": r, **{view: float(own[view][p, r]) for view in VIEWS}} for p, r, _ in matches
    ]
    picture["unmatched_predictions"] = sorted(set(range(m)) - {p for p, _, _ in matches})
    picture["unmatched_references"] = sorted(set(range(n)) - {r for _, r, _ in matches})
    return picture


def _curves(said: dict[str, View], chance: dict[str, View], ranked: dict[str, dict[float, Curve]]) -> dict[str, Any]:
    """The scores at each τ from 0.5 to 0.95 with chance beside them, and the precision–recall curves."""
    curves: dict[str, Any] = {"thresholds": list(CURVE_THRESHOLDS)}
    for view in VIEWS:
        for who, counts in (("", said[view].curve), ("chance_", chance[view].curve)):
            curves[f"{who}precision_{view}"] = [mean(column) for column in counts.precision.T]
            curves[f"{who}F1_{view}"] = [mean(column) for column in counts.f1.T]
        curves[f"precision_recall_{view}"] = {
            f"{t:g}": {"recall": curve.recall.tolist(), "precision": curve.precision.tolist()}
            for t, curve in ranked[view].items()
        }
    return curves
