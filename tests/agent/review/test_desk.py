"""What reviewers can do beside answering: add, correct boxes, rate severities, skip, jump; and what a stale tab cannot do."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from agent.review.desk import Desk
from agent.review.store import FILE, Conflict
from dataset_builder.errors import InputError
from tests.agent.review.conftest import OLD

MISSED: dict[str, Any] = {
    "name": "Third lamp",
    "phenomenon": "A lamp hangs from nothing.",
    "reasoning": "Lamps need a cable.",
    "severity": 12,
    "bbox": [1, 2, 30, 20],
}


def say(desk: Desk, who: str, item: str, verdict: str, **more: Any) -> dict[str, Any]:
    return desk.verdict(who, item, verdict, uuid.uuid4().hex, **more)


def answer_all(desk: Desk, who: str, verdict: str = "accept") -> list[str]:
    """Answer until nothing is left; the items in the order they were asked."""
    asked: list[str] = []
    while items := desk.next(who)["items"]:
        asked.append(items[0]["item"])
        say(desk, who, asked[-1], verdict)
    return asked


def test_a_stale_tab_cannot_replace_a_newer_answer(small: Desk) -> None:
    """An answer says which one it replaces; if another stands by now, nothing is stored and the newer one is told."""
    item = small.next("ann")["items"][0]["item"]
    first = say(small, "ann", item, "accept")["saved"]
    for replaces in (0, first + 7):
        with pytest.raises(Conflict) as refused:
            say(small, "ann", item, "reject", replaces=replaces)
        assert refused.value.standing
        assert (refused.value.standing.event, refused.value.standing.verdict) == (first, "accept")
    second = say(small, "ann", item, "reject", replaces=first)["saved"]
    with pytest.raises(Conflict):
        small.undo("ann", "stale", last=first)
    assert small.undo("ann", "fresh", last=second)["undone"]["verdict"] == "reject"
    with pytest.raises(Conflict) as refused:
        say(small, "ann", item, "unsure", replaces=second)
    assert refused.value.standing is None
    assert small.store.standing() == []


def test_what_is_skipped_goes_to_others_and_comes_back_last(small: Desk) -> None:
    """All of the picture; the reviewer is asked again when nothing else is left, unless somebody has answered."""
    first = small.next("ann")
    keys = [item["item"] for item in first["beside"]]
    assert small.skip("ann", first["picture"])["picture"] != first["picture"]
    assert [one["item"] for one in small.search("ann", state="skipped")["items"]] == keys
    assert [item["item"] for item in small.next("bob")["items"]][: len(keys)] == keys
    small.leave("bob")
    assert answer_all(small, "ann")[-len(keys) :] == keys


def test_a_split_pair_goes_to_a_third_person_by_itself(small_run: Path) -> None:
    """Where two people do not agree a third is asked, and nobody else; where they agree nobody is."""
    desk = Desk(small_run, overlap=2)
    for verdict, who in (("accept", "ann"), ("reject", "bob")):
        item = desk.next(who)["items"][0]["item"]
        say(desk, who, item, verdict)
        answer_all(desk, who)
    assert desk.store.finished().items == desk.store.finished().total - 1
    assert answer_all(desk, "eve", "reject") == [item]
    assert answer_all(desk, "joe") == []
    assert desk.store.finished() == (desk.store.finished().total, desk.store.finished().total, 1.0)
    desk.store.close()


def test_what_somebody_added_is_asked_of_others_like_any_candidate(small_run: Path) -> None:
    """Its finder has accepted it; others are not told that it was added, or by whom; sent twice it is one."""
    desk = Desk(small_run, overlap=2)
    beside = desk.next("ann")["focus"]
    added = desk.add("ann", beside, "t", **MISSED)["added"]
    assert desk.add("ann", beside, "t", **MISSED)["added"] == added
    assert [(one.item, one.verdict) for one in desk.store.standing()] == [(added, "accept")]
    assert added not in answer_all(desk, "ann")
    shown = next(item for item in desk.next("bob")["items"] if item["item"] == added)
    assert shown["bbox"] == [1.0, 2.0, 30.0, 20.0]
    assert "ann" not in str(shown)
    assert "people" not in str(shown)
    assert added in answer_all(desk, "bob")
    again = Desk(small_run)  # what was added stays when the run is opened again
    assert added in {item.key for item in again.store.items()}
    again.store.close()
    desk.store.close()


def test_an_addition_is_taken_back_like_any_answer(small: Desk) -> None:
    """Its finder is asked about it again, and may reject it."""
    added = small.add("ann", small.next("ann")["focus"], "t", **MISSED)["added"]
    state = small.undo("ann", "u")
    assert state["focus"] == added
    say(small, "ann", added, "reject")
    assert [one.verdict for one in small.store.standing()] == ["reject"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "name"),
        ({"phenomenon": ""}, "phenomenon"),
        ({"reasoning": "r" * 4001}, "reasoning"),
        ({"severity": None}, "severity"),
        ({"severity": 101}, "severity"),
        ({"bbox": [0, 0, 41, 20]}, "40 × 30"),
        ({"bbox": [5, 5, 5, 20]}, "40 × 30"),
        ({"bbox": [9, 9, 3, 20]}, "x0 <= x1"),
        ({"bbox": [0, 0, float("nan"), 5]}, "finite"),
        ({"name": "\ud800"}, "surrogate"),
    ],
)
def test_an_addition_that_cannot_be_one_is_refused(small: Desk, change: dict[str, object], words: str) -> None:
    """In a sentence with the field; nothing of it is stored."""
    before = len(small.store.items())
    with pytest.raises(InputError, match=words):
        small.add("ann", small.next("ann")["focus"], "t", **(MISSED | change))
    assert len(small.store.items()) == before
    with pytest.raises(InputError, match="not an item of this run"):
        small.add("ann", "../../x", "t", **MISSED)


def test_a_box_is_moved_within_the_picture(small: Desk) -> None:
    """It is a correction beside the original."""
    item = small.next("ann")["items"][1]["item"]
    with pytest.raises(InputError, match="40 × 30"):
        say(small, "ann", item, "accept", edit={"bbox": [0, 0, 50, 10]})
    say(small, "ann", item, "accept", edit={"bbox": [4, 5, 22, 20]})
    assert small.store.standing()[0].edit == {"bbox": [4.0, 5.0, 22.0, 20.0]}


def test_reasons_belong_to_rejects(small: Desk) -> None:
    """One of five."""
    item = small.next("ann")["items"][0]["item"]
    for verdict, reason in (("accept", "trivial"), ("reject", "ugly")):
        with pytest.raises(InputError, match="hallucinated, wrong object, wrong reason, duplicate, trivial"):
            say(small, "ann", item, verdict, reason=reason)
    say(small, "ann", item, "reject", reason="wrong object")
    assert small.store.standing()[0].reason == "wrong object"


def test_severities_are_rated_unseen(small_run: Path) -> None:
    """The model's severity, its words and its remark reach nobody; an accept needs a rating; it stays set for the run."""
    Desk(small_run, rate_severity=True).store.close()
    desk = Desk(small_run)
    state = desk.next("ann")
    assert state["rate_severity"]
    for item in (*state["items"], *state["beside"]):
        assert not {"severity", "word", "colour", "remark"} & item.keys()
    item = state["focus"]
    with pytest.raises(InputError, match="rate the severity"):
        say(desk, "ann", item, "accept")
    with pytest.raises(InputError, match="whole number from 0 to 100"):
        say(desk, "ann", item, "accept", rating=101)
    with pytest.raises(InputError, match="leave it out"):
        say(desk, "ann", item, "reject", rating=5)
    say(desk, "ann", item, "accept", rating=35)
    assert desk.store.standing()[0].rating == 35
    desk.store.close()
    seen = Desk(small_run, rate_severity=False)
    with pytest.raises(InputError, match="--rate-severity"):  # whoever has seen the model's cannot rate
        say(seen, "bob", seen.next("bob")["focus"], "accept", rating=5)
    seen.store.close()


