"""Dialects: how real servers differ from the protocol, each by its name, to be tried against any client.

A dialect refuses a request, writes an answer otherwise, or sends it otherwise. It shows in a share of what comes: of pictures, of
questions or of attempts, drawn from what is asked and never from the order of arrival; only what begins at a certain request goes
by their number. Several dialects combine: the first that refuses does, all write, the first that sends does.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from starlette.responses import Response

from agent.simulated import dialect_answers as answers
from agent.simulated import dialect_refusals as refusals
from agent.simulated import dialect_sending as sending
from agent.simulated.quota import Quota
from agent.simulated.rates import Dice
from dataset_builder.errors import InputError

__all__ = ["DIALECTS", "Dialect", "Request", "Spoken"]

Per = Literal["picture", "question", "attempt"]


class Request(NamedTuple):
    """A request as dialects see it.

    Attributes:
        body (`dict`), query (`dict`): as they were sent.
        urls (`list[str]`): its pictures.
        size (`tuple[int, int]`): width and height of the first of them, in pixels as it was sent.
        scene (`str`, *optional*): which scene it shows.
        text (`str`), sample (`int`), attempt (`int`): what is asked, which sample of it, and how often it was asked by now.
        grid (`bool`): whether boxes are asked for on the agent's grid, not in pixels.
        number (`int`): how many requests came by now, this one included.
        prompt_tokens (`int`): of the prompt.
        limit (`int`): tokens that the answer may have.
        quota (`Quota`): of the minute.
        clock (`float`): how many times faster than the wall's clock the server's runs.
    """

    body: Mapping[str, Any]
    query: Mapping[str, str]
    urls: list[str]
    size: tuple[int, int]
    scene: str | None
    text: str
    sample: int
    attempt: int
    grid: bool
    number: int
    prompt_tokens: int
    limit: int
    quota: Quota
    clock: float


class Dialect(NamedTuple):
    """One way of being different.

    Attributes:
        row (`int`): of the list of server behaviours that it stands for.
        does (`str`): what such a server does.
        refuse (callable, *optional*): the reply in an answer's place, if any.
        write (callable, *optional*): changes a completion.
        send (callable, *optional*): the reply that carries a completion, if not the usual one.
        per (`str`): what it shows in a share of.
        share (`float`): in how many, unless it is said.
    """

    row: int
    does: str
    refuse: Callable[[Request], Response | None] | None = None
    write: Callable[[dict[str, Any], Request], None] | None = None
    send: Callable[[dict[str, Any], Request], Response | None] | None = None
    per: Per = "question"
    share: float = 1.0


def _picture(row: int, does: str, refuse: Callable[[Request], Response | None]) -> Dialect:
    return Dialect(row, does, refuse=refuse, per="picture", share=0.3)


def _passing(row: int, does: str, refuse: Callable[[Request], Response | None]) -> Dialect:
    return Dialect(row, does, refuse=refuse, per="attempt", share=0.2)


DIALECTS: dict[str, Dialect] = {
    "odd-shape": _picture(1, "refuses some pictures for their shape (400)", refusals.odd_shape),
    "unsupported-image": _picture(1, "refuses some pictures as unsupported (400)", refusals.unsupported_image),
    "inspection": _picture(2, "refuses some pictures: `data_inspection_failed` (400)", refusals.inspection),
    "flagged": _picture(2, "refuses some pictures as flagged by moderation (403)", refusals.flagged),
    "safety-system": _picture(2, "refuses some pictures by its safety system (400)", refusals.safety_system),
    "small-context": Dialect(3, "has a context of 4,096 tokens for prompt and answer (400)", refusals.small_context),
    "one-image": Dialect(4, "takes one picture per request (400)", refusals.one_image),
    "no-response-format": Dialect(5, "does not know `response_format` (400)", refusals.no_response_format),
    "grammar": Dialect(5, "cannot compile the schema's grammar (400)", refusals.grammar),
    "no-structured-outputs": Dialect(5, "does not support structured outputs (400)", refusals.no_structured_outputs),
    "jpeg-only": Dialect(6, "takes only JPEG (400)", refusals.jpeg_only),
    "small-files": Dialect(6, "takes only small pictures (413)", refusals.small_files),
    "error-lists": _passing(7, "writes errors as a JSON list (503)", refusals.error_list),
    "wrong-key-list": Dialect(7, "refuses the key in a JSON list (400)", refusals.wrong_key_list),
    "error-in-200": _passing(8, "sends an error with status 200", refusals.error_in_200),
    "no-choices": _passing(8, "sends no choices, or `content: null`", refusals.no_choices),
    "refusal-field": Dialect(
        8, "declines some pictures in `refusal`", write=answers.declined, per="picture", share=0.3
    ),
    "credit-in-200": Dialect(8, "says with status 200 that the credit is used up", refusals.credit_in_200),
    "parts": Dialect(9, "writes the content as a list of parts", write=answers.parts),
    "thinks": Dialect(10, "thinks in `<think>…</think>`, drafts included", write=answers.thinks),
    "thinks-late": Dialect(10, "thinks without an opening tag", write=answers.thinks_late),
    "thinks-kimi": Dialect(10, "thinks in `◁think▷…◁/think▷`", write=answers.thinks_kimi),
    "reasoning-field": Dialect(10, "thinks in `reasoning_content`, drafts included", write=answers.reasoning_field),
    "only-reasoning": Dialect(
        10, "leaves the content empty; the answer is in `reasoning`", write=answers.only_reasoning
    ),
    "corrects": Dialect(11, "writes a draft, then corrects it", write=answers.corrects),
    "two-blocks": Dialect(11, "writes two fenced blocks; the last one counts", write=answers.two_blocks),
    "schema-echo": Dialect(11, "repeats the schema before the answer", write=answers.schema_echo),
    "integer-ids": Dialect(12, "writes ids as numbers", write=answers.integer_ids),
    "blank-loop": Dialect(13, "writes blanks up to the limit for some questions", write=answers.blank_loop, share=0.1),
    "repeats": Dialect(13, "repeats itself up to the limit for some questions", write=answers.repeats, share=0.1),
    "flood": Dialect(14, "writes 2 MB of text before some answers", write=answers.flood, share=0.1),
    "quota-seconds": Dialect(
        15, "takes 60 requests per minute; `Retry-After` in seconds (429)", refusals.quota_seconds
    ),
    "quota-date": Dialect(15, "the same; `Retry-After` as a date", refusals.quota_date),
    "quota-ms": Dialect(15, "the same; `retry-after-ms`", refusals.quota_ms),
    "quota-reset": Dialect(15, "the same; `x-ratelimit-reset-requests: 1m2s`", refusals.quota_reset),
    "quota-words": Dialect(15, 'the same; "try again in 10.4s"', refusals.quota_words),
    "quota-silent": Dialect(15, "the same, without a word on how long", refusals.quota_silent),
    "quota-day": Dialect(16, "asks to wait a day (`Retry-After: 86400`)", refusals.quota_day),
    "flaky": _passing(17, "answers some attempts with 500, 502, 503, 504 or 529", refusals.flaky),
    "resets": Dialect(17, "breaks some connections within the answer", send=sending.resets, per="attempt", share=0.2),
    "trickle": Dialect(17, "sends some answers too slowly", send=sending.trickle, per="attempt", share=0.03),
    "silence": Dialect(17, "never answers some attempts", send=sending.silence, per="attempt", share=0.03),
    "no-usage": Dialect(18, "does not say how many tokens it used", write=answers.no_usage),
    "float-usage": Dialect(18, "counts tokens in floats", write=answers.float_usage),
    "some-usage": Dialect(18, "says how many tokens it used only now and then", write=answers.no_usage, share=0.5),
    "html": Dialect(20, "is a web page", refusals.html),
    "redirect": Dialect(20, "redirects (307)", refusals.redirect),
    "always-streams": Dialect(20, "streams although it was not asked to", send=sending.always_streams),
    "other-api": Dialect(20, "speaks another API", send=sending.other_api),
    "key-expires": Dialect(21, "refuses the key from the 31st request (401)", refusals.key_expires),
    "payment": Dialect(21, "wants payment from the 31st request (402)", refusals.payment),
    "quota-ends": Dialect(21, "has its quota used up from the 31st request (429)", refusals.quota_ends),
    "other-model": Dialect(22, "answers with another model than was asked for", write=answers.other_model),
    "boxes-pixels": Dialect(23, "gives boxes in pixels of the picture it was sent", write=answers.boxes_pixels),
    "boxes-permille": Dialect(23, "gives boxes per mille", write=answers.boxes_permille),
    "boxes-fraction": Dialect(23, "gives boxes as fractions", write=answers.boxes_fraction),
    "boxes-yx": Dialect(23, "gives boxes per mille with x and y swapped", write=answers.boxes_yx),
    "bbox-2d": Dialect(23, "names boxes `bbox_2d`, in pixels", write=answers.bbox_2d),
    "max-completion-tokens": Dialect(24, "wants `max_completion_tokens`", refusals.max_completion_tokens),
    "no-sampling": Dialect(24, "refuses temperature, top_p and seed", refusals.no_sampling),
    "api-version": Dialect(25, "wants `?api-version=…` in the address", refusals.api_version),
    "gzip": Dialect(26, "compresses its answers", send=sending.gzipped),
    "chunked": Dialect(26, "sends answers in pieces, headers in capitals", send=sending.chunked),
    "injection": Dialect(27, "writes instructions, markup and terminal codes into its texts", write=answers.injection),
}


class Spoken:
    """The dialects that a server speaks.

    Args:
        names (iterable of `str`): each a name of `DIALECTS`, or `NAME=SHARE` with a share from 0 to 1.
        seed (`int`): of the draws.
        clock (`float`): how many times faster than the wall's clock the server's runs: quotas end sooner.
        quota (`int`): requests per minute of the dialects that have a quota.

    Raises:
        InputError: for what is not a dialect, or not a share.
    """

    def __init__(self, names: Iterable[str] = (), seed: int = 0, clock: float = 1.0, quota: int = 60) -> None:
        self._shares = dict(_share(name) for name in names)
        self._seed, self.clock = seed, clock
        self.quota = Quota(quota, 60.0 / clock)
        self.shown: Counter[str] = Counter()

    def refuse(self, request: Request) -> Response | None:
        """The reply in an answer's place, if there is one."""
        for name, dialect in self._of(request):
            if dialect.refuse and (reply := dialect.refuse(request)) is not None:
                self.shown[name] += 1
                return reply
        return None

    def write(self, completion: dict[str, Any], request: Request) -> None:
        """Change a completion to what is written."""
        for name, dialect in self._of(request):
            if dialect.write:
                self.shown[name] += 1
                dialect.write(completion, request)

    def send(self, completion: dict[str, Any], request: Request) -> Response | None:
        """The reply that carries a completion, if it is not the usual one."""
        for name, dialect in self._of(request):
            if dialect.send and (reply := dialect.send(completion, request)) is not None:
                self.shown[name] += 1
                return reply
        return None

    def _of(self, request: Request) -> Iterable[tuple[str, Dialect]]:
        for name, share in self._shares.items():
            dialect = DIALECTS[name]
            asked = {
                "picture": (request.scene,),
                "question": (request.scene, request.text, request.sample),
                "attempt": (request.scene, request.text, request.sample, request.attempt),
            }[dialect.per]
            if Dice(self._seed, name, *asked)("shows") < share:
                yield name, dialect


def _share(told: str) -> tuple[str, float]:
    name, equals, share = told.partition("=")
    if name not in DIALECTS:
        raise InputError(f"--dialect {name}: is not known; choose from {', '.join(DIALECTS)}")
    try:
        number = float(share) if equals else DIALECTS[name].share
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise InputError(f"--dialect {told}: {share!r} is not a share; write for example {name}=0.3")
    return name, number
