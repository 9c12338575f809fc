"""Who is asked what: nobody waits, nobody repeats another, nobody sees what others said."""

import json
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from agent.review import claims
from agent.review.desk import Desk
from dataset_builder.errors import InputError


def answer_all(desk: Desk, reviewer: str, verdict: str = "accept", limit: int = 1000) -> list[str]:
    """Answer until nothing is left; the items in the order they were asked."""
    asked: list[str] = []
    items = desk.next(reviewer)["items"]
    while items and len(asked) < limit:
        asked.append(items[0]["item"])
        items = desk.verdict(reviewer, asked[-1], verdict, uuid.uuid4().hex)["items"]
    return asked


def test_a_refresh_or_a_second_tab_shows_the_same_item(desk: Desk) -> None:
    """And the picture after it, which is being fetched."""
    assert desk.next("ann") == desk.next("ann")
    assert len({item["picture"] for item in desk.next("ann")["items"]}) == claims.HAND


def test_people_at_once_are_asked_different_items(desk: Desk) -> None:
    """Fifteen people hold thirty pictures with all that is asked about them; each item is asked once, in the run's order."""
    held = [item for n in range(15) for item in desk.next(f"r{n}")["items"]]
    keys = [item["item"] for item in held]
    assert len(set(keys)) == len(keys)
    assert len({item["picture"] for item in held}) == 30
    assert keys == [item.key for item in desk.store.items()[: len(keys)]]
    asked = [item for n in range(15) for item in answer_all(desk, f"r{n}")]
    assert sorted(asked) == sorted(item.key for item in desk.store.items())


def test_overlap_asks_every_item_of_so_many_people(run: Path) -> None:
    """Each answers it once; a third has nothing to do when two are asked."""
    desk = Desk(run, overlap=2)
    total = desk.store.finished().total
    asked = [item for name in ("ann", "bob", "eve") for item in answer_all(desk, name)]
    assert set(Counter(asked).values()) == {2}
    assert len(asked) == 2 * total
    assert desk.store.finished() == (total, total, 1.0)
    desk.store.close()


def test_a_claim_lapses_and_its_item_goes_to_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever went away loses nothing: an answer that comes late is stored, and they are asked something else."""
    left = [item["item"] for item in desk.next("ann")["items"]]
    assert not set(left) & set(answer_all(desk, "bob"))
    later = time.time() + claims.LEASE + 1
    monkeypatch.setattr("agent.review.desk.time.time", lambda: later)
    assert answer_all(desk, "bob") == left
    assert desk.next("ann")["items"] == []
    desk.verdict("ann", left[0], "reject", "late")
    assert [one.verdict for one in desk.store.standing() if one.item == left[0]] == ["reject", "accept"]


def test_gold_is_asked_of_everybody_among_the_rest(run: Path, scenes: Path) -> None:
    """About one in ten, each at other turns, the same items to everybody; true and wrong ones; keys do not tell which."""
    desk = Desk(run, overlap=2, gold=scenes)
    gold = {item.key: item.gold for item in desk.store.items() if item.gold}
    turns = {}
    for name in ("ann", "bob"):
        asked = answer_all(desk, name)
        turns[name] = [turn for turn, item in enumerate(asked) if item in gold]
        assert 5 <= len(turns[name]) <= 8
        assert len(asked) == 56 + len(turns[name])
    assert turns["ann"] != turns["bob"]
    assert set(gold.values()) == {"accept", "reject"}
    assert len({item.image_id.rsplit("_", 1)[0] for item in desk.store.items() if item.gold}) == len(gold)
    desk.store.close()


def test_nothing_on_the_page_tells_the_answer(run: Path, scenes: Path) -> None:
    """Not a file's name (`odd`, `clean`), nor evidence, nor votes, nor what others have answered."""
    desk = Desk(run, overlap=3, gold=scenes)
    answer_all(desk, "bob", limit=20)
    item = desk.next("ann")["items"][0]
    assert set(item) == {
        "item", "picture", "asks", "name", "phenomenon", "reasoning", "severity", "remark", "word", "colour", "bbox",
    }  # fmt: skip
    answer_all(desk, "ann", limit=19)
    told = json.dumps(desk.next("ann")) + json.dumps(desk.undo("ann", "back"))
    for word in ("bob", "_odd", "_clean", "scene_", '"gold"', '"support"', '"votes"', '"stage"'):
        assert word not in told
    desk.store.close()


def test_two_processes_agree_on_the_overlap(run: Path) -> None:
    """The last one given holds for both; one that is started without leaves it."""
    one, two = Desk(run, overlap=2), Desk(run)
    assert two.store.settings.overlap == 2
    answer_all(two, "ann")
    assert len(answer_all(one, "bob")) == one.store.finished().total
    one.store.close()
    two.store.close()
    with pytest.raises(InputError, match="--overlap 0"):
        Desk(run, overlap=0)
