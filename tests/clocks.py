"""Event loops whose clock is not the wall's."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["in_no_time"]

_T = TypeVar("_T")


class _NoWaiting(selectors.SelectSelector):
    """A selector that lets time pass instead of waiting for it."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout and timeout > 0:
            self.passed += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _NoWaiting()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.passed


def in_no_time(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of work that waits for nothing but time: its loop's clock jumps to whatever is waited for next."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
