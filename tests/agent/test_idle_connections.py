"""Servers close connections that nobody uses: how the client keeps out of the way, and what the ledger says where it could not."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpcore2._async.http11 as connections
import pytest
from PIL import Image

from agent import loops
from agent.asking import Asker, Question, Services
from agent.budget import UNLIMITED, Budget
from agent.client import Chat
from agent.connection import connect
from agent.journal import Journal
from agent.pictures import SentPicture
from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from tests.annotating import check_ledger, stats
from tests.scripted_endpoint import completion

ANSWER = json.dumps(completion("[]").body).encode()
BILL = {"prompt_tokens": 100, "completion_tokens": 10}
"""Of one such answer."""


def two_calls(run: Path, meanwhile: Callable[[], None], *, closes: bool = False) -> int:
    """Two questions, one after the other, with time between them; how many connections the server saw.

    A server that `closes` does so with the first connection just as its second request comes.
    """
    seen: list[int] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(0)
        mine = len(seen) - 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
                seen[mine] += 1
                if closes and (mine, seen[mine]) == (0, 2):
                    return
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
                )
                writer.write(ANSWER)
                await writer.drain()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    async def ask() -> int:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        client = connect("scripted", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        async with Journal(run) as journal:
            services = Services(Chat(client, "scripted"), journal, Budget(UNLIMITED, None, journal.totals()))
            asker = Asker(SentPicture.read(Image.new("RGB", (64, 48)), "a.png"), services)
            for sample in range(2):
                content = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
                (attempt,) = await asker.put(Question("scan", "", sample, content, {"seed": sample}, _any))
                assert attempt.problem is None
                meanwhile()
            await client.close()
        server.close()
        return len(seen)

    return loops.run(ask())


def _any(answer: str) -> str | None:
    return None


@pytest.mark.parametrize(("seconds", "opened"), [(1.0, 1), (4.0, 2)])
def test_a_connection_is_left_before_common_servers_close_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, opened: int
) -> None:
    """Used again after a second, and no more after four: uvicorn, and so vLLM, closes it after five."""
    now = [0.0]
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now[0]))
    assert two_calls(tmp_path, lambda: now.append(now.pop() + seconds)) == opened


def test_a_request_that_meets_a_closing_connection_is_an_attempt_that_may_have_been_billed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell it from a server that died over the answer: the call is made again, and the ledger counts both."""
    monkeypatch.setattr("agent.client.FIRST_WAIT", 0.01)
    assert two_calls(tmp_path, lambda: None, closes=True) == 2
    with pytest.raises(AssertionError, match="less than"):
        check_ledger(tmp_path, {name: 4 * tokens + 10**5 for name, tokens in BILL.items()})
    with pytest.raises(AssertionError, match="more than"):
        check_ledger(tmp_path, BILL)
    lost = check_ledger(tmp_path, {name: 2 * tokens for name, tokens in BILL.items()})
    assert lost == 1


@pytest.mark.parametrize("rates", [{}, {"cut": 0.3}, {"broken": 0.3}], ids=str)
def test_the_ledger_bounds_the_bill(scenes: Path, tmp_path: Path, rates: dict[str, Any]) -> None:
    """It is exact where every attempt was answered; an answer that was billed and got lost on the way is within it."""
    with serve(scenes, **rates) as base_url:
        summary = annotate(
            str(scenes), tmp_path / "run", Endpoint("simulated", base_url), Settings(plan="efficient"), limit=6
        )
        lost = check_ledger(tmp_path / "run", stats(base_url))
    assert lost == summary["calls_lost"]
    assert bool(lost) == bool(rates)
