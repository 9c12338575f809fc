"""The HTTP side of the simulated model: OpenAI's chat completions on loopback, what it served and billed at /stats."""

import asyncio
import contextlib
import hashlib
import json
import math
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.simulated import faults
from agent.simulated.answers import answer_stage, answer_task, task_of
from agent.simulated.dialects import Request as Told
from agent.simulated.dialects import Spoken
from agent.simulated.judge import JUDGE, judge_texts
from agent.simulated.pictures import Pictures, Seen
from agent.simulated.rates import Dice, Rates
from agent.simulated.world import Scene
from agent.stages import Stage
from dataset_builder.errors import UnavailableError

__all__ = ["MODEL", "SimulatedVLM", "listen", "serve"]

MODEL = "simulated"
PATCH = 28  # pixels a side of what is billed as one token, as Qwen2.5-VL's merged patches
CHARACTERS = 4  # of text, billed as one token
LIMIT = 16_000  # tokens of an answer, if a request does not say
PIECE = 16  # characters of a streamed answer that are sent at a time
_STAGES: frozenset[str] = frozenset(get_args(Stage))
_INPUT = re.compile(r"Input:\s*```json\s*(\{.*\})\s*```\s*\Z", re.DOTALL)


class _RequestError(Exception):
    """The request cannot be served: a status and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Question(NamedTuple):
    """What a request asks: the text of its first user message, its pictures, which sample of the answer, and whether in pieces."""

    text: str
    pictures: list[Seen]
    sample: int
    prompt_tokens: int
    limit: int | None
    stream: bool
    body: dict[str, Any]
    urls: list[str]

    @property
    def scene(self) -> str | None:
        return self.pictures[0].row.image_id if self.pictures and self.pictures[0].row else None


class SimulatedVLM:
    """The server's state and its ASGI application.

    Errors and faults are drawn from what is asked (scene, text of the first user message, `seed`) and, for faults, from how
    often that was asked before; never from the order of arrival. What quotes an earlier answer to ask again asks the same.

    Args:
        scenes (`Path`): a scenes directory.
        rates (`Rates`): how often what goes wrong.
        spoken (`Spoken`, *optional*): the dialects it speaks.
    """

    def __init__(self, scenes: Path, rates: Rates, spoken: Spoken | None = None) -> None:
        self.rates = rates
        self._spoken = spoken or Spoken()
        self._pictures = Pictures(scenes)
        self._rows = {row.image_id: row for row in self._pictures.rows}
        self._scenes: dict[str, Scene] = {}
        self._attempts: Counter[bytes] = Counter()
        self._slots = asyncio.Semaphore(rates.slots) if rates.slots else contextlib.nullcontext()
        self._served: Counter[str] = Counter()
        self._by: dict[str, Counter[str]] = {"stages": Counter(), "faults": Counter(), "finish_reasons": Counter()}
        self._busy = self._most_busy = 0
        routes = [
            Route("/v1/chat/completions", self._completions, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
            Route("/stats", self._stats),
        ]
        self.app = Starlette(routes=routes)

    def stats(self) -> dict[str, Any]:
        """What was served: requests (`calls`), answers among them, tokens billed, and both by stage, fault and ending."""
        counted = ("calls", "answers", "prompt_tokens", "completion_tokens")
        return (
            {name: self._served[name] for name in counted}
            | {name: dict(sorted(counter.items())) for name, counter in self._by.items()}
            | {"dialects": dict(sorted(self._spoken.shown.items())), "most_at_once": self._most_busy}
        )

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "anomreason"}]})

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _stats(self, _: Request) -> Response:
        return JSONResponse(self.stats())

    async def _completions(self, request: Request) -> Response:
        self._served["calls"] += 1
        self._busy += 1
        self._most_busy = max(self._most_busy, self._busy)
        try:
            return await self._answer(request)
        except _RequestError as refused:
            return _error(refused.status, str(refused))
        finally:
            self._busy -= 1

    async def _answer(self, request: Request) -> Response:
        question = self._read(await request.body())
        identity = (self.rates.seed, question.scene, question.text, question.sample)
        dice = Dice(*identity, picture=(self.rates.seed, question.scene), stubborn=self.rates.stubborn)
        key = hashlib.sha256(repr(identity).encode(errors="surrogatepass")).digest()
        self._attempts[key] += 1
        attempt = self._attempts[key]
        told = self._told(request, question, attempt)
        if refused := self._spoken.refuse(told):
            return refused
        fault = self.rates.fault(dice, attempt)
        if fault:
            self._by["faults"][fault] += 1
        if fault == "busy":
            wait = math.ceil(self.rates.retry_after)
            return _error(429, "Too many requests; wait before the next.", {"Retry-After": str(wait)})
        if fault == "broken":
            return _error(dice.one((500, 503), "status", attempt), "The simulated server broke, as it was told to.")
        if fault == "hang":
            await _gone(request)
            return Response(status_code=499)
        async with self._slots:
            if self.rates.latency:
                await asyncio.sleep(self.rates.latency)
            stage, text = self._text(question, dice)
        self._by["stages"][stage] += 1
        answer = self._finished(question, text, fault, dice, attempt)
        self._spoken.write(answer, told)
        if sent := self._spoken.send(answer, told):
            return sent
        if question.stream:
            return StreamingResponse(_streamed(answer, cut=fault == "cut"), media_type="text/event-stream")
        if fault == "cut":
            whole = json.dumps(answer).encode()
            return StreamingResponse(
                _cut(whole), headers={"Content-Length": str(len(whole)), "Content-Type": "application/json"}
            )
        return JSONResponse(answer)

    def _read(self, body: bytes) -> _Question:
        try:
            asked = json.loads(body)
            if asked["model"] != MODEL:
                raise _RequestError(
                    404, f"The model {str(asked['model'])[:80]!r} does not exist; this server has {MODEL!r}."
                )
            if not self.rates.schemas and asked.get("response_format"):
                raise _RequestError(400, "response_format is not supported by this server.")
            if "response_format" in asked and not _is_known(asked["response_format"]):
                raise _RequestError(400, "response_format is of no form of OpenAI's protocol.")
            if asked.get("n") not in (None, 1):
                raise _RequestError(400, "n above 1 is not supported by this server.")
            first = next(message for message in asked["messages"] if message["role"] == "user")
            urls = [part["image_url"]["url"] for part in _parts(first) if "image_url" in part]
            pictures = [self._pictures.see(url) for url in urls]
            text = "\n".join(part["text"] for part in _parts(first) if "text" in part)
            written = sum(len(part.get("text", "")) for message in asked["messages"] for part in _parts(message))
            limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
            return _Question(
                text,
                pictures,
                int(asked.get("seed") or 0),
                _tokens(written) + sum(-(-seen.width // PATCH) * -(-seen.height // PATCH) for seen in pictures),
                None if limit is None else int(limit),
                bool(asked.get("stream")),
                asked,
                urls,
            )
        except _RequestError:
            raise
        except (KeyError, IndexError, StopIteration, TypeError, ValueError, AttributeError) as error:
            raise _RequestError(400, f"The request cannot be read: {type(error).__name__}: {error}") from None

    def _told(self, request: Request, question: _Question, attempt: int) -> Told:
        return Told(
            question.body,
            dict(request.query_params),
            question.urls,
            question.pictures[0][1:] if question.pictures else (1, 1),
            question.scene,
            question.text,
            question.sample,
            attempt,
            task_of(question.text) is None,
            self._served["calls"],
            question.prompt_tokens,
            LIMIT if question.limit is None else question.limit,
            self._spoken.quota,
            self._spoken.clock,
        )

    def _text(self, question: _Question, dice: Dice) -> tuple[str, str | None]:
        """The stage and the answer; `None` where it is refused because the picture is of no known scene."""
        first_line = question.text.partition("\n")[0]
        stage: Any = first_line.removeprefix("Task: ").strip()
        task = task_of(question.text)
        if not task and stage not in _STAGES | {JUDGE}:
            return "other", "I am a simulated model and know only the questions of the agent."
        if stage == JUDGE:
            answer = judge_texts(_given(question.text), self.rates, dice)
            return stage, json.dumps(answer, ensure_ascii=False)
        if question.scene is None:
            return task or stage, None
        scene = self._scene(question.scene)
        if task:
            return task, answer_task(task, scene, question.pictures[0][1:], self.rates, dice)
        answer = answer_stage(stage, _given(question.text), scene, self.rates, dice)
        return stage, json.dumps(answer, ensure_ascii=False)

    def _scene(self, image_id: str) -> Scene:
        if image_id not in self._scenes:
            row = self._rows[image_id]
            self._scenes[image_id] = Scene(row, self._rows.get(row.twin_id or ""), self._pictures.size(image_id))
        return self._scenes[image_id]

    def _finished(
        self, question: _Question, text: str | None, fault: str | None, dice: Dice, attempt: int
    ) -> dict[str, Any]:
        refusal, reason = None, "stop"
        if text is None:
            refusal = "This simulated model knows the pictures of its scenes alone, and this is none of them."
        elif fault == "refused":
            text, refusal = None, "I'm sorry, but I can't help with this picture."
        elif fault == "malformed":
            text = faults.malformed(text, dice, attempt)
        elif fault == "hostile":
            text = faults.hostile(text, dice, attempt)
        elif fault == "truncated":
            text, reason = text[: len(text) // 2], "length"
        if text is not None and question.limit is not None and _tokens(len(text)) > question.limit:
            text, reason = text[: question.limit * CHARACTERS], "length"
        written = _tokens(len(text if text is not None else refusal or ""))
        self._served["answers"] += 1
        self._served["prompt_tokens"] += question.prompt_tokens
        self._served["completion_tokens"] += written
        self._by["finish_reasons"][reason] += 1
        return {
            "id": f"simulated-{self._served['answers']}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": refusal},
                    "finish_reason": reason,
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": question.prompt_tokens,
                "completion_tokens": written,
                "total_tokens": question.prompt_tokens + written,
            },
        }


@contextlib.contextmanager
def serve(
    scenes: Path,
    port: int = 0,
    *,
    dialects: Sequence[str] = (),
    clock: float = 1.0,
    quota: int = 60,
    **rates: float | bool,
) -> Iterator[str]:
    """Serve the simulated model from a thread while the block runs.

    Args:
        scenes (`Path`): a scenes directory; its `scenes.jsonl` is the truth.
        port (`int`, defaults to 0): on 127.0.0.1; 0 takes a free one.
        dialects (sequence of `str`, *optional*): see `agent.simulated.dialects`.
        clock (`float`, defaults to 1): how many times faster than the wall's clock the dialects' quotas run.
        quota (`int`, defaults to 60): requests per minute of those quotas.
        rates: see `agent.simulated.Rates`.

    Yields:
        The base URL, ending in `/v1`.

    Raises:
        InputError: for a directory without scenes, rates that are none, or a dialect that is not known.
        UnavailableError: if the port is taken.
    """
    known = Rates.named(**rates)
    model = SimulatedVLM(Path(scenes), known, Spoken(dialects, known.seed, clock, quota))
    taken = listen(port)
    server = uvicorn.Server(configure(model))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, name="simulated VLM", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    finally:
        server.should_exit = server.force_exit = True  # what hangs is not waited for
        thread.join()
        taken.close()


def configure(model: SimulatedVLM) -> uvicorn.Config:
    """How it is served: without a log, since faults are its purpose."""
    return uvicorn.Config(model.app, log_level="critical", access_log=False, lifespan="off", backlog=2048)


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1 at a port, or at a free one for 0.

    Raises:
        UnavailableError: if the port is taken or may not be used.
    """
    # Named as TCP, or asyncio leaves Nagle's algorithm on: 40 ms a call.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        taken.close()
        raise UnavailableError(f"127.0.0.1:{port}: cannot be served on ({error}); choose another --port") from None
    return taken


