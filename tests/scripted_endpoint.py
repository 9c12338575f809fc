"""An OpenAI-compatible endpoint on loopback that follows a script, request by request: a double for tests."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

__all__ = ["Asked", "Endpoint", "Said", "completion", "serve_scripted", "stage_of"]


class Said(NamedTuple):
    """A reply: its status, its body (JSON unless it is text), its headers; `cut` ends the connection halfway through it, `wait`
    comes before it."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}
    cut: bool = False
    wait: float = 0.0


class Asked(NamedTuple):
    """A request as it came; names of headers in lower case."""

    body: dict[str, Any]
    headers: dict[str, str]


class Endpoint:
    """Where it answers, and what it was asked."""

    def __init__(self) -> None:
        self.base_url = ""
        self.asked: list[Asked] = []


def completion(text: str | None, finish: str = "stop", **more: Any) -> Said:
    """A reply with an answer; it bills 100 tokens of prompt and 10 of answer."""
    message = {"role": "assistant", "content": text} | more
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return Said(200, body)


def stage_of(asked: Asked) -> str:
    """The stage of the agent that asked."""
    text: str = asked.body["messages"][1]["content"][-1]["text"]
    return text.partition("\n")[0].removeprefix("Task: ")


@contextmanager
def serve_scripted(answer: Callable[[Asked, int], Said]) -> Iterator[Endpoint]:
    """Serve a script: a function from a request and its number, from 0, to the reply."""
    endpoint, lock = Endpoint(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = Asked(body, {name.lower(): value for name, value in self.headers.items()})
            with lock:
                number = len(endpoint.asked)
                endpoint.asked.append(asked)
            said = answer(asked, number)
            time.sleep(said.wait)
            data = (said.body if isinstance(said.body, str) else json.dumps(said.body)).encode()
            self.send_response(said.status)
            for name, value in ({"Content-Type": "application/json"} | dict(said.headers)).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if said.cut else data)
            self.close_connection = said.cut

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the client gave up
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    endpoint.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
