"""What AnomReason does among servers of each dialect: the data of the suite and of the table in docs/agent.md."""

from typing import Literal, NamedTuple

from agent.simulated.dialects import DIALECTS

__all__ = ["OUTCOMES", "Outcome", "table"]


class Outcome(NamedTuple):
    """How a run ends, and what is done on the way.

    Attributes:
        ends (`str`): `whole`, all pictures are finished; `losses`, some pictures are failed or partial and the others finished;
            `stops`, the run ends with the reason, what is finished is written, and it continues once the server is well.
        does (`str`): in words.
    """

    ends: Literal["whole", "losses", "stops"]
    does: str


_FAILS = Outcome("losses", "these pictures are `failed` with the server's sentence, the others finished")
_TOLERANT = Outcome("whole", "asks without a schema from then on and reads the answers tolerantly")
_RETRIED = Outcome("whole", "asks again, up to six times, and counts each attempt as possibly billed")
_THOUGHT = Outcome("whole", "reads what comes after the thoughts")
_LAST = Outcome("whole", "reads the last complete answer")
_GIVEN_UP = Outcome("losses", "gives up an answer that grows without saying more; the picture is `partial` or `failed`")
_WAITS = Outcome("whole", "waits as told, all calls together; calls at once and per minute adapt")
_ESTIMATED = Outcome("whole", "estimates tokens from texts and pictures and marks them as estimated")
_NO_SERVER = Outcome("stops", "stops after three such replies and no good one, and says what came")
_BOXES = Outcome(
    "whole", "converts them, with `--boxes` or by the model's family; drops those outside and says how many"
)
_NOTHING = Outcome("whole", "reads it like any other answer")

OUTCOMES: dict[str, Outcome] = {
    "odd-shape": _FAILS,
    "unsupported-image": _FAILS,
    "inspection": _FAILS,
    "flagged": Outcome("losses", "the same; a 403 about the key or the account stops the run"),
    "safety-system": _FAILS,
    "small-context": Outcome("whole", "asks for as many tokens as there is room for, and remembers the limit"),
    "one-image": Outcome("whole", "leaves out close views from then on"),
    "no-response-format": _TOLERANT,
    "grammar": _TOLERANT,
    "no-structured-outputs": _TOLERANT,
    "jpeg-only": Outcome("whole", "sends JPEG from then on"),
    "small-files": Outcome("whole", "sends the picture again as JPEG of lower quality"),
    "error-lists": _RETRIED,
    "wrong-key-list": Outcome("stops", "stops at once and says which key is wrong"),
    "error-in-200": _RETRIED,
    "no-choices": _RETRIED,
    "refusal-field": Outcome("losses", "these pictures are `failed` or `partial` as refused, the others finished"),
    "credit-in-200": Outcome("stops", "stops with the reason; what is finished is written"),
    "parts": _NOTHING,
    "thinks": _THOUGHT,
    "thinks-late": _THOUGHT,
    "thinks-kimi": _THOUGHT,
    "reasoning-field": Outcome("whole", "reads the content; thoughts are never the answer"),
    "only-reasoning": Outcome("whole", "reads the last complete answer among the thoughts, and says so in the summary"),
    "corrects": _LAST,
    "two-blocks": _LAST,
    "schema-echo": _LAST,
    "integer-ids": _NOTHING,
    "blank-loop": _GIVEN_UP,
    "repeats": _GIVEN_UP,
    "flood": Outcome("losses", "keeps 131,072 characters of an answer, and says so; asks again"),
    "quota-seconds": _WAITS,
    "quota-date": _WAITS,
    "quota-ms": _WAITS,
    "quota-reset": _WAITS,
    "quota-words": _WAITS,
    "quota-silent": Outcome("whole", "one call probes while the others wait; then the quota found is kept to"),
    "quota-day": Outcome("stops", "stops where more than ten minutes are asked for, and says when to continue"),
    "flaky": _RETRIED,
    "resets": _RETRIED,
    "trickle": _RETRIED,
    "silence": _RETRIED,
    "no-usage": _ESTIMATED,
    "float-usage": Outcome("whole", "reads them"),
    "some-usage": _ESTIMATED,
    "html": _NO_SERVER,
    "redirect": Outcome("stops", "the same; the redirect is not followed, since the key would go along"),
    "always-streams": _NO_SERVER,
    "other-api": _NO_SERVER,
    "key-expires": Outcome("stops", "stops with the reason; what is finished is written"),
    "payment": Outcome("stops", "the same"),
    "quota-ends": Outcome("stops", "the same: `insufficient_quota` is not a busy server"),
    "other-model": Outcome("whole", "notes per call which model answered, and counts them in the summary"),
    "boxes-pixels": _BOXES,
    "boxes-permille": _BOXES,
    "boxes-fraction": _BOXES,
    "boxes-yx": Outcome("whole", "swaps them for families known to do so (Gemini)"),
    "bbox-2d": _BOXES,
    "max-completion-tokens": Outcome("whole", "uses that name from then on"),
    "no-sampling": Outcome("whole", "leaves each out from then on"),
    "api-version": Outcome("whole", "sends the address's parameters along; a password or key in it is refused"),
    "gzip": _NOTHING,
    "chunked": _NOTHING,
    "injection": Outcome("whole", "texts stay texts, in answers, reports and later requests"),
}


def table() -> str:
    """The table of docs/agent.md."""
    rows = [
        f"| `{name}` | {dialect.does} | {OUTCOMES[name].does} | {OUTCOMES[name].ends} |"
        for name, dialect in DIALECTS.items()
    ]
    return "\n".join(["| dialect | the server | AnomReason | the run |", "|---|---|---|---|", *rows])
