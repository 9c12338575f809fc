"""Every number of one set of predictions against its references: the views, the headline, and what makes it believable."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .anomalies import Quadruplet
from .calibrated import calibrated_tallies
from .calibration import Calibration
from .chance import deal
from .details import CURVE_THRESHOLDS, PictureScores, ViewCurves, picture_scores, threshold_curve
from .errors import OptionError, SemapError, shorten
from .localisation import localisation
from .matching import Match, matching_named
from .ranking import Ranking, average_precision, precision_recall, ranking
from .scores import VIEWS, CalibratedView, Counts, Estimate, Scores, SeverityError, ViewScores
from .scoring import THRESHOLDS, Tally, by_threshold, check_thresholds, match_all, mean, tally
from .sentence import calibrated_views
from .signature import content_of, signature
from .similarity import BertScoreSimilarity, Matrices
from .statistics import FEWEST, Sums, interval, pictures_needed

__all__ = ["Measurement", "Options", "View", "estimate", "measure", "signed", "views"]

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
        bootstrap (`int`): exchanges drawn for the p of a paired test; 0 for neither tests nor intervals. (The name is
            that of an earlier method.)
        seed (`int`): of those draws and of the deal that gives chance.
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
                raise OptionError(f"{name}: {shorten(value)} is not a whole number from 0")


@dataclass(frozen=True)
class View:
    """One view of a set: the matrices, their matches, and their counts at the thresholds of the score and of the curve."""

    matrices: list[np.ndarray]
    matches: list[list[Match]]
    scored: Tally
    curve: Tally


@dataclass(frozen=True)
class Measurement:
    """What `measure` finds: the `scores`, and behind them each scored picture, the cluster of each (by position among them),
    the curves that were asked for, the matches of each view, and each picture's calibrated similarities in Full, with what their
    numbers mean; none where the encoder has no calibration."""

    scores: Scores
    pictures: list[PictureScores]
    clusters: list[Hashable]
    curves: Mapping[str, ViewCurves]
    views: Mapping[str, View]
    calibrated: Sequence[np.ndarray] = ()
    calibration: Calibration | None = None


def views(matrices: Matrices, alpha: float) -> dict[str, np.ndarray]:
    """The three views of one picture: Phe, Rea, and Full = α·Phe + (1 − α)·Rea, each clipped to 0..1."""
    phe, rea = matrices["phe"], matrices["rea"]
    full = alpha * phe + (1 - alpha) * rea
    return {"Phe": phe.clip(0, 1), "Rea": rea.clip(0, 1), "Full": full.clip(0, 1)}


def measure(
    predictions: Sequence[Sequence[Quadruplet]],
    references: Sequence[Sequence[Quadruplet]],
    similarity: BertScoreSimilarity,
    options: Options,
    progress: Callable[[int], None] | None = None,
    clusters: Sequence[Hashable] | None = None,
    curves: Sequence[str] = ("Full",),
) -> Measurement:
    """Score predictions against references, picture by picture.

    Args:
        predictions (`list[list[Quadruplet]]`): the anomalies of each picture.
        references (`list[list[Quadruplet]]`): as many lists.
        similarity (`BertScoreSimilarity`): with which encoder.
        options (`Options`): how.
        progress (`Callable`, *optional*): called now and then with the number of pictures done since.
        clusters (`list`, *optional*): the cluster of each picture; equal ones are not independent (twins, tiles, pictures
            of one prompt). Each picture is its own if left out.
        curves (`list[str]`, defaults to `("Full",)`): the views whose curves are wanted.

    Returns:
        `Measurement`: numbers that are undefined (chance of a single picture, a mean over none) are NaN.

    Raises:
        `SemapError`: if there are no pictures; the similarity's own errors.
    """
    if len(predictions) != len(references):
        raise SemapError(f"{len(predictions)} lists of predictions, but {len(references)} of references")
    if not references:
        raise SemapError("there are no pictures to score; give at least one list of references")
    if clusters is not None and len(clusters) != len(references):
        raise SemapError(f"clusters: {len(clusters)} for {len(references)} pictures; give one per picture")
    kept = [i for i, anomalies in enumerate(references) if anomalies or options.empty == "zero"]
    left, right = [predictions[i] for i in kept], [references[i] for i in kept]
    found, dealt_found = _similarities(left, right, similarity, options, progress)
    own, dealt = ([views(m, options.alpha) for m in matrices] for matrices in (found, dealt_found))
    said = {view: _view([m[view] for m in own], options) for view in VIEWS}
    chance = {view: _view([m[view] for m in dealt], options) for view in VIEWS}
    grouped: list[Hashable] = [i if clusters is None else clusters[i] for i in kept]
    order = ranking(left)
    counts = _counts(predictions, references, len(kept), len(set(grouped)))
    scored = _scored(said, chance, order, grouped, options)
    scores = Scores(
        views=scored,
        ranked_by=order.by,
        severity=_severity(left, right, said["Full"].matches, options.thresholds[0]),
        counts=counts,
        signature=signed(similarity, options, "default", content_of(references), len(kept)),
        bert_score_hash=similarity.hash_code,
        needed=_needed(said["Full"].scored.semap, counts) if options.bootstrap else None,
        warnings=tuple(_cautions(counts, said, similarity, order, options)),
        calibrated=_calibrated(found, dealt_found, similarity, grouped, options),
        localisation=localisation(
            left, right, said["Full"].matches, options.thresholds[0], grouped, bool(options.bootstrap)
        ),
    )
    tallies = {view: said[view].scored for view in VIEWS}
    pictures = [picture_scores(i, k, tallies, said["Full"].matches[k], own[k]) for k, i in enumerate(kept)]
    calibration = similarity.calibration
    return Measurement(
        scores,
        pictures,
        grouped,
        {view: _curves(said[view], chance[view], order, options) for view in curves},
        said,
        [calibrated_views(one["phe_c"], one["rea_c"])["Full"] for one in found] if calibration else (),
        calibration,
    )


def signed(
    similarity: BertScoreSimilarity, options: Options, configuration: str, references: str, pictures: int
) -> str:
    """The signature of scores: `references` is their hash, `pictures` how many were scored."""
    return signature(
        similarity.identity,
        configuration=configuration,
        views=VIEWS,
        alpha=options.alpha,
        thresholds=options.thresholds,
        matching=options.matching,
        missing=options.missing,
        empty=options.empty,
        seed=options.seed,
        references=references,
        pictures=pictures,
    )


def estimate(scores: np.ndarray, clusters: Sequence[Hashable], options: Options, chance: float = math.nan) -> Estimate:
    """The mean of the pictures' scores (0..1) with its interval, which is left out where there are too few clusters."""
    found = interval(Sums.of_means(scores, clusters)) if options.bootstrap else None
    return Estimate(mean(scores), chance, *(found or (None, None)))


