"""Fifty kills of a run over sixty pictures: the figure that the closing notes quote."""

from pathlib import Path

import pytest

from agent.ledger import by_stage
from agent.simulated import serve
from dataset_builder.scenes import write_scenes
from tests.annotating import POOL, annotate, kill_and_resume, outputs, stats


@pytest.mark.soak
def test_fifty_kills_change_nothing(tmp_path: Path) -> None:
    """Killed fifty times at random moments, a run leaves the bytes of an undisturbed one and pays for no committed call twice."""
    rates = {"miss": 0.2, "hallucinate": 0.1, "doubt": 0.05, "latency": 0.05, "seed": 3}
    scenes = write_scenes(tmp_path / "scenes", 60, seed=17)
    with serve(scenes, **rates) as base_url:
        code, printed = annotate(scenes / "images", tmp_path / "whole", base_url)
        assert code == 0, printed
        whole = stats(base_url)
    with serve(scenes, **rates) as base_url:
        killed = kill_and_resume(scenes / "images", tmp_path / "killed", base_url, 50, seed=7, calls=whole["calls"])
        served = stats(base_url)
    spent, undisturbed = (by_stage(tmp_path / name)[-1] for name in ("killed", "whole"))
    print(
        f"\n{killed.kills} kills ({killed.early} before the first call after a start): "
        f"{served['calls']} calls served, {whole['calls']} undisturbed, {whole['calls'] + killed.kills * POOL} allowed; "
        f"ledger {spent.calls} calls, {spent.prompt_tokens + spent.completion_tokens:,} tokens; "
        f"undisturbed {undisturbed.calls} calls, {undisturbed.prompt_tokens + undisturbed.completion_tokens:,} tokens, "
        f"billed {whole['prompt_tokens'] + whole['completion_tokens']:,}"
    )
    assert outputs(tmp_path / "killed") == outputs(tmp_path / "whole")
    assert served["calls"] <= whole["calls"] + killed.kills * POOL
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (
        whole["answers"],
        whole["prompt_tokens"],
        whole["completion_tokens"],
    )
