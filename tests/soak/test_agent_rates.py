"""Whole runs under a quota of 60 requests a minute, without a word on how long to wait, against three kinds of limiter."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.plans import Settings
from agent.run import Endpoint, annotate
from tests.agent.other_model import paint
from tests.agent.other_refusals import refusal
from tests.agent.other_server import Behaviour, Raw, Request, serve_other
from tests.annotating import summary
from tests.clocks import faster

CLOCK = 6.0
MINUTE = 60 / CLOCK
QUOTA = 60
ANSWER = 2.0 / CLOCK
"""Seconds of the wall's clock that an answer takes: two of the run's."""


class Limiter:
    """Counts what it lets through and what it refuses; `_takes` is called with a lock held."""

    def __init__(self) -> None:
        self.taken: deque[float] = deque()
        self.refused = 0
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Raw | None:
        with self._lock:
            now = time.monotonic()
            if self._takes(now):
                self.taken.append(now)
            else:
                self.refused += 1
                return refusal(429, {"error": {"message": "Too Many Requests", "code": 429}})
        time.sleep(ANSWER)
        return None

    def _takes(self, now: float) -> bool:
        raise NotImplementedError


class Sliding(Limiter):
    """So many in any minute."""

    def _takes(self, now: float) -> bool:
        return sum(one > now - MINUTE for one in self.taken) < QUOTA


class Fixed(Limiter):
    """So many in each minute of the clock."""

    def _takes(self, now: float) -> bool:
        return sum(int(one / MINUTE) == int(now / MINUTE) for one in self.taken) < QUOTA


class Bucket(Limiter):
    """A bucket of so many, filled evenly."""

    left, at = float(QUOTA), 0.0

    def _takes(self, now: float) -> bool:
        self.left = min(QUOTA, self.left + (now - self.at) * QUOTA / MINUTE)
        self.at = now
        taken = self.left >= 1
        self.left -= taken
        return taken


@pytest.mark.soak
@pytest.mark.parametrize("kind", [Sliding, Fixed, Bucket])
def test_a_run_uses_its_quota(kind: Callable[[], Any], tmp_path: Path) -> None:
    """All pictures are finished, at least 90 % of the quota is used and less than 5 % of requests are refused."""
    paint(tmp_path / "pictures", 240, (64, 48), noise=5)
    limiter = kind()
    with serve_other([Behaviour("quota", 15, refuse=limiter)], minute=MINUTE) as books, faster(CLOCK):
        annotate(
            str(tmp_path / "pictures"),
            tmp_path / "run",
            Endpoint("other", books.base_url, 16, 300),
            Settings(plan="direct"),
        )
    told = summary(tmp_path / "run")
    minutes = (limiter.taken[-1] - limiter.taken[0]) / MINUTE
    used, refused = len(limiter.taken) / (QUOTA * minutes), limiter.refused / books.requests
    print(f"\n{kind.__name__}: {used:.0%} of the quota used, {refused:.1%} of {books.requests} requests refused")
    assert told["anomalies"] + told["none"] == 240
    assert used >= 0.9
    assert refused < 0.05
