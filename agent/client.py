"""Calls a server that speaks OpenAI's chat completions: one pool, one layer of retries, one reason when it fails.

Waiting and trying again is for what passes: 429 (as long as `Retry-After` says), 408, 409, 5xx, broken connections and
broken replies. What will not pass stops the run: 400 to 405 would be the same for every picture, and so would an account
without money or a server that nobody finds at its address any more.

Servers differ in what they take. A 400 that names a parameter which can be said otherwise or left out (`max_tokens`, `temperature`,
`seed`, `response_format`) changes the profile for the rest of the run and the call is made again.
"""

import asyncio
import datetime
import email.utils
import logging
import math
import os
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import stamina

from agent.slots import Slots
from dataset_builder.errors import UnavailableError, shorten
from dataset_builder.fields import repair

__all__ = ["CallFailed", "Chat", "Completions", "Reply", "api_key", "connect"]

logging.getLogger("stamina").addHandler(logging.NullHandler())  # a retry is no news; what is given up is told

OPENAI = "https://api.openai.com/v1"
ATTEMPTS = 6
FIRST_WAIT = 0.25
"""Seconds before the second attempt, doubled for each further one; up to twice as long is added at random."""
MAX_WAIT = 60.0
"""Seconds: a server that asks for more between two attempts is waited for no longer than this."""


class Completions(Protocol):
    """What is used of `huggingface_hub.AsyncInferenceClient`."""

    async def chat_completion(self, messages: list[Any], *, model: str | None, extra_body: dict[str, Any]) -> Any: ...

    async def close(self) -> None: ...


class CallFailed(Exception):
    """One call got no answer; the run goes on without it."""


class _Passing(Exception):
    """Will pass: worth another attempt, after `wait` seconds where the server says so.

    `unreachable`: nobody took the connection, which is no other call's luck either. `silent`: there was no reply.
    """

    def __init__(
        self, reason: str, wait: float | None = None, *, unreachable: bool = False, silent: bool = False
    ) -> None:
        super().__init__(reason)
        self.wait, self.unreachable, self.silent = wait, unreachable, silent


class _Adapted(Exception):
    """The profile was changed; the same call is made again."""


class Reply(NamedTuple):
    """What a call came back with; `refusal` is the server's own word that it declined, tokens are what it billed."""

    text: str
    finish_reason: str
    refusal: str | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float


class _Profile(NamedTuple):
    """What this server takes: the name of the limit of tokens, and the parameters that it does not."""

    limit: str = "max_tokens"
    left_out: frozenset[str] = frozenset()

    def adapted(self, message: str) -> "_Profile | None":
        """The profile that heeds a refusal, or `None` if it names nothing that can be said otherwise."""
        if self.limit == "max_tokens" and "max_completion_tokens" in message:
            return self._replace(limit="max_completion_tokens")
        for name, signs in _OPTIONAL.items():
            if name not in self.left_out and any(sign in message for sign in signs):
                return self._replace(left_out=self.left_out | {name})
        return None


