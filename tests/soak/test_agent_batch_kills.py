"""Kills of a run through batches, at random moments and at every step of all its rounds."""

import multiprocessing
import random
import time
from pathlib import Path

import pytest

from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import BatchRules, serve
from dataset_builder.scenes import write_scenes
from tests.agent.crashing import DIED, annotate_until
from tests.annotating import outputs, stats, summary
from tests.clocks import faster

RATES = {"miss": 0.2, "hallucinate": 0.1, "seed": 3}
CLOCK = 60.0
NEVER = 0


@pytest.mark.soak
@pytest.mark.parametrize("expires", [0.0, 0.1])
def test_thirty_kills_of_a_batch_run_change_nothing(tmp_path: Path, expires: float) -> None:
    """Killed thirty times while its batches are worked on, a run leaves the bytes of an undisturbed one, and each call was answered
    once."""
    scenes = write_scenes(tmp_path / "scenes", 30, seed=17) / "images"
    with serve(tmp_path / "scenes", **RATES) as base_url:
        annotate(str(scenes), tmp_path / "whole", Endpoint("simulated", base_url), Settings())
    context, dice, kills = multiprocessing.get_context("forkserver"), random.Random(7), 0
    context.set_forkserver_preload(["tests.agent.crashing"])
    with serve(tmp_path / "scenes", batches=BatchRules(seconds=0.3, expires=expires), **RATES) as base_url:
        arguments = (NEVER, scenes, tmp_path / "killed", base_url, Settings(), 30, CLOCK)
        for _ in range(30):
            child = context.Process(target=annotate_until, args=arguments)
            child.start()
            time.sleep(dice.uniform(0.1, 2.0))
            kills += child.is_alive()
            child.kill()
            child.join()
        with faster(CLOCK):
            told = annotate(
                str(scenes), tmp_path / "killed", Endpoint("simulated", base_url), Settings(), limit=30, batches=True
            )
        served = stats(base_url)
    print(
        f"\n{kills} kills, expired {expires:.0%}: {served['answers']} answers served, {summary(tmp_path / 'whole')['calls']} calls "
        f"undisturbed, {served['batches']} batches with {served['batch_requests']} requests; ledger {told['calls']} calls"
    )
    assert kills >= 5
    assert outputs(tmp_path / "killed") == outputs(tmp_path / "whole")
    assert served["answers"] == told["calls"] == summary(tmp_path / "whole")["calls"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (served["prompt_tokens"], served["completion_tokens"])


@pytest.mark.soak
def test_whatever_step_of_all_rounds_a_run_dies_at(tmp_path: Path) -> None:
    """The plan `efficient`, whose rounds follow from each other, dies before and after every request and commit."""
    scenes = write_scenes(tmp_path / "scenes", 2, seed=17)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.agent.crashing"])
    with serve(scenes, **RATES) as base_url:
        annotate(str(scenes), tmp_path / "whole", Endpoint("simulated", base_url), Settings())
        calls = summary(tmp_path / "whole")["calls"]
        for step in range(1, 1000):
            out, before = tmp_path / f"run{step}", stats(base_url)["answers"]
            child = context.Process(
                target=annotate_until, args=(step, scenes, out, base_url, Settings(), 2, 10 * CLOCK)
            )
            child.start()
            child.join(60)
            assert child.exitcode in (0, DIED)
            with faster(10 * CLOCK):
                annotate(str(scenes), out, Endpoint("simulated", base_url), Settings(), limit=2, batches=True)
            assert outputs(out) == outputs(tmp_path / "whole"), step
            assert stats(base_url)["answers"] - before == calls, step
            if child.exitcode == 0:
                break
    print(f"\n{step - 1} steps")
    assert 50 < step < 999
