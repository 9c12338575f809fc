"""Kills of a run through batches, at random moments and at every step of all its rounds."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import BatchRules, serve
from dataset_builder.scenes import write_scenes
from tests.annotating import outputs, stats, summary
from tests.clocks import faster

RATES = {"miss": 0.2, "hallucinate": 0.1, "seed": 3}
CLOCK = 60.0
EFFICIENT = Settings(plan="efficient")


def crashing(*arguments: object) -> str:
    """What the module prints that ends runs; see there."""
    command = [sys.executable, "-m", "tests.agent.crashing", *map(str, arguments)]
    return subprocess.run(command, check=True, timeout=900, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.soak
@pytest.mark.parametrize("expires", [0.0, 0.1])
def test_thirty_kills_of_a_batch_run_change_nothing(tmp_path: Path, expires: float) -> None:
    """Killed thirty times while its batches are worked on, a run leaves the bytes of an undisturbed one, and each call was answered
    once."""
    scenes = write_scenes(tmp_path / "scenes", 30, seed=17) / "images"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with serve(tmp_path / "scenes", **RATES) as base_url:
        annotate(str(scenes), whole, Endpoint("simulated", base_url), EFFICIENT, limit=30)
    with serve(tmp_path / "scenes", batches=BatchRules(seconds=1.0, expires=expires), **RATES) as base_url:
        waited = int(crashing(scenes, killed, base_url, "efficient", 30, CLOCK, 30))
        with faster(CLOCK):
            told = annotate(str(scenes), killed, Endpoint("simulated", base_url), EFFICIENT, limit=30, batches=True)
        served = stats(base_url)
    print(
        f"\n{waited} of 30 kills while batches were worked on, expired {expires:.0%}: {served['answers']} answers served, "
        f"{summary(whole)['calls']} calls undisturbed, {served['batches']} batches with {served['batch_requests']} requests; "
        f"ledger {told['calls']} calls"
    )
    assert waited >= 5
    assert outputs(killed) == outputs(whole)
    assert served["answers"] == told["calls"] == summary(whole)["calls"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (served["prompt_tokens"], served["completion_tokens"])


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1, 5))
def test_whatever_step_of_all_rounds_a_run_dies_at(tmp_path: Path, first: int) -> None:
    """The plan `efficient`, whose rounds follow from each other, dies before and after every request and commit, a fourth of them a
    time."""
    scenes = write_scenes(tmp_path / "scenes", 2, seed=17)
    with serve(scenes, **RATES) as base_url:
        annotate(str(scenes), tmp_path / "whole", Endpoint("simulated", base_url), EFFICIENT)
        calls, before = summary(tmp_path / "whole")["calls"], stats(base_url)["answers"]
        crashing(scenes, tmp_path / "runs", base_url, "efficient", 2, 10 * CLOCK, first, 4)
        answers = stats(base_url)["answers"] - before
    runs = list((tmp_path / "runs").iterdir())
    print(f"\n{len(runs) - 1} steps, {answers} answers")
    assert len(runs) > 12
    assert answers == calls * len(runs)
    assert {outputs(one) for one in runs} == {outputs(tmp_path / "whole")}
