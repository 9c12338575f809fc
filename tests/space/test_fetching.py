"""Web addresses, where the operator allows them: public ones alone, whatever a name turns out to mean."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import space.fetching
from agent.loops import run
from dataset_builder.errors import PictureError
from space.fetching import fetch
from tests.space.conftest import EXAMPLES


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/x.png",
        "http://[::1]/x.png",
        "http://[::ffff:127.0.0.1]/x.png",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://224.0.0.1/",
        "http://2130706433/",
        "http://localhost/",
    ],
)
def test_nothing_inside_the_network_is_fetched(address: str) -> None:
    """Loopback, link-local, private, shared, unspecified and translated addresses, and names that mean them."""
    with pytest.raises(PictureError, match=r"not on the public web|no picture came back"):
        run(fetch(address))


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://example.com/", "http://example.com:22/", "http://u:p@example.com/", "http:///"],
)
def test_what_is_not_a_plain_web_address_is_refused(address: str) -> None:
    """By its form, before any name is looked up."""
    with pytest.raises(PictureError, match=r"web address"):
        run(fetch(address))


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All must be public: nobody chooses which of them is taken."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("93.184.216.34", "192.168.1.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(PictureError, match="not on the public web"):
        run(fetch("http://mixed.example/x.png"))


class _Web(BaseHTTPRequestHandler):
    hosts: list[str]

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        try:
            for _ in range(30 if self.path == "/endless" else 1):
                self.wfile.write(b"\0" * 2**20 if self.path == "/endless" else (EXAMPLES / "clean.png").read_bytes())
        except OSError:
            self.hosts.append("hung up")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server that counts as public, whose name means another address each time it is asked for."""
    handler = type("Web", (_Web,), {"hosts": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(space.fetching, "_allowed", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(space.fetching, "_PORTS", {"http": server.server_port})
    asked = []
    real = socket.getaddrinfo

    def rebinding(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "pictures.example":
            return real(host, *rest, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "10.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    get = space.fetching._get
    # Plain HTTP goes to port 80; the test's server has another one.
    monkeypatch.setattr(
        space.fetching, "_get", lambda scheme, host, ip, rest: get(scheme, host, f"{ip}:{server.server_port}", rest)
    )
    monkeypatch.setattr(space.fetching, "_place", lambda ip: ip)
    yield handler.hosts  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_picture_is_fetched_from_the_address_that_was_checked(web: list[str]) -> None:
    """The name is asked for once; the server is told the name, not the number."""
    data, name = run(fetch("http://pictures.example/a/clean.png"))
    assert data == (EXAMPLES / "clean.png").read_bytes()
    assert name == "clean.png"
    assert web == ["pictures.example"]


@pytest.mark.parametrize(("path", "words"), [("moved", "status 302"), ("endless", "larger than 20 MB")])
def test_redirects_are_not_followed_and_long_answers_not_read(web: list[str], path: str, words: str) -> None:
    """A redirect leads anywhere; 30 MB are more than is taken."""
    with pytest.raises(PictureError, match=words):
        run(fetch(f"http://pictures.example/{path}"))
