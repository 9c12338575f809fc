"""How the simulated model errs: at the rates that were set, more where it looks at more, and again where it is stubborn."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agent.simulated.answers import answer_stage
from agent.simulated.rates import Dice, Rates
from agent.simulated.world import RELATIONS, Fact, Scene, invent, tell
from dataset_builder.scenes import read_scenes

LOOKS = 2000


def scene_of(scenes: Path) -> Scene:
    """A scene with three objects at least, one of them wrong in a way that the object shows by itself."""
    rows = {row.image_id: row for row in read_scenes(scenes)}
    for row in rows.values():
        scene = Scene(row, rows.get(row.twin_id or ""), (168, 168))
        if len(scene.objects) >= 3 and any(fact.family in ("handle", "upside_down") for fact in scene.facts):
            return scene
    raise AssertionError("no such scene")


@pytest.mark.parametrize("together", [1, 3])
def test_a_look_at_more_objects_misses_more(scenes: Path, together: int) -> None:
    """At k objects (2 - 1/k) times the rate is missed: one look at all is no free look at each."""
    scene, rates = scene_of(scenes), Rates(miss=0.2)
    wrong = next(fact for fact in scene.facts if fact.family in ("handle", "upside_down"))
    names = [wrong.object, *(name for name in scene.objects if name != wrong.object)][:together]
    found = 0
    for sample in range(LOOKS):
        answer = answer_stage("attributes_broad", {"objects": names}, scene, rates, Dice("broad", sample))
        found += any(finding["object"] == wrong.object for finding in answer["answer"]["findings"])
    assert found / LOOKS == pytest.approx(1 - 0.2 * (2 - 1 / together), abs=0.04)


@pytest.mark.parametrize("together", [1, 4])
def test_a_look_at_more_findings_catches_fewer_false_ones(scenes: Path, together: int) -> None:
    """At k findings a false one is caught (1 + 1/k) / 2 times as often."""
    scene, rates = scene_of(scenes), Rates(catch=0.8)
    false = [
        {"id": str(number), "object": f"pink lamp {number}", "name": "?", "phenomenon": "It is not there."}
        for number in range(together)
    ]
    caught = 0
    for sample in range(LOOKS):
        verdicts = answer_stage("attributes_verify", {"findings": false}, scene, rates, Dice("verify", sample))
        caught += not verdicts["answer"]["verdicts"][0]["holds"]
    assert caught / LOOKS == pytest.approx(0.8 * (1 + 1 / together) / 2, abs=0.04)


@pytest.mark.parametrize("stubborn", [0.0, 0.5, 1.0])
def test_stubborn_errors_come_again_at_the_same_rate(stubborn: float) -> None:
    """Whatever its share of repeated errors, a rate stays; what is repeated is the same in every look at a picture."""
    pictures = [
        [
            Dice("look", look, picture, picture=picture, stubborn=stubborn).happens(0.3, "misses", "cup")
            for look in (0, 1)
        ]
        for picture in range(LOOKS)
    ]
    first = sum(one for one, _ in pictures) / LOOKS
    both = sum(one and other for one, other in pictures) / LOOKS
    assert first == pytest.approx(0.3, abs=0.04)
    assert both == pytest.approx(stubborn * 0.3 + (1 - stubborn) * 0.3**2, abs=0.04)


@pytest.mark.parametrize("stage", ["integrate", "format"])
def test_lists_are_grouped_wrongly_at_the_rate(scenes: Path, stage: Any) -> None:
    """Of two findings that say the same, the second stays apart half as often as `misgroup` says, and joins the first of the list
    as often; without the rate all are grouped as they should be."""
    scene = scene_of(scenes)
    facts = [Fact(name, "floating") for name in list(scene.objects)[:2]]
    told = [tell(fact, Dice(fact)) for fact in (*facts, facts[1])]
    given = {"findings": [{"id": str(number)} | finding for number, finding in enumerate(told)]}
    apart = thrown = 0
    for sample in range(LOOKS):
        answer = answer_stage(stage, given, scene, Rates(catch=0.0, misgroup=0.4), Dice(stage, sample))
        groups = [
            one["ids"] if stage == "integrate" else one["sources"] for one in next(iter(answer["answer"].values()))
        ]
        assert sorted(id for ids in groups for id in ids) == ["0", "1", "2"]
        of_last = next(ids for ids in groups if "2" in ids)
        apart, thrown = apart + (of_last == ["2"]), thrown + ("0" in of_last)
    assert (apart / LOOKS, thrown / LOOKS) == pytest.approx((0.2 + 0.6 * 0.4, 0.2), abs=0.05)
    perfect = answer_stage("integrate", given, scene, Rates(), Dice("perfect"))
    assert perfect == {"answer": {"groups": [{"ids": ["0"]}, {"ids": ["1", "2"]}]}}


def test_a_biased_model_invents_the_same_again(scenes: Path) -> None:
    """At the same rate of inventions, their most frequent kind has the share of `bias` and its part of the rest."""
    scene = scene_of(scenes)
    for bias in (0.0, 0.6):
        kinds: Counter[str] = Counter()
        for sample in range(LOOKS):
            for fact in invent(
                scene.objects, scene, RELATIONS, Rates(hallucinate=0.3, bias=bias), Dice("bias", sample)
            ):
                kinds[fact.family] += 1
        assert kinds.total() / LOOKS / len(scene.objects) == pytest.approx(0.3, abs=0.02)
        assert kinds["floating"] / kinds.total() == pytest.approx(bias + (1 - bias) / len(RELATIONS), abs=0.06)
