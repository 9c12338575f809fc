"""When the next call may go to a server: as many at once and as often as it takes, found out by itself.

- What a server asks to wait is waited by all calls, not only by the one that was told.
- Without such a word one call probes, after 1, 4, 16, 30 seconds; the others wait for what comes of it. Where as many calls were
  taken as a quota of a minute may allow, the third probe is made when the first of them is a minute old. A probe counts as taken
  once it was under way for longer than refusals take; the others need not wait for its answer.
- Calls begin spread over the time that an answer takes, so that those under way when a quota ends are few.
- Calls at once: two to begin with, one more for each answer until the first refusal (slow start). A refusal of as many as
  are allowed halves them, each answer adds a share of one (additive increase, multiplicative decrease).
- Calls per minute: where a quota is at work, calls are spaced evenly. If the server stays closed for long, the calls it took in the
  minute before are the quota. Else the spacing is guessed from how long it stayed closed and shrinks until the next refusal; from
  then on, what is taken between two refusals is a measure of it. A measured spacing is tried 5 % closer only now and then. Where a
  server says that it may be asked again at once, and takes calls soon after, it is busy and no quota is at work.

Times are the event loop's, so a loop with a faster clock waits less.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import NamedTuple, Protocol

__all__ = ["Pace", "Pacing", "Turn", "Unpaced"]

MINUTE = 60.0
FIRST_PROBE, PROBE_GROWS, LAST_PROBE = 1.0, 4, 30.0
FIRST_WINDOW = 2
QUOTA_FROM = 10
"""Answers within a minute from which a refusal may be a quota's rather than of too many calls at once."""
LONG = 20.0
"""Seconds that a server stays closed, from which it is surely a quota."""
GUESS_SHRINKS, GUESS_AFTER = 0.85, 5
TRY_CLOSER, TRY_AFTER = 0.95, 2 * MINUTE
MEASURED_FROM, LARGEST_STEP = 4, 2.0
"""Calls taken between two refusals, from which their distance is a measure, and by how much it widens the spacing at most."""
LATE, SURELY = 0.05, 1.0
"""Seconds by which a server's minute may end after ours: calls travel. The second is for a probe, which is not made twice."""
LET_IN = 4
"""Times that the longest refusal took, and a second: who probes and is not refused by then has been let in."""
SPREAD = 0.7
"""The share of an answer's time over which calls are spread; over all of it, a place would often be free."""
SHORTEST = 0.004
"""Seconds between two calls, below which spreading them costs more than it brings."""


class Turn(NamedTuple):
    """One call's: how many refusals were known when it began, and when that was."""

    events: int
    began: float


class Pacing(Protocol):
    """Says when calls begin, and is told what became of them; see `Pace`."""

    def turn(self, tokens: int = 0) -> AbstractAsyncContextManager[Turn]: ...
    def accepted(self, turn: Turn) -> None: ...
    def refused(self, turn: Turn, wait: float | None) -> None: ...
    def hold(self, seconds: float) -> None: ...
    def open(self) -> None: ...


class Unpaced:
    """Lets every call begin at once: a server that answers another day has its own pace."""

    @asynccontextmanager
    async def turn(self, tokens: int = 0) -> AsyncIterator[Turn]:
        yield Turn(0, _now())

    def accepted(self, turn: Turn) -> None: ...
    def refused(self, turn: Turn, wait: float | None) -> None: ...
    def hold(self, seconds: float) -> None: ...
    def open(self) -> None: ...


