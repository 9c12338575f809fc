"""Semantic reasoning and a pixel detector: do they err on the same pictures, what does only one of them catch, and what do
both catch together?

The paper calls them orthogonal and complementary. Here these are two numbers of the pictures at hand. **Overlap of errors**:
of the pictures that either gets wrong, the share that both do (Jaccard), next to what two detectors with these error rates
would share by chance, within fakes and within photographs; the correlation of errors is phi, of the pictures' class held
fixed. **Gain**: the AUROC of both scores fused by a logistic regression (ridge, on standardised scores, cross-validated in
five parts so that no picture is scored by a regression that saw it), less the AUROC of the better one alone, with DeLong's
interval.

Without data: half of the generated pictures have an anomaly, and half are clean scenes that only a detector of traces could
tell; the detector is simulated and sees traces in every generated picture, unclearly. What is fused is then the tiny model's
`p_fake`.
"""

import csv
import io
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset_builder.contestants import Contestant, Limits
from dataset_builder.errors import InputError, shorten
from dataset_builder.files.regular import read_regular
from dataset_builder.predictions import read_predictions
from trainer.evaluation.audit_answers import Shown, local_reviewer, pictures_below
from trainer.evaluation.intensity import Score
from trainer.evaluation.result import Cell, Result, Table, percent
from trainer.reproduce import embedded
from trainer.reproduce.benched import Setting, rows_of
from trainer.reproduce.detection import auroc, gain, rate
from trainer.reproduce.experiment import Cost
from trainer.reproduce.table2 import labels_of, scores_of

if TYPE_CHECKING:
    from trainer.predict import Progress

__all__ = ["PICTURES", "Beside", "Detectors", "beside", "fused", "read_scores"]

PICTURES = 160
TRACES = 1.6
"""How far the simulated detector's scores of generated pictures lie above those of photographs, in standard deviations."""
PARTS = 5
RIDGE = 0.01
RESAMPLES = 2_000
CLAIM = "Semantic reasoning is orthogonal and complementary to forensics of pixels."


@dataclass(frozen=True)
class Beside:
    """Two detectors on the same pictures.

    Attributes:
        caught (`dict`): of the fakes, the shares caught by both, by ours alone, by the other alone, by neither.
        alarms (`dict`): the same of photographs that were flagged.
        overlap (`Score`), by_chance (`float`): the share of errors in common, and what independent errors would share.
        correlation (`Score`): of errors within fakes and photographs.
        ours, other, both (`Score`): AUROC of each, and fused.
        gained (`Score`): the fused AUROC less the better one's.
    """

    caught: Mapping[str, Score]
    alarms: Mapping[str, Score]
    overlap: Score
    by_chance: float
    correlation: Score
    ours: Score
    other: Score
    both: Score
    gained: Score


