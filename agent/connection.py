"""The way to a server that speaks OpenAI's chat completions: its address, its key, and what came back, unread and bounded.

The bodies are sent and read here rather than by `huggingface_hub.AsyncInferenceClient`: that client rewrites `response_format`, and
raises errors of its own for replies that real servers do give (a list of errors, an error under status 200, another API's JSON).
"""

import functools
import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx2

from agent.journal_rows import Attempt
from dataset_builder.errors import UnavailableError, shorten

__all__ = ["MAX_BODY", "OPENAI", "Came", "Server", "api_key", "connect", "read_whole"]

OPENAI = "https://api.openai.com/v1"
ROUTER = "https://router.huggingface.co/v1"
MAX_BODY = 8 * 2**20
"""Bytes of a reply that are read, decompressed; the rest is left to whoever sent it."""

KEPT = 3.0
"""Seconds that an idle connection is kept: less than the five after which uvicorn, and so vLLM, closes it. A request that
meets a connection being closed is lost, and may have been billed."""

KEYS = ("OPENAI_API_KEY", "HF_TOKEN", "ANOMREASON_API_KEY")


class Came(NamedTuple):
    """A reply as it came: names of headers in lower case, the body's text, and whether it is all of it."""

    status: int
    headers: Mapping[str, str]
    text: str
    whole: bool = True

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("content-type", "") or self.text.lstrip()[:15].lower().startswith(
            ("<!doctype", "<html")
        )

    @property
    def is_stream(self) -> bool:
        return "event-stream" in self.headers.get("content-type", "") or self.text.lstrip().startswith("data:")


