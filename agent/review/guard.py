"""What the server lets in and how its pages may be used: only its own page asks it anything, and no other page shows it.

A page from elsewhere can make a browser on this machine ask a server on loopback, and by DNS rebinding it can make the two look
like one site: then the `Host` is still the foreign name. So on loopback only loopback's own names are answered, and everywhere
only requests that the page itself sent."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataset_builder.errors import shorten

__all__ = ["HEADERS", "LOOPBACK", "Guard", "is_loopback"]

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
"""The names of this machine that a browser on it may use."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Headers of every answer: scripts and styles are files of this server, nothing else is loaded, and no page may frame this one."""


class Guard:
    """Refuses requests for another host, and requests that change something from another page.

    Args:
        app (ASGI application): what is guarded.
        hosts (collection of `str`, *optional*): the host names it answers to, without port; any unless given, which is for servers
            behind a login whose public name only their proxy knows.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None = None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refused(headers, scope["method"])

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = JSONResponse({"error": refused}, status_code=403) if refused else self._app
        await app(scope, receive, with_headers)

    def _refused(self, headers: Headers, method: str) -> str | None:
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            names = ", ".join(sorted(self._hosts))
            return f"Host {shorten(host)}: this server answers only to {names}; open it under one of these names"
        if method in ("GET", "HEAD"):
            return None
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        # Browsers state the site over HTTPS and on loopback, where a proxy may have changed Host; programs state neither.
        if site is None and origin is not None and urlsplit(origin).netloc != host:
            site = "cross-site"
        if site in (None, "same-origin", "none"):
            return None
        return f"Origin {shorten(origin or site)}: only the page of this server may send this; open that page"


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
