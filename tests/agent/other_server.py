"""A server of OpenAI's protocol that shares no code with the client or its simulator: it misbehaves, and keeps the books.

Written from the documentation of OpenAI, vLLM, Ollama, OpenRouter, Anthropic's compatibility layer, Gemini, DashScope, llama.cpp
and TGI. What it does wrong is a list of `Behaviour`s; what it passed on and what it billed for is counted by itself.
"""

import contextlib
import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.agent.other_model import PLACE, Look, Task, answer, look, task_of

__all__ = ["Behaviour", "Books", "Raw", "Request", "serve_other"]


class Request(NamedTuple):
    """A request as it was understood.

    Attributes:
        body (`dict`): what was sent.
        task, seen: what is asked, and what is in its pictures.
        number (`int`): how many requests came before; `again` of them were the same.
        prompt (`int`): tokens of its prompt.
        dice (`random.Random`): seeded by the request's content and by `again`.
        books (`Books`): of the server.
        path (`str`): of the address, with its parameters.
        key (`str`): the bearer token.
    """

    body: dict[str, Any]
    task: Task
    seen: Look
    number: int
    again: int
    prompt: int
    dice: random.Random
    books: "Books"
    path: str
    key: str

    @property
    def limit(self) -> int:
        """Tokens that the answer may have."""
        return int(self.body.get("max_tokens") or self.body.get("max_completion_tokens") or 4096)

    @property
    def limit_name(self) -> str:
        return "max_tokens" if "max_tokens" in self.body else "max_completion_tokens"


@dataclass
class Raw:
    """A reply on the wire. `billed`: whether the model had worked for it; `cut`: the share of the body that is sent; `pause`:
    seconds before each of `pieces`."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    billed: bool = False
    cut: float = 1.0
    pieces: int = 1
    pause: float = 0.0
    chunked: bool = False


class Behaviour(NamedTuple):
    """One thing that a server does otherwise.

    Attributes:
        name (`str`): unlike all others.
        row (`int`): of the list of behaviours of real servers.
        ends (`str`): how a run among it ends: `whole`, `losses` of those pictures in `lost`, or `stops`.
        refuse (callable): a reply instead of the model's work, or `None`.
        phrase (callable): the text of the answer.
        shape (callable): changes the reply's JSON in place.
        wire (callable): changes the reply as it is sent.
        lost (set of `int`): numbers of the pictures that it keeps from being finished.
        pictures (`str`): with which it shows: `small` ones, `large` ones, which have close views, or `heavy` files.
        box (callable): where the model says that the square is.
        address (`str`): appended to the base URL.
    """

    name: str
    row: int
    ends: str = "whole"
    refuse: Callable[[Request], Raw | None] | None = None
    phrase: Callable[[str, Request], str] | None = None
    shape: Callable[[dict[str, Any], Request], None] | None = None
    wire: Callable[[Raw, Request], Raw] | None = None
    lost: frozenset[int] = frozenset()
    pictures: str = "small"
    box: Callable[[Request], list[Any]] | None = None
    address: str = ""


@dataclass
class Books:
    """What a server did: requests, answers that it passed on whole, and what it billed."""

    minute: float
    base_url: str = ""
    requests: int = 0
    answers: int = 0
    billed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    refused: int = 0
    well: bool = False
    """Set to end all misbehaviour."""
    times: list[float] = field(default_factory=list)
    """Of what a quota let through."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@contextmanager
