"""Several servers of one model: each picture goes to one of them, and a server that fails is left out.

A picture stays with its server, which has it in its cache after the first call. The next one goes where the fewest would wait the
shortest: pictures under way, times the time that a picture has taken there lately. So a server's share follows what it can do.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from agent.client import Chat
from dataset_builder.errors import UnavailableError

__all__ = ["Fleet"]

LATELY = 0.3
"""Weight of the last picture in the time that one takes."""


class _Member:
    """A server, and what is known of it."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.under_way = self.finished = 0
        self.seconds: float | None = None
        self.failed: str | None = None


class Fleet:
    """Servers of one model.

    Args:
        chats (sequence of `Chat`): at least one.
    """

    def __init__(self, chats: Sequence[Chat]) -> None:
        self._members = [_Member(chat) for chat in chats]

    @property
    def left_out(self) -> dict[str, str]:
        """Why servers were left out, by their addresses."""
        return {one.chat.server.base: one.failed for one in self._members if one.failed is not None}

    @property
    def pictures(self) -> dict[str, int]:
        """How many pictures ended at each server."""
        return {one.chat.server.base: one.finished for one in self._members}

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Chat]:
        """The server for the next picture, until that has ended.

        Raises:
            UnavailableError: what the block raises, which leaves out its server; or if none is left.
        """
        member = self._next()
        member.under_way += 1
        started = time.monotonic()
        try:
            yield member.chat
        except UnavailableError as error:
            member.failed = member.failed or str(error)
            raise
        else:
            took = time.monotonic() - started
            member.seconds = took if member.seconds is None else (1 - LATELY) * member.seconds + LATELY * took
            member.finished += 1
        finally:
            member.under_way -= 1

    def check(self) -> None:
        """Raise `UnavailableError` with every server's reason if none is left."""
        if all(one.failed is not None for one in self._members):
            raise UnavailableError("; ".join(dict.fromkeys(self.left_out.values())))

    def _next(self) -> _Member:
        self.check()
        left = [one for one in self._members if one.failed is None]
        known = [one.seconds for one in left if one.seconds is not None]
        usual = sum(known) / len(known) if known else 1.0

        def waiting(one: _Member) -> float:
            return (one.under_way + 1) * (usual if one.seconds is None else one.seconds)

        return min(left, key=waiting)
