"""Reads a server's reply: the answer, why it ended, what it billed, and which model gave it.

Servers write the same thing in several ways: content as a list of parts, an answer in the field of the model's thoughts, counts of
tokens as floats or not at all. What cannot be an answer is told apart by what is to be done about it.
"""

import json
from typing import Any, NamedTuple

from agent.connection import Came
from dataset_builder.errors import shorten
from dataset_builder.fields import repair

__all__ = ["MAX_ANSWER", "NotAnAnswer", "Reply", "Strange", "estimated_tokens", "read_reply", "said"]

MAX_ANSWER = 2**17
"""Characters of an answer that are kept; twice what the largest limit of tokens allows."""


class Reply(NamedTuple):
    """What a call came back with.

    Attributes:
        text (`str`): the answer; where the content is empty, the text of the model's thoughts, which `note` then says.
        finish_reason (`str`): why it ended.
        refusal (`str`, *optional*): the server's own word that it declined.
        prompt_tokens, completion_tokens (`int`): what was billed; `estimated` where the server did not say.
        cached_tokens (`int`): prompt tokens that the server had in its cache, which many bill lower.
        model, fingerprint (`str`): which model answered, as the server names it.
        note (`str`): what a reader must know of the answer.
        limit (`int`): how many tokens the answer was allowed.
    """

    text: str
    finish_reason: str
    refusal: str | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cached_tokens: int = 0
    estimated: bool = False
    model: str = ""
    fingerprint: str = ""
    note: str = ""
    limit: int = 0


class NotAnAnswer(Exception):
    """The reply holds an error, or nothing; `text` is its body, for whoever judges errors."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Strange(Exception):
    """The reply is not one of this protocol: a page, a stream, another API's JSON."""


def estimated_tokens(text: str) -> int:
    """Tokens of a text on the high side: three characters a token, or a character where the script has no alphabet."""
    return sum(1 if ord(c) > 0x2E80 else 0 for c in text) + len(text) // 3 + 1 if text else 0


def read_reply(came: Came, seconds: float, prompt_tokens: int) -> Reply:
    """The answer in a reply with status 200.

    Args:
        came (`Came`): as it came.
        seconds (`float`): how long it took.
        prompt_tokens (`int`): an estimate of the prompt's tokens, for servers that do not say.

    Raises:
        NotAnAnswer: if it holds an error, or no answer.
        Strange: if the server does not speak this protocol.
    """
    if came.is_html:
        raise Strange("a web page (HTML)")
    if came.is_stream:
        raise Strange("a stream of events, although none was asked for")
    body, choice = _choice(came)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise NotAnAnswer(came.text)
    (text, thoughts), note = said(message), ""
    if text is None:
        raise NotAnAnswer(came.text)
    called = "" if text.strip() else _called(message)
    if called:
        text, note = called, "the answer was written as a call of a tool"
    elif not text.strip() and thoughts and not message.get("refusal"):
        text, note = thoughts, "the content was empty; the answer was read from the model's thoughts"
    elif not text.strip() and choice.get("finish_reason") is None and not message.get("refusal"):
        raise NotAnAnswer(came.text)  # a server that broke off, not a model with nothing to say
    if len(text) > MAX_ANSWER:
        text, note = text[:MAX_ANSWER], f"of {len(text):,} characters {MAX_ANSWER:,} were kept"
    refusal = message.get("refusal")
    reason = choice.get("finish_reason")
    return Reply(
        text=repair(text),
        finish_reason=repair(reason[:100]) if isinstance(reason, str) else "stop",
        refusal=repair(str(refusal)[:500]) if refusal else None,
        seconds=seconds,
        model=_word(body.get("model")),
        fingerprint=_word(body.get("system_fingerprint")),
        note=note,
        **_usage(body.get("usage"), prompt_tokens, text + thoughts),
    )


def _choice(came: Came) -> tuple[dict[str, Any], dict[str, Any]]:
    """The reply as an object, and its first choice."""
    try:
        body = json.loads(came.text)
    except (ValueError, RecursionError):
        if came.whole and came.text.strip() and came.text.lstrip()[0] not in "[{":
            raise Strange(f"text that is not JSON ({shorten(came.text.strip(), 80)})") from None
        raise NotAnAnswer(came.text if came.whole else f"more than {len(came.text):,} characters") from None
    if not isinstance(body, dict) or body.get("error"):
        raise NotAnAnswer(came.text)
    choices = body.get("choices")
    if choices is None and (
        "choices" in body or body.keys() & {"code", "msg", "message", "detail"} == body.keys() - _AROUND
    ):
        raise NotAnAnswer(came.text)  # an error that is called by no such name
    if not isinstance(choices, list):
        raise Strange(f"JSON of another interface ({shorten(', '.join(map(str, body)) or '{}', 80)})")
    choice = next((one for one in choices if isinstance(one, dict)), {})
    if choice.get("error"):
        raise NotAnAnswer(json.dumps({"error": choice["error"]}))
    if choice.get("finish_reason") == "error":
        raise NotAnAnswer(json.dumps({"error": "the answer ended with an error"}))
    return body, choice


_AROUND = {"success", "request_id", "requestId", "id", "object", "data"}
"""Fields next to those of an error that is not under `error`."""
_THOUGHT = ("thinking", "reasoning", "thought")
"""Types of parts that are no answer."""
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")


def said(message: dict[str, Any]) -> tuple[str | None, str]:
    """The text of a message, or of a piece of one, and the model's thoughts with it; `None` for content of another kind."""
    return _text(message.get("content")), next((found for name in _THOUGHTS if (found := _text(message.get(name)))), "")


def _text(content: object) -> str | None:
    """A message's content as text: itself, or its parts without thoughts; `None` if it is neither."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, dict):
        content = [content]
    if isinstance(content, list):
        parts = (
            (part.get("text") if part.get("type") not in _THOUGHT else None) if isinstance(part, dict) else part
            for part in content
        )
        return "".join(part for part in parts if isinstance(part, str))
    return None


def _called(message: dict[str, Any]) -> str:
    """The arguments of the first tool that a model called instead of answering."""
    calls = message.get("tool_calls")
    first = calls[0] if isinstance(calls, list) and calls and isinstance(calls[0], dict) else {}
    function = first.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)


def _word(value: object) -> str:
    return repair(value[:200]) if isinstance(value, str) else ""


def _usage(usage: object, prompt: int, text: str) -> dict[str, Any]:
    said = usage if isinstance(usage, dict) else {}
    told = [_count(said.get(name)) for name in ("prompt_tokens", "completion_tokens")]
    if not told[0] and not told[1]:  # some servers send zeros where they do not count
        told = [None, None]
    details = said.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    prompt_tokens = prompt if told[0] is None else told[0]
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": estimated_tokens(text) if told[1] is None else told[1],
        "cached_tokens": min(cached or 0, prompt_tokens),
        "estimated": None in told,
    }


def _count(value: object) -> int | None:
    """A number of tokens as a server states it, as a number or in digits; `None` for what is not one."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else -1.0
    except ValueError:
        return None
    return int(number) if 0 <= number < 2**40 else None
