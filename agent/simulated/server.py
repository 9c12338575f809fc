"""The HTTP side of the simulated model: OpenAI's chat completions, what it served and billed at /stats."""

import asyncio
import contextlib
import hashlib
import json
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.simulated import faults
from agent.simulated.answers import answer_stage, answer_task, task_of
from agent.simulated.batches import Batches, BatchRules
from agent.simulated.dialects import Request as Told
from agent.simulated.dialects import Spoken
from agent.simulated.judge import JUDGE, judge_texts
from agent.simulated.pictures import Pictures
from agent.simulated.questions import CHARACTERS, LIMIT, MODEL, Question, RequestError, read_question, tokens
from agent.simulated.rates import Dice, Rates
from agent.simulated.sending import gone, refusing, sent
from agent.simulated.world import Scene
from agent.stages import Stage

__all__ = ["SimulatedVLM"]

_STAGES: frozenset[str] = frozenset(get_args(Stage))


class SimulatedVLM:
    """The server's state and its ASGI application.

    Errors and faults are drawn from what is asked (scene, text of the first user message, `seed`) and, for faults, from how
    often that was asked before; never from the order of arrival. What quotes an earlier answer to ask again asks the same.

    Args:
        scenes (`Path`): a scenes directory.
        rates (`Rates`): how often what goes wrong.
        spoken (`Spoken`, *optional*): the dialects it speaks.
        batches (`BatchRules`, *optional*): how it works on batches.
    """

    def __init__(
        self, scenes: Path, rates: Rates, spoken: Spoken | None = None, batches: BatchRules | None = None
    ) -> None:
        self.rates = rates
        self._spoken = spoken or Spoken()
        self._pictures = Pictures(scenes)
        self._rows = {row.image_id: row for row in self._pictures.rows}
        self._scenes: dict[str, Scene] = {}
        self._attempts: Counter[bytes] = Counter()
        self._beginnings: set[bytes] = set()
        self._slots = asyncio.Semaphore(rates.slots) if rates.slots else contextlib.nullcontext()
        self._served: Counter[str] = Counter()
        self._by: dict[str, Counter[str]] = {"stages": Counter(), "faults": Counter(), "finish_reasons": Counter()}
        self._busy = self._most_busy = 0
        self._batches = Batches(self._completions, batches or BatchRules(), rates.seed)
        routes = [
            Route("/v1/chat/completions", self._completions, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/health", self._health),
            Route("/stats", self._stats),
            *self._batches.routes,
        ]
        self.app = Starlette(routes=routes)

    def stats(self) -> dict[str, Any]:
        """What was served: requests (`calls`), answers among them, tokens billed, and both by stage, fault and ending.

        `prefix_hits` counts the answers whose prompt, as servers lay it out (the schema, the system message, then the whole
        picture), began like one that had been answered before the request came: a prefix cache holds that beginning.
        """
        counted = ("calls", "answers", "prefix_hits", "prompt_tokens", "completion_tokens")
        return (
            {name: self._served[name] for name in counted}
            | {name: dict(sorted(counter.items())) for name, counter in self._by.items()}
            | {"dialects": dict(sorted(self._spoken.shown.items())), "most_at_once": self._most_busy}
            | self._batches.stats()
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
        except RequestError as refused:
            return refusing(refused.status, str(refused))
        finally:
            self._busy -= 1

    async def _answer(self, request: Request) -> Response:
        question = read_question(await request.body(), self._pictures, schemas=self.rates.schemas)
        identity = (self.rates.seed, question.scene, question.text, question.sample)
        dice = Dice(*identity, picture=(self.rates.seed, question.scene), stubborn=self.rates.stubborn)
        key = hashlib.sha256(repr(identity).encode(errors="surrogatepass")).digest()
        self._attempts[key] += 1
        beginning = question.beginning
        cached = beginning in self._beginnings
        attempt = self._attempts[key]
        told = self._told(request, question, attempt)
        if refused := self._spoken.refuse(told):
            return refused
        fault = self.rates.fault(dice, attempt)
        if fault:
            self._by["faults"][fault] += 1
        if fault == "busy":
            wait = math.ceil(self.rates.retry_after)
            return refusing(429, "Too many requests; wait before the next.", {"Retry-After": str(wait)})
        if fault == "broken":
            return refusing(dice.one((500, 503), "status", attempt), "The simulated server broke, as it was told to.")
        if fault == "hang":
            await gone(request)
            return Response(status_code=499)
        async with self._slots:
            if self.rates.latency:
                await asyncio.sleep(self.rates.latency)
            stage, text = self._text(question, dice)
        self._by["stages"][stage] += 1
        self._served["prefix_hits"] += cached
        self._beginnings.add(beginning)
        answer = self._finished(question, text, fault, dice, attempt)
        self._spoken.write(answer, told)
        if reply := self._spoken.send(answer, told):
            return reply
        return sent(answer, stream=question.stream, cut=fault == "cut")

    def _told(self, request: Request, question: Question, attempt: int) -> Told:
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

    def _text(self, question: Question, dice: Dice) -> tuple[str, str | None]:
        """The stage and the answer; `None` where it is refused because the picture is of no known scene."""
        stage: Any = question.first_line.removeprefix("Task: ").strip()
        task = task_of(question.text)
        if not task and stage not in _STAGES | {JUDGE}:
            return "other", "I am a simulated model and know only the questions of the agent."
        if stage == JUDGE:
            answer = judge_texts(question.given, self.rates, dice)
            return stage, json.dumps(answer, ensure_ascii=False)
        if question.scene is None:
            return task or stage, None
        scene = self._scene(question.scene)
        if task:
            return task, answer_task(task, scene, question.pictures[0][1:], self.rates, dice)
        answer = answer_stage(stage, question.given, scene, self.rates, dice)
        return stage, json.dumps(answer, ensure_ascii=False)

    def _scene(self, image_id: str) -> Scene:
        if image_id not in self._scenes:
            row = self._rows[image_id]
            self._scenes[image_id] = Scene(row, self._rows.get(row.twin_id or ""), self._pictures.size(image_id))
        return self._scenes[image_id]

    def _finished(
        self, question: Question, text: str | None, fault: str | None, dice: Dice, attempt: int
    ) -> dict[str, Any]:
        refusal, reason = None, "stop"
        if text is None:
            refusal = "This simulated model knows only the pictures of its scenes, and this is not one of them."
        elif fault == "refused":
            text, refusal = None, "I'm sorry, but I can't help with this picture."
        elif fault == "malformed":
            text = faults.malformed(text, dice, attempt)
        elif fault == "hostile":
            text = faults.hostile(text, dice, attempt)
        elif fault == "truncated":
            text, reason = text[: len(text) // 2], "length"
        if text is not None and question.limit is not None and tokens(len(text)) > question.limit:
            text, reason = text[: question.limit * CHARACTERS], "length"
        written = tokens(len(text if text is not None else refusal or ""))
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