def _needed(scores: np.ndarray, counts: Counts) -> int | None:
    """How many pictures show a difference of .02 between two systems that vary like this one, independently of each other."""
    spread = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    if counts.clusters < FEWEST or not spread:
        return None
    return pictures_needed(math.sqrt(2) * spread)


def _curves(own: View, chance: View, order: Ranking, options: Options) -> ViewCurves:
    return ViewCurves(
        threshold_curve(own.curve),
        threshold_curve(chance.curve),
        {t: precision_recall(own.matrices, order.confidences, t) for t in options.thresholds},
    )


def _similarities(
    left: Sequence[Sequence[Quadruplet]],
    right: Sequence[Sequence[Quadruplet]],
    similarity: BertScoreSimilarity,
    options: Options,
    progress: Callable[[int], None] | None,
) -> tuple[list[Matrices], list[Matrices]]:
    """The similarities of every picture's own pair, in order, and of the dealt pairs."""
    own: list[Matrices] = [{} for _ in left]
    dealt: list[Matrices] = []
    for block, pairs in deal(left, right, options.seed):
        wanted = [(i, i) for i in block] + pairs
        for (p, r), matrices in similarity.compare(left, right, [wanted]):
            if p == r:
                own[p] = matrices
            else:
                dealt.append(matrices)
        if progress is not None:
            progress(len(block))
    return own, dealt


