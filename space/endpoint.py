"""A model behind any OpenAI-compatible endpoint: OpenAI, vLLM, `transformers serve`, Ollama, Inference Providers."""

import math
from collections.abc import Iterator
from typing import Any

from huggingface_hub import InferenceClient

from dataset_builder.prompts import PROMPTS, Task
from space.backends import examine_text
from space.examination import Examination, Verdict
from space.settings import Settings
from space.uploads import Picture

__all__ = ["Endpoint"]

_SENT = 1568  # pixels of the longer side of the picture that is sent

TIMEOUT = 120.0
"""Seconds without a word after which a model counts as dead."""


class Endpoint:
    """A model that answers over HTTP, as it writes.

    Args:
        base_url (`str`): where it is, up to `/v1`.
        model (`str`): its name there.
        boxes (`bool`): whether it is asked where each anomaly is, in pixels of the picture it is sent.
    """

    knows_scenes_alone = False
    at_once = 8

    def __init__(self, base_url: str, model: str, boxes: bool = False) -> None:
        self.name = model.rsplit("/", 1)[-1]
        self._task: Task = "grounded" if boxes else "anomalies"
        self._model = model
        self._client = InferenceClient(base_url=base_url, api_key=Settings.key() or "none", timeout=TIMEOUT)

    def examine(self, picture: Picture) -> Iterator[Examination]:
        sent = picture.image.copy()
        sent.thumbnail((_SENT, _SENT))
        yield from examine_text(picture, self._pieces(picture.data_uri(_SENT)), sent.size)

    def _messages(self, task: Task, image: str) -> list[dict[str, Any]]:
        content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": PROMPTS[task]}]
        return [{"role": "user", "content": content}]

    def _pieces(self, image: str) -> Iterator[str | Verdict]:
        ended = False
        try:
            stream = self._client.chat_completion(
                self._messages(self._task, image), model=self._model, stream=True, max_tokens=2048, temperature=0
            )
            for chunk in stream:
                for choice in chunk.choices[:1]:
                    ended = ended or choice.finish_reason is not None
                    yield choice.delta.content or ""
        # Endpoints and what lies before them fail in every way there is; the visitor is told that it failed, not how.
        except Exception:
            raise ConnectionError("the endpoint failed") from None
        if not ended:  # the connection ended before the answer did
            raise ConnectionError("the endpoint fell silent")
        if verdict := self._verdict(image):
            yield verdict

    def _verdict(self, image: str) -> Verdict | None:
        """Whether it takes the picture for generated; with a probability if the endpoint tells probabilities."""
        try:
            choice = self._client.chat_completion(
                self._messages("verdict", image),
                model=self._model,
                max_tokens=2,
                temperature=0,
                logprobs=True,
                top_logprobs=10,
            ).choices[0]
        except Exception:
            return None
        said = (choice.message.content or "").strip().lower()
        if not said.startswith(("yes", "no")):
            return None
        p_fake = _probability(choice)
        return {"label": "fake" if said.startswith("yes") else "real", "p_fake": p_fake}


def _probability(choice: Any) -> float | None:
    """Yes against No among the likeliest first tokens, or `None`."""
    try:
        masses = {"yes": 0.0, "no": 0.0}
        for token in choice.logprobs.content[0].top_logprobs:
            word = token.token.strip().lower()
            if word in masses:
                masses[word] += math.exp(token.logprob)
        total = masses["yes"] + masses["no"]
        return round(masses["yes"] / total, 3) if total > 0 else None
    except (AttributeError, IndexError, TypeError):
        return None
