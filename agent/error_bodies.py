"""What the body of an error says: its sentence, its codes, and the parameter that it is about.

Servers put these under `error`, `detail` or at the top, in an object, a list or a JSON text; gateways quote the server behind them
in `metadata.raw` or within their own sentence.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from dataset_builder.fields import repair

__all__ = ["Told", "told"]

_DEPTH = 6
_SENTENCES = ("message", "msg", "error_msg", "errmsg")


class Told(NamedTuple):
    """What an error says.

    Attributes:
        message (`str`): the innermost sentence, or the body as it is.
        codes (`frozenset[str]`): in lower case: what is under `code`, `type` and `status`, and reasons of details.
        parameters (`frozenset[str]`): names of what it is about, as `param` and `loc` have them.
        context (`int`, *optional*): the tokens of the model's context, where they have a field of their own.
        text (`str`): sentence, body and codes in lower case, for whoever must look for words.
    """

    message: str
    codes: frozenset[str]
    parameters: frozenset[str]
    context: int | None
    text: str

    @property
    def status(self) -> int:
        """A status of HTTP among the codes; 0 if there is none."""
        return next((int(code) for code in self.codes if code.isdigit() and 400 <= int(code) < 600), 0)


def told(body: str) -> Told:
    """What an error's body says; never raises.

    >>> told('[{"error": {"code": 429, "message": "Slow down."}}]')[:2]
    ('Slow down.', frozenset({'429'}))
    """
    found = list(_objects(_json(body)))
    messages = (_word(one.get(name)) for one in found for name in _SENTENCES)
    message = next((one for one in messages if one), body.strip())
    codes = {_word(one.get(name)).lower() for one in found for name in ("code", "type", "status", "reason")} - {""}
    contexts = (one["n_ctx"] for one in found if isinstance(one.get("n_ctx"), int))
    text = " ".join([message, body[:2000], *sorted(codes)]).lower()
    return Told(message, frozenset(codes), frozenset(_parameters(found)), next(contexts, None), text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _objects(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The objects of an error, the innermost first."""
    if depth > _DEPTH:
        return
    if isinstance(value, list):
        for one in value[:5]:
            yield from _objects(one, depth + 1)
    elif isinstance(value, dict):
        metadata = value.get("metadata")
        inner = [value.get(name) for name in ("error", "errors", "detail", "details", "innererror", *_SENTENCES)]
        for one in (metadata.get("raw") if isinstance(metadata, dict) else None, *inner):
            quoted = _json(one) if isinstance(one, str) and one.lstrip()[:1] in ("[", "{") else one
            if isinstance(quoted, (dict, list)):
                yield from _objects(quoted, depth + 1)
        sentence = next((one for one in inner[:3] if isinstance(one, str)), None)
        raw = metadata.get("raw") if isinstance(metadata, dict) else None
        if isinstance(raw, str) and _json(raw) is None:
            yield {"message": raw}
        yield value if sentence is None else {"message": sentence} | value


def _parameters(found: list[dict[str, Any]]) -> Iterator[str]:
    for one in found:
        places = one.get("loc")
        for name in (one.get("param"), *(places if isinstance(places, list) else ())):
            if isinstance(name, str):
                yield from (part for part in name.lower().replace("[", ".").split(".") if part)


def _word(value: object) -> str:
    """A text or number of a field; nothing for JSON within it, which is looked into."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return ""
    text = repair(str(value)[:1000]).strip()
    return "" if text[:1] in ("[", "{") and isinstance(_json(str(value)), (dict, list)) else text