def _view(matrices: list[np.ndarray], options: Options) -> View:
    matches = match_all(matrices, options.matching)
    sizes = [m.shape[0] for m in matrices], [m.shape[1] for m in matrices]
    return View(matrices, matches, tally(matches, *sizes, options.thresholds), tally(matches, *sizes, CURVE_THRESHOLDS))


def _scored(
    said: Mapping[str, View],
    chance: Mapping[str, View],
    order: Ranking,
    clusters: Sequence[Hashable],
    options: Options,
) -> dict[str, ViewScores]:
    """The scores of each view."""
    found = {}
    for view in VIEWS:
        own, by_chance = said[view].scored, chance[view].scored
        curves = (precision_recall(said[view].matrices, order.confidences, t) for t in options.thresholds)
        areas = [average_precision(curve) for curve in curves] if clusters else []
        found[view] = ViewScores(
            estimate(own.semap, clusters, options, mean(by_chance.semap)),
            estimate(own.semf1, clusters, options, mean(by_chance.semf1)),
            mean(np.array(areas)),
            by_threshold(own, options.thresholds),
        )
    return found


def _calibrated(
    own: Sequence[Matrices],
    dealt: Sequence[Matrices],
    similarity: BertScoreSimilarity,
    clusters: Sequence[Hashable],
    options: Options,
) -> dict[str, CalibratedView]:
    """The views under the calibrated similarity; none where the encoder has no calibration."""
    if similarity.calibration is None:
        return {}
    said, chance = (calibrated_tallies(matrices, similarity.calibration) for matrices in (own, dealt))
    return {
        view: CalibratedView(
            estimate(said[view].semap, clusters, options, mean(chance[view].semap)),
            estimate(said[view].semf1, clusters, options, mean(chance[view].semf1)),
        )
        for view in VIEWS
    }


def _severity(
    left: Sequence[Sequence[Quadruplet]],
    right: Sequence[Sequence[Quadruplet]],
    matches: Sequence[Sequence[Match]],
    threshold: float,
) -> SeverityError:
    errors = []
    for i, pairs in enumerate(matches):
        for p, r, score in pairs:
            said, true = left[i][p].severity, right[i][r].severity
            if score >= threshold and said is not None and true is not None:
                errors.append(said - true)
    if not errors:
        return SeverityError(math.nan, math.nan, 0)
    return SeverityError(float(np.abs(errors).mean()), float(np.mean(errors)), len(errors))


def _counts(
    predictions: Sequence[Sequence[Quadruplet]],
    references: Sequence[Sequence[Quadruplet]],
    scored: int,
    clusters: int,
) -> Counts:
    clean = [i for i, anomalies in enumerate(references) if not anomalies]
    return Counts(
        images=len(references),
        scored=scored,
        clusters=clusters,
        clean=len(clean),
        false_alarms=sum(bool(predictions[i]) for i in clean),
        predictions=sum(map(len, predictions)),
        references=sum(map(len, references)),
    )


def _cautions(
    counts: Counts, said: Mapping[str, View], similarity: BertScoreSimilarity, order: Ranking, options: Options
) -> list[str]:
    cautions = []
    if options.bootstrap and counts.clusters < FEWEST:
        of = f"{counts.clusters} clusters of pictures" if counts.clusters < counts.scored else f"{counts.scored}"
        cautions.append(f"too few pictures ({of}): no interval and no p is given for fewer than {FEWEST}")
    if order.unsure:
        so = "they come last in the ranked form" if order.by == "score" else "the ranked form goes by severity"
        cautions.append(f"{order.unsure} of {sum(map(len, order.confidences))} predictions have no score: {so}")
    if similarity.calibration is None:
        cautions.append(
            f"the encoder {similarity.name} has no calibration, so SemAPC and SemF1C are not given; "
            'encoder="minilm" has one, and benchmarks/calibrate.py makes one'
        )
    if counts.clean and options.empty == "zero":
        cautions.append(
            f"{counts.clean} of {counts.images} pictures have no references and score 0 even when left empty, as in "
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
