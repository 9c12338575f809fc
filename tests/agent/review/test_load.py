"""Fifteen people at once, two server processes on one file, one of them killed: no verdict is lost or doubled."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.loops import run
from agent.review.store import FILE
from dataset_builder.scenes import write_scenes
from tests.review_load import Load, reviewers
from tests.reviewing import ReviewServer, write_run


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of more than 2,000 items."""
    place = tmp_path_factory.mktemp("large")
    return write_run(place / "run", write_scenes(place / "scenes", 200, seed=11), copies=7)


@pytest.fixture(scope="module")
def servers(large: Path) -> Iterator[list[ReviewServer]]:
    """Two processes that serve it."""
    started = [ReviewServer(large), ReviewServer(large)]
    yield [server.wait() for server in started]
    for server in started:
        server.close()


def assert_nothing_lost_or_doubled(run: Path, acknowledged: dict[int, tuple[str, str, str]]) -> None:
    """What was acknowledged is what the file holds, each once, and no item has been answered by two people."""
    with sqlite3.connect(run / FILE) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {number: tuple(rest) for number, *rest in db.execute("SELECT id, item, reviewer, verdict FROM events")}
        assert db.execute("SELECT max(n) FROM (SELECT count(*) AS n FROM standing GROUP BY item)").fetchone() == (1,)
    db.close()
    assert stored == acknowledged


def test_no_verdict_is_lost_or_doubled_when_a_server_is_killed(large: Path, servers: list[ReviewServer]) -> None:
    """Ten seconds of load; then a server dies by kill -9 in the middle of it, and whoever it did not answer asks the other."""
    urls = [server.url for server in servers]
    load = run(reviewers(urls, 15, 10, seed=1, think=(0.05, 0.25)))
    assert_nothing_lost_or_doubled(large, load.acknowledged)
    assert len({reviewer for _, reviewer, _ in load.acknowledged.values()}) == 15
    figures = (
        f"{len(load.seconds)} answers in 10 s, p50 {load.percentile(0.5):.3f} s, p95 {load.percentile(0.95):.3f} s"
    )
    print(f"\n{figures}, longest {max(load.seconds):.3f} s")

    async def with_a_death() -> Load:
        asyncio.get_running_loop().call_later(0.7, servers[0].process.kill)
        return await reviewers(urls, 15, 4, seed=2, think=(0.0, 0.05))

    second = run(with_a_death())
    assert servers[0].process.poll() is not None
    assert second.lost_connections > 0
    assert second.acknowledged
    assert_nothing_lost_or_doubled(large, load.acknowledged | second.acknowledged)
