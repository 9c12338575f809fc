"""What a server's error means: for the request, for the picture, or for the run.

Errors are judged by their structured fields first (the status, `error.code`, `error.type`, what a gateway quotes in `metadata.raw`)
and by their words only where these say nothing. The rule: a run ends only when no picture can succeed.
"""

import datetime
import email.utils
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from dataset_builder.errors import shorten
from dataset_builder.fields import repair

__all__ = ["Refusal", "asked_to_wait", "judge"]

Kind = Literal[
    "passing",
    "busy",
    "strange",
    "picture",
    "account",
    "model",
    "schema",
    "parameter",
    "one image",
    "jpeg",
    "smaller",
    "context",
]


class Refusal(NamedTuple):
    """What an error means.

    Attributes:
        kind (`str`): `passing` (try again), `busy` (the same, after waiting as told), `strange` (this may not be such a server),
            `picture` (this request will never be answered), `account` and `model` (no request will), or what to say
            otherwise: `schema` (without a JSON schema), `parameter` (see `parameter`), `one image`, `jpeg`, `smaller` (fewer
            bytes), `context` (fewer tokens).
        reason (`str`): the status and the server's sentence.
        parameter (`str`): the name of a parameter that the server does not take.
        room (`int`, *optional*): of `context`: how many tokens prompt and answer may have together, or the answer alone.
        fix (`str`): of `account` and `model`: what to do.
        billed (`bool`): whether the attempt may have been charged for.
        unreachable (`bool`): whether nobody took the connection.
    """

    kind: Kind
    reason: str
    parameter: str = ""
    room: int | None = None
    fix: str = ""
    billed: bool = False
    unreachable: bool = False


CREDIT = "add credit to the account and re-run"
KEY = "put a valid key into OPENAI_API_KEY, or HF_TOKEN for Hugging Face"
_ACCOUNT = {
    "insufficient_quota": CREDIT,
    "billing_hard_limit_reached": CREDIT,
    "billing_not_active": CREDIT,
    "insufficient_credits": CREDIT,
    "insufficient_balance": CREDIT,
    "payment_required": CREDIT,
    "arrearage": CREDIT,
    "quota_exceeded": CREDIT,
    "invalid_api_key": KEY,
    "incorrect_api_key": KEY,
    "invalid_authentication": KEY,
    "authentication_error": KEY,
    "account_deactivated": KEY,
}


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_ACCOUNT_WORDS = {
    KEY: _words(
        r"(?:api|access|authentication)[ _-]?(?:key|token) (?:is )?(?:not valid|invalid|incorrect|missing|expired)",
        r"(?:invalid|incorrect|missing|expired) (?:api|access|authentication)[ _-]?(?:key|token)",
        r"unauthori[sz]ed",
        r"api_key_invalid",
    ),
    CREDIT: _words(
        r"insufficient (?:credits?|balance|funds|quota)",
        r"(?:out of|not enough|no) credits?\b",
        r"exceeded your (?:current|monthly) (?:quota|included credits)",
        r"payment required",
        r"billing",
    ),
}
_PICTURE_CODES = {
    "data_inspection_failed",
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "invalid_image",
    "invalid_image_url",
    "image_parse_error",
    "invalid_base64",
    "image_content_policy_violation",
}
_DECLINED = _words(
    r"\bsafety",
    r"moderat",
    r"flagged",
    r"content[ _](?:policy|filter|management)",
    r"inappropriate",
    r"data[ _]inspection",
    r"blocked by",
    r"prohibited",
)
_CONTEXT = _words(
    r"context[ _-]?(?:length|window|size)",
    r"max(?:imum)?[ _]model[ _]len",
    r"too many (?:input )?tokens",
    r"exceeds? the (?:maximum|max|available)(?: number of)? (?:tokens|context)",
    r"max_(?:completion_)?tokens\W+.{0,40}(?:too large|less than or equal|at most|must be|maximum)",
)
_SCHEMA = _words(
    r"response_format",
    r"json[ _-]?schema",
    r"guided",
    r"grammar",
    r"structured[ _-]?outputs?",
    r"json[ _-]?mode",
    r"outlines",
    r"constrained",
)
_ONE_IMAGE = _words(
    r"at most 1 (?:image|picture)",
    r"only (?:one|1|a single) image",
    r"(?:multiple|too many) images",
    r"limit[_ -]mm[_ -]per[_ -]prompt",
    r"more than (?:one|1) image",
    r"single image",
)
_NO_IMAGES = _words(
    r"(?:does(?: not|n't)|do(?: not|n't)|cannot|can't|not) (?:support|accept|process|take|handle) (?:any )?"
    r"(?:image|picture|vision|multi-?modal)",
    r"support(?:s)? image input",
    r"not a (?:multi-?modal|vision)",
    r"text[- ]only model",
    r"image input is not (?:supported|enabled)",
)
_FORMAT = _words(
    r"unsupported (?:image|media|mime|file|format)",
    r"(?:image|media|mime|file)[ _-]?(?:type|format)",
    r"webp|hei[cf]|avif",
    r"not a valid image|invalid image",
    r"(?:cannot|could not|failed to|unable to) (?:identify|decode|load|open|process|read|parse) (?:the )?(?:image|picture)",
)
_SIZE = _words(
    r"(?:image|picture|payload|request|file|body)[^.]{0,40}(?:too (?:large|big)|exceeds|larger than|over \d)",
    r"too large",
    r"\b\d+ ?mb\b",
)
_MODEL = _words(
    r"model[^.]{0,80}(?:not (?:found|exist|available)|does not exist|is unknown|not supported by any)",
    r"(?:unknown|no such|invalid) model",
)
_PARAMETERS = ("temperature", "top_p", "seed")


