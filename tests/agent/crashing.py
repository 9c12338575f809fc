"""A run through batches whose process ends at a chosen step, as by a power cut: nothing is cleaned up, nothing is said."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.connection import Server
from agent.group_commit import GroupCommit
from agent.plans import Settings
from agent.run import Endpoint, annotate
from tests.clocks import faster

__all__ = ["DIED", "annotate_until"]

DIED = 9


def annotate_until(
    step: int, source: Path, out: Path, base_url: str, settings: Settings, limit: int, clock: float
) -> None:
    """Annotate; the process ends at the given step. Steps are before and after each request and each commit."""
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
    with faster(clock):
        annotate(str(source), out, Endpoint("simulated", base_url), settings, limit=limit, batches=True)
