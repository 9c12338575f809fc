"""Severities that people rated without seeing the model's: the file that `anomreason audit --calibrated` reads, and how far people
agree about them."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.review.items import Item
from agent.review.store import Standing

__all__ = ["COLUMNS", "Rated", "Rating", "rated", "ratings_of", "table"]

COLUMNS = ("severity", "rating", "item", "rater")


@dataclass(frozen=True)
class Rating:
    """A person's severity of an anomaly and the model's, both 0 (completely irrational) to 100; `item` and `rater` name what and
    who."""

    severity: int
    rating: int
    item: str
    rater: str


@dataclass(frozen=True)
class Rated:
    """How many ratings there are, of how many items by how many people; the items that several rated, and Krippendorff's alpha for
    intervals over those (`None` where it is not defined)."""

    ratings: int
    items: int
    people: int
    shared: int
    alpha: float | None


def ratings_of(items: Iterable[Item], standing: Iterable[Standing]) -> list[Rating]:
    """The current ratings of the run's candidates with a severity; not those of gold items and of what people added, where
    there is no model's severity to calibrate."""
    known: Mapping[str, Item] = {item.key: item for item in items if item.is_question and item.added_by is None}
    found = [
        Rating(severity, one.rating, f"{known[one.item].image_id} {one.item}", one.reviewer)
        for one in standing
        if one.rating is not None and one.item in known and (severity := known[one.item].candidate.severity) is not None
    ]
    return sorted(found, key=lambda one: (one.item, one.rater))


def table(ratings: Iterable[Rating]) -> str:
    """The ratings as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((one.severity, one.rating, one.item, one.rater) for one in ratings)
    return text.getvalue()


def rated(ratings: Iterable[Rating]) -> Rated:
    """How many ratings there are, and how far people agree."""
    said: dict[str, dict[str, int]] = defaultdict(dict)
    for one in ratings:
        said[one.item][one.rater] = one.rating
    people = sorted({who for by in said.values() for who in by})
    shared = [by for by in said.values() if len(by) > 1]
    return Rated(sum(map(len, said.values())), len(said), len(people), len(shared), _alpha(shared, people))


def _alpha(shared: list[dict[str, int]], people: list[str]) -> float | None:
    import krippendorff

    if len({rating for by in shared for rating in by.values()}) < 2:
        return None
    values = [[by.get(who, math.nan) for by in shared] for who in people]
    alpha = float(krippendorff.alpha(reliability_data=values, level_of_measurement="interval"))
    return alpha if math.isfinite(alpha) else None
