"""Room for so many calls at once, given to the earliest picture first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Slots"]


class Slots:
    """A semaphore that serves by rank instead of arrival.

    A picture that is under way is finished before a later one is begun: its calls come close together, while a server still
    has the picture in its cache, and a run that is stopped leaves finished pictures rather than many begun ones.

    Args:
        count (`int`): calls at once.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = 0

    @asynccontextmanager
    async def of(self, rank: int) -> AsyncIterator[None]:
        """Hold a slot; the lowest rank gets the next one that is free, equal ranks in order of arrival."""
        await self._take(rank)
        try:
            yield
        finally:
            self._give()

    async def _take(self, rank: int) -> None:
        if self._free:
            self._free -= 1
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        heapq.heappush(self._waiting, (rank, self._arrivals, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():  # given in the moment of being cancelled: passed on
                self._give()
            raise

    def _give(self) -> None:
        while self._waiting:
            _, _, granted = heapq.heappop(self._waiting)
            if not granted.done():
                granted.set_result(None)
                return
        self._free += 1
