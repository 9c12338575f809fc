"""The line in front of the models: shared out among those who ask, by arrival, and everybody knows how many are before them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["BEAT", "Full", "Line", "TooMany"]

BEAT = 1.0
"""Seconds after which what is known is told again. Gradio looks for visitors who have left only when it is told something."""


class Full(Exception):
    """There is no room left in the line."""


class TooMany(Exception):
    """Who asks has as many places in the line as one may have."""


@dataclass(eq=False)
class _Person:
    client: str
    turn: int
    served: bool = False
    moved: asyncio.Event = field(default_factory=asyncio.Event)  # set when somebody has come or left


class Line:
    """A line on one event loop. Whoever leaves it, served or not, makes room for those behind.

    Clients take turns: the second picture of one comes after the first of everybody else, however late they came.

    Args:
        at_once (`int`): how many are served at the same time.
        longest (`int`, defaults to 50): how many may wait; each keeps a file on the disk, 20 MB at most.
        each (`int`, defaults to 10): how many places one client may have, served or waiting.
    """

    def __init__(self, at_once: int, longest: int = 50, each: int = 10) -> None:
        self._at_once, self._longest, self._each = at_once, longest, each
        self._people: list[_Person] = []  # by arrival
        self._turn = 0  # of whoever was served last

    @asynccontextmanager
    async def join(self, client: str) -> AsyncIterator[AsyncIterator[int]]:
        """A place in the line for as long as the block runs. Iterating says how many are ahead, until it is one's turn.

        Args:
            client (`str`): who asks, by whatever tells clients apart.

        Raises:
            Full: if too many are waiting already.
            TooMany: if too many of them are this client's.
        """
        if sum(other.client == client for other in self._people) >= self._each:
            raise TooMany
        if len(self._people) >= self._at_once + self._longest:
            raise Full
        # A client's pictures are turns apart, and the first of a newcomer is in the turn that is being served.
        own = [person.turn for person in self._people if person.client == client]
        me = _Person(client, max([self._turn, *(turn + 1 for turn in own)]))
        self._people.append(me)
        self._move()
        try:
            yield self._before(me)
        finally:
            self._people.remove(me)
            self._move()

    def _move(self) -> None:
        """Let those be served who are next, and tell everybody."""
        for person in self._order()[: self._at_once]:
            self._turn = person.turn if not person.served else self._turn
            person.served = True
        for person in self._people:
            person.moved.set()

    def _order(self) -> list[_Person]:
        """Those being served, then those whose turn is next; by arrival among equals."""
        return sorted(self._people, key=lambda person: (not person.served, person.turn))

    async def _before(self, me: _Person) -> AsyncIterator[int]:
        while not me.served:
            yield self._order().index(me) - self._at_once + 1
            me.moved.clear()
            with suppress(TimeoutError):
                # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with a move.
                async with asyncio.timeout(BEAT):
                    await me.moved.wait()
