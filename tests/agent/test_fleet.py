"""Several servers of one model: shares by what each can do, a picture at one of them, and one that fails is survived."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.fleet import Fleet
from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.errors import UnavailableError
from tests.annotating import outputs, stats, summary
from tests.clocks import faster, in_no_time
from tests.commands import run_command

RATES = {"miss": 0.2, "hallucinate": 0.1}


@contextmanager
def servers(scenes: Path, *each: dict[str, Any]) -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serve(scenes, **RATES, **more)) for more in each]


def run(scenes: Path, out: Path, urls: list[str], limit: int = 12, concurrency: int = 2) -> Any:
    first, *others = urls
    endpoint = Endpoint("simulated", first, concurrency, others=tuple(others))
    return annotate(str(scenes), out, endpoint, Settings(plan="efficient"), limit=limit)


def test_two_servers_do_the_work_of_one(scenes: Path, tmp_path: Path) -> None:
    """The same bytes, no call made twice, both asked, each picture by one of them."""
    with servers(scenes, {}, {}) as urls:
        told = run(scenes, tmp_path / "two", urls)
        served = [stats(url)["answers"] for url in urls]
        assert sum(served) == told["calls"]
        assert min(served) > 0
        assert sum(told["pictures_by_server"].values()) == 12
        assert list(told["pictures_by_server"]) == urls
        drafts = [stats(url)["stages"]["discovery_draft"] for url in urls]
        assert drafts == [3 * count for count in told["pictures_by_server"].values()]
    with servers(scenes, {}) as urls:
        run(scenes, tmp_path / "one", urls)
    assert outputs(tmp_path / "two") == outputs(tmp_path / "one")


class _Chat:
    """What a fleet knows of a server: its address."""

    def __init__(self, base: str) -> None:
        self.server = self
        self.base = base


def test_a_server_s_share_follows_what_it_can_do() -> None:
    """Of two servers one of which takes three times as long, it gets a quarter of the pictures."""
    seconds = {"fast": 1.0, "slow": 3.0}

    async def pictures() -> Counter[str]:
        fleet = Fleet([_Chat("slow"), _Chat("fast")])  # type: ignore[list-item]
        room, shares = asyncio.Semaphore(8), Counter[str]()

        async def picture() -> None:
            async with room, fleet.one() as chat:
                shares[chat.server.base] += 1
                await asyncio.sleep(seconds[chat.server.base])

        await asyncio.gather(*(picture() for _ in range(200)))
        return shares

    shares = in_no_time(pictures())
    assert 40 <= shares["slow"] <= 60


def test_a_server_that_goes_away_is_survived(scenes: Path, tmp_path: Path) -> None:
    """What it was asked goes to the other one, nothing committed is asked again, and the summary says why it was left out."""
    with servers(scenes, {"dialects": ["key-expires"]}, {}) as urls:  # it refuses the key from its 31st request on
        told = run(scenes, tmp_path / "run", urls)
        answers = sum(stats(url)["answers"] for url in urls)
    assert told["anomalies"] + told["none"] == 12
    assert told["stopped"] is None
    assert list(told["servers_left_out"]) == [urls[0]]
    assert "401" in told["servers_left_out"][urls[0]]
    assert told["calls"] == answers
    with servers(scenes, {}) as urls:
        run(scenes, tmp_path / "one", urls)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "one")


def test_when_all_have_gone_the_run_says_why_for_each(scenes: Path, tmp_path: Path) -> None:
    """It ends as with one server: what is finished is written, and the reason names what each said."""
    with (
        servers(scenes, {"dialects": ["key-expires"]}, {"dialects": ["payment"]}) as urls,
        pytest.raises(UnavailableError, match=r"401.*402|402.*401"),
    ):
        run(scenes, tmp_path / "run", urls, limit=40)
    assert summary(tmp_path / "run")["stopped"]


def test_the_option_is_repeated(scenes: Path, tmp_path: Path) -> None:
    """One of two addresses has no server: the run ends whole and says so on stderr."""
    with servers(scenes, {}) as urls, faster(60.0):
        addresses = ("--base-url", "http://127.0.0.1:9/v1", "--base-url", urls[0])
        arguments = (
            "annotate",
            scenes / "images",
            "--out",
            tmp_path / "run",
            "--model",
            "simulated",
            "--plan",
            "direct",
        )
        done = run_command(*arguments, *addresses, "--limit", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:9/v1: left out" in done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["other_servers"] == urls
