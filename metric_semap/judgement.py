"""What a judge of texts says of predictions: its opinion of each pair, the shares and scores that follow, and their JSON."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from .agreement import Agreement
from .scores import Estimate, plain

__all__ = [
    "NOT_VALIDATED",
    "Chosen",
    "Judged",
    "JudgedPair",
    "Judgement",
    "Opinion",
    "judgement_json",
    "pair_rows",
    "sentences",
]

NOT_VALIDATED = (
    "not validated: no judge has been compared with people on real pictures in this release, so its numbers show what one model "
    "says of these texts"
)


class Opinion(Protocol):
    """What a judge says of two texts in one order; where it gave no answer, both are `None` and `problem` says why."""

    @property
    def same_anomaly(self) -> bool | None: ...
    @property
    def same_reason(self) -> bool | None: ...
    @property
    def problem(self) -> str: ...


@dataclass(frozen=True)
class Chosen:
    """A prediction and a reference of one picture that a judge is asked about, by their places in its lists.

    Attributes:
        image (`str`), index (`int`), cluster: the picture, its position in the input, and what it belongs to.
        matched (`bool`): whether SemAP's matching made the pair; else it is a rival of the pair that it made.
        similarity (`float`), calibrated (`float`, *optional*): in the view Full.
    """

    image: str
    index: int
    cluster: Hashable
    prediction: int
    reference: int
    matched: bool
    similarity: float
    calibrated: float | None


@dataclass(frozen=True)
class JudgedPair:
    """A pair and the two `orders` in which it was asked about: with the prediction first, and with the reference first."""

    pair: Chosen
    orders: tuple[Opinion, Opinion]

    @property
    def problem(self) -> str | None:
        """Why one of the orders has no answer; then nothing is said of the pair."""
        return next((one.problem for one in self.orders if one.same_anomaly is None or one.same_reason is None), None)

    @property
    def said(self) -> tuple[float, float] | None:
        """The share of orders in which it is the same anomaly, and in which it is so for the same reason; `None` with a problem."""
        if self.problem is not None:
            return None
        anomaly = sum(bool(one.same_anomaly) for one in self.orders) / 2
        return anomaly, sum(bool(one.same_anomaly and one.same_reason) for one in self.orders) / 2

    @property
    def same(self) -> tuple[bool, bool] | None:
        """The same anomaly, and for the same reason, in both orders."""
        return None if self.said is None else (self.said[0] == 1, self.said[1] == 1)

    @property
    def words(self) -> str:
        """The opinion in a few words, for a report."""
        if self.said is None:
            return "no answer"
        if self.said[0] == 0.5:
            return "the orders disagree"
        same = "the same anomaly" if self.said[0] else "another anomaly"
        why = {0.0: "for another reason", 0.5: "the orders disagree on the reason", 1.0: "for the same reason"}
        return f"{same}, {why[self.said[1]]}" if self.said[0] else same


@dataclass(frozen=True)
class Judged:
    """One predictor under the judge.

    Attributes:
        signature (`str`): of these numbers.
        pairs (`list[JudgedPair]`): all that were asked about.
        same_anomaly, same_reason (`Estimate`): of the `matched` pairs with an answer, the shares that are the same.
        disagreement (`Estimate`): of all pairs with an answer, the share whose two orders differ in one of both.
        anomaly, reason (`dict[str, Estimate]`): `precision`, `recall` and `F1`, means over `pictures`, with a prediction right
            where it is the same anomaly as a reference; and where it is so for the same reason.
        pictures (`int`), open (`int`): counted in these; left out because pairs without an answer decide about them.
        matched (`int`): matched pairs with an answer.
        problems (`dict[str, int]`): why pairs have none, and how many.
    """

    signature: str
    pairs: Sequence[JudgedPair]
    same_anomaly: Estimate
    same_reason: Estimate
    disagreement: Estimate
    anomaly: Mapping[str, Estimate]
    reason: Mapping[str, Estimate]
    pictures: int
    open: int
    matched: int

    @property
    def problems(self) -> dict[str, int]:
        """Why pairs have no answer, commonest first."""
        return dict(Counter(pair.problem for pair in self.pairs if pair.problem is not None).most_common())


@dataclass(frozen=True)
class Judgement:
    """A leaderboard under a judge: its `identity`, each predictor's numbers by name, and how far judge, people and scores agree."""

    identity: str
    predictors: Mapping[str, Judged]
    agreement: Sequence[Agreement]

    @property
    def unanswered(self) -> int:
        """Pairs without an answer."""
        return sum(sum(one.problems.values()) for one in self.predictors.values())


def sentences(judgement: Judgement) -> list[str]:
    """What the judge says of each predictor, in a sentence or two."""
    said = []
    for name, of in judgement.predictors.items():
        shares = [f"{100 * one.value:.1f} %" if of.matched else "–" for one in (of.same_anomaly, of.same_reason)]
        said.append(
            f"{name}: the judge calls {shares[0]} of {of.matched:,} matched pairs the same anomaly, {shares[1]} for the same "
            f"reason; precision {_shown(of.anomaly['precision'])}, recall {_shown(of.anomaly['recall'])}, "
            f"F1 {_shown(of.anomaly['F1'])} (with the reason {_shown(of.reason['F1'])}); "
            f"its two orders disagree on {_shown(of.disagreement)} of the pairs"
        )
        if of.problems:
            told = "; ".join(f"{count:,} × {problem}" for problem, count in list(of.problems.items())[:3])
            said.append(
                f"{name}: {sum(of.problems.values()):,} of {len(of.pairs):,} pairs have no answer from the judge ({told}); "
                f"{of.open:,} pictures are left out of its precision, recall and F1 because of them"
            )
    return [*said, f"judge {judgement.identity}: {NOT_VALIDATED}"]


def _shown(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "–"
    interval = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{interval}"


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """The judgement as `metrics.json` holds it."""
    return {
        "judge": judgement.identity,
        "note": NOT_VALIDATED,
        "predictors": {name: _flat(one) for name, one in judgement.predictors.items()},
        "agreement": [
            plain(
                {"first": one.first, "second": one.second, "answers": one.answers}
                | _numbers("kappa", one.kappa)
                | _numbers("rank_correlation", one.correlation)
            )
            for one in judgement.agreement
        ],
    }


def _flat(judged: Judged) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for name in ("same_anomaly", "same_reason", "disagreement"):
        numbers |= _numbers(name, getattr(judged, name))
    for name, estimates in (("anomaly", judged.anomaly), ("reason", judged.reason)):
        for key, estimate in estimates.items():
            numbers |= _numbers(f"{key}_{name}", estimate)
    counts = {"pairs": len(judged.pairs), "matched_pairs": judged.matched, "pictures": judged.pictures}
    counts["open_pictures"] = judged.open
    return dict(plain(numbers | counts)) | {"problems": judged.problems, "signature": judged.signature}


def _numbers(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, **estimate.interval(name)}


def pair_rows(judgement: Judgement) -> list[dict[str, Any]]:
    """A row for each pair that was asked about: what `judged_pairs.jsonl` holds, for people to check the judge with."""
    return [
        {"predictor": name}
        | {key: value for key, value in asdict(one.pair).items() if key not in ("index", "cluster", "orders")}
        | {
            order: {"same_anomaly": of.same_anomaly, "same_reason": of.same_reason, "problem": of.problem or None}
            for order, of in zip(("prediction_first", "reference_first"), one.orders, strict=True)
        }
        for name, judged in judgement.predictors.items()
        for one in judged.pairs
    ]
