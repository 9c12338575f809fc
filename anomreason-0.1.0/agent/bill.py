"""What one call costs: set aside before each attempt, and journalled after it, whether an answer came or not."""

from agent.budget import Budget
from agent.journal import Journal
from agent.journal_rows import Attempt
from agent.replies import Reply

__all__ = ["Bill"]


class Bill:
    """Sets aside what an attempt may cost before it is made, and journals afterwards what it did or may have cost.

    Args:
        blank (`Attempt`): a row of the journal without what the attempt brings.
        prompt_tokens (`int`): an estimate.
    """

    def __init__(self, blank: Attempt, prompt_tokens: int, journal: Journal, budget: Budget) -> None:
        self.blank, self.prompt_tokens, self.journal, self.budget = blank, prompt_tokens, journal, budget
        self._aside: tuple[int, float] | None = None
        self._limit = 0

    async def begin(self, max_tokens: int) -> Attempt:
        """Set aside what an answer of so many tokens may cost; the attempt's row if nothing comes of it.

        Raises:
            BudgetReached: if too little is left.
        """
        self._limit = max_tokens
        waits = self.journal.waiting.get(self.blank.key)
        if waits is not None:  # it was made already, so there is room for it
            self._aside = self.budget.take_up(waits.prompt_tokens, waits.completion_tokens)
        else:
            self._aside = await self.budget.reserve(self.prompt_tokens, max_tokens)
        return self._lost("waits in a batch", billed=True)

    async def lost(self, reason: str, *, billed: bool) -> None:
        """The attempt brought no answer; `billed`: the server may have charged for it."""
        row = self._lost(reason, billed=billed)
        try:
            await self.journal.record(row)
        finally:
            self._settle(row.prompt_tokens, row.completion_tokens, attempts=int(billed))

    def _lost(self, reason: str, *, billed: bool) -> Attempt:
        # Nobody knows what was charged for an answer that never came: at most all of it.
        used = (self.prompt_tokens, self._limit) if billed else (0, 0)
        return self.blank._replace(
            problem=reason,
            prompt_tokens=used[0],
            completion_tokens=used[1],
            estimated=billed,
            billed=billed,
            lost=True,
            request="",
        )

    async def gave_up(self, reason: str) -> Attempt:
        """The call is given up: what its attempts may have cost is journalled already."""
        row = self.blank._replace(problem=reason, gave_up=True, billed=False, lost=True)
        await self.journal.record(row)
        return row

    async def answered(self, reply: Reply, problem: str | None, final: bool) -> Attempt:
        """It brought one; `final` says that a problem with it ends the call."""
        used = (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens)
        row = self.blank._replace(
            answer=reply.text,
            problem=problem,
            gave_up=final,
            finish_reason=reply.finish_reason,
            prompt_tokens=used[0],
            completion_tokens=used[1],
            cached_tokens=used[2],
            seconds=round(reply.seconds, 4),
            estimated=reply.estimated,
            model=reply.model,
            fingerprint=reply.fingerprint,
            note=reply.note,
        )
        try:
            await self.journal.record(row)
        finally:
            self._settle(*used, attempts=1)
        return row

    def _settle(self, *used: int, attempts: int) -> None:
        if self._aside is not None:
            self.budget.settle(self._aside, *used, attempts=attempts)
            self._aside = None
