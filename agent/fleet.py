"""Several servers of one model: each picture goes to one of them, and a server that fails is left out.

A picture stays with its server, which has it in its cache after the first call. The next one goes where the fewest are under way,
which mostly is where one has just ended. So a server gets as many pictures as it can handle.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from agent.client import Chat
from dataset_builder.errors import UnavailableError

__all__ = ["Fleet"]


class _Member:
    """A server, and what is known of it."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.under_way = self.finished = 0
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

    def check(self) -> None:
        """Raise `UnavailableError` with every server's reason if none is left."""
        if all(one.failed is not None for one in self._members):
            raise UnavailableError("; ".join(dict.fromkeys(self.left_out.values())))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Chat]:
        """The server for the next picture, until that has ended.

        Raises:
            UnavailableError: what the block raises, which leaves out its server; or if none is left.
        """
        self.check()
        member = min((one for one in self._members if one.failed is None), key=lambda one: one.under_way)
        member.under_way += 1
        try:
            yield member.chat
        except UnavailableError as error:
            member.failed = member.failed or str(error)
            raise
        else:
            member.finished += 1
        finally:
            member.under_way -= 1
