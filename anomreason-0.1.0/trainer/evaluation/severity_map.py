"""Severity with a human anchor: from a model's severities to what people say, learned from pairs of both.

A file of ratings (CSV) has a row per rating, with the columns `severity` (the model's, 0..100) and `rating` (a person's,
0..100, who did not see the model's), and, where they are known, `item` (what was rated) and `rater`. The map is the isotonic
regression of the ratings on the severities (pool adjacent violators; Barlow and others, 1972): it never puts what the model
calls more severe below what it calls milder, and between two severities that were rated it runs straight. Its interval is a
bootstrap over items, whose ratings belong together. People's agreement is Krippendorff's alpha for intervals over the items
that several of them rated.
"""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dataset_builder.errors import InputError, shorten
from dataset_builder.files.regular import read_regular
from metric_semap.anomalies import Anomaly, Picture
from trainer.evaluation.audit_answers import Answers, Reviewed
from trainer.evaluation.intensity import Score

__all__ = ["FEWEST", "Rating", "SeverityMap", "calibrated", "fit", "people_agree", "read_ratings", "told_severity"]

FEWEST = 20
"""Ratings without which no map is made."""
RESAMPLES = 500
SCALE = np.arange(101)


class Rating(NamedTuple):
    """A person's rating of an anomaly beside the model's severity, both 0..100; `item` and `rater` name what and who."""

    severity: int
    rating: float
    item: str
    rater: str


@dataclass(frozen=True)
class SeverityMap:
    """What people would say of each severity, 0..100, with a 95 % interval, from so many `ratings`.

    Attributes:
        values, low, high (array [101]): by the model's severity.
        ratings (`int`): how many it was learned from.
        error, left (`float`): the mean distance between model and people in points, before it and after it (leaving items out).
        agreement (`Score`): how far people agree with each other.
    """

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    ratings: int
    error: float
    left: float
    agreement: Score

    def __call__(self, severity: int) -> int:
        """The calibrated severity."""
        return round(float(self.values[severity]))

    def told(self) -> dict[int, Score]:
        """The map at every tenth severity, for a report."""
        return {int(s): Score(*(float(of[s]) for of in (self.values, self.low, self.high))) for s in SCALE[::10]}


def read_ratings(path: Path) -> list[Rating]:
    """The ratings in a CSV file.

    Raises:
        InputError: naming the file, the line and the value.
    """
    try:
        rows = csv.DictReader(io.StringIO(read_regular(path).decode("utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path}: cannot be read ({reason}); give a CSV file with the columns severity and rating"
        ) from None
    if missing := {"severity", "rating"} - set(rows.fieldnames or ()):
        raise InputError(f"{path}: lacks the columns {', '.join(sorted(missing))}; write severity,rating,item,rater")
    found = []
    for number, row in enumerate(rows, 2):
        said = []
        for column in ("severity", "rating"):
            try:
                value = float(row[column] or "")
            except ValueError:
                value = math.nan
            if not 0 <= value <= 100:
                raise InputError(
                    f"{path}: line {number}: {column}: {shorten(row[column])} is not a number from 0 to 100"
                )
            said.append(value)
        found.append(Rating(round(said[0]), said[1], row.get("item") or str(number), row.get("rater") or ""))
    if len(found) < FEWEST:
        raise InputError(f"{path}: has {len(found)} ratings; at least {FEWEST} are needed to calibrate severities")
    return found


def fit(ratings: Sequence[Rating], seed: int = 0) -> SeverityMap:
    """The map of severities that ratings give."""
    items: dict[str, list[Rating]] = defaultdict(list)
    for one in ratings:
        items[one.item].append(one)
    groups, rng = list(items.values()), np.random.default_rng(seed)
    drawn = np.stack(
        [
            _isotonic([one for at in rng.integers(0, len(groups), len(groups)) for one in groups[at]])
            for _ in range(RESAMPLES)
        ]
    )
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    values = _isotonic(ratings)
    folds = [_isotonic([one for at, group in enumerate(groups) if at % 5 != k for one in group]) for k in range(5)]
    left = [abs(folds[at % 5][one.severity] - one.rating) for at, group in enumerate(groups) for one in group]
    error = float(np.mean([abs(one.severity - one.rating) for one in ratings]))
    return SeverityMap(values, low, high, len(ratings), error, float(np.mean(left)), people_agree(ratings))


def _isotonic(ratings: Sequence[Rating]) -> np.ndarray:
    """The regression at every severity from 0 to 100; level beyond the severities that were rated."""
    from scipy.optimize import isotonic_regression

    sums: dict[int, list[float]] = defaultdict(list)
    for one in ratings:
        sums[one.severity].append(one.rating)
    at = sorted(sums)
    fitted = isotonic_regression([float(np.mean(sums[s])) for s in at], weights=[len(sums[s]) for s in at]).x
    return np.asarray(np.interp(SCALE, at, fitted))


def people_agree(ratings: Sequence[Rating]) -> Score:
    """Krippendorff's alpha for intervals between people, with a bootstrap over items; NaN without items that several rated."""
    items: dict[str, list[float]] = defaultdict(list)
    for one in ratings:
        items[one.item].append(one.rating)
    shared = [np.array(said) for said in items.values() if len(said) > 1]
    if len(shared) < 2:
        return Score(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(0)
    drawn = [_alpha([shared[at] for at in rng.integers(0, len(shared), len(shared))]) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Score(_alpha(shared), float(low), float(high))


def _alpha(units: Sequence[np.ndarray]) -> float:
    """1 − observed / expected disagreement, squared distances (Krippendorff, 2004, chapter 11)."""
    every = np.concatenate(units)
    # The sum over ordered pairs of (a − b)² of k values is 2k times their sum of squares about the mean.
    observed = sum(2 * len(unit) * unit.var() * len(unit) / (len(unit) - 1) for unit in units) / len(every)
    expected = 2 * every.var() * len(every) / (len(every) - 1)
    return float(1 - observed / expected) if expected else math.nan


def told_severity(people: SeverityMap | None) -> str:
    """How severities came about, for a report."""
    if people is None:
        return "self-assessed by the reviewer"
    told = (
        f"calibrated on {people.ratings} ratings: they were {people.error:.1f} points from what people say, "
        f"and are {people.left:.1f} on ratings left out"
    )
    alpha = people.agreement
    if math.isnan(alpha.value):
        return f"{told}; no two people rated the same, so their agreement is not known"
    return f"{told}; people agree with Krippendorff's alpha {alpha.value:.2f} ({alpha.low:.2f} to {alpha.high:.2f})"


def calibrated(reviewed: Reviewed, people: SeverityMap) -> Reviewed:
    """The answers with calibrated severities."""

    def of(picture: Picture) -> Picture:
        changed = [
            Anomaly(
                one.name,
                one.phenomenon,
                one.reasoning,
                None if one.severity is None else people(one.severity),
                one.score,
                one.bbox,
            )
            for one in picture.anomalies
        ]
        return picture._replace(anomalies=changed)

    def answers(one: Answers) -> Answers:
        return Answers(
            {
                who: {image_id: of(picture) for image_id, picture in seen.items()}
                for who, seen in one.by_reviewer.items()
            },
            one.picture,
        )

    generators = {name: answers(one) for name, one in reviewed.generators.items()}
    return reviewed._replace(generators=generators, clean=reviewed.clean and answers(reviewed.clean))
