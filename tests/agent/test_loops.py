"""What asynchronous work leaves behind where it is interrupted: also at its end, and in a thread of its own as in a notebook."""

import asyncio
import concurrent.futures
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import agent.run
from agent.loops import LoopThread, run, to_its_end
from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from tests.annotating import rows, summary


async def steps(done: list[int], count: int = 5) -> int:
    for step in range(count):
        await asyncio.sleep(0.01)
        done.append(step)
    return count


def test_what_is_to_be_done_to_its_end_is_whatever_comes() -> None:
    """Cancelled several times it ends first; its own error says more than the cancellation."""
    done: list[int] = []

    async def cancelled(work: Any) -> None:
        task = asyncio.create_task(to_its_end(work))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await task

    async def broken() -> None:
        await steps(done)
        raise ValueError("its own")

    # Of its own kind where a browser's loop runs in this thread, and `run` takes another.
    with pytest.raises((asyncio.CancelledError, concurrent.futures.CancelledError)):
        run(cancelled(steps(done)))
    assert done == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="its own"):
        run(cancelled(broken()))
    assert run(to_its_end(steps(done))) == 5


def test_closing_a_loop_lets_what_was_cancelled_clean_up() -> None:
    """The tasks that work begins in its cleaning up are not cancelled, however late the loop is closed."""
    done: list[int] = []

    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.gather(steps(done), steps(done))

    with LoopThread() as loop:
        future = loop.begin(work())
        loop.wait(asyncio.sleep(0.01))
        future.cancel()
        loop.wait(asyncio.sleep(0.02))  # in the middle of the cleaning up
    assert len(done) == 10


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("inside", [False, True], ids=["command", "notebook"])
def test_a_run_interrupted_as_it_ends_leaves_its_results(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    """The interruption is raised once everything is written."""

    conclude = agent.run._conclude

    async def interrupted(*given: Any) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.1)  # where a cancellation arrives
        return await conclude(*given)

    monkeypatch.setattr(agent.run, "_conclude", interrupted)

    def two_pictures(base_url: str) -> None:
        annotate(str(scenes), tmp_path / "run", Endpoint("simulated", base_url), Settings(plan="direct"), limit=2)

    async def cell(base_url: str) -> None:
        two_pictures(base_url)

    with serve(scenes) as base_url, pytest.raises(KeyboardInterrupt):
        run(cell(base_url)) if inside else two_pictures(base_url)
    assert len(rows(tmp_path / "run")) == 2
    assert summary(tmp_path / "run")["unfinished"] == 0
    assert summary(tmp_path / "run")["stopped"] is None
    assert (tmp_path / "run" / "report.html").is_file()