def test_the_list_is_searched_filtered_and_jumped_from(small: Desk) -> None:
    """One's own answers and what is open, never what only others have answered; an answered item opens with its answer."""
    first, *_ = (item["item"] for item in small.next("ann")["items"])
    say(small, "ann", first, "reject")
    assert [one["item"] for one in small.search("ann", state="reject")["items"]] == [first]
    assert first not in {one["item"] for one in small.search("bob")["items"]}
    found = small.search("ann", words="CLOCK 3 six 6")["items"] + small.search("ann", words="clock 3 6")["items"]
    assert len(found) == 1
    state = small.next("ann", found[0]["item"])
    assert state["focus"] == found[0]["item"]
    assert state["items"][0]["item"] == found[0]["item"]
    back = small.next("ann", first)
    assert back["focus"] == first
    assert back["beside"][0]["answer"]["verdict"] == "reject"
    with pytest.raises(InputError, match="not yours"):
        small.next("bob", first)
    for wrong in ({"state": "mine"}, {"words": "w" * 201}):
        with pytest.raises(InputError):
            small.search("ann", **wrong)  # type: ignore[arg-type]


def test_whoever_leaves_holds_nothing(small: Desk) -> None:
    """Others are asked at once, not after ten minutes."""
    held = small.next("ann")["items"]
    small.leave("ann")
    assert small.next("bob")["items"] == held


def test_pictures_without_candidates_are_asked_about_too(small_run: Path) -> None:
    """With --ask-missed every picture ends with one more question, which tells nothing of the agent."""
    desk = Desk(small_run, ask_missed=True)
    asks = [item.asks for item in desk.store.items()]
    assert asks == ["candidate", "candidate", "missed"] * 4 + ["missed"]
    desk.store.close()
    assert len(Desk(small_run, ask_missed=False).store.items()) == 8


def test_verdicts_of_the_version_before_are_all_there(tmp_path: Path) -> None:
    """A file written by 0.1.0: answers, edits, notes, what was taken back, claims and gold; and it can be gone on with."""
    run = tmp_path / "old"
    shutil.copytree(OLD, run)
    desk = Desk(run)
    assert desk.store.settings.overlap == 2
    said = sorted((one.reviewer, one.verdict, one.note, str(one.edit)) for one in desk.store.standing())
    assert said == [
        ("ann", "accept", "", "{}"),
        ("ann", "reject", "", "{}"),
        ("ann", "reject", "", "{}"),
        ("ann", "unsure", "", "{}"),
        ("bob", "accept", "", "{}"),
        ("bob", "accept", "", "{}"),
        ("bob", "reject", "nearly", "{'name': 'Clock', 'severity': 5}"),
    ]
    assert sum(item.gold is not None for item in desk.store.items()) == 4
    assert desk.next("ann")["progress"]["yours"] == 4
    # Of the three items that both have answered they agree on one; a third person is asked about the two others now.
    answered = {one.item for one in desk.store.standing()}
    assert desk.store.finished().items == 1
    assert len(answered & set(answer_all(desk, "eve"))) == 3
    desk.store.close()
    assert (run / FILE).is_file()
