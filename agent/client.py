"""Calls a server that speaks OpenAI's chat completions: one pool, one layer of retries, one reason when it fails.

Waiting and trying again is for what passes: 429 (as long as `Retry-After` says), 408, 409, 5xx, broken connections and
broken replies. What will not pass stops the run: 400, 401, 403 and 404 would be the same for every picture.

Servers differ in what they take. A 400 that names a parameter which can be said otherwise or left out (`max_tokens`, `temperature`,
`seed`, `response_format`) changes the profile for the rest of the run and the call is made again.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
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
MAX_WAIT = 60.0
"""Seconds: a server that asks for more between two attempts is waited for no longer than this."""


class Completions(Protocol):
    """What is used of `huggingface_hub.AsyncInferenceClient`."""

    async def chat_completion(self, messages: list[Any], *, model: str | None, extra_body: dict[str, Any]) -> Any: ...

    async def close(self) -> None: ...


class CallFailed(Exception):
    """One call got no answer; the run goes on without it."""


class _Passing(Exception):
    """Will pass: worth another attempt, after `wait` seconds where the server says so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


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


@dataclass
class _Profile:
    """What this server takes."""

    limit: str = "max_tokens"
    left_out: set[str] = field(default_factory=set)

    def adapt(self, message: str) -> bool:
        """Whether a refusal named something that can be said otherwise; then it is, from now on."""
        if self.limit == "max_tokens" and "max_completion_tokens" in message:
            self.limit = "max_completion_tokens"
            return True
        for name, signs in _OPTIONAL.items():
            if name not in self.left_out and any(sign in message for sign in signs):
                self.left_out.add(name)
                return True
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
                on=_wait, attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=20.0, wait_jitter=0.5
            ):
                with attempt:
                    if self._stopped is not None:
                        raise UnavailableError(self._stopped)
                    reply = await self._once(messages, parameters, max_tokens)
                    self._reached = True
                    return reply
        except _Passing as error:
            if not self._reached and isinstance(error.__cause__, OSError | asyncio.TimeoutError | ConnectionError):
                raise self._stop(f"no answer from the server ({error}); is it running, is --base-url right?") from None
            raise CallFailed(f"no answer after {ATTEMPTS} attempts ({error})") from None
        raise AssertionError("a retry context ends with an answer or an error")

    async def _once(self, messages: list[Any], parameters: Mapping[str, Any], max_tokens: int) -> Reply:
        profile = self._profile
        body = {name: value for name, value in parameters.items() if name not in profile.left_out}
        body[profile.limit] = max_tokens
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout):
                # Through extra_body, because the client would rewrite a response_format of its own parameter.
                output = await self.client.chat_completion(messages, model=self.model, extra_body=body)
            return _read(output, time.monotonic() - started)
        except TimeoutError as error:
            raise _Passing(f"nothing within {self.timeout:g} s") from error
        except Exception as error:
            raise self._judge(error, profile) from error

    def _judge(self, error: Exception, profile: _Profile) -> Exception:
        """What an attempt's error means for the call and for the run."""
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if response is None or status is None:
            return _Passing(_reason(error)) if not isinstance(error, _Passing) else error
        text = repair(response.text[:2000])
        reason = f"{status}: {shorten(_message(text), 300)}"
        if status == 429 or status in (408, 409) or status >= 500:
            return _Passing(reason, _retry_after(response.headers.get("retry-after")))
        if status == 400 and ("content_filter" in text or "content_policy" in text):
            return CallFailed(f"refused ({reason})")
        if status in (400, 422) and (self._profile is not profile or self._profile.adapt(text)):
            return _Adapted()
        if status in (400, 401, 403, 404):
            return self._stop(f"the server refuses the request ({reason}); {_MENDS[status]}")
        return CallFailed(f"the server refuses the request ({reason})")

    def _stop(self, reason: str) -> UnavailableError:
        self._stopped = self._stopped or f"{self.model}: {reason}"
        return UnavailableError(self._stopped)


_MENDS = {
    400: "choose a model that takes pictures and a limit that it allows",
    401: "put a valid key into OPENAI_API_KEY, or HF_TOKEN for Hugging Face",
    403: "the key may not use this model",
    404: "check --model and --base-url (it usually ends in /v1)",
}


def _wait(error: Exception) -> bool | float:
    if not isinstance(error, _Passing):
        return False
    return True if error.wait is None else error.wait


def _retry_after(header: str | None) -> float | None:
    try:
        return None if header is None else min(max(float(header), 0.0), MAX_WAIT)
    except ValueError:
        return None  # a date: rare enough for the usual wait


def _read(output: Any, seconds: float) -> Reply:
    try:
        choice, usage = output.choices[0], output.usage
        message = choice.message
        text, refusal = message.content or "", getattr(message, "refusal", None)
        billed = (getattr(usage, "prompt_tokens", 0) or 0, getattr(usage, "completion_tokens", 0) or 0)
    except (AttributeError, IndexError, TypeError) as error:
        raise _Passing(f"the reply is no chat completion ({type(error).__name__})") from error
    if not isinstance(text, str):
        raise _Passing("the reply's content is no text")
    reason = choice.finish_reason if isinstance(choice.finish_reason, str) else "stop"
    return Reply(repair(text), reason, str(refusal)[:500] if refusal else None, *billed, seconds)


def _message(text: str) -> str:
    """The sentence in an error body, which most servers wrap in JSON."""
    found = re.search(r'"(?:message|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"', text)
    return found[1] if found else text.strip()


def _reason(error: Exception) -> str:
    detail = str(error).strip().splitlines()
    return f"{type(error).__name__}{': ' + shorten(detail[0], 160) if detail else ''}"


def api_key(base_url: str | None) -> str | None:
    """The key for a server, from the environment: `HF_TOKEN` for Hugging Face's own, `OPENAI_API_KEY` for all others.

    A token of one is never sent to the other.
    """
    host = urlsplit(base_url).hostname or "" if base_url else "huggingface.co"
    ours = host == "huggingface.co" or host.endswith((".huggingface.co", ".huggingface.cloud", ".hf.space"))
    return os.environ.get("HF_TOKEN" if ours else "OPENAI_API_KEY") or None


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
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UnavailableError(f"--base-url {shorten(url)}: is no address; write for example http://localhost:8000/v1")
    key = key or api_key(url)
    if url == OPENAI and key is None:
        raise UnavailableError(f"{model}: needs OPENAI_API_KEY in the environment, or --base-url of another server")
    # A word in place of no key: the client would otherwise send the Hub token of this machine to whoever is asked.
    return _client(base_url=url, api_key=key or "none", timeout=timeout)


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