@dataclass(frozen=True)
class Detectors:
    """The experiment: a `setting` of models and pictures, and a `detector`'s scores of them, generated from `threshold` on."""

    setting: Setting
    detector: Path | None = None
    threshold: float = 0.5
    seed: int = 0

    name = "detectors"

    def cost(self) -> Cost:
        """What it costs to ask the models; over scenes only for a verdict."""
        return self.setting.cost(asked=self.setting.pictures or None)

    def run(self, out: Path, progress: "Progress") -> Result:
        """Ask the models for verdicts and compare the detector with them."""
        if self.detector is None:
            ours, other, generated = self._simulated(out, progress)
            found = {"tiny": beside(ours, other, generated, (0.5, 0.0), self.seed)}
            data = f"{embedded.DATA[0].upper()}{embedded.DATA[1:]}; the detector is simulated."
            return self._result(found, len(generated), data, [])
        bench = self.setting.prepared(out, progress)
        measured = self.setting.run(out, progress, bench)
        truth, scores = labels_of(out), read_scores(self.detector)
        names = [name for name in truth if name in scores]
        if not names:
            raise InputError(
                f"{self.detector}: has a score of none of the {len(truth)} pictures; check the names in image_id"
            )
        generated = np.array([truth[name] == "fake" for name in names])
        if generated.all() or not generated.any():
            raise InputError(
                f"{self.detector}: scores pictures of one kind only; both real and generated ones are needed"
            )
        notes = (
            [f"{len(truth) - len(names)} pictures have no score of the detector and are left out."]
            if len(names) < len(truth)
            else []
        )
        other = np.array([scores[name] for name in names])
        found = {}
        for name in measured.standings:
            rows = rows_of(bench, out, name)
            if any(rows[one].p_fake is not None for one in names if one in rows):
                found[name] = beside(scores_of(rows, names), other, generated, (0.5, self.threshold), self.seed)
            else:
                notes.append(f"{name} gives no probabilities, only verdicts, and cannot be fused.")
        if not found:
            raise InputError(
                "no model gives probabilities (p_fake); ask a local model, or give predictions that have them"
            )
        return self._result(found, len(names), f"Measured on {self.setting.data}.", notes)

    def _simulated(self, out: Path, progress: "Progress") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ours, the detector's scores, and which pictures are generated."""
        progress.step(f"render {self.setting.pictures} scenes")
        rows = embedded.scenes(out / "scenes", self.setting.pictures)
        pictures = pictures_below(out / "scenes" / "images").among({row.image_id for row in rows})
        path = out / "predictions" / "tiny" / "preds.json"
        progress.step(f"tiny on {len(pictures)} pictures")
        local_reviewer(Contestant(model="tiny"), progress, "verdict")(Shown("tiny", pictures, path, Limits()))
        odd = {row.image_id for row in rows if row.anomalies}
        rng = random.Random(self.seed)
        # A third of the clean scenes count as generated: nothing is wrong with what they show.
        generated = np.array([name in odd or rng.random() < 1 / 3 for name in pictures.ids])
        other = np.array([rng.gauss(TRACES if one else 0, 1) - TRACES / 2 for one in generated])
        return scores_of(read_predictions(path.with_suffix(".jsonl")), pictures.ids), other, generated

    def _result(self, found: Mapping[str, Beside], pictures: int, data: str, notes: Sequence[str]) -> Result:
        rows: list[list[Cell]] = [
            [f"{name}, {what}", *shares.values()]
            for name, one in found.items()
            for what, shares in (("generated, caught", one.caught), ("photographs, flagged", one.alarms))
        ]
        columns = ("AUROC of ours", "AUROC of the detector", "fused", "gain over the better one")
        return Result(
            experiment=self.name,
            title="Semantic reasoning and a detector of pixel traces",
            claim=CLAIM,
            data=f"{data} {pictures:,} pictures.",
            simulated=self.detector is None,
            findings=[sentence for name, one in found.items() for sentence in _findings(name, one)],
            tables=[
                Table(
                    "Alone and together",
                    ("model", *columns),
                    [[name, one.ours, one.other, one.both, one.gained] for name, one in found.items()],
                ),
                Table(
                    "What each catches",
                    ("model, pictures", "both", "only ours", "only the detector", "neither"),
                    rows,
                ),
                Table(
                    "Errors in common",
                    ("model", "overlap", "by chance", "correlation"),
                    [[name, one.overlap, one.by_chance, one.correlation] for name, one in found.items()],
                    "Overlap: of the pictures that either gets wrong, the share that both do. Correlation: phi within generated "
                    "pictures and within photographs; 0 is orthogonal.",
                ),
            ],
            numbers={f"{name}: {key}": value for name, one in found.items() for key, value in _numbers(one).items()},
            notes=notes,
            settings={"seed": self.seed, "threshold": self.threshold},
        )


def _numbers(one: Beside) -> dict[str, Cell]:
    return {
        "AUROC": one.ours,
        "AUROC of the detector": one.other,
        "AUROC fused": one.both,
        "gain": one.gained,
        "overlap of errors": one.overlap,
        "overlap by chance": one.by_chance,
        "correlation of errors": one.correlation,
        "caught by ours alone": one.caught["ours"],
        "caught by the detector alone": one.caught["other"],
    }


def _findings(name: str, one: Beside) -> list[str]:
    low, high = one.correlation.low, one.correlation.high
    orthogonal = (
        "are not told apart from orthogonal" if low <= 0 <= high else "go together" if low > 0 else "avoid each other"
    )
    complementary = "complementary" if one.gained.low > 0 else "not shown to be complementary"
    return [
        f"{name} and the detector are {complementary} here: fused, AUROC is {one.both.value:.3f}, {one.gained.value:+.3f} over the "
        f"better one ({one.gained.low:+.3f} to {one.gained.high:+.3f}).",
        f"Their errors {orthogonal}: correlation {one.correlation.value:.2f} ({low:.2f} to {high:.2f}).",
        f"Of generated pictures {percent(one.caught['ours'].value, 0)} are caught only by {name} and "
        f"{percent(one.caught['other'].value, 0)} only by the detector.",
    ]


