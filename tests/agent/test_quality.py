"""The benchmark of plans: what it asks in its own process is what a run asks over HTTP, and its seeds are those of the commit."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from agent import loops
from agent.pictures import SentPicture
from agent.plans import Annotation, Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from benchmarks import agent_quality
from benchmarks.agent_quality import COMPARED, OTHER, REGIMES, annotated, model_of, seeds
from tests.agent.other_observer import serve_observer

FEW = 3


def run(scenes: Path, out: Path, base_url: str, plan: Any) -> tuple[list[Annotation], int, int]:
    summary = annotate(str(scenes / "images"), out, Endpoint("simulated", base_url), Settings(plan=plan), limit=FEW)
    rows = (out / "annotations.jsonl").read_text().splitlines()
    tokens = summary["prompt_tokens"] + summary["completion_tokens"]
    return [Annotation.model_validate_json(row) for row in rows], summary["calls"], tokens


@pytest.mark.parametrize("name", ["weak", "observer"])
def test_in_process_is_as_over_http(scenes: Path, tmp_path: Path, name: str) -> None:
    """Of every plan, with both models: the same rows, calls and tokens."""
    regime = (REGIMES | OTHER)[name]
    pictures = [SentPicture.read(path) for path in sorted((scenes / "images").iterdir())[:FEW]]
    model = model_of(regime, scenes, seed=3)
    for plan in COMPARED:
        if isinstance(regime.model, dict):
            with serve(scenes, seed=3, **regime.model) as base_url:
                served = run(scenes, tmp_path / plan, base_url, plan)
        else:
            with serve_observer(scenes, regime.model, seed=3) as endpoint:
                served = run(scenes, tmp_path / plan, endpoint.base_url, plan)
        assert loops.run(annotated(pictures, model, plan)) == served


def test_seeds_come_from_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """SHA-256 of the commit's name, the regime's and a number: another commit or regime has other seeds."""
    drawn = seeds("present", REGIMES["present"])
    expected = hashlib.sha256(f"{agent_quality.PARAMETERS} present 1".encode()).hexdigest()[:8]
    assert drawn[1] == int(expected, 16)
    monkeypatch.setattr(agent_quality, "PARAMETERS", "another")
    assert not set(drawn) & set(seeds("present", REGIMES["present"]))


def test_a_measurement_counts_what_was_found_and_what_was_told() -> None:
    """Without errors everything is found and nothing else told; rates of errors show in the right column."""
    perfect = agent_quality.Regime("no errors", {}, pictures=6)
    ((_, outcome),) = agent_quality.measure(perfect, 11, ["vote"])
    truths = sum(one.truths for one in outcome.judged)
    assert (outcome.f1.value, outcome.recall.value, outcome.precision.value, outcome.alarms.value) == (1, 1, 1, 0)
    assert truths >= 3
    assert len(outcome.f1.parts) == 3  # a picture and its twin are one cluster
    fancies = agent_quality.Regime("inventions", {"hallucinate": 1.0, "bias": 1.0, "catch": 0.0}, pictures=6)
    ((_, outcome),) = agent_quality.measure(fancies, 11, ["vote"])
    assert outcome.alarms.value == 1
    assert outcome.recall.value == 1
    assert outcome.precision.value < 1
