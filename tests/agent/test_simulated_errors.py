"""How the simulated model errs: at the rates that were set, more where it looks at more, and again where it is stubborn."""

from pathlib import Path

import pytest

from agent.simulated.answers import answer_stage
from agent.simulated.rates import Dice, Rates
from agent.simulated.world import Scene
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
        found += any(finding["object"] == wrong.object for finding in answer["findings"])
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
        caught += not verdicts["verdicts"][0]["holds"]
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