def judge(status: int, text: str) -> Refusal:
    """What an error means.

    Args:
        status (`int`): of HTTP; 200 where the error stands in an answer's place.
        text (`str`): the body, without keys.
    """
    said = list(_said(text))
    message = next((one for one in (_word(found.get("message")) for found in said) if one), text.strip())
    codes = {
        _word(found.get(name)).lower()
        for found in said
        for name in ("code", "type", "status")
        if found.get(name) is not None
    }
    inner = next((int(code) for code in codes if code.isdigit() and 400 <= int(code) < 600), 0)
    shown = inner if status == 200 and inner else status
    reason = f"{shown}: {shorten(message or 'nothing', 300)}"
    words = " ".join([message, text[:2000], *codes]).lower()

    fixes = [_ACCOUNT[code] for code in codes if code in _ACCOUNT]
    if fixes:
        return Refusal("account", reason, fix=fixes[0])
    if shown == 401:
        return Refusal("account", reason, fix=KEY)
    if shown == 402:
        return Refusal("account", reason, fix=CREDIT)
    if codes & _PICTURE_CODES:
        return Refusal("picture", reason)
    if shown == 403:
        if _DECLINED.search(words):
            return Refusal("picture", reason)
        return Refusal("account", reason, fix="the key may not use this model; choose another model or another key")
    if shown in (429, 529) or "rate_limit_exceeded" in codes:
        return Refusal("busy", reason, billed=shown == 529)
    if shown in (404, 405):
        return Refusal("model", reason, fix="check --model and --base-url (it usually ends in /v1)")
    if shown in (408, 409, 425) or shown >= 500:
        return Refusal("passing", reason, billed=True)
    if shown == 200:
        # An error with neither a status nor a code that says what it is.
        for fix, pattern in _ACCOUNT_WORDS.items():
            if pattern.search(words):
                return Refusal("account", reason, fix=fix)
        return Refusal("picture" if _DECLINED.search(words) else "passing", reason, billed=True)
    return _refused_request(shown, reason, words, codes)


def _refused_request(status: int, reason: str, words: str, codes: set[str]) -> Refusal:
    """A request that the server understood and does not take: is there another way to say it?"""
    if _ACCOUNT_WORDS[KEY].search(words):
        return Refusal("account", reason, fix=KEY)
    if status == 413:
        return Refusal("smaller", reason)
    if status == 415:
        return Refusal("jpeg", reason)
    if "max_completion_tokens" in words and "max_tokens" in words and "instead" in words:
        return Refusal("parameter", reason, parameter="max_tokens")
    if "context_length_exceeded" in codes or _CONTEXT.search(words):
        return Refusal("context", reason, room=_room(words))
    if codes & {"model_not_found", "invalid_model", "model_not_supported"} or _MODEL.search(words):
        return Refusal("model", reason, fix="check --model: the server does not have it")
    if _ONE_IMAGE.search(words):
        return Refusal("one image", reason)
    if _NO_IMAGES.search(words):
        return Refusal("model", reason, fix="choose a model that takes pictures")
    if _DECLINED.search(words):
        return Refusal("picture", reason)
    if "max_completion_tokens" in words:
        return Refusal("parameter", reason, parameter="max_tokens")
    if _SCHEMA.search(words):
        return Refusal("schema", reason)
    if named := [name for name in _PARAMETERS if name in words]:
        return Refusal("parameter", reason, parameter=named[0])
    if _FORMAT.search(words):
        return Refusal("jpeg", reason)
    if _SIZE.search(words):
        return Refusal("smaller", reason)
    if _ACCOUNT_WORDS[CREDIT].search(words):
        return Refusal("account", reason, fix=CREDIT)
    return Refusal("picture", reason)


