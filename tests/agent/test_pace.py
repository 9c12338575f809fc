"""The pace of calls, found out by itself: against quotas and limits of all kinds, with a clock that does not wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from agent.pace import Pace
from tests.clocks import in_no_time

LATENCY = 2.0
"""Seconds that an answer takes."""


def _now() -> float:
    return asyncio.get_running_loop().time()


class FixedWindow:
    """So many calls in each minute of the clock."""

    def __init__(self, count: int = 60) -> None:
        self.count, self.minute, self.taken = count, -1, 0

    def take(self) -> float | None:
        """`None` if a call is taken, else the seconds after which one would be."""
        minute = int(_now() // 60)
        if minute != self.minute:
            self.minute, self.taken = minute, 0
        if self.taken >= self.count:
            return 60.0 * (minute + 1) - _now()
        self.taken += 1
        return None


class SlidingWindow:
    """So many calls in the sixty seconds before."""

    def __init__(self, count: int = 60) -> None:
        self.count = count
        self.taken: deque[float] = deque()

    def take(self) -> float | None:
        while self.taken and self.taken[0] <= _now() - 60:
            self.taken.popleft()
        if len(self.taken) >= self.count:
            return self.taken[0] + 60 - _now()
        self.taken.append(_now())
        return None


class TokenBucket:
    """A bucket of so many calls that fills evenly, at 60 a minute."""

    def __init__(self, size: float = 60) -> None:
        self.size, self.left, self.at = size, size, 0.0

    def take(self) -> float | None:
        self.left, self.at = min(self.size, self.left + _now() - self.at), _now()
        if self.left < 1:
            return 1 - self.left
        self.left -= 1
        return None


class AtOnce:
    """So many calls under way at once."""

    def __init__(self, count: int) -> None:
        self.count, self.under_way = count, 0

    def take(self) -> float | None:
        return 1.0 if self.under_way > self.count else None


class Outcome(NamedTuple):
    """What became of some calls: how many attempts were refused, and how many seconds all took."""

    calls: int
    refused: int
    seconds: float
    most: int

    @property
    def refused_share(self) -> float:
        return self.refused / (self.calls + self.refused)


def calls(
    server: Any,
    number: int,
    *,
    tells: bool = False,
    concurrency: int = 16,
    latency: float = LATENCY,
    refusal: float = 0.05,
    **known: Any,
) -> Outcome:
    """Make so many calls, each until it is taken; an answer takes `latency` seconds, a refusal `refusal`."""

    async def made() -> Outcome:
        pace = Pace(concurrency, **known)
        refused = under_way = most = 0
        pool = asyncio.Semaphore(concurrency)

        async def one() -> None:
            nonlocal refused, under_way, most
            async with pool:
                while True:
                    async with pace.turn(100) as turn:
                        under_way += 1
                        most, server.under_way = max(most, under_way), under_way
                        try:
                            wait = server.take()
                            await asyncio.sleep(refusal if wait is not None else latency)
                        finally:
                            under_way -= 1
                        if wait is None:
                            pace.accepted(turn)
                            return
                        refused += 1
                        pace.refused(turn, wait if tells else None)

        await asyncio.gather(*(one() for _ in range(number)))
        return Outcome(number, refused, _now(), most)

    return in_no_time(made())


@pytest.mark.parametrize("number", [100, 300])
@pytest.mark.parametrize("tells", [False, True], ids=["silent", "told"])
@pytest.mark.parametrize("server", [FixedWindow, SlidingWindow, TokenBucket])
def test_a_quota_of_a_minute_is_found_and_used(server: Callable[[], Any], tells: bool, number: int) -> None:
    """Of 60 a minute at least 90 % are used, less than 5 % of requests are refused, and every call is answered in the end."""
    outcome = calls(server(), number, tells=tells)
    assert outcome.calls / (outcome.seconds - LATENCY) >= 0.9, outcome
    assert outcome.refused_share < 0.05, outcome


@pytest.mark.parametrize("number", [100, 300])
@pytest.mark.parametrize(("latency", "concurrency"), [(0.5, 32), (2.0, 4), (8.0, 16)])
@pytest.mark.parametrize("server", [FixedWindow, SlidingWindow, TokenBucket])
def test_a_quota_is_found_whatever_an_answer_takes(
    server: Callable[[], Any], latency: float, concurrency: int, number: int
) -> None:
    """The same without a word on how long, for short and long answers and few and many calls at once.

    A hundred calls of eight seconds are two rounds of answers and a minute of waiting: of such a run 85 % are used.
    """
    outcome = calls(server(), number, latency=latency, concurrency=concurrency)
    least = 0.85 if number * latency == 800 else 0.9
    assert outcome.calls / (outcome.seconds - latency) >= least, outcome
    assert outcome.refused_share < 0.05, outcome


def test_calls_are_spread_over_the_time_of_an_answer() -> None:
    """Where a quota ends, few are under way to be refused: without that it would be all sixteen at once."""
    outcome = calls(TokenBucket(), 100)
    assert outcome.refused <= 4


def test_a_server_that_takes_one_call_a_second_is_found_too() -> None:
    """Where no calls may follow at once, the spacing is found from above: slower at first, with few refusals."""
    outcome = calls(TokenBucket(1), 600)
    assert outcome.calls / outcome.seconds >= 0.8
    assert outcome.refused_share < 0.02


def test_a_limit_of_calls_at_once_is_found() -> None:
    """Where four calls are taken at once, that many are under way most of the time, and few are refused."""
    outcome = calls(AtOnce(4), 600)
    assert outcome.refused_share < 0.05, outcome
    assert outcome.calls * LATENCY / outcome.seconds >= 0.7 * 4, outcome


def test_a_server_without_limits_gets_all_that_is_allowed() -> None:
    """Without a refusal the calls at once double with each round of answers up to the concurrency given."""
    outcome = calls(AtOnce(10**9), 600, concurrency=32)
    assert outcome.most == 32
    assert outcome.seconds <= (600 / 32 + 6) * LATENCY


@pytest.mark.parametrize("known", [{"rpm": 60}, {"tpm": 6000}], ids=["rpm", "tpm"])
def test_a_quota_that_is_known_is_never_passed(known: dict[str, int]) -> None:
    """With `--rpm` or `--tpm` nothing is refused from the first call on, and the quota is used."""
    outcome = calls(SlidingWindow(), 300, **known)
    assert outcome.refused == 0
    assert outcome.calls / outcome.seconds >= 0.9


def test_a_wait_that_is_told_holds_for_all() -> None:
    """What one call is asked to wait, no other call is made in."""

    async def made() -> list[float]:
        pace = Pace(8)
        begun: list[float] = []

        async def one(number: int) -> None:
            async with pace.turn() as turn:
                begun.append(_now())
                await asyncio.sleep(0.01)
                (pace.refused(turn, 30.0) if number == 0 else pace.accepted(turn))

        await asyncio.gather(*(one(number) for number in range(6)))
        return begun

    begun = in_no_time(made())
    assert all(at < 0.02 or at >= 30.0 for at in begun)
    assert sum(at >= 30.0 for at in begun) >= 4
