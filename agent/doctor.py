"""What an endpoint can do, found out with one small request for each thing: schemas, picture formats, boxes, rates."""

import base64
import io
import json
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from PIL import Image, ImageDraw

from agent.boxes import boxes_of, told_by_probe
from agent.connection import api_key
from agent.reach import check_endpoint
from dataset_builder.diagnosis import Diagnosis, diagnosed
from dataset_builder.errors import shorten

__all__ = ["examine_endpoint"]

PATIENCE = 60.0
"""Seconds for one answer."""
SIZE = (400, 300)
PLACE = (216, 48, 340, 126)
"""The red rectangle in the picture that is asked about, in its pixels: every convention of boxes writes it otherwise."""
_SCHEMA = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}},
    "required": ["sum"],
    "additionalProperties": False,
}
_LIMITS = ("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens", "retry-after")
_FIXES = {
    401: "put a valid key into OPENAI_API_KEY, or HF_TOKEN for Hugging Face",
    402: "add credit to the account",
    403: "choose a model that the key may use",
    404: "check --model and --base-url (it usually ends in /v1)",
    405: "check --base-url (it usually ends in /v1)",
    429: "wait, or ask for a higher limit",
}


class _Answer(NamedTuple):
    status: int
    text: str
    tokens: int
    seconds: float
    headers: dict[str, str]


def examine_endpoint(model: str, base_url: str) -> Iterator[Diagnosis]:
    """Ask an endpoint what it can do; about seven small requests, which may be billed.

    Args:
        model (`str`): the model's name there.
        base_url (`str`): of an OpenAI-compatible server.
    """
    reached = diagnosed("endpoint", lambda: check_endpoint(model, base_url), f"{base_url} answers")
    yield reached
    if reached.state != "ok":
        return
    first = _ask(model, base_url, [{"type": "text", "text": "Say OK."}])
    if first.status != 200:
        yield Diagnosis("chat completions", "problem", _refusal(first))
        return
    yield Diagnosis("chat completions", "ok", f"{model} answers")
    yield _schema(model, base_url)
    for form in ("PNG", "JPEG", "WEBP"):
        yield _format(model, base_url, form)
    yield _boxes(model, base_url)
    yield _rates(first)


def _ask(model: str, base_url: str, content: list[dict[str, Any]], **more: Any) -> _Answer:
    """One request, made again once if the server knows the limit of tokens by its other name."""
    import httpx2

    key = api_key(base_url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
    for limit in ("max_tokens", "max_completion_tokens"):
        started = time.monotonic()
        try:
            reply = httpx2.post(
                f"{base_url.rstrip('/')}/chat/completions", json=body | {limit: 100}, headers=headers, timeout=PATIENCE
            )
        except httpx2.HTTPError as error:
            return _Answer(0, type(error).__name__, 0, time.monotonic() - started, {})
        if reply.status_code != 400 or "max_completion_tokens" not in reply.text:
            break
    seconds = time.monotonic() - started
    text = reply.text.replace(key, "[key]") if key and len(key) >= 8 else reply.text
    if reply.status_code != 200:
        return _Answer(reply.status_code, text, 0, seconds, dict(reply.headers))
    try:
        content_of = json.loads(text)
        said = str(content_of["choices"][0]["message"]["content"] or "")
        tokens = int((content_of.get("usage") or {}).get("completion_tokens") or 0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return _Answer(0, "the reply is not a chat completion", 0, seconds, {})
    return _Answer(200, said, tokens, seconds, dict(reply.headers))


def _refusal(answer: _Answer) -> str:
    if not answer.status:
        return f"no answer ({answer.text}); check --base-url (it usually ends in /v1)"
    found = re.search(r'"(?:message|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"', answer.text)
    said = shorten(found[1] if found else answer.text.strip(), 160)
    return f"refused ({answer.status}: {said}); {_FIXES.get(answer.status, 'see the log of the server')}"


def _schema(model: str, base_url: str) -> Diagnosis:
    form = {"type": "json_schema", "json_schema": {"name": "sum", "strict": True, "schema": _SCHEMA}}
    question = [{"type": "text", "text": "What is the sum of 2 and 3? Answer in words."}]
    answer = _ask(model, base_url, question, response_format=form)
    if answer.status != 200:
        return Diagnosis(
            "schema", "note", f"response_format is {_refusal(answer)}; the agent then asks for the form in words"
        )
    try:
        kept = set(json.loads(answer.text)) == {"sum"}
    except (ValueError, TypeError):
        kept = False
    if kept:
        return Diagnosis("schema", "ok", "response_format is obeyed")
    return Diagnosis(
        "schema", "note", "response_format is accepted but not obeyed; the agent's parser reads the answers anyway"
    )


def _format(model: str, base_url: str, form: str) -> Diagnosis:
    answer = _ask(
        model, base_url, [_picture(form), {"type": "text", "text": "Which colour is the rectangle? One word."}]
    )
    about = f"pictures as {form if form != 'WEBP' else 'WebP'}"
    if answer.status != 200:
        return Diagnosis(about, "note" if form == "WEBP" else "problem", _refusal(answer))
    seen = (
        "seen"
        if "red" in answer.text.lower()
        else f"accepted; asked about a red rectangle, the model said {shorten(answer.text, 60)}"
    )
    return Diagnosis(about, "ok" if seen == "seen" else "note", seen)


def _boxes(model: str, base_url: str) -> Diagnosis:
    """In which convention the model gives boxes, whatever it was asked for, and whether that is the one it is taken to use."""
    text = "Give the bounding box of the red rectangle in pixels, as JSON: [x0, y0, x1, y1]. Nothing else."
    answer = _ask(model, base_url, [_picture("PNG"), {"type": "text", "text": text}])
    if answer.status != 200:
        return Diagnosis("boxes", "problem", _refusal(answer))
    numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])", answer.text)][-4:]
    if len(numbers) < 4:
        return Diagnosis("boxes", "note", f"none given: {shorten(answer.text, 60)}")
    told = told_by_probe(numbers, PLACE, SIZE)
    if told is None:
        return Diagnosis("boxes", "note", f"wrong in every convention: {numbers} for a rectangle at {list(PLACE)}")
    if told == boxes_of(model, "pixels"):
        return Diagnosis("boxes", "ok", f"given in {told.named}")
    if told.swapped != boxes_of(model, "pixels", told.unit).swapped:
        return Diagnosis(
            "boxes", "note", f"given in {told.named}, which --boxes does not support; do not ask this model for boxes"
        )
    return Diagnosis("boxes", "note", f"given in {told.named}; set --boxes {told.unit}")


def _rates(answer: _Answer) -> Diagnosis:
    speed = f"{answer.seconds:.2f} s for one short answer"
    if answer.tokens:
        speed += f" of {answer.tokens} tokens"
    limits = [f"{name} {shorten(answer.headers[name], 40)}" for name in _LIMITS if name in answer.headers]
    return Diagnosis("rates", "ok", f"{speed}; {', '.join(limits) or 'no limits are stated'}")


def _picture(form: str) -> dict[str, Any]:
    """A red rectangle on white, as a part of a message."""
    image = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(image).rectangle((PLACE[0], PLACE[1], PLACE[2] - 1, PLACE[3] - 1), fill="red")
    buffer = io.BytesIO()
    image.save(buffer, form)
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{form.lower()};base64,{data}"}}