def _said(text: str, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The error objects in a body, the innermost last: in a list, under `error` or `detail`, quoted by a gateway."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    for one in found[:5] if isinstance(found, list) else [found]:
        if isinstance(one, dict):
            yield from _inside(one, depth)


def _inside(found: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    if depth > 4:
        return
    for name in ("error", "detail", "errors"):
        inner = found.get(name)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, dict):
            yield from _inside(inner, depth + 1)
        elif isinstance(inner, str):
            yield {**found, "message": inner}
    metadata = found.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str):
        yield from _said(raw, depth + 1) if raw.lstrip()[:1] in "[{" else [{"message": raw}]
    elif isinstance(raw, dict):
        yield from _inside(raw, depth + 1)
    yield found


def _word(value: object) -> str:
    return (
        repair(str(value)[:1000]).strip()
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
        else ""
    )


def _room(words: str) -> int | None:
    """The limit of tokens that a sentence names: of prompt and answer together, as nearly all say it, or of the answer."""
    patterns = (
        r"(?:context[ _-]?(?:length|window|size)|model[ _]len\w*|max(?:imum)?(?: number of)? (?:tokens|context)\w*)"
        r"\D{0,30}(\d{3,7})",
        r"(?:less than or equal to|at most|must be ≤|maximum(?: value)?(?: of| is)?|up to|<=)\D{0,12}(\d{3,7})",
        r"(\d{3,7}) (?:tokens )?(?:maximum|context|limit)",
    )
    found = [int(match[1]) for pattern in patterns for match in [re.search(pattern, words.replace(",", ""))] if match]
    return found[0] if found else None


def asked_to_wait(headers: Mapping[str, str], text: str) -> float | None:
    """The seconds that a server asks to wait: `Retry-After` in seconds or as a date, `retry-after-ms`, `x-ratelimit-reset-*`
    of a quota that is used up, or a sentence such as "try again in 10.4s"; `None` if it says nothing."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if (header := headers.get("retry-after")) is not None:
        if (seconds := _number(header)) is not None:
            return seconds
        try:
            until = email.utils.parsedate_to_datetime(header)
            zone = until.tzinfo or datetime.UTC
            return max((until.replace(tzinfo=zone) - datetime.datetime.now(zone)).total_seconds(), 0.0)
        except (ValueError, OverflowError):
            pass
    resets = [
        seconds
        for name, value in headers.items()
        if name.startswith(("x-ratelimit-reset", "ratelimit-reset"))
        and (seconds := _span(value)) is not None
        and _number(headers.get(name.replace("reset", "remaining"))) in (None, 0.0)
    ]
    if resets:
        return max(resets)
    duration = r"(?:\d+(?:\.\d+)?\s?(?:ms|h|m(?!s)|s|sec|min)\w*\s?)+"
    found = re.search(rf"(?:try again|retry|available|wait)\D{{0,20}}?({duration})", text.lower())
    return _span(found[1]) if found else None


def _span(value: str) -> float | None:
    """Seconds in `10.4s`, `1m2s`, `250ms`, `6`, or a point in time as seconds since 1970."""
    value = value.strip().lower()
    if (number := _number(value)) is not None:
        now = datetime.datetime.now(datetime.UTC).timestamp()
        # A point in time, in seconds or milliseconds.
        return (
            max(number - now, 0.0)
            if 1e9 < number < 1e11
            else max(number / 1000 - now, 0.0)
            if number >= 1e11
            else number
        )
    parts = re.findall(r"(\d+(?:\.\d+)?)\s?(ms|h|m|s)", value)
    scale = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(number) * scale[unit] for number, unit in parts) if parts else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return max(number, 0.0) if math.isfinite(number) else None
