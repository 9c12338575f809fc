"""The codes and words by which servers refuse, as they were seen: for `agent.refusals`, which says what they mean.

Codes are in lower case, and patterns are looked for in a text in lower case.
"""

import re

__all__ = [
    "ACCOUNT_CODES",
    "ACCOUNT_WORDS",
    "CONTEXT",
    "CONTEXT_CODES",
    "CREDIT",
    "DECLINED",
    "FORMAT",
    "IMAGES",
    "KEY",
    "MODEL",
    "MODEL_CODES",
    "NO_IMAGES",
    "PICTURE_CODES",
    "SCHEMA",
    "SIZE",
    "SIZE_CODES",
    "answer_room",
    "context_room",
    "images_taken",
]

CREDIT = "add credit to the account and re-run"
KEY = "put a valid key into OPENAI_API_KEY, or HF_TOKEN for Hugging Face"

ACCOUNT_CODES = dict.fromkeys(
    (
        "insufficient_quota",
        "exceeded_current_quota_error",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "insufficient_credits",
        "insufficient_balance",
        "payment_required",
        "arrearage",
        "accountoverdueerror",
        "quota_exceeded",
        "1113",  # Zhipu: the account is in arrears
    ),
    CREDIT,
) | dict.fromkeys(
    (
        "invalid_api_key",
        "incorrect_api_key",
        "api_key_invalid",
        "invalid_authentication",
        "authentication_error",
        "unauthenticated",
        "account_deactivated",
    ),
    KEY,
)


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


ACCOUNT_WORDS = {
    KEY: _words(
        r"(?:api|access|authentication)[ _-]?(?:key|token) (?:is )?(?:not valid|invalid|incorrect|missing|expired)",
        r"(?:invalid|incorrect|missing|expired) (?:x-)?(?:api|access|authentication)[ _-]?(?:key|token)",
        r"unauthori[sz]ed",
        r"api_key_invalid",
    ),
    CREDIT: _words(
        r"insufficient (?:credits?|balance|funds|quota)",
        r"(?:out of|not enough|no) credits?\b",
        r"credit balance",
        r"exceeded your (?:current|monthly) (?:quota|included credits)",
        r"(?:reached|exceeded) your (?:\w+ ){0,2}(?:usage|spend(?:ing)?) limit",
        r"payment required",
        r"billing",
        r"余额不足|欠费",
    ),
}
PICTURE_CODES = {
    "data_inspection_failed",
    "datainspectionfailed",
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "sensitivecontentdetected",
    "invalid_image_url",
    "invalid_base64",
    "image_content_policy_violation",
}
DECLINED = _words(
    r"\bsafety",
    r"moderat",
    r"flagged",
    r"content[ _](?:policy|filter|management)",
    r"inappropriate",
    r"data[ _]inspection",
    r"blocked by",
    r"prohibited",
    r"敏感|不安全",
)
MODEL_CODES = {"model_not_found", "invalid_model", "model_not_supported"}
MODEL = _words(
    r"model[^.]{0,80}(?:not (?:found|exist|available)|does not exist|is unknown|not supported by any)",
    r"(?:unknown|no such|invalid) model",
    r"unexpected endpoint",
)
NO_IMAGES = _words(
    r"(?:does(?: not|n't)|do(?: not|n't)|cannot|can't|not) (?:support|accept|process|take|handle) (?:any )?"
    r"(?:image|picture|vision|multi-?modal)",
    r"support(?:s)? image input",
    r"not a (?:multi-?modal|vision)",
    r"text[- ]only model",
    r"image input is not (?:supported|enabled)",
)
SCHEMA = _words(
    r"response[_ ]?(?:format|schema)",
    r"json[ _-]?(?:schema|object)",
    r"guided",
    r"grammar",
    r"structured[ _-]?outputs?",
    r"json[ _-]?mode",
    r"outlines",
    r"constrained",
    r"additionalproperties",
    r"requested parameters",
)
FORMAT = _words(
    r"unsupported (?:image|media|mime|file|format|content)",
    r"(?:image|media|mime|file)[ _-]?(?:type|format)",
    r"(?:image|picture): unknown format",
    r"webp|hei[cf]|avif",
    r"not a valid image|invalid (?:image|picture)",
    r"(?:cannot|could not|failed to|unable to) (?:identify|decode|load|open|process|read|parse) (?:the |input )?(?:image|picture)",
)
SIZE_CODES = {"request_too_large", "content_size_limit_error", "image_too_large"}
SIZE = _words(
    r"(?:image|picture|payload|request|file|body|content)\b[^.]{0,40}"
    r"(?:too (?:large|big)|exceeds \d+(?:\.\d+)? ?[kmg]?b|larger than|over (?:the limit of )?\d)",
    r"too large",
    r"\b\d+(?:\.\d+)? ?mb\b",
)