class _Verbatim(str):
    """A word that equals no other and is written into JSON like any.

    `AsyncInferenceClient` turns a `response_format` of the type `json_schema` into a form of Hugging Face's own servers, whatever
    address it was given, and in `extra_body` too; OpenAI and vLLM do not know that form. This type it lets pass.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


_OPTIONAL = {
    "response_format": ("response_format", "json_schema", "guided"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "seed": ("seed",),
}


class Chat:
    """A model behind a server, with room for `concurrency` calls at once.

    Args:
        client: an `AsyncInferenceClient`, or whatever has its `chat_completion`.
        model (`str`): the model's name at that server.
        concurrency (`int`, defaults to 16): calls in flight, of all pictures together.
        timeout (`float`, defaults to 300): seconds for one attempt.
    """

    def __init__(self, client: Completions, model: str, *, concurrency: int = 16, timeout: float = 300.0) -> None:
        self.client, self.model, self.timeout = client, model, timeout
        self.slots = Slots(concurrency)
        self._profile = _Profile()
        self._reached = False
        self._stopped: str | None = None

    async def ask(self, messages: list[dict[str, Any]], parameters: Mapping[str, Any], max_tokens: int) -> Reply:
        """One answer; the caller holds one of `slots`.

        Raises:
            CallFailed: if this call got none.
            UnavailableError: if no call would, with the server's reason.
        """
        while True:
            try:
                return await self._with_retries(messages, parameters, max_tokens)
            except _Adapted:
                continue

    async def _with_retries(self, messages: list[Any], parameters: Mapping[str, Any], max_tokens: int) -> Reply:
        try:
            async for attempt in stamina.retry_context(
                on=_wait,
                attempts=ATTEMPTS,
                timeout=None,
                wait_initial=FIRST_WAIT,
                wait_max=20.0,
                wait_jitter=2 * FIRST_WAIT,
            ):
                with attempt:
                    if self._stopped is not None:
                        raise UnavailableError(self._stopped)
                    reply = await self._once(messages, parameters, max_tokens)
                    self._reached = True
                    return reply
        except _Passing as error:
            if error.unreachable or (error.silent and not self._reached):
                raise self._stop(f"no answer from the server ({error}); is it running, is --base-url right?") from None
            raise CallFailed(f"no answer after {ATTEMPTS} attempts ({error})") from None
        raise AssertionError("a retry context ends with an answer or an error")

    async def _once(self, messages: list[Any], parameters: Mapping[str, Any], max_tokens: int) -> Reply:
        profile = self._profile
        body = {name: value for name, value in parameters.items() if name not in profile.left_out}
        body[profile.limit] = max_tokens
        if form := body.get("response_format"):
            body["response_format"] = form | {"type": _Verbatim(form["type"])}
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout):
                output = await self.client.chat_completion(messages, model=self.model, extra_body=body)
        except TimeoutError as error:
            raise _Passing(f"nothing within {self.timeout:g} s", silent=True) from error
        except Exception as error:
            # Not `from error`: its text may quote the key, and would stand in a traceback.
            raise self._judge(error, profile) from None
        reply = _read(output, time.monotonic() - started)
        declined = reply.refusal and self._without_keys(reply.refusal)
        return reply._replace(text=self._without_keys(reply.text), refusal=declined)

    def _judge(self, error: Exception, profile: _Profile) -> Exception:
        """What an attempt's error means for the call and for the run."""
        import httpx2

        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if response is None or status is None:
            unreachable = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            return _Passing(
                _reason(error, self._without_keys(str(error))),
                unreachable=unreachable,
                silent=isinstance(error, httpx2.TransportError),
            )
        text = self._without_keys(repair(response.text[:2000]))
        reason = f"{status}: {shorten(_message(text), 300)}"
        if status == 429 and "insufficient_quota" in text:
            return self._stop(f"the server refuses the request ({reason}); {_MENDS[402]}")
        if status == 429 or status in (408, 409) or status >= 500:
            return _Passing(reason, _retry_after(response.headers.get("retry-after")))
        if status == 400 and ("content_filter" in text or "content_policy" in text):
            return CallFailed(f"refused ({reason})")
        if status in (400, 422):
            # Calls that were under way when another one's refusal changed the profile are made again under the new one.
            adapted = profile.adapted(text) if profile == self._profile else self._profile
            if adapted is not None:
                self._profile = adapted
                return _Adapted()
        if status in _MENDS:
            return self._stop(f"the server refuses the request ({reason}); {_MENDS[status]}")
        return CallFailed(f"the server refuses the request ({reason})")

    def _without_keys(self, text: str) -> str:
        """What came back from a server without a key: some quote what they were sent."""
        named = {name: os.environ.get(name, "").strip() for name in _KEYS}
        named["key"] = getattr(self.client, "token", None) or ""
        for name, key in named.items():
            if len(key) >= 8:  # a shorter one is a placeholder such as EMPTY
                text = text.replace(key, f"[{name}]")
        return text

    def _stop(self, reason: str) -> UnavailableError:
        self._stopped = self._stopped or f"{self.model}: {reason}"
        return UnavailableError(self._stopped)


_MENDS = {
    400: "choose a model that takes pictures and a limit that it allows",
    401: "put a valid key into OPENAI_API_KEY, or HF_TOKEN for Hugging Face",
    402: "put money into the account and run again",
    403: "the key may not use this model",
    404: "check --model and --base-url (it usually ends in /v1)",
    405: "check --base-url (it usually ends in /v1)",
}


def _wait(error: Exception) -> bool | float:
    if not isinstance(error, _Passing):
        return False
    return True if error.wait is None else error.wait


