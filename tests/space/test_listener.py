"""Whoever reads what is sent is there, however much of it lies unread at a moment; whoever reads nothing is not."""

import asyncio
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

import space.listener
from space.listener import PATIENCE, Listener


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that stands still until it is told."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(space.listener, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


@pytest.fixture
def messages() -> Any:
    """The unread messages of a session."""
    queue: asyncio.Queue[object] = asyncio.Queue()
    blocks = SimpleNamespace(_queue=SimpleNamespace(pending_messages_per_session={"session": queue}))
    gr.context.LocalContext.blocks.set(blocks)
    yield queue
    gr.context.LocalContext.blocks.set(None)


@pytest.mark.parametrize("reads", [True, False])
def test_who_reads_is_there(clock: Any, messages: Any, reads: bool) -> None:
    """There is always a message that is not read yet: the one that was just sent."""
    listener = Listener("session")
    left = []
    for _ in range(30):
        messages.put_nowait(object())
        left.append(listener.left())
        clock.seconds += 1
        if reads:
            messages.get_nowait()
    assert left == [not reads and second > PATIENCE for second in range(30)]


def test_a_caller_without_a_session_is_there(clock: Any) -> None:
    """Nobody knows better."""
    listener = Listener(None)
    clock.seconds += 60
    assert not listener.left()
