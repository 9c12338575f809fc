"""Annotating in the background: it can be watched, and cancelled."""

import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from agent import AnomAgent
from agent.simulated import MODEL, serve
from dataset_builder.scenes import read_scenes


def odd(scenes: Path) -> Path:
    return scenes / "images" / next(row.image_id for row in read_scenes(scenes) if row.anomalies)


def test_every_question_is_told_as_it_is_asked_and_as_it_ends(scenes: Path) -> None:
    """And what comes of it is what `annotate` gives."""
    told: list[tuple[str, bool]] = []
    with serve(scenes) as base_url, AnomAgent(model=MODEL, base_url=base_url) as agent:
        annotation = agent.begin(odd(scenes), tell=lambda stage, ended: told.append((stage, ended))).result(60)
        assert annotation == agent.annotate(odd(scenes))
    assert annotation.status == "anomalies"
    begun, ended = (sorted(stage for stage, over in told if over is which) for which in (False, True))
    assert begun == ended
    assert {"look", "relations_verify"} <= set(begun)


def test_cancelling_ends_the_calls_in_flight(scenes: Path) -> None:
    """With a model that never answers: the future is cancelled, and closing does not wait for it."""
    asked = threading.Event()
    with serve(scenes, hang=1.0) as base_url, AnomAgent(model=MODEL, base_url=base_url) as agent:
        annotating = agent.begin(odd(scenes), tell=lambda *_: asked.set())
        assert asked.wait(60)
        assert annotating.cancel()
        with pytest.raises(CancelledError):
            annotating.result()


def test_closing_ends_what_is_under_way(scenes: Path) -> None:
    """Nothing is left waiting for an answer."""
    asked = threading.Event()
    with serve(scenes, hang=1.0) as base_url:
        with AnomAgent(model=MODEL, base_url=base_url) as agent:
            annotating = agent.begin(odd(scenes), tell=lambda *_: asked.set())
            assert asked.wait(60)
        assert annotating.cancelled()