def _retry_after(header: str | None) -> float | None:
    """The seconds that a header asks to wait: a number, or the date until when."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(header)
            seconds = (until - datetime.datetime.now(until.tzinfo)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_WAIT)


def _read(output: Any, seconds: float) -> Reply:
    try:
        choice, usage = output.choices[0], output.usage
        message = choice.message
        text, refusal = message.content or "", getattr(message, "refusal", None)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise _Passing(f"the reply is no chat completion ({type(error).__name__})") from error
    if not isinstance(text, str):
        raise _Passing("the reply's content is no text")
    reason = choice.finish_reason if isinstance(choice.finish_reason, str) else "stop"
    declined = repair(str(refusal)[:500]) if refusal else None
    billed = [_count(getattr(usage, name, 0)) for name in ("prompt_tokens", "completion_tokens")]
    return Reply(repair(text), repair(reason[:100]), declined, billed[0], billed[1], seconds)


def _count(value: object) -> int:
    """A number of tokens as a server states it; 0 for what is none."""
    return value if isinstance(value, int) and 0 <= value < 2**40 else 0


def _message(text: str) -> str:
    """The sentence in an error body, which most servers wrap in JSON."""
    found = re.search(r'"(?:message|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"', text)
    return found[1] if found else text.strip()


def _reason(error: Exception, said: str) -> str:
    detail = said.strip().splitlines()
    return f"{type(error).__name__}{': ' + shorten(detail[0], 160) if detail else ''}"


_KEYS = ("OPENAI_API_KEY", "HF_TOKEN", "ANOMREASON_API_KEY")


def api_key(base_url: str | None) -> str | None:
    """The key for a server, from the environment: `HF_TOKEN` for Hugging Face's own, `OPENAI_API_KEY` for all others.

    A token of one is never sent to the other.
    """
    host = urlsplit(base_url).hostname or "" if base_url else "huggingface.co"
    ours = host == "huggingface.co" or host.endswith((".huggingface.co", ".huggingface.cloud", ".hf.space"))
    return os.environ.get("HF_TOKEN" if ours else "OPENAI_API_KEY", "").strip() or None


def connect(model: str, base_url: str | None = None, timeout: float = 300.0, key: str | None = None) -> Completions:
    """A client for a model. The key comes from the environment, unless given, and stays in the client's memory.

    Without `base_url` a name with an owner (`Qwen/…`) goes to Inference Providers, any other to OpenAI or
    `OPENAI_BASE_URL`.

    Raises:
        UnavailableError: if a key is needed and none is set.
    """
    if base_url is None and "/" in model:
        if api_key(None) is None:
            raise UnavailableError(f"{model}: needs HF_TOKEN in the environment, or --base-url of a server of yours")
        return _client(token=api_key(None), timeout=timeout)
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI).rstrip("/")
    _check_address(url)
    key = key or api_key(url)
    if url == OPENAI and key is None:
        raise UnavailableError(f"{model}: needs OPENAI_API_KEY in the environment, or --base-url of another server")
    # A word in place of no key: the client would otherwise send the Hub token of this machine to whoever is asked.
    return _client(base_url=url, api_key=key or "none", timeout=timeout)


def _check_address(url: str) -> None:
    """Raise `UnavailableError`, without quoting a key, for what is no address of a server."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
        parts = urlsplit("")
    if "@" in url or parts.query:
        raise UnavailableError(
            "--base-url: holds a user name, a password or parameters; give the plain address, and the key in OPENAI_API_KEY"
        )
    if not usable:
        raise UnavailableError(f"--base-url {shorten(url)}: is no address; write for example http://localhost:8000/v1")


def _client(**options: Any) -> Completions:
    """An `AsyncInferenceClient` that keeps its connections, and that `HF_HUB_OFFLINE` does not keep from a server.

    The variable says that the Hub is out of reach; the library takes it for any address, so a client with the library's
    session would refuse to speak to a server on the same machine.
    """
    import httpx2
    from huggingface_hub import AsyncInferenceClient

    class Client(AsyncInferenceClient):  # type: ignore[misc]
        async def _get_async_client(self) -> httpx2.AsyncClient:
            if self._async_client is None:
                session = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_keepalive_connections=256))
                self._async_client = await self.exit_stack.enter_async_context(session)
            return self._async_client

    client: Completions = Client(**options)
    return client
