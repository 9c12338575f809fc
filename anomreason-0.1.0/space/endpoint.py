"""A model behind any OpenAI-compatible endpoint: OpenAI, vLLM, `transformers serve`, Ollama, Inference Providers."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

from agent.boxes import boxes_of
from agent.client import Chat
from agent.connection import connect
from agent.loops import LoopThread
from dataset_builder.prompts import PROMPTS, Task
from dataset_builder.schema import Anomaly
from dataset_builder.textform import parse_verdict
from space.backend import TIMEOUT, examine_text
from space.examination import Examination, VerdictAnswer
from space.settings import Settings
from space.uploads import Upload

__all__ = ["Endpoint"]


class Endpoint:
    """A model that answers over HTTP, as it writes.

    Args:
        base_url (`str`): where it is, up to `/v1`.
        model (`str`): its name there.
        boxes (`bool`): whether it is asked where each anomaly is, in pixels of the picture it is sent. It is read as its family
            is known to answer (see `agent.boxes`); a box outside the picture is left out.
        key (`str`, *optional*): who pays, where that is not whoever serves the page.
    """

    knows_scenes_alone = False
    at_once = 8
    speaks = True

    def __init__(self, base_url: str, model: str, boxes: bool = False, key: str | None = None) -> None:
        self.name = model.rsplit("/", 1)[-1]
        self._task: Task = "grounded" if boxes else "anomalies"
        self._base_url, self._model, self._key = base_url, model, key

    def examine(self, picture: Upload, language: str = "") -> Iterator[Examination]:
        sent = picture.sent()
        boxes = boxes_of(self._model, "pixels")

        def place(anomaly: Anomaly) -> Anomaly:
            if anomaly.bbox is None:
                return anomaly
            return anomaly.model_copy(update={"bbox": boxes.in_picture(anomaly.bbox, sent.size, picture.size)})

        yield from examine_text(picture, self._pieces(sent.uri, language), place)

    def _pieces(self, image: str, language: str) -> Iterator[str | VerdictAnswer]:
        # A connection per picture, closed at its end: that hangs up on a model that is still writing.
        # A loop in a thread of its own: the caller's may run one already, as in a notebook.
        with LoopThread() as loop:
            server = connect(self._model, self._base_url, self._key or Settings.key(self._base_url))
            chat = Chat(server, self._model, concurrency=1, timeout=TIMEOUT)
            try:
                yield from self._answer(chat, loop, image, language)
                if verdict := self._verdict(chat, loop, image):
                    yield verdict
            finally:
                loop.wait(server.close())

    def _answer(self, chat: Chat, loop: LoopThread, image: str, language: str) -> Iterator[str]:
        pieces = chat.stream(_messages(self._task, image, language), {"temperature": 0.0}, 2048)
        try:
            while (piece := loop.wait(_next(pieces))) is not None:
                yield piece
        # Endpoints and what lies before them fail in every way there is; the visitor is told that it failed, not how.
        except Exception:
            raise ConnectionError("the endpoint failed") from None
        finally:
            loop.wait(pieces.aclose())

    def _verdict(self, chat: Chat, loop: LoopThread, image: str) -> VerdictAnswer | None:
        """Whether it takes the picture for generated; with a probability if the endpoint tells probabilities."""
        body = {"model": self._model, "messages": _messages("verdict", image), "max_tokens": 2, "temperature": 0}
        asked = chat.server.complete({**body, "logprobs": True, "top_logprobs": 10})
        try:
            choice = json.loads(loop.wait(asked).text)["choices"][0]
            label = parse_verdict(choice["message"]["content"] or "")
        except Exception:
            return None
        if label is None:
            return None
        p_fake = _probability(choice)
        # Where there is a probability the label follows from it, as `trainer.verdict` has it.
        return {"label": label if p_fake is None else "fake" if p_fake >= 0.5 else "real", "p_fake": p_fake}


_IN = " Write name, phenomenon and reasoning in {}; leave the keys as they are."


def _messages(task: Task, image: str, language: str = "") -> list[dict[str, Any]]:
    asked = PROMPTS[task] + (_IN.format(language) if language else "")
    content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": asked}]
    return [{"role": "user", "content": content}]


async def _next(pieces: AsyncIterator[str]) -> str | None:
    async with asyncio.timeout(TIMEOUT):
        return await anext(pieces, None)


def _probability(choice: dict[str, Any]) -> float | None:
    """Yes against No among the likeliest first tokens, or `None`."""
    try:
        masses = {"yes": 0.0, "no": 0.0}
        for token in choice["logprobs"]["content"][0]["top_logprobs"]:
            word = token["token"].strip().lower()
            if word in masses:
                masses[word] += math.exp(token["logprob"])
        total = masses["yes"] + masses["no"]
        return round(masses["yes"] / total, 6) if total > 0 else None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