def serve_other(behaviours: Sequence[Behaviour] = (), *, seed: int = 0, minute: float = 1.0) -> Iterator[Books]:
    """Serve on loopback; `minute` is the length of a minute in seconds, for quotas and what is said of them."""
    books = Books(minute)
    same: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            self._send(Raw(200, json.dumps({"object": "list", "data": []}).encode()))

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(sent)
            with books.lock:
                number, books.requests = books.requests, books.requests + 1
                again = same[sent.decode()]
                same[sent.decode()] += 1
            texts = json.dumps([_without_pictures(message) for message in body["messages"]])
            seen = look(body["messages"])
            pictures = math.ceil(seen.size[0] / 32) * math.ceil(seen.size[1] / 32) * len(seen.forms)
            dice = random.Random(f"{seed} {texts} {seen.number} {body.get('seed')} {again}")
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            prompt = len(texts) // 4 + pictures
            request = Request(body, task_of(body), seen, number, again, prompt, dice, books, self.path, key)
            acting = () if books.well else behaviours
            self._send(_reply(request, acting))

        def _send(self, raw: Raw) -> None:
            self.send_response(raw.status)
            for name, value in raw.headers.items():
                self.send_header(name, value)
            self.send_header(
                *(("Transfer-Encoding", "chunked") if raw.chunked else ("Content-Length", str(len(raw.body))))
            )
            self.end_headers()
            body = raw.body[: round(raw.cut * len(raw.body))]
            step = max(1, math.ceil(len(body) / raw.pieces))
            for start in range(0, max(1, len(body)), step):
                time.sleep(raw.pause)
                piece = body[start : start + step]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if raw.chunked else piece)
            if raw.chunked:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = raw.cut < 1

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the client gave up
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    books.base_url = f"http://127.0.0.1:{server.server_port}/v1" + "".join(one.address for one in behaviours)
    try:
        yield books
    finally:
        server.shutdown()
        server.server_close()


def _reply(request: Request, acting: Sequence[Behaviour]) -> Raw:
    books = request.books
    for one in acting:
        if one.refuse and (refused := one.refuse(request)) is not None:
            with books.lock:
                books.refused += 1
                if refused.billed:
                    _bill(request, min(request.limit, 400))
            return refused
    box = next((one.box(request) for one in acting if one.box), _asked_box(request))
    said = answer(request.task, request.seen, box)
    text = said if isinstance(said, str) else json.dumps(said)
    for one in acting:
        text = one.phrase(text, request) if one.phrase else text
    completion = len(text) // 4 + 1
    finish = "stop"
    if completion > request.limit:
        text, completion, finish = text[: 4 * request.limit], request.limit, "length"
    body = _completion(request, text, completion, finish)
    for one in acting:
        if one.shape:
            one.shape(body, request)
    with books.lock:
        _bill(request, completion)
    raw = _streamed(body) if request.body.get("stream") else Raw(200, json.dumps(body).encode())
    raw.billed = True
    for one in acting:
        raw = one.wire(raw, request) if one.wire else raw
    with books.lock:
        books.answers += raw.status == 200 and raw.cut == 1
    return raw


def _asked_box(request: Request) -> list[Any]:
    """Where the square is, as it is asked for: in pixels of a single question, else per mille."""
    sides = request.seen.size if request.task.wanted == "direct" else (1000, 1000)
    return [round(share * side) for share, side in zip(PLACE, sides * 2, strict=True)]


def _bill(request: Request, completion: int) -> None:
    request.books.billed += 1
    request.books.prompt_tokens += request.prompt
    request.books.completion_tokens += completion


def _completion(request: Request, text: str, completion: int, finish: str) -> dict[str, Any]:
    usage = {
        "prompt_tokens": request.prompt,
        "completion_tokens": completion,
        "total_tokens": request.prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": None,
    }
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": [], "tool_calls": []}
    return {
        "id": f"chatcmpl-{request.number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.body["model"],
        "system_fingerprint": "fp_other",
        "service_tier": None,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish, "stop_reason": None}],
        "usage": usage,
        "kv_transfer_params": None,
    }


def _streamed(body: dict[str, Any]) -> Raw:
    """The same as server-sent events: the role, the text in three pieces, the end."""
    if not body.get("choices"):
        return Raw(200, json.dumps(body).encode())
    choice = body["choices"][0]
    message = choice.get("message") or {}
    text = message.get("content")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    beside = ("reasoning", "reasoning_content", "refusal")
    deltas += [{name: message[name]} for name in beside if isinstance(message.get(name), str)]
    if isinstance(text, str):
        third = len(text) // 3 + 1
        deltas += [{"content": text[start : start + third]} for start in range(0, len(text), third)]
    head = {name: body.get(name) for name in ("id", "model", "created")} | {"object": "chat.completion.chunk"}
    chunks: list[Any] = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice.get("finish_reason")}]})
    if body.get("error"):
        chunks.append({"error": body["error"]})
    lines = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Raw(200, lines.encode(), {"Content-Type": "text/event-stream; charset=utf-8"})


def _without_pictures(message: dict[str, Any]) -> Any:
    content = message["content"]
    return content if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
