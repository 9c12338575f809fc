"""Agreement, against values worked out by hand."""

from typing import Any

import pytest

from agent.review.agreement import agreement, cohen, measure
from agent.review.decision import decide
from agent.review.items import Item
from agent.review.store import Standing
from dataset_builder.schema import Candidate

SAID: dict[str, dict[str, Any]] = {
    "1": {"ann": "accept", "bob": "accept"},
    "2": {"ann": "accept", "bob": "reject"},
    "3": {"ann": "reject", "bob": "reject"},
    "4": {"ann": "unsure", "bob": "unsure"},
    "5": {"ann": "accept"},
}


def test_two_people_on_four_items() -> None:
    """Three of four agree: observed 0.75; expected 0.3125 (Cohen), 22/64 (Fleiss), 0.25 (Krippendorff, n = 8)."""
    found = agreement(SAID)
    assert (found.items, found.fleiss_items, found.fleiss_answers) == (4, 4, 2)
    assert found.raw == pytest.approx(0.75)
    assert found.fleiss == pytest.approx((0.75 - 22 / 64) / (1 - 22 / 64))
    assert found.alpha == pytest.approx(1 - 0.25 / 0.75)
    assert cohen(SAID, "ann", "bob") == (4, pytest.approx((0.75 - 0.3125) / (1 - 0.3125)))


def test_items_with_more_answers_than_others() -> None:
    """Raw and alpha take every item; Fleiss' kappa those with the number of answers that most have."""
    said = SAID | {"6": {"ann": "accept", "bob": "accept", "eve": "reject"}}
    found = agreement(said)
    assert (found.items, found.fleiss_items) == (5, 4)
    assert found.raw == pytest.approx((3 + 1 / 3) / 5)
    # Coincidences: a 5, r 4, u 2 of n = 11; disagreeing pairs 2/1 in item 2 and 4/2 in item 6.
    observed, expected = (2 + 2) / 11, 1 - (5 * 4 + 4 * 3 + 2 * 1) / (11 * 10)
    assert found.alpha == pytest.approx(1 - observed / expected)


def test_a_measure_that_is_not_defined_is_none() -> None:
    """All the same answer: agreement is whole, and chance-corrected measures say nothing."""
    same = {n: {"ann": "accept", "bob": "accept"} for n in "123"}
    found = agreement(same)  # type: ignore[arg-type]
    assert (found.raw, found.fleiss, found.alpha) == (1.0, None, None)
    assert cohen(same, "ann", "bob") == (3, None)  # type: ignore[arg-type]
    assert cohen(same, "ann", "eve") == (0, None)  # type: ignore[arg-type]
    assert agreement({"1": {"ann": "accept"}}).raw is None


def test_reviewers_and_families_and_gold() -> None:
    """Gold counts for accuracy and not for agreement; unsure is not right."""
    names = {"1": "Floating object", "2": "Floating object", "3": "Giant object", "4": "Odd thing", "5": "Odd thing"}
    items = [Item(key, "p", "a.png", Candidate(name=name, severity=5)) for key, name in names.items()]
    items += [Item(f"g{n}", "p", "a.png", Candidate(severity=5), truth) for n, truth in enumerate(("accept", "reject"))]  # type: ignore[arg-type]
    standing = [
        Standing(1, item, who, verdict, None, None, {}, "", 4.0)
        for item, said in SAID.items()
        for who, verdict in said.items()
    ]
    standing += [
        Standing(1, "g0", "ann", "accept", None, None, {}, "", 2.0),
        Standing(1, "g1", "ann", "unsure", None, None, {}, "", 2.0),
    ]
    standing += [
        Standing(1, "g1", "bob", "accept", None, None, {}, "", 9.0),
        Standing(1, "gone", "eve", "accept", None, None, {}, "", 9.0),
    ]
    review = measure(items, standing)
    assert review.overall == agreement(SAID)
    assert {family: found.items for family, found in review.by_family.items()} == {
        "floating": 2,
        "giant": 1,
        "other": 1,
    }
    assert review.by_family["floating"].raw == pytest.approx(0.5)
    ann, bob = review.reviewers
    assert (ann.name, ann.answers, ann.gold, ann.gold_right, ann.gold_unsure, ann.with_others) == (
        "ann", 5, 2, 1, 1, 0.75,
    )  # fmt: skip
    assert (bob.name, bob.answers, bob.gold, bob.gold_right, bob.seconds) == ("bob", 4, 1, 0, 4.0)


@pytest.mark.parametrize(
    ("votes", "majority", "unanimous"),
    [
        ({"accept": 1}, "accept", "accept"),
        ({"accept": 2, "reject": 1}, "accept", "unsure"),
        ({"accept": 1, "reject": 1}, "unsure", "unsure"),
        ({"accept": 1, "unsure": 1}, "unsure", "unsure"),
        ({"accept": 2, "unsure": 2}, "unsure", "unsure"),
        ({"accept": 2, "unsure": 1}, "accept", "unsure"),
        ({"accept": 2, "reject": 1, "unsure": 1}, "unsure", "unsure"),
        ({"reject": 3}, "reject", "reject"),
        ({"unsure": 3}, "unsure", "unsure"),
        ({}, None, None),
    ],
)
def test_what_votes_come_to(votes: dict[Any, int], majority: str | None, unanimous: str | None) -> None:
    """More than half of all votes, or all of them; unsure is never an accept, nor half of one."""
    assert (decide(votes, "majority"), decide(votes, "unanimous")) == (majority, unanimous)
