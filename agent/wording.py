"""How requests are said to one server: what it takes, as far as it has told or shown, remembered for all calls.

A refusal that tells how to say it otherwise (another name for the limit of tokens, no JSON schema, fewer pictures, JPEG, fewer
tokens) is heeded. One that does not is met by saying the request more plainly, without what no answered request has had so far;
what helped is remembered, so a picture that is refused whatever is said costs a few requests once.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.refusals import SAMPLING, Refusal
from agent.sent_pictures import as_jpeg, kinds, only_first

__all__ = ["Call", "Wording"]

LEAST_TOKENS = 200
QUALITIES = (85, 60, 35)
"""Qualities of JPEG, one after the other, for a server that finds a picture's file too large."""
JPEG = "image/jpeg"
SCHEMA = "response_format"
PLAINER = (SCHEMA, "sampling", JPEG)
"""What is left out or changed, one after the other, where a server does not say why it refuses."""


class Way(NamedTuple):
    """What holds for all calls."""

    limit: str = "max_tokens"
    left_out: frozenset[str] = frozenset()
    images: int | None = None
    to_jpeg: frozenset[str] = frozenset()
    room: int | None = None
    answer: int | None = None


class Call(NamedTuple):
    """How one call is said, beyond that: with a smaller limit of tokens, pictures of a lower quality of JPEG, and more plainly."""

    limit: int
    quality: int | None = None
    plainer: frozenset[str] = frozenset()


class Wording:
    """What a server takes.

    Args:
        model (`str`): the model's name there.

    Attributes:
        way (`Way`): as it is known by now; a call is made and its outcome handed back under the one that it was begun with.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.way = Way()
        self._taken: set[str] = set()

    def body(self, messages: list[Any], parameters: Mapping[str, Any], call: Call, way: Way) -> dict[str, Any]:
        """The request."""
        if way.images is not None:
            messages = only_first(messages, way.images)
        if call.quality is not None or JPEG in call.plainer:
            messages = as_jpeg(messages, call.quality or QUALITIES[0])
        elif way.to_jpeg:
            messages = as_jpeg(messages, QUALITIES[0], way.to_jpeg)
        left_out = way.left_out | call.plainer | frozenset(SAMPLING if "sampling" in call.plainer else ())
        sent = {name: value for name, value in parameters.items() if name not in left_out}
        return {"model": self.model, "messages": messages, "stream": False, **sent, way.limit: call.limit}

    def within(self, call: Call, prompt_tokens: int) -> Call:
        """The call with no more tokens than the server has room for, if it has said how many."""
        left = None if self.way.room is None else self.way.room - prompt_tokens
        most = min(
            (room for room in (left, self.way.answer) if room is not None and room >= LEAST_TOKENS), default=call.limit
        )
        return call._replace(limit=min(call.limit, most))

    def answered(self, messages: list[Any], parameters: Mapping[str, Any], call: Call, way: Way) -> None:
        """A call was answered: what made it plainer is remembered, and what it had is known to be taken."""
        if call.plainer:
            left_out = {SCHEMA} & call.plainer | set(SAMPLING if "sampling" in call.plainer else ())
            changed = set(kinds(messages)) - self._taken - {JPEG} if JPEG in call.plainer else set()
            self.way = self.way._replace(left_out=self.way.left_out | left_out, to_jpeg=self.way.to_jpeg | changed)
        self._taken |= self._has(messages, parameters, call, way)

    def heed(
        self,
        refusal: Refusal,
        messages: list[Any],
        parameters: Mapping[str, Any],
        call: Call,
        way: Way,
        prompt_tokens: int = 0,
    ) -> Call | None:
        """How a refused call is made again; what holds for the server changes its way. `None` if it cannot be said otherwise."""
        if refusal.kind in ("passing", "strange", "picture", "blind"):
            return None
        if way != self.way:
            return call  # another call's outcome changed the way meanwhile: this one is made again under it
        if "max_tokens" in refusal.parameters and way.limit == "max_tokens":
            self.way = way._replace(limit="max_completion_tokens")
            return call
        named = {SCHEMA} if refusal.kind == "schema" else set(refusal.parameters)
        if left_out := named & set(parameters) - way.left_out - call.plainer:
            self.way = way._replace(left_out=way.left_out | left_out)
            return call
        if (
            refusal.kind == "images"
            and refusal.room
            and len(kinds(only_first(messages, way.images or 99))) > refusal.room
        ):
            self.way = way._replace(images=refusal.room)
            return call
        if refusal.kind == "smaller":
            lower = next((one for one in QUALITIES if call.quality is None or one < call.quality), None)
            return None if lower is None else call._replace(quality=lower)
        if refusal.kind == "context":
            return self._shorter(refusal, call, prompt_tokens)
        has = self._has(messages, parameters, call, way)
        if refusal.kind == "jpeg" and any(one.startswith("image/") for one in has):
            return call._replace(plainer=call.plainer | {JPEG})
        if refusal.kind == "unclear":
            unknown = {JPEG if one.startswith("image/") else one for one in has - self._taken}
            plainer = next((one for one in PLAINER if one in unknown), None)
            return None if plainer is None else call._replace(plainer=call.plainer | {plainer})
        return None

    def _shorter(self, refusal: Refusal, call: Call, prompt_tokens: int) -> Call | None:
        """The call with room for a shorter answer, as the server told or half as long; what it told holds for all calls."""
        if refusal.answer is not None and LEAST_TOKENS <= refusal.answer < call.limit:
            self.way = self.way._replace(answer=refusal.answer)
            return call._replace(limit=refusal.answer)
        left = (refusal.room or 0) - prompt_tokens
        if LEAST_TOKENS <= left < call.limit:
            self.way = self.way._replace(room=refusal.room)
            return call._replace(limit=left)
        return call._replace(limit=call.limit // 2) if call.limit // 2 >= LEAST_TOKENS else None

    def _has(self, messages: list[Any], parameters: Mapping[str, Any], call: Call, way: Way) -> set[str]:
        """What a request has that a server may not take: a schema, sampling, and media types other than JPEG."""
        sent = set(parameters) - way.left_out - call.plainer
        found = {SCHEMA} & sent
        if sent & set(SAMPLING) and "sampling" not in call.plainer:
            found.add("sampling")
        if call.quality is None and JPEG not in call.plainer:
            found |= set(kinds(messages)) - way.to_jpeg - {JPEG}
        return found