def _is_known(form: Any) -> bool:
    """Whether a `response_format` is one of OpenAI's protocol, with nothing else in it."""
    if form is None or form in ({"type": "text"}, {"type": "json_object"}):
        return True
    return form.keys() == {"type", "json_schema"} and form["type"] == "json_schema" and "schema" in form["json_schema"]


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content") or []
    return [{"text": content}] if isinstance(content, str) else content


def _given(text: str) -> dict[str, Any]:
    match = _INPUT.search(text)
    given = json.loads(match[1]) if match else {}
    return given if isinstance(given, dict) else {}


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"message": message, "type": "simulated", "code": status}}, status, headers)


async def _streamed(answer: dict[str, Any], *, cut: bool) -> AsyncIterator[str]:
    """The same answer as server-sent events, a few words at a time; of one that is cut, the first half."""
    choice = answer["choices"][0]
    text, refusal = choice["message"]["content"] or "", choice["message"]["refusal"]
    deltas = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[start : start + PIECE]} for start in range(0, len(text), PIECE)]
    if refusal:
        deltas.append({"refusal": refusal})
    if thoughts := choice["message"].get("reasoning_content") or choice["message"].get("reasoning"):
        deltas.insert(1, {"reasoning_content": thoughts})
    shaped = answer | {"object": "chat.completion.chunk", "usage": None}
    for number, delta in enumerate(deltas):
        if cut and 2 * number >= len(deltas):
            raise ConnectionAbortedError("cut, as it was told to")
        yield _event(shaped | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    ended = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield _event(shaped | {"choices": [ended], "usage": answer.get("usage")})
    yield "data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cut(whole: bytes) -> AsyncIterator[bytes]:
    yield whole[: len(whole) // 2]
    raise ConnectionAbortedError("cut, as it was told to")