class Pace:
    """The pace of calls to one server.

    Args:
        concurrency (`int`): calls at once, at most.
        rpm (`int`, *optional*): calls per minute, for those who know their quota.
        tpm (`int`, *optional*): tokens per minute, prompts and limits of answers together.
    """

    def __init__(self, concurrency: int, rpm: int | None = None, tpm: int | None = None) -> None:
        self.concurrency, self.tpm = concurrency, tpm
        self._spacing = self._least = MINUTE / rpm if rpm else 0.0
        self._measured = rpm is not None
        self._window = float(min(FIRST_WINDOW, concurrency))
        self._under_way = self._events = self._in_a_row = 0
        self._closed_until = self._next_start = self._refused_at = self._oldest = self._try_at = 0.0
        self._try_after = TRY_AFTER
        self._before, self._crowded = 0, False
        self._answer: float | None = None
        self._wide = self._window
        self._probe: float | None = None
        self._probe_began: float | None = None
        self._refusal = self._between = 0.0
        self._taken, self._was_long, self._momentary = 0, False, False
        self._accepted: deque[float] = deque()
        self._started: deque[tuple[float, int]] = deque()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def turn(self, tokens: int = 0) -> AsyncIterator[Turn]:
        """Hold a place among the calls under way; `tokens` is what the call may use at most.

        Gives what is to be handed to `accepted` or `refused`: what was under way when another call was refused tells nothing of how
        the server is afterwards.
        """
        while (wait := self._wait(tokens)) is None or wait > 1e-6:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
        now = _now()
        self._under_way += 1
        if self._probe is not None:
            self._probe_began = now
        self._next_start = max(now, self._next_start) + max(self._spacing, self._spread)
        if self.tpm is not None:
            self._started.append((now, tokens))
        try:
            yield Turn(self._events, now)
        finally:
            self._under_way -= 1
            self.wake()

    def accepted(self, turn: Turn) -> None:
        """A call was answered."""
        now = _now()
        self._taken += 1
        self._accepted.append(turn.began)  # which is nearer to when the server counted it
        took = now - turn.began
        # The shortest lately: one slow answer, such as the first, must not slow down the others.
        self._answer = took if self._answer is None else min(took, 1.05 * self._answer)
        if turn.events < self._events:  # it began before the server was closed
            self._before += 1
            return
        self._window = min(self.concurrency, self._window + (1 / self._window if self._events else 1))
        self._in_a_row += 1
        if self._probe is not None:
            self._reopen()
        elif self._spacing > self._least and not self._measured and self._in_a_row >= GUESS_AFTER:
            self._space(self._spacing * GUESS_SHRINKS)
        elif self._spacing > self._least and self._measured and now >= self._try_at:
            self._space(self._spacing * TRY_CLOSER)
            self._try_at = now + self._try_after
        self.wake()

    def refused(self, turn: Turn, wait: float | None) -> None:
        """A call was refused because there are too many; `wait` are the seconds that the server asks for."""
        now = _now()
        self._refusal = max(self._refusal, now - turn.began)
        if turn.events < self._events:  # it was under way when another was refused: the same news
            if wait is not None:
                self._closed_until = max(self._closed_until, now + wait)
            return
        self._events += 1
        self._in_a_row = 0
        self._probe_began = None
        probed = self._probe is not None
        if self._probe is None:
            steady = self._measured and not self._was_long and self._taken >= MEASURED_FROM
            self._between = (now - self._refused_at) / self._taken if steady else 0.0
            self._taken = 0
            self._refused_at, self._before = now, self._in_the_last_minute(now)
            self._oldest = self._accepted[0] if self._accepted else now
            self._crowded = self._under_way >= max(int(self._window), 2)
            self._wide = self._window
            if self._crowded or not self._spacing:
                self._window = max(self._window / 2, 1.0)
            self._momentary = wait == 0
            self._probe = FIRST_PROBE
        else:
            self._probe = min(self._probe * PROBE_GROWS, LAST_PROBE)
        again = now + self._probe
        if self._probe == FIRST_PROBE * PROBE_GROWS**2 and self._before >= QUOTA_FROM:
            again = max(again, self._oldest + MINUTE + SURELY)
        if wait is not None:  # whoever asks for no wait again and again is not asked at once again and again
            again = max(now + wait, again) if probed else now + wait
        self._closed_until = again
        self.wake()

    def hold(self, seconds: float) -> None:
        """Keep all calls for so long, as a server asks."""
        self._closed_until = max(self._closed_until, _now() + seconds)

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()

    def open(self) -> None:
        """Let everybody go at once: the run is over, and they are told so where they would call."""
        self._closed_until = self._next_start = self._spacing = 0.0
        self._window, self._probe, self.tpm, self._answer = 1e9, None, None, None
        self.wake()

    @property
    def _spread(self) -> float:
        """Seconds between two calls that spread those allowed at once over most of an answer's time; 0 if next to nothing."""
        spread = SPREAD * (self._answer or 0.0) / self._window
        return spread if spread >= SHORTEST else 0.0

    def _reopen(self) -> None:
        """The server takes calls again, since the probe began."""
        began = _now() if self._probe_began is None else self._probe_began
        self._probe = self._probe_began = None
        self._estimate(began)

    def _estimate(self, now: float) -> None:
        """The spacing after a refusal, once the server takes calls again."""
        closed, quota = now - self._refused_at, MINUTE / max(self._before, 1)
        self._was_long = closed >= LONG
        if self._was_long:
            self._window = max(self._window, self._wide)  # it was not of too many at once
            self._space(quota)
            self._measured = True
        elif self._momentary:  # by the server's own word it takes calls at once: it was busy, and no quota was used up
            pass
        elif self._spacing:
            if not self._crowded:  # it was a little too close
                nearly = self._measured or self._spacing >= TRY_CLOSER * quota
                wider = self._spacing / (TRY_CLOSER if nearly else GUESS_SHRINKS)
                # What was taken since the refusal before is what a bucket is filled with.
                self._space(max(wider, min(self._between, LARGEST_STEP * self._spacing)))
                self._measured = True
        elif self._window < 2 or self._before >= QUOTA_FROM:
            self._space(min(closed, quota))
        self._try_at, self._try_after = now + self._try_after, min(self._try_after * 2, 60 * MINUTE)

    def _space(self, seconds: float) -> None:
        self._spacing, self._in_a_row = max(seconds, self._least), 0

    def _in_the_last_minute(self, now: float) -> int:
        while self._accepted and self._accepted[0] <= now - MINUTE:
            self._accepted.popleft()
        return len(self._accepted)

    def _wait(self, tokens: int) -> float | None:
        """Seconds until a call may begin as things are; `None` if only the end of another one can tell."""
        now = _now()
        if now < self._closed_until:
            return self._closed_until - now
        if self._probe_began is not None and self._under_way:
            taken = self._probe_began + LET_IN * self._refusal + FIRST_PROBE  # refusals would have come by then
            if now < taken:
                return taken - now
            self._reopen()
        if self._under_way >= (int(self._window) if self._probe is None else 1):
            return None
        if now < self._next_start:
            return self._next_start - now
        if self.tpm is None:
            return 0.0
        while self._started and self._started[0][0] <= now - MINUTE - LATE:
            self._started.popleft()
        used = sum(one for _, one in self._started)
        return 0.0 if not self._started or used + tokens <= self.tpm else self._started[0][0] + MINUTE + LATE - now


def _now() -> float:
    return asyncio.get_running_loop().time()