def beside(
    ours: np.ndarray, other: np.ndarray, generated: np.ndarray, thresholds: tuple[float, float], seed: int
) -> Beside:
    """Compare two detectors on the same pictures.

    Args:
        ours, other (`np.ndarray`): their scores, higher for generated pictures, flagged from `thresholds` on.
        generated (`np.ndarray`): which pictures are generated; both kinds are there.
        seed (`int`): of the folds and of the bootstrap over pictures.
    """
    flagged = [scores >= limit for scores, limit in zip((ours, other), thresholds, strict=True)]
    wrong = np.stack([one != generated for one in flagged], axis=1)
    together = fused(np.stack([ours, other], axis=1), generated, seed)
    sides = [(scores[generated], scores[~generated]) for scores in (ours, other, together)]
    areas = [auroc(*side) for side in sides]
    better = 0 if areas[0].value >= areas[1].value else 1
    rng, n = np.random.default_rng(seed), len(generated)
    overlaps, correlations = [], []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, n, n)
        overlaps.append(_overlap(wrong[drawn]))
        correlations.append(_correlation(wrong[drawn], generated[drawn]))
    return Beside(
        caught=_shares(flagged[0][generated], flagged[1][generated]),
        alarms=_shares(flagged[0][~generated], flagged[1][~generated]),
        overlap=_with_interval(_overlap(wrong), overlaps),
        by_chance=_by_chance(wrong, generated),
        correlation=_with_interval(_correlation(wrong, generated), correlations),
        ours=areas[0],
        other=areas[1],
        both=areas[2],
        gained=gain(sides[2], sides[better]),
    )


def _shares(first: np.ndarray, second: np.ndarray) -> dict[str, Score]:
    cases = {"both": first & second, "ours": first & ~second, "other": ~first & second, "neither": ~first & ~second}
    return {name: rate(int(case.sum()), len(case)) for name, case in cases.items()}


def _overlap(wrong: np.ndarray) -> float:
    either = wrong.any(axis=1).sum()
    return float(wrong.all(axis=1).sum() / either) if either else math.nan


def _by_chance(wrong: np.ndarray, generated: np.ndarray) -> float:
    """The overlap of errors that are independent within each class, at the same rates."""
    both = either = 0.0
    for group in (generated, ~generated):
        first, second = wrong[group].mean(axis=0)
        both += group.sum() * first * second
        either += group.sum() * (first + second - first * second)
    return float(both / either) if either else math.nan


def _correlation(wrong: np.ndarray, generated: np.ndarray) -> float:
    """Phi of the two errors, each class's own error rates taken away first; NaN where one of them never or always errs."""
    centred = wrong.astype(float)
    for group in (generated, ~generated):
        if group.any():
            centred[group] -= centred[group].mean(axis=0)
    spread = (centred**2).sum(axis=0)
    return float((centred[:, 0] * centred[:, 1]).sum() / math.sqrt(spread.prod())) if spread.all() else math.nan


def _with_interval(value: float, drawn: Sequence[float]) -> Score:
    known = [one for one in drawn if math.isfinite(one)]
    low, high = np.quantile(known, [0.025, 0.975]) if known else (math.nan, math.nan)
    return Score(value, float(low), float(high))


def fused(scores: np.ndarray, generated: np.ndarray, seed: int) -> np.ndarray:
    """The log odds of `generated` by a logistic regression on standardised scores that did not see the picture.

    Args:
        scores (`np.ndarray`): shape [pictures, detectors].
        generated (`np.ndarray`): shape [pictures].
        seed (`int`): of the parts, each of which has its share of both classes.
    """
    from statsmodels.api import GLM
    from statsmodels.genmod.families import Binomial

    rng, parts = np.random.default_rng(seed), np.empty(len(generated), dtype=int)
    for group in (np.flatnonzero(generated), np.flatnonzero(~generated)):
        parts[rng.permutation(group)] = np.arange(len(group)) % PARTS
    odds = np.zeros(len(generated))
    for part in range(PARTS):
        seen, held = parts != part, parts == part
        mean, spread = scores[seen].mean(axis=0), scores[seen].std(axis=0)
        design = np.column_stack([np.ones(len(scores)), (scores - mean) / np.where(spread > 0, spread, 1)])
        model = GLM(generated[seen].astype(float), design[seen], family=Binomial())
        fit = model.fit_regularized(alpha=np.array([0.0, *[RIDGE] * scores.shape[1]]), L1_wt=0.0)
        odds[held] = design[held] @ fit.params
    return odds


def read_scores(path: Path) -> dict[str, float]:
    """A detector's scores by picture, from a CSV of `image_id` and `score`.

    Raises:
        InputError: naming the file, the line and the value.
    """
    try:
        rows = csv.DictReader(io.StringIO(read_regular(path).decode("utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); give a CSV file of image_id,score") from None
    if missing := {"image_id", "score"} - set(rows.fieldnames or ()):
        raise InputError(f"{path}: lacks the columns {', '.join(sorted(missing))}; write image_id,score")
    found: dict[str, float] = {}
    for number, row in enumerate(rows, 2):
        try:
            value = float(row["score"] or "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{path}: line {number}: score: {shorten(row['score'])} is not a number")
        if row["image_id"] in found:
            raise InputError(
                f"{path}: line {number}: {shorten(row['image_id'])} appears more than once; remove the duplicates"
            )
        found[row["image_id"]] = value
    return found
