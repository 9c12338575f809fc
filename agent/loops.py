"""Asynchronous work for callers that are not, also where an event loop runs already, as it does in a notebook."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = ["LoopThread", "run", "to_its_end", "wait_for"]

_T = TypeVar("_T")


class LoopThread:
    """An event loop in a thread of its own; several threads may wait for it.

    anyio's blocking portal would be this in fewer lines, but its cancellation comes again at every `await` until a task has ended:
    closing a client or waiting for the journal's last flush while a run is cancelled would be cancelled too.
    """

    def __init__(self) -> None:
        ready = threading.Event()
        self._begun: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stay(ready)), name="anomreason", daemon=True)
        self._thread.start()
        ready.wait()

    async def _stay(self, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await self._ended.wait()
        # Each cancelled once, and waited for. A second cancellation, or one of the tasks that work has of its own, such as
        # `asyncio.run` makes, would cut short what work does at its end.
        for task in self._begun:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)

    def begin(self, work: Coroutine[Any, Any, _T]) -> "Future[_T]":
        """Begin work in the loop; cancelling what is returned cancels the work."""
        if self.closed:
            work.close()
            raise RuntimeError("the agent is closed; create another one")
        return asyncio.run_coroutine_threadsafe(self._noted(work), self._loop)

    async def _noted(self, work: Coroutine[Any, Any, _T]) -> _T:
        task = asyncio.current_task()
        assert task is not None
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await work

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of work done in the loop; where waiting is interrupted, the work is cancelled."""
        return wait_for(self.begin(work))

    @property
    def closed(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the loop; what is still under way there is cancelled and waited for."""
        if not self.closed:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def wait_for(future: "Future[_T]") -> _T:
    """The future's result; where waiting is interrupted, it is cancelled."""
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def to_its_end(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of work that is done to its end, however often it is cancelled; a cancellation meanwhile is raised after it."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        task.result()  # what the work itself raised says more
        raise


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """The result of asynchronous work: `asyncio.run`, in a thread of its own where this one runs a loop already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_until_terminated(work))
    with LoopThread() as loop:
        return loop.wait(work)


async def _until_terminated(work: Coroutine[Any, Any, _T]) -> _T:
    """On SIGTERM the work is cancelled, as on Ctrl-C, and only then the program's own handler called.

    A handler that raises would otherwise do so within whatever task is running at that moment.
    """
    handler, task, loop = signal.getsignal(signal.SIGTERM), asyncio.current_task(), asyncio.get_running_loop()
    if not callable(handler) or threading.current_thread() is not threading.main_thread() or task is None:
        return await work
    came: list[int] = []

    def terminate(signum: int, _: object) -> None:
        came.append(signum)
        loop.call_soon_threadsafe(task.cancel)

    signal.signal(signal.SIGTERM, terminate)
    try:
        return await work
    finally:
        signal.signal(signal.SIGTERM, handler)
        if came:
            handler(came[0], None)
