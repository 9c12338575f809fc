"""Who pays for calls."""

from typing import Protocol

from agent.journal_rows import Attempt

__all__ = ["Account", "Free"]


class Account(Protocol):
    """Who pays for a call: told of every attempt before and after."""

    async def begin(self, max_tokens: int) -> Attempt | None:
        """An attempt that may use up to `max_tokens` for its answer is about to be made; may raise to keep it from being made.

        Returns:
            Its row in a journal if nothing comes of it, for servers that are asked now and answer another day.
        """
        ...

    async def lost(self, reason: str, *, billed: bool) -> None:
        """It brought no answer; `billed`: the server may have charged for it all the same."""
        ...


class Free:
    """Nobody has to be told."""

    async def begin(self, max_tokens: int) -> None:
        return None

    async def lost(self, reason: str, *, billed: bool) -> None: ...