IMAGES = _words(
    r"at most (?P<a>\d+) (?:image|picture)",
    r"only (?:(?P<b>\d+)|one|a single) image",
    r"single image",
    r"supports? (?:up to|a maximum of) (?P<c>\d+) images?",
    r"too many images",
    r"limit[_ -]mm[_ -]per[_ -]prompt",
    r"more than (?:(?P<d>\d+)|one) image",
    r"multiple images",
    r"\d+ images?, (?:exceeding|more than) the maximum",
)
_IMAGES_MOST = re.compile(r"max(?:imum)?(?: is| of|:)? (\d+)|> ?(\d+)|limit(?: is| of|:)? (\d+)")

CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error", "max_tokens_exceeded", "token_limit_exceeded"}
_LIMIT = r"max_(?:completion_|new_|output_)?tokens"
CONTEXT = _words(
    r"context[ _-]?(?:length|window|size|limit)",
    r"max(?:imum)?[ _]model[ _]len",
    r"too many (?:input )?tokens",
    r"exceeds? the (?:maximum|max|available)(?: number of)? (?:tokens|context)",
    rf"{_LIMIT}\W+.{{0,80}}(?:too large|less than or equal|at most|must be|maximum|should be|valid range|<=|\d+ > \d+)",
)
_ANSWER_ROOM = _words(
    r"at most (?P<a>\d{2,7}) (?:completion|output)",
    rf"{_LIMIT}\W{{1,3}}\d+ > (?P<b>\d{{2,7}})",
    rf"{_LIMIT}[^\[]{{0,60}}\[\d+, ?(?P<c>\d{{2,7}})\]",
    rf"{_LIMIT}\W+.{{0,80}}(?:less than or equal to|must be ≤|<=) ?(?P<d>\d{{2,7}})",
    r"less than or equal to (?P<e>\d{2,7})",
)
_CONTEXT_ROOM = _words(
    r"context limit: \d+ \+ \d+ > (?P<a>\d{3,7})",
    r"(?:context[ _-]?(?:length|window|size|limit)|model[ _]len\w*|max(?:imum)?(?: number of)? (?:tokens|context)\w*)"
    r"\D{0,30}(?P<b>\d{3,7})",
    r"tokens\W{0,3} \+ .{0,40}must be <= (?P<c>\d{3,7})",
    r"(?:less than or equal to|at most|must be ≤|maximum(?: value)?(?: of| is)?|up to|<=)\D{0,12}(?P<d>\d{3,7})",
    r"(?P<e>\d{3,7}) (?:tokens )?(?:maximum|context|limit)",
)


def _first(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return next((int(one) for one in found.groups() if one), None) if found else None


def answer_room(text: str) -> int | None:
    """The tokens that an answer may have, if a refusal tells that it is about the answer alone.

    >>> answer_room("max_tokens is too large: 16000. this model supports at most 4096 completion tokens")
    4096
    """
    text = text.replace(",", "") if "[" not in text else text
    return None if _CONTEXT_ROOM_TOLD.search(text) else _first(_ANSWER_ROOM, text)


_CONTEXT_ROOM_TOLD = _words(
    r"context[ _-]?(?:length|window|size|limit)", r"max(?:imum)?[ _]model[ _]len", r"tokens\W{0,3} \+ "
)


def context_room(text: str) -> int | None:
    """The tokens that prompt and answer may have together, as a refusal tells.

    >>> context_room("this model's maximum context length is 8,192 tokens. however, you requested 9000 tokens")
    8192
    """
    return _first(_CONTEXT_ROOM, text.replace(",", ""))


def images_taken(text: str) -> int | None:
    """How many pictures a server takes in a request, if it refuses more; one if it does not say how many.

    >>> images_taken("at most 2 image(s) may be provided"), images_taken("too many images in request. max is 10.")
    (2, 10)
    """
    if not IMAGES.search(text):
        return None
    found = _first(IMAGES, text) or _first(_IMAGES_MOST, text)
    return max(found, 1) if found else 1
