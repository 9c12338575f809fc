"""The rows of a journal: attempts at calls, and what they come to.

`calls` has a row per attempt: `problem` is null where the answer could be read, `gave_up` marks the attempt after which the call
was given up, `lost` one that brought no answer at all; `billed` says whether it may have been charged for, `estimated` whether
its tokens are ours because the server did not say. `batch` names the batch that it went with, and `pending` its request as long
as that is not settled: such a row is lost, with all that it may cost. `results` has a row per finished picture under the settings
that it was finished with.
"""

import sqlite3
from typing import Any, NamedTuple, Protocol

__all__ = ["FIELDS", "SUMS", "Attempt", "Totals", "attempt_of", "attempts_at", "totals"]


class Priced(Protocol):
    """What tokens cost; see `agent.budget.Price`."""

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float: ...

    @property
    def batch(self) -> float: ...


class Attempt(NamedTuple):
    """One attempt at a call: a row of `calls`; `model` and `fingerprint` are the server's words for who answered, `round` is the
    name under which canaries are asked again."""

    key: str
    image_id: str
    stage: str
    object: str
    sample: int
    request: str
    answer: str
    problem: str | None
    gave_up: bool
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cached_tokens: int = 0
    estimated: bool = False
    billed: bool = True
    lost: bool = False
    model: str = ""
    fingerprint: str = ""
    note: str = ""
    round: str = ""
    batch: str = ""
    pending: str = ""


class Totals(NamedTuple):
    """What a run has used so far: every attempt that may have been billed.

    Attributes:
        calls (`int`): such attempts; `failed` of them gave no answer that could be used, `lost` none at all.
        prompt_tokens, completion_tokens, cached_tokens (`int`): theirs; `cached_tokens` are part of `prompt_tokens`.
        estimated (`int`): attempts whose tokens the server did not say.
        pending (`int`): attempts that wait in a batch, counted with all they may cost.
        batch_prompt_tokens, batch_completion_tokens, batch_cached_tokens (`int`): the part of the tokens that went with batches.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    failed: int = 0
    lost: int = 0
    estimated: int = 0
    pending: int = 0
    batch_prompt_tokens: int = 0
    batch_completion_tokens: int = 0
    batch_cached_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def cost(self, price: Priced | None) -> float | None:
        """US dollars, at a price that may have been given long after the calls; `None` without one."""
        if price is None:
            return None
        batched = price.of(self.batch_prompt_tokens, self.batch_completion_tokens, self.batch_cached_tokens)
        everything = price.of(self.prompt_tokens, self.completion_tokens, self.cached_tokens)
        return everything - (1 - price.batch) * batched


FIELDS = ", ".join(Attempt._fields)
"""The columns of an attempt, as SQL lists them."""
_FLAGS = ("gave_up", "estimated", "billed", "lost")


def attempts_at(db: sqlite3.Connection, key: str) -> list[Attempt]:
    """What was answered to a call so far, since it was last given up: at most one readable answer, and that the last."""
    query = f"SELECT {FIELDS} FROM calls WHERE key = ? AND (NOT lost OR gave_up) ORDER BY id"
    found = [attempt_of(row) for row in db.execute(query, (key,))]
    answered = [attempt for attempt in found if attempt.problem is None]
    if answered:
        return answered[:1]
    last = max((index for index, attempt in enumerate(found) if attempt.gave_up), default=-1)
    return found[last + 1 :]


def attempt_of(row: tuple[Any, ...]) -> Attempt:
    """The attempt in a row of `FIELDS`."""
    fields = dict(zip(Attempt._fields, row, strict=True))
    return Attempt(**fields | {name: bool(fields[name]) for name in _FLAGS})


SUMS = """count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(problem IS NOT NULL AND pending = ''), 0), coalesce(sum(lost AND pending = ''), 0), coalesce(sum(estimated), 0),
    coalesce(sum(pending != ''), 0), coalesce(sum((batch != '') * prompt_tokens), 0),
    coalesce(sum((batch != '') * completion_tokens), 0), coalesce(sum((batch != '') * cached_tokens), 0)"""
"""The fields of `Totals`, of the calls that a query chooses."""


def totals(db: sqlite3.Connection) -> Totals:
    """What a journal's run has cost."""
    return Totals(*db.execute(f"SELECT {SUMS} FROM calls WHERE billed").fetchone())
