"""Event loops whose clock is not the wall's."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["faster", "in_no_time"]

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
    """The result of work that waits for nothing but time: its loop's clock jumps to whatever is waited for next.

    In a thread of its own: once a test has opened the browser, a loop runs in this one (`browser` in conftest.py).
    """

    def run() -> _T:
        with asyncio.Runner(loop_factory=_Loop) as runner:
            return runner.run(work)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


class _Fast(asyncio.SelectorEventLoop):
    """A loop whose seconds are shorter than the wall's."""

    def __init__(self, times: float) -> None:
        self._times = times
        super().__init__(_Hurrying(times))

    def time(self) -> float:
        return super().time() * self._times


class _Hurrying(selectors.DefaultSelector):
    def __init__(self, times: float) -> None:
        super().__init__()
        self._times = times

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout and timeout / self._times)


class _Policy(asyncio.DefaultEventLoopPolicy):
    def __init__(self, times: float) -> None:
        super().__init__()
        self._speed = times

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _Fast(self._speed)


@contextmanager
def faster(times: float) -> Iterator[None]:
    """In the block, event loops that are begun have a clock so many times faster than the wall's."""
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(_Policy(times))
    try:
        yield
    finally:
        asyncio.set_event_loop_policy(before)
