"""Calls a server that speaks OpenAI's chat completions: one pool, one pace, one layer of retries, one reason when it fails.

What passes is tried again: broken connections and replies, 408, 409 and 5xx a few times, 429 for as long as the server takes other
calls. What one request is refused for fails that request. What every request would be refused for (key, account, model, an
address where no such server is) stops the run.

Servers differ in what they take: a refused call is said otherwise where that may help; see `agent.wording`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import httpx2

from agent.accounts import Account, Free
from agent.connection import Came, Server
from agent.journal_rows import Attempt
from agent.pace import Pace, Pacing, Turn
from agent.refusals import Refusal, judge
from agent.replies import MAX_ANSWER, NotAnAnswer, Reply, Strange, read_reply, said
from agent.slots import Slots
from agent.waits import asked_to_wait
from agent.wording import Call, Way, Wording
from dataset_builder.errors import UnavailableError, shorten

__all__ = ["CallFailed", "Chat", "Reply"]

ATTEMPTS = 6
FIRST_WAIT = 0.25
"""Seconds before the second attempt, doubled for each further one."""
LONGEST_WAIT = 600.0
"""Seconds: if a server asks to wait longer, the run stops and says when to resume."""
PATIENCE = 900.0
"""Seconds in which a server that is too busy must have answered some call."""
STRANGE = 3
"""Replies of something that is not such a server, with no answer among them, after which the run stops."""
READ = 20_000
"""Characters of an error that are read."""


class CallFailed(Exception):
    """One call got no answer; the run continues without it."""


class Chat:
    """A model behind a server, with room for `concurrency` calls at once.

    Args:
        server (`Server`): see `agent.connection.connect`.
        model (`str`): the model's name at that server.
        concurrency (`int`, defaults to 16): calls in flight, of all pictures together.
        timeout (`float`, *optional*, defaults to 300): seconds for one attempt.
        pace (`Pace`, *optional*): when calls begin; by default one that finds out what the server takes.
        rpm, tpm (`int`, *optional*): the quota, calls and tokens per minute, if it is known.
    """

    def __init__(
        self,
        server: Server,
        model: str,
        *,
        concurrency: int = 16,
        timeout: float | None = 300.0,
        pace: Pacing | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
    ) -> None:
        self.server, self.model, self.timeout = server, model, timeout
        self.slots = Slots(concurrency)
        self.pace = pace or Pace(concurrency, rpm, tpm)
        self._wording = Wording(model)
        self._answered = self._reached = False
        self._strange = 0
        self._heard: float | None = None
        self._stopped: str | None = None

    async def ask(
        self,
        messages: list[dict[str, Any]],
        parameters: Mapping[str, Any],
        max_tokens: int,
        *,
        prompt_tokens: int = 0,
        account: Account | None = None,
    ) -> Reply:
        """One answer; the caller holds one of `slots`.

        Args:
            messages, parameters: of the request.
            max_tokens (`int`): of the answer; fewer are asked for where the server has no room for as many.
            prompt_tokens (`int`): an estimate, for the pace and for servers that do not say what they used.
            account (`Account`, *optional*): told of every attempt.

        Raises:
            CallFailed: if this call got none.
            UnavailableError: if no call would, with the server's reason.
        """
        account = account or Free()
        call, failures = Call(max_tokens), 0
        while True:
            way, call = self._wording.way, self._wording.within(call, prompt_tokens)
            outcome = await self._attempt(messages, parameters, call, way, prompt_tokens, account)
            if isinstance(outcome, Reply):
                return outcome
            if outcome.kind == "busy":
                continue
            again = self._wording.heed(outcome, messages, parameters, call, way, prompt_tokens)
            if again is not None:
                call = again
            elif outcome.kind in ("passing", "strange") or outcome.fault:
                failures += 1
                if failures >= ATTEMPTS:
                    raise self._given_up(outcome)
                await asyncio.sleep(FIRST_WAIT * 2 ** (failures - 1))
            else:
                raise CallFailed(_refuses(outcome))

    async def stream(
        self, messages: list[dict[str, Any]], parameters: Mapping[str, Any], max_tokens: int
    ) -> AsyncGenerator[str, None]:
        """An answer piece by piece, for somebody who waits: refusals are heeded as in `ask`, but nothing is waited for.

        Raises:
            CallFailed: if there is no answer, or only a part of it came.
            UnavailableError: if no call would be answered.
        """
        call = Call(max_tokens)
        while True:
            way = self._wording.way
            body = self._wording.body(messages, parameters, call, way)
            try:
                async with self.server.stream(body) as came:
                    if not isinstance(came, Came):
                        async for piece in _pieces(came):
                            yield piece
                        return
                    outcome = self._read(came, 0.0, 0)
            except httpx2.HTTPError as error:
                raise CallFailed(f"the connection broke ({type(error).__name__})") from None
            if isinstance(outcome, Reply):
                yield outcome.text
                return
            again = None
            if outcome.kind not in ("busy", "account", "model"):
                again = self._wording.heed(outcome, messages, parameters, call, way)
            if again is None:
                raise CallFailed(_refuses(outcome))
            call = again

    async def _attempt(
        self,
        messages: list[Any],
        parameters: Mapping[str, Any],
        call: Call,
        way: Way,
        prompt_tokens: int,
        account: Account,
    ) -> Reply | Refusal:
        body = self._wording.body(messages, parameters, call, way)
        async with self.pace.turn(prompt_tokens + call.limit) as turn:
            if self._stopped is not None:
                raise UnavailableError(self._stopped)
            attempt = await account.begin(call.limit)
            started = time.monotonic()
            try:
                came = await self._came(body, attempt)
            except BaseException:
                if not self.server.keeps:
                    # Whoever waited was stopped, and nobody knows what the server does with the request.
                    await asyncio.shield(account.lost("stopped while the server had it", billed=True))
                raise
            self._reached = self._reached or isinstance(came, Came)
            outcome = came if isinstance(came, Refusal) else self._read(came, time.monotonic() - started, prompt_tokens)
            if isinstance(outcome, Reply):
                self._answered, self._strange, self._heard = True, 0, _now()
                self.pace.accepted(turn)
                self._wording.answered(messages, parameters, call, way)
                return outcome._replace(limit=call.limit)
            await account.lost(outcome.reason, billed=outcome.billed)
            if outcome.kind in ("busy", "passing") and isinstance(came, Came):
                self._wait_as_told(came, turn, outcome)
            if outcome.kind == "strange":
                self._count_strange(outcome)
            if outcome.kind in ("account", "model") or (
                outcome.kind == "blind" and not self._answered
            ):  # here, before a place becomes free for the next call
                raise self._stop(f"{_refuses(outcome)}; {outcome.fix}")
            return outcome

    async def _came(self, body: Mapping[str, Any], attempt: Attempt | None) -> Came | Refusal:
        try:
            async with asyncio.timeout(self.timeout):
                return await self.server.complete(body, attempt)
        except TimeoutError:
            return Refusal("passing", f"nothing within {self.timeout:g} s", billed=True)
        except httpx2.HTTPError as error:
            unreachable = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            said = self.server.without_keys(str(error)).strip().splitlines()
            reason = f"{type(error).__name__}{': ' + shorten(said[0], 160) if said else ''}"
            return Refusal("passing", reason, billed=not unreachable, unreachable=unreachable)

    def _read(self, came: Came, seconds: float, prompt_tokens: int) -> Reply | Refusal:
        """The answer, or what it means that there is none."""
        clean = self.server.without_keys
        try:
            if 300 <= came.status < 400:
                raise Strange(
                    f"a redirect to {shorten(clean(came.headers.get('location', '').partition('?')[0]), 120)}"
                )
            if came.status == 200:
                reply = read_reply(came, seconds, prompt_tokens)
                return reply._replace(text=clean(reply.text), refusal=reply.refusal and clean(reply.refusal))
        except Strange as strange:
            # Whatever it is that answers, it may have worked for the answer, unless it is a page.
            return Refusal("strange", str(strange), billed=came.status == 200 and not came.is_html)
        except NotAnAnswer as nothing:
            return judge(200, clean(nothing.text[:READ]))
        return judge(came.status, clean(came.text[:READ]))

    def _wait_as_told(self, came: Came, turn: Turn, refusal: Refusal) -> None:
        wait = asked_to_wait(came.headers, came.text[:READ])
        if wait is not None and wait > LONGEST_WAIT:
            raise self._stop(
                f"the server accepts no more calls for {_span(wait)} ({refusal.reason}); re-run after that"
            )
        if refusal.kind == "passing":  # a fault: a call has a few attempts at it, however short the wait it asks for
            self.pace.hold(wait or 0.0)
            return
        self._heard = _now() if self._heard is None else self._heard
        if _now() - self._heard > PATIENCE:
            raise self._stop(f"the server has accepted no call for {_span(PATIENCE)} ({refusal.reason}); re-run later")
        self.pace.refused(turn, wait)

    def _count_strange(self, refusal: Refusal) -> None:
        self._strange += 1
        if not self._answered and self._strange >= STRANGE:
            raise self._stop(
                f"{refusal.reason} came back instead of a chat completion; give as --base-url the URL up to /v1, for example "
                "http://localhost:8000/v1"
            )

    def _given_up(self, refusal: Refusal) -> Exception:
        if refusal.unreachable or not self._reached:
            return self._stop(
                f"no answer from the server ({refusal.reason}); check that it is running and that --base-url is right"
            )
        return CallFailed(f"no answer after {ATTEMPTS} attempts ({refusal.reason})")

    def _stop(self, reason: str) -> UnavailableError:
        self._stopped = self._stopped or f"{self.model}: {reason}"
        self.pace.open()
        return UnavailableError(self._stopped)


async def _pieces(chunks: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    """The text in the chunks of a streamed answer; of one without text, the model's thoughts at its end."""
    thoughts, spoke, ended = "", False, False
    async for chunk in chunks:
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if chunk.get("error") or choice.get("error") or choice.get("finish_reason") == "error":
            raise CallFailed("the server ended its answer with an error")
        found = choice.get("delta")
        text, thought = said(found if isinstance(found, dict) else {})
        thoughts = (thoughts + thought)[:MAX_ANSWER]
        ended = ended or choice.get("finish_reason") is not None
        spoke = spoke or bool(text)
        yield text or ""
    if not ended:
        raise CallFailed("the server stopped sending in the middle of its answer")
    if not spoke and thoughts:
        yield thoughts


def _refuses(refusal: Refusal) -> str:
    return f"the server refuses the request ({refusal.reason})"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _span(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
