"""Runs through batches whose process ends at every step in turn, as by a power cut: nothing is cleaned up, nothing is said.

`python -m tests.agent.crashing SOURCE OUT URL PLAN LIMIT CLOCK` makes a run `OUT/1`, `OUT/2`, … for each step: it ends there, is
run again to its end, and so on until one gets through. Steps are before and after each request and each commit. With FIRST and
STRIDE after these, only every STRIDE-th step is made, from the first. With a number of kills after these, one run `OUT` is killed
so often instead, each time within two seconds, and what is printed is at how many of these moments requests waited in a batch. The
processes are forked from one that has everything imported.
"""

import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.connection import Server
from agent.group_commit import GroupCommit
from agent.journal_files import open_for_reading
from agent.journal_rows import totals
from agent.plans import Settings
from agent.run import Endpoint, annotate
from tests.clocks import faster

__all__ = ["through_batches"]

DIED = 9


def through_batches(source: str, out: str, base_url: str, plan: str, limit: str, clock: str) -> None:
    """Annotate through batches, with a clock so many times faster than the wall's."""
    settings: Any = Settings(plan=plan)  # type: ignore[arg-type]
    with faster(float(clock)):
        annotate(source, Path(out), Endpoint("simulated", base_url), settings, limit=int(limit), batches=True)


def _die_at(step: int) -> None:
    """Have this process end at a step."""
    passed = 0

    def pass_one() -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os._exit(DIED)

    request, commit = Server.request, GroupCommit._commit

    @asynccontextmanager
    async def counted_request(*given: Any, **more: Any) -> AsyncIterator[Any]:
        pass_one()
        async with request(*given, **more) as response:
            pass_one()
            yield response

    def counted_commit(*given: Any) -> None:
        pass_one()
        commit(*given)
        pass_one()

    Server.request, GroupCommit._commit = counted_request, counted_commit  # type: ignore[method-assign, assignment]


def _in_a_process(work: Callable[[], None], kill_after: float | None = None) -> int:
    """How a forked process ends that does some work, or is killed after so many seconds; 1 if it fails."""
    pid = os.fork()
    if pid:
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        work()
        os._exit(0)
    finally:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        os._exit(1)


def _every_step(source: str, out: str, base_url: str, plan: str, limit: str, clock: str, *which: str) -> None:
    rest = (base_url, plan, limit, clock)
    first, stride = map(int, which or ("1", "1"))
    for step in range(first, 2000, stride):

        def crash(step: int = step) -> None:
            _die_at(step)
            through_batches(source, f"{out}/{step}", *rest)

        code = _in_a_process(crash)
        again = _in_a_process(lambda step=step: through_batches(source, f"{out}/{step}", *rest))  # type: ignore[misc]
        if code not in (0, DIED) or again:
            sys.exit(f"step {step} ended with {code}, and run again with {again}")
        if code == 0:
            return


def _at_random(kills: int, source: str, out: str, *rest: str) -> int:
    """Kill a run so often; how many kills found requests waiting in a batch."""
    dice, waited = random.Random(7), 0
    for _ in range(kills):
        code = _in_a_process(lambda: through_batches(source, out, *rest), dice.uniform(0.2, 2.0))
        if code not in (0, -signal.SIGKILL):
            sys.exit(f"a run ended with {code}")
        if code and Path(out, "journal.sqlite").exists():
            journal = open_for_reading(Path(out))
            waited += totals(journal).pending > 0
            journal.close()
    return waited


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) == 7:
        print(_at_random(int(arguments[6]), *arguments[:6]))
    else:
        through_batches(arguments[0], f"{arguments[1]}/warm", *arguments[2:6])
        _every_step(*arguments)