class Server:
    """An OpenAI-compatible server.

    Args:
        url (`str`): its address, up to `/v1`; parameters such as `?api-version=…` go with every request.
        key (`str`, *optional*): sent as a bearer token; it appears in no message.

    Attributes:
        keeps (`bool`): whether a request that nobody waits for any more is kept, to be taken up later.
    """

    keeps = False

    def __init__(self, url: str, key: str | None) -> None:
        self.base, self.key = url, key
        self.url = self.at("chat/completions")
        self._session: httpx2.AsyncClient | None = None

    def at(self, path: str, **query: str) -> str:
        """The address of something below `/v1`, with the parameters that go with every request."""
        parts = urlsplit(self.base)
        parameters = "&".join(filter(None, (parts.query, urlencode(query))))
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}", query=parameters, fragment=""))

    async def complete(self, body: Mapping[str, Any], attempt: Attempt | None = None) -> Came:
        """What comes back for a request. Raises `httpx2.TransportError` if nothing does, or not all of it.

        Args:
            body (mapping): the request.
            attempt (`Attempt`, *optional*): its row in the journal if nothing comes of it.
        """
        async with self._open().stream("POST", self.url, content=_encoded(body), headers=self._headers()) as response:
            return await read_whole(response)

    @asynccontextmanager
    async def stream(self, body: Mapping[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]] | Came]:
        """The chunks of a streamed answer; or, from a server that refuses or does not stream, what came instead.

        Raises:
            httpx2.TransportError: if nothing comes, or not all of it.
        """
        asked = {**body, "stream": True}
        async with self._open().stream("POST", self.url, content=_encoded(asked), headers=self._headers()) as response:
            if response.status_code == 200 and "event-stream" in response.headers.get("content-type", ""):
                yield _chunks(response.aiter_lines())
            else:
                yield await read_whole(response)

    @asynccontextmanager
    async def request(
        self, method: str, path: str, query: Mapping[str, str] = MappingProxyType({}), **content: Any
    ) -> AsyncIterator[httpx2.Response]:
        """The reply to a request for something else below `/v1`, as it comes in.

        Args:
            method, path (`str`): what is asked for.
            query (mapping): parameters of the address.
            content: of the request, as httpx takes it.
        """
        address, headers = self.at(path, **query), self._authorization()
        async with self._open().stream(method, address, headers=headers, **content) as response:
            yield response

    def without_keys(self, text: str) -> str:
        """A text that came back without a key: some servers quote what they were sent."""
        named = {name: os.environ.get(name, "").strip() for name in KEYS} | {"key": self.key or ""}
        for name, key in named.items():
            if len(key) >= 8:  # a shorter one is a placeholder such as EMPTY
                text = text.replace(key, f"[{name}]")
        return text

    async def close(self) -> None:
        if self._session is not None:
            await self._session.aclose()

    def _open(self) -> httpx2.AsyncClient:
        if self._session is None:
            # Redirects are not followed: the key would go to whoever was named. How long to wait is the caller's to say.
            limits = httpx2.Limits(max_keepalive_connections=256, max_connections=None, keepalive_expiry=KEPT)
            self._session = httpx2.AsyncClient(verify=_trusted(), timeout=None, limits=limits, follow_redirects=False)
        return self._session

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", **self._authorization()}

    def _authorization(self) -> dict[str, str]:
        # A word in place of no key: servers that want none take any.
        return {"Authorization": f"Bearer {self.key or 'none'}"}


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Whom to believe, read once: the page opens a connection per picture."""
    return httpx2.create_ssl_context()


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


async def read_whole(response: httpx2.Response) -> Came:
    """A reply as it came."""
    read = bytearray()
    async for piece in response.aiter_bytes():
        read += piece
        if len(read) > MAX_BODY:
            break
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Came(response.status_code, headers, bytes(read[:MAX_BODY]).decode("utf-8", "replace"), len(read) <= MAX_BODY)


async def _chunks(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    """The objects of server-sent events; what is not one is passed over."""
    async for line in lines:
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == "[DONE]":
            return
        try:
            found = json.loads(data) if data else None
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            yield found


def api_key(base_url: str | None) -> str | None:
    """The key for a server, from the environment: `HF_TOKEN` for Hugging Face's own, `OPENAI_API_KEY` for all others.

    A token of one is never sent to the other.
    """
    host = urlsplit(base_url).hostname or "" if base_url else "huggingface.co"
    ours = host == "huggingface.co" or host.endswith((".huggingface.co", ".huggingface.cloud", ".hf.space"))
    return os.environ.get("HF_TOKEN" if ours else "OPENAI_API_KEY", "").strip() or None


def connect(model: str, base_url: str | None = None, key: str | None = None) -> Server:
    """The server of a model. The key comes from the environment, unless given, and stays in memory.

    Without `base_url` a name with an owner (`Qwen/…`) goes to Inference Providers, any other to OpenAI or
    `OPENAI_BASE_URL`.

    Raises:
        UnavailableError: if a key is needed and none is set, or the address is not one.
    """
    if base_url is None and "/" in model:
        if api_key(None) is None:
            raise UnavailableError(
                f"{model}: needs HF_TOKEN in the environment, or the URL of your own server as --base-url"
            )
        return Server(ROUTER, api_key(None))
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI).rstrip("/")
    _check_address(url)
    key = key or api_key(url)
    if url == OPENAI and key is None:
        raise UnavailableError(
            f"{model}: needs OPENAI_API_KEY in the environment, or the URL of another server as --base-url"
        )
    return Server(url, key)


def _check_address(url: str) -> None:
    """Raise `UnavailableError`, without quoting a key, for what is not the address of a server."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        named = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        secret = parts.username is not None or any(
            word in name for name in named for word in ("key", "token", "secret", "pass")
        )
    except ValueError:
        usable, secret = False, "@" in url
    if secret:
        raise UnavailableError(
            "--base-url: contains a user name, a password or a key; give the plain URL, and put the key into OPENAI_API_KEY"
        )
    if not usable:
        raise UnavailableError(
            f"--base-url {shorten(url)}: is not the URL of a server; write for example http://localhost:8000/v1"
        )
