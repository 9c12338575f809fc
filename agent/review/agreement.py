"""How far reviewers agree, from kept libraries; and how right each of them is on items with a known answer.

All measures take accept, reject and unsure as three categories without order. Gold items are left out of agreement: that
people find the known answer says nothing about items that nobody knows.

- raw: the share of agreeing pairs of answers, averaged over items with two answers or more;
- Cohen's kappa: of two people, over the items both answered (statsmodels);
- Fleiss' kappa: over the items with the number of answers that most of them have (statsmodels needs equally many);
- Krippendorff's alpha, nominal: over everything, however many answers each item has (krippendorff).

A measure is `None` where it is not defined: without items in common, or when all answers are the same.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from agent.review.items import Item
from agent.review.store import Standing
from dataset_builder.scenes import family_of
from dataset_builder.schema import Verdict

__all__ = ["Agreement", "Review", "Reviewer", "agreement", "cohen", "measure"]

CATEGORIES: tuple[Verdict, ...] = ("accept", "reject", "unsure")

Answers = Mapping[str, Mapping[str, Verdict]]
"""item → reviewer → verdict."""


@dataclass(frozen=True)
class Agreement:
    """Agreement over some items: how many have two answers or more, and the measures over them."""

    items: int
    raw: float | None
    fleiss: float | None
    fleiss_items: int
    fleiss_answers: int
    alpha: float | None


@dataclass(frozen=True)
class Reviewer:
    """One person: number and kinds of current answers, agreement with others, gold, and the median time an answer took.

    Attributes:
        with_others (`float`, *optional*): the share of pairs with another's answer to the same item that agree.
        gold, gold_right, gold_unsure (`int`): gold items answered, answered rightly, and answered with unsure.
    """

    name: str
    answers: int
    verdicts: Mapping[Verdict, int]
    with_others: float | None
    gold: int
    gold_right: int
    gold_unsure: int
    seconds: float


@dataclass(frozen=True)
class Review:
    """Everything about how a review went."""

    overall: Agreement
    by_family: Mapping[str, Agreement]
    pairs: Mapping[tuple[str, str], tuple[int, float | None]]
    reviewers: Sequence[Reviewer]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        pairs = [
            {"reviewers": list(both), "items": items, "cohens_kappa": kappa}
            for both, (items, kappa) in self.pairs.items()
        ]
        return {
            "reviewers": [asdict(one) for one in self.reviewers],
            "agreement": asdict(self.overall),
            "by_family": {family: asdict(one) for family, one in self.by_family.items()},
            "pairs": pairs,
        }


def measure(items: Iterable[Item], standing: Iterable[Standing]) -> Review:
    """All measures of a review."""
    known = {item.key: item for item in items}
    answers: dict[str, dict[str, Verdict]] = defaultdict(dict)
    gold: dict[str, list[tuple[str, Verdict]]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for one in standing:
        item = known.get(one.item)
        # Whoever added an anomaly agrees with it, and about a whole picture there is no candidate to agree on.
        if item is None or item.asks != "candidate" or item.added_by == one.reviewer:
            continue
        if item.gold:
            gold[one.reviewer].append((item.gold, one.verdict))
        else:
            answers[one.item][one.reviewer] = one.verdict
        seconds[one.reviewer].append(one.seconds)
    families: dict[str, dict[str, Mapping[str, Verdict]]] = defaultdict(dict)
    for key, said in answers.items():
        families[family_of(known[key].candidate.name) or "other"][key] = said
    names = sorted(seconds)
    return Review(
        overall=agreement(answers),
        by_family={family: agreement(families[family]) for family in sorted(families)},
        pairs={pair: found for pair in combinations(names, 2) if (found := cohen(answers, *pair))[0]},
        reviewers=[_reviewer(name, answers, gold[name], seconds[name]) for name in names],
    )


def agreement(answers: Answers) -> Agreement:
    """Agreement over items; those with fewer than two answers say nothing and are passed over."""
    counts = [Counter(said.values()) for said in answers.values() if len(said) > 1]
    if not counts:
        return Agreement(0, None, None, 0, 0, None)
    raw = statistics.fmean(
        sum(n * (n - 1) for n in count.values()) / (count.total() * (count.total() - 1)) for count in counts
    )
    table = np.array([[count[category] for category in CATEGORIES] for count in counts])
    number = Counter(table.sum(axis=1).tolist()).most_common(1)[0][0]
    equal = table[table.sum(axis=1) == number]
    return Agreement(len(counts), raw, _fleiss(equal), len(equal), number, _alpha(table))


def _fleiss(table: np.ndarray) -> float | None:
    from statsmodels.stats.inter_rater import fleiss_kappa

    with np.errstate(invalid="ignore", divide="ignore"):
        return _finite(fleiss_kappa(table))


def _alpha(table: np.ndarray) -> float | None:
    import krippendorff

    if (table.sum(axis=0) > 0).sum() < 2:
        return None
    return _finite(krippendorff.alpha(value_counts=table, level_of_measurement="nominal"))


def cohen(answers: Answers, first: str, second: str) -> tuple[int, float | None]:
    """Cohen's kappa of two people: the number of items both answered, and kappa."""
    from statsmodels.stats.inter_rater import cohens_kappa

    table = np.zeros((len(CATEGORIES), len(CATEGORIES)), dtype=int)
    for said in answers.values():
        if first in said and second in said:
            table[CATEGORIES.index(said[first]), CATEGORIES.index(said[second])] += 1
    count = int(table.sum())
    if not count:
        return 0, None
    with np.errstate(invalid="ignore", divide="ignore"):
        return count, _finite(cohens_kappa(table, return_results=False))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _reviewer(name: str, answers: Answers, gold: list[tuple[str, Verdict]], seconds: list[float]) -> Reviewer:
    own = {item: said for item, said in answers.items() if name in said}
    pairs = [said[name] == verdict for said in own.values() for other, verdict in said.items() if other != name]
    return Reviewer(
        name=name,
        answers=len(own),
        verdicts=dict(Counter(said[name] for said in own.values())),
        with_others=statistics.fmean(pairs) if pairs else None,
        gold=len(gold),
        gold_right=sum(truth == verdict for truth, verdict in gold),
        gold_unsure=sum(verdict == "unsure" for _, verdict in gold),
        seconds=statistics.median(seconds),
    )
