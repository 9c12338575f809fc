"""A minute of fifteen people at once: the time an answer takes to be saved."""

from pathlib import Path

import pytest

from agent.loops import run as run_loop
from agent.review.export import export
from dataset_builder.scenes import write_scenes
from tests.review_load import reviewers
from tests.reviewing import ReviewServer, write_run


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_saving_an_answer_takes_less_than_150_ms(tmp_path: Path, seed: int) -> None:
    """At the 95th percentile, with two server processes on one file, until every one of 2,000 items has its answer."""
    run = write_run(tmp_path / "run", write_scenes(tmp_path / "scenes", 200, seed=11), copies=7)
    servers = [ReviewServer(run), ReviewServer(run)]
    try:
        urls = [server.wait().url for server in servers]
        load = run_loop(reviewers(urls, 15, 60, seed, think=(0.1, 0.6)))
    finally:
        for server in servers:
            server.close()
    figures = f"{len(load.seconds)} answers, p50 {load.percentile(0.5):.3f} s, p95 {load.percentile(0.95):.3f} s"
    print(f"\n{figures}, longest {max(load.seconds):.3f} s")
    assert load.lost_connections == 0
    done = export(run, "majority")
    assert done.candidates - done.unanswered == len(load.acknowledged) > 2000
    assert load.percentile(0.95) < 0.150
