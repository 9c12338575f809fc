"""Whether anybody still listens. Gradio stops an answer whose reader has left, but not one whose reader never came."""

import time
from typing import Any

import gradio as gr

__all__ = ["PATIENCE", "Listener"]

PATIENCE = 10.0
"""Seconds in which a message for a caller must have been read."""


class Listener:
    """Who asked by a session of Gradio's queue. Make it where a function of the page's API is called.

    Args:
        session (`str`, *optional*): the session's name.
    """

    def __init__(self, session: str | None) -> None:
        blocks = gr.context.LocalContext.blocks.get()
        self._messages: Any = blocks._queue.pending_messages_per_session.get(session) if blocks and session else None
        self._heard = time.monotonic()
        self._first: Any = None

    def left(self) -> bool:
        """Whether the same message has been the first unread one for too long."""
        waiting = self._messages._queue if self._messages is not None else None
        first = waiting[0] if waiting else None
        if first is None or first is not self._first:
            self._heard, self._first = time.monotonic(), first
        return time.monotonic() - self._heard > PATIENCE
