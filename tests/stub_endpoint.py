"""An OpenAI-compatible endpoint on loopback that says what it is told to: a double for tests and benchmarks."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StubEndpoint:
    """What the endpoint says, and what it was asked.

    Attributes:
        pieces (`list[str | threading.Event]`): the streamed answer; an event holds it until the test sets it.
        delay (`float`): seconds before each piece.
        dies (`bool`): whether the connection ends before the answer does.
        asked (`list[dict]`): the bodies of the requests.
        keys (`set[str]`): what they authorised themselves with.
        prices (`dict`): of its model, in US dollars per million tokens: `input` and `output`.
        hung_up (`threading.Event`): set when a reader went away in the middle of an answer.
    """

    def __init__(self) -> None:
        self.reset()
        self.base_url = ""

    def reset(self) -> None:
        self.pieces: list[str | threading.Event] = ["[]"]
        self.delay, self.dies = 0.0, False
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.prices = {"input": 0.2, "output": 0.6}
        self.hung_up = threading.Event()


@contextmanager
def serve_stub() -> Iterator[StubEndpoint]:
    """A `StubEndpoint` being served in a thread."""
    stub = StubEndpoint()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            model = {
                "id": "org/stub-vl",
                "providers": [{"provider": "dear"}, {"provider": "fair", "pricing": stub.prices}],
            }
            self.send_response(200 if self.path.endswith("/models") else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"object": "list", "data": [model]}).encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.asked.append(body)
            stub.keys.add(self.headers["Authorization"])
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream" if body.get("stream") else "application/json")
            self.end_headers()
            if not body.get("stream"):
                self.wfile.write(json.dumps(_VERDICT).encode())
                return
            try:
                for piece in stub.pieces:
                    time.sleep(stub.delay)
                    if isinstance(piece, threading.Event):
                        piece.wait(60)
                        continue
                    self._send(_completion({"role": "assistant", "content": piece}, "delta", None))
                if not stub.dies:
                    self._send(_completion({"content": ""}, "delta", "stop"))
                    self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                stub.hung_up.set()

        def _send(self, chunk: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stub.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    yield stub
    server.shutdown()


def _completion(content: dict[str, Any], kind: str, finish: str | None, logprobs: Any = None) -> dict[str, Any]:
    choice = {"index": 0, kind: content, "finish_reason": finish, "logprobs": logprobs}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "system_fingerprint": "",
        "choices": [choice],
    }


_YES, _NO = {"token": "Yes", "logprob": -0.2}, {"token": "No", "logprob": -1.7}
_VERDICT = _completion(
    {"role": "assistant", "content": "Yes"}, "message", "stop", {"content": [_YES | {"top_logprobs": [_YES, _NO]}]}
)
