"""Boxes in every convention: of known families, by option, told by a probe; what lies outside is dropped and told."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.answers import read_answer
from agent.boxes import DROPPED, Boxes, Frame, Unit, boxes_of, check_unit, told_by_probe
from agent.direct import predict
from agent.plans import Settings
from agent.run import Endpoint, annotate
from dataset_builder.errors import InputError
from dataset_builder.predictions import read_predictions
from dataset_builder.stored import StoredPictures
from tests.annotating import summary
from tests.scripted_endpoint import Asked, Said, completion, serve_scripted

SIZE = (400, 300)
PLACE = (40.0, 60.0, 200.0, 150.0)
"""Of a thing in a picture of that size, in pixels; .1, .2, .5, .5 of its sides."""
WRITTEN: dict[tuple[Unit, bool], list[float]] = {
    ("pixels", False): [40, 60, 200, 150],
    ("pixels", True): [60, 40, 150, 200],
    ("permille", False): [100, 200, 500, 500],
    ("permille", True): [200, 100, 500, 500],
    ("fraction", False): [0.1, 0.2, 0.5, 0.5],
    ("fraction", True): [0.2, 0.1, 0.5, 0.5],
}


@pytest.mark.parametrize(("unit", "swapped"), WRITTEN)
def test_each_convention_is_read_and_told_by_a_probe(unit: Unit, swapped: bool) -> None:
    """A box is at the same place in all of them, and one whose place is known gives its convention away."""
    boxes = Boxes(unit, swapped)
    assert boxes.shares(WRITTEN[unit, swapped], SIZE) == pytest.approx((0.1, 0.2, 0.5, 0.5))
    assert told_by_probe(WRITTEN[unit, swapped], PLACE, SIZE) == boxes


def test_a_probe_that_finds_nothing_says_so() -> None:
    """A box that is nowhere near the thing in any convention tells nothing."""
    assert told_by_probe([900, 900, 1000, 1000], PLACE, SIZE) is None


@pytest.mark.parametrize(
    ("model", "boxes"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", Boxes("pixels")),
        ("qwen3-vl-8b", Boxes("permille")),
        ("Qwen/Qwen2-VL-2B", Boxes("permille")),
        ("google/gemini-2.5-flash", Boxes("permille", swapped=True)),
        ("OpenGVLab/InternVL3-8B", Boxes("permille")),
        ("gpt-4o", Boxes("fraction")),
    ],
)
def test_families_are_known_and_can_be_overridden(model: str, boxes: Boxes) -> None:
    """By a model's name; a model that is not known is taken at what it was asked for; an option overrides the unit."""
    assert boxes_of(model, "fraction") == boxes
    assert boxes_of(model, "fraction", "pixels") == boxes._replace(unit="pixels")


def test_what_is_not_a_convention_is_told() -> None:
    """With the choices."""
    with pytest.raises(InputError, match="--boxes inches: is not known; choose pixels, permille, fraction"):
        check_unit("inches")


ITEM = {"sources": [], "object": "cup", "name": "Floating cup", "phenomenon": "It hovers.", "reasoning": "It cannot."}


@pytest.mark.parametrize("key", ["bbox", "bbox_2d", "box"])
def test_a_stage_reads_boxes_as_its_model_gives_them(key: str) -> None:
    """In pixels of what was sent, under the names that models use; one outside the picture is left out, and counted."""
    frame = Frame(Boxes("pixels"), SIZE)
    items = [ITEM | {"severity": 10, key: box} for box in ([40, 60, 200, 150], [40, 60, 900, 150], [-1, 0, 402, 301])]
    answer = read_answer("scan", json.dumps({"anomalies": items}), frame=frame)
    assert [one.bbox for one in answer.items] == [[100, 200, 500, 500], None, [0, 0, 1000, 1000]]
    assert (answer.problem, answer.lost_boxes) == (None, 1)


def _says(boxes: list[Any]) -> Said:
    return completion(
        json.dumps([{k: v for k, v in ITEM.items() if k != "sources"} | {"severity": 9, "bbox": box} for box in boxes])
    )


def test_boxes_outside_are_dropped_and_told_in_predictions(scenes: Path, tmp_path: Path) -> None:
    """The anomaly stays without its box, the row says why, and the status is partial; others are in the picture's pixels."""
    path = next((scenes / "images").iterdir())
    with serve_scripted(lambda asked, number: _says([[0, 0, 500, 1000], [0, 0, 2000, 9]])) as endpoint:
        settings = Settings(plan="direct", boxes="permille")
        predict(
            StoredPictures.of({path.name: path.read_bytes()}),
            Endpoint("x", endpoint.base_url),
            tmp_path / "p.json",
            task="grounded",
            settings=settings,
        )
    (row,) = read_predictions(tmp_path / "p.jsonl").values()
    inside, outside = row.anomalies[0].bbox, [one.bbox for one in row.anomalies[1:]]
    assert inside is not None
    assert (inside[0], inside[1]) == (0, 0)
    assert inside[2] * 2 == inside[3]
    assert outside in ([None], [])
    assert row.status == "partial"
    assert any(dropped.reason == DROPPED for dropped in row.dropped)


def test_boxes_outside_are_told_in_a_run(scenes: Path, tmp_path: Path) -> None:
    """The summary's notes count the answers from which boxes were dropped."""

    def script(asked: Asked, number: int) -> Said:
        texts = {"object": "cup", "name": "Cup", "phenomenon": "The cup hovers.", "reasoning": "Cups do not."}
        seen = texts | {"sources": [], "severity": 10, "bbox": [0, 0, 5000, 5000]}
        verdict = {"id": "1", "evidence": "It does.", "holds": True, "severity": 10}
        return completion(json.dumps({"anomalies": [seen], "verdicts": [verdict]}))

    with serve_scripted(script) as endpoint:
        annotate(str(scenes / "images"), tmp_path / "run", Endpoint("x", endpoint.base_url), Settings(), limit=1)
    assert summary(tmp_path / "run")["notes"] == {DROPPED: 3}
