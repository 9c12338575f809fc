"""Whether anybody still listens. Gradio stops an answer whose reader has left, but not one whose reader never came."""

import time

import gradio as gr

__all__ = ["PATIENCE", "Listener"]

PATIENCE = 10.0
"""Seconds in which the messages for a caller must have been read for once."""


class Listener:
    """Who asked by a session of Gradio's queue. Make it where a function of the page's API is called.

    Args:
        session (`str`, *optional*): the session's name.
    """

    def __init__(self, session: str | None) -> None:
        blocks = gr.context.LocalContext.blocks.get()
        self._messages = blocks._queue.pending_messages_per_session.get(session) if blocks and session else None
        self._heard = time.monotonic()

    def left(self) -> bool:
        """Whether messages have been lying unread for too long."""
        now = time.monotonic()
        if self._messages is None or self._messages.empty():
            self._heard = now
        return now - self._heard > PATIENCE
