"""Reads what a request to the simulated model asks."""

import hashlib
import json
import re
from typing import Any, NamedTuple

from agent.simulated.pictures import Pictures, Seen

__all__ = ["CHARACTERS", "LIMIT", "MODEL", "Question", "RequestError", "read_question", "tokens"]

MODEL = "simulated"
PATCH = 28  # pixels a side of what is billed as one token, as Qwen2.5-VL's merged patches
CHARACTERS = 4  # of text, billed as one token
LIMIT = 16_000  # tokens of an answer, if a request does not say
_INPUT = re.compile(r"Input:\s*```json\s*(\{.*\})\s*```\s*\Z", re.DOTALL)


class RequestError(Exception):
    """The request cannot be served: a status and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Question(NamedTuple):
    """What a request asks.

    Attributes:
        text (`str`): of its first user message.
        pictures (`list[Seen]`), urls (`list[str]`): of that message.
        sample (`int`): which sample of the answer.
        prompt_tokens (`int`): what is billed for it.
        limit (`int`, *optional*): tokens that the answer may have.
        stream (`bool`): whether it is sent in pieces.
        body (`dict`): as it was sent.
    """

    text: str
    pictures: list[Seen]
    urls: list[str]
    sample: int
    prompt_tokens: int
    limit: int | None
    stream: bool
    body: dict[str, Any]

    @property
    def scene(self) -> str | None:
        """Which scene its picture shows, if it is known."""
        return self.pictures[0].row.image_id if self.pictures and self.pictures[0].row else None

    @property
    def beginning(self) -> bytes:
        """What a prefix cache needs to know this prompt by: the schema, all before the first picture, and that picture."""
        before = [message for message in self.body["messages"] if message.get("role") == "system"]
        shown = json.dumps([self.body.get("response_format"), before, self.urls[:1]], sort_keys=True)
        return hashlib.sha256(shown.encode(errors="surrogatepass")).digest()

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def given(self) -> dict[str, Any]:
        """The input of a stage."""
        match = _INPUT.search(self.text)
        given = json.loads(match[1]) if match else {}
        return given if isinstance(given, dict) else {}


def read_question(body: bytes, known: Pictures, *, schemas: bool) -> Question:
    """The question of a request.

    Args:
        body (`bytes`): as it was sent.
        known (`Pictures`): those of the scenes.
        schemas (`bool`): whether `response_format` is taken.

    Raises:
        RequestError: if it cannot be served.
    """
    try:
        asked = json.loads(body)
        if asked["model"] != MODEL:
            raise RequestError(
                404, f"The model {str(asked['model'])[:80]!r} does not exist; this server has {MODEL!r}."
            )
        if not schemas and asked.get("response_format"):
            raise RequestError(400, "response_format is not supported by this server.")
        if "response_format" in asked and not _is_known(asked["response_format"]):
            raise RequestError(400, "response_format does not follow OpenAI's protocol.")
        if asked.get("n") not in (None, 1):
            raise RequestError(400, "n above 1 is not supported by this server.")
        first = next(message for message in asked["messages"] if message["role"] == "user")
        urls = [part["image_url"]["url"] for part in _parts(first) if "image_url" in part]
        pictures = [known.see(url) for url in urls]
        text = "\n".join(part["text"] for part in _parts(first) if "text" in part)
        written = sum(len(part.get("text", "")) for message in asked["messages"] for part in _parts(message))
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
        return Question(
            text,
            pictures,
            urls,
            int(asked.get("seed") or 0),
            tokens(written) + sum(-(-seen.width // PATCH) * -(-seen.height // PATCH) for seen in pictures),
            None if limit is None else int(limit),
            bool(asked.get("stream")),
            asked,
        )
    except (KeyError, IndexError, StopIteration, TypeError, ValueError, AttributeError) as error:
        raise RequestError(400, f"The request cannot be read: {type(error).__name__}: {error}") from None


def tokens(characters: int) -> int:
    """What so many characters are billed as."""
    return -(-characters // CHARACTERS)


def _is_known(form: Any) -> bool:
    """Whether a `response_format` is one of OpenAI's protocol, with nothing else in it."""
    if form is None or form in ({"type": "text"}, {"type": "json_object"}):
        return True
    return form.keys() == {"type", "json_schema"} and form["type"] == "json_schema" and "schema" in form["json_schema"]


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content") or []
    return [{"text": content}] if isinstance(content, str) else content
