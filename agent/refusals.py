"""What a server's error means: for the request, for the picture, or for the run.

Errors are judged by their structured fields first (the status, `error.code`, `error.type`, `error.param`, what a gateway quotes in
`metadata.raw`) and by their words only where these say nothing. The rule: a run ends only when no picture can succeed.
"""

from typing import Literal, NamedTuple

from agent.error_bodies import Told, told
from agent.refusal_words import (
    ACCOUNT_CODES,
    ACCOUNT_WORDS,
    CONTEXT,
    CONTEXT_CODES,
    CREDIT,
    DECLINED,
    FORMAT,
    KEY,
    MODEL,
    MODEL_CODES,
    NO_IMAGES,
    PICTURE_CODES,
    SCHEMA,
    SIZE,
    SIZE_CODES,
    answer_room,
    context_room,
    images_taken,
)
from dataset_builder.errors import shorten

__all__ = ["SAMPLING", "Refusal", "judge"]

Kind = Literal[
    "passing",
    "busy",
    "strange",
    "picture",
    "unclear",
    "account",
    "model",
    "blind",
    "schema",
    "parameter",
    "images",
    "jpeg",
    "smaller",
    "context",
]


class Refusal(NamedTuple):
    """What an error means.

    Attributes:
        kind (`str`): `passing` (try again), `busy` (the same, after waiting as told), `strange` (this may not be such a server),
            `picture` (this request will never be answered), `account` and `model` (no request will), `blind` (no request with a
            picture will, unless one was), `unclear` (no word says why), or what to say otherwise: `schema` (without a JSON
            schema), `parameter` (see `parameters`), `images` (fewer pictures), `jpeg`, `smaller` (fewer bytes), `context` (fewer
            tokens).
        reason (`str`): the status and the server's sentence.
        parameters (`tuple[str, ...]`): names of parameters that the server does not take.
        room (`int`, *optional*): of `context`: how many tokens prompt and answer may have together; of `images`: how many pictures.
        answer (`int`, *optional*): of `context`: how many tokens the answer may have.
        fix (`str`): of `account`, `model` and `blind`: what to do.
        billed (`bool`): whether the attempt may have been charged for.
        unreachable (`bool`): whether nobody took the connection.
        fault (`bool`): whether the status is one of a server at fault: where nothing can be said otherwise it may pass.
    """

    kind: Kind
    reason: str
    parameters: tuple[str, ...] = ()
    room: int | None = None
    answer: int | None = None
    fix: str = ""
    billed: bool = False
    unreachable: bool = False
    fault: bool = False


SAMPLING = ("temperature", "top_p", "seed")
_ADDRESS = "check --model and --base-url (it usually ends in /v1)"


def judge(status: int, body: str) -> Refusal:
    """What an error means.

    Args:
        status (`int`): of HTTP; 200 where the error takes an answer's place.
        body (`str`): the body, without keys.
    """
    error = told(body)
    shown = error.status if status == 200 and error.status else status
    reason = f"{shown}: {shorten(error.message or 'nothing', 300)}"

    fixes = [ACCOUNT_CODES[code] for code in error.codes if code in ACCOUNT_CODES]
    if fixes:
        return Refusal("account", reason, fix=fixes[0])
    if shown == 401:
        return Refusal("account", reason, fix=KEY)
    if shown == 402:
        return Refusal("account", reason, fix=CREDIT)
    if error.codes & PICTURE_CODES:
        return Refusal("picture", reason)
    if shown == 403:
        if DECLINED.search(error.text):
            return Refusal("picture", reason)
        return Refusal(
            "account", reason, fix="the key is not allowed to use this model; choose another model or another key"
        )
    if shown in (429, 529) or "rate_limit_exceeded" in error.codes:
        return Refusal("busy", reason, billed=shown == 529)
    if shown in (404, 405) and not SCHEMA.search(error.text):
        return Refusal("model", reason, fix=_ADDRESS)
    if shown in (408, 409, 425) or shown >= 500:
        otherwise = _otherwise(shown, reason, error) if shown in (500, 501) else None
        return (otherwise or Refusal("passing", reason))._replace(billed=True, fault=True)
    if shown == 200:
        return _under_200(reason, error)
    for fix, pattern in ACCOUNT_WORDS.items():
        if pattern.search(error.text):
            return Refusal("account", reason, fix=fix)
    if error.codes & MODEL_CODES or MODEL.search(error.text):
        return Refusal("model", reason, fix="check --model; the server does not have this model")
    return _otherwise(shown, reason, error) or _final(reason, error)


def _under_200(reason: str, error: Told) -> Refusal:
    """An error in an answer's place, with neither a status nor a code that says what it is."""
    for fix, pattern in ACCOUNT_WORDS.items():
        if pattern.search(error.text):
            return Refusal("account", reason, fix=fix)
    if MODEL.search(error.text):
        return Refusal("model", reason, fix=_ADDRESS)
    return Refusal("picture" if DECLINED.search(error.text) else "passing", reason, billed=True)


def _final(reason: str, error: Told) -> Refusal:
    """A refusal of what cannot be said otherwise."""
    if NO_IMAGES.search(error.text):
        return Refusal("blind", reason, fix="choose a model that takes pictures")
    return Refusal("picture" if DECLINED.search(error.text) else "unclear", reason)


def _otherwise(status: int, reason: str, error: Told) -> Refusal | None:
    """How a request that the server understood and does not take may be said otherwise; `None` if that is not known."""
    words, about = error.text, error.parameters
    if status == 413 or error.codes & SIZE_CODES:
        return Refusal("smaller", reason)
    if status == 415:
        return Refusal("jpeg", reason)
    if named := _parameters(error):
        return Refusal("parameter", reason, parameters=named)
    if error.codes & CONTEXT_CODES or error.context or "max_tokens" in about or CONTEXT.search(words):
        return Refusal("context", reason, room=error.context or context_room(words), answer=answer_room(words))
    if (most := images_taken(words)) is not None:
        return Refusal("images", reason, room=most)
    if (NO_IMAGES.search(words) and not FORMAT.search(words)) or DECLINED.search(words):
        return None
    if "max_completion_tokens" in words:
        return Refusal("parameter", reason, parameters=("max_tokens",))
    if "response_format" in about or SCHEMA.search(words):
        return Refusal("schema", reason)
    if named := tuple(name for name in SAMPLING if name in words):
        return Refusal("parameter", reason, parameters=named)
    if SIZE.search(words):
        return Refusal("smaller", reason)
    if FORMAT.search(words):
        return Refusal("jpeg", reason)
    return None


def _parameters(error: Told) -> tuple[str, ...]:
    """Parameters that a server says in so many fields it does not know, or not with this value."""
    if "max_completion_tokens" in error.text and "max_tokens" in error.text and "instead" in error.text:
        return ("max_tokens",)
    if error.codes & _UNKNOWN and error.parameters & {"max_tokens", "max_completion_tokens"}:
        return ("max_tokens",)
    return tuple(name for name in SAMPLING if name in error.parameters)


_UNKNOWN = {"extra_forbidden", "unsupported_parameter", "unknown_parameter"}
