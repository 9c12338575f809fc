"""The line in front of the models: first come, first served, and everybody knows how many are before them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["BEAT", "Full", "Line"]

BEAT = 1.0
"""Seconds after which what is known is told again. Gradio looks for visitors who have left only when it is told something."""


class Full(Exception):
    """There is no room left in the line."""


class Line:
    """A line on one event loop. Whoever leaves it, served or not, makes room for those behind.

    Args:
        at_once (`int`): how many are served at the same time.
        longest (`int`, defaults to 50): how many may wait; each keeps a picture in memory, 12 MB at most.
    """

    def __init__(self, at_once: int, longest: int = 50) -> None:
        self._at_once, self._longest = at_once, longest
        self._people: list[asyncio.Event] = []  # by arrival, those being served first; set when somebody has left

    @asynccontextmanager
    async def join(self) -> AsyncIterator[AsyncIterator[int]]:
        """A place in the line for as long as the block runs. Iterating tells how many are before, until it is one's turn.

        Raises:
            Full: if too many are waiting already.
        """
        if len(self._people) >= self._at_once + self._longest:
            raise Full
        me = asyncio.Event()
        self._people.append(me)
        try:
            yield self._before(me)
        finally:
            self._people.remove(me)
            for other in self._people:
                other.set()

    async def _before(self, me: asyncio.Event) -> AsyncIterator[int]:
        while (before := self._people.index(me) - self._at_once + 1) > 0:
            yield before
            me.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(me.wait(), BEAT)
