"""Money: a price table, and the limits that stop a run before they are passed."""

import asyncio
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.journal_rows import Totals
from dataset_builder.contestants import Limits
from dataset_builder.errors import InputError
from dataset_builder.files.regular import read_regular

__all__ = ["UNLIMITED", "Budget", "BudgetReached", "Price", "read_prices"]


class Price(BaseModel):
    """US dollars per million tokens; `cached`, `input` unless given, is for prompt tokens that the server had in its cache.

    `batch` is the share of these prices that a request in a batch costs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    batch: float = Field(default=0.5, ge=0, le=1)

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        cached = self.input if self.cached is None else self.cached
        fresh = prompt_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * cached + completion_tokens * self.output) / 1e6

    @property
    def batched(self) -> "Price":
        """What requests in a batch cost."""
        cached = None if self.cached is None else self.cached * self.batch
        return Price(input=self.input * self.batch, output=self.output * self.batch, cached=cached)


def read_prices(path: Path) -> dict[str, Price]:
    """A price table, YAML or JSON: model → `{"input": …, "output": …}` in US dollars per million tokens.

    Raises:
        InputError: if it cannot be read.
    """
    import yaml

    try:
        content = yaml.safe_load(read_regular(path))
        return TypeAdapter(dict[str, Price]).validate_python(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as a price table ({str(error).splitlines()[0]})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {place}: {first['msg']}; write `model: {{input: 2.5, output: 10}}`") from None


UNLIMITED = Limits()


class BudgetReached(Exception):
    """The next call could pass a limit."""


class Budget:
    """Keeps a run within its limits: what an attempt could cost at most is set aside before it is made.

    Every attempt that may have been billed counts, with all that it could have cost where the server did not say. An attempt for
    which too little is left waits for those in flight, which mostly give back some of theirs; if none is, the budget is reached.
    A server that bills more than was estimated can still pass a limit; `overshoot` says by how much.

    Args:
        limits (`Limits`): of all that the run directory ever cost.
        price (`Price`, *optional*): of the model's tokens.
        spent (`Totals`): what it cost so far.
        batches (`bool`): whether what comes is asked in batches, at their price.
    """

    def __init__(self, limits: Limits, price: Price | None, spent: Totals, *, batches: bool = False) -> None:
        if limits.usd is not None and price is None:
            raise InputError("--budget-usd: the model's price is not known; give a price table with --prices")
        self.limits, self.price = limits, price
        self.calls, self.tokens, self.usd = spent.calls, spent.tokens, spent.cost(price) or 0.0
        self._each = price.batched if price is not None and batches else price
        self._aside = (0, 0, 0.0)
        self._changed = asyncio.Event()
        self.reached = False

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.limits != UNLIMITED

    async def reserve(self, prompt_tokens: int, max_tokens: int) -> tuple[int, float]:
        """Set aside what an attempt may cost at most; give it back with `settle`.

        Raises:
            BudgetReached: if too little is left.
        """
        worst = (prompt_tokens + max_tokens, self._cost(prompt_tokens, max_tokens))
        while not self._fits(worst):
            if self.reached or not self._aside[0]:
                self.reached = True
                raise BudgetReached
            self._changed.clear()
            await self._changed.wait()
        if self.reached:
            raise BudgetReached
        self._put_aside(1, worst)
        return worst

    def take_up(self, prompt_tokens: int, completion_tokens: int) -> tuple[int, float]:
        """Set aside an attempt that an earlier process made and counted with what it may cost; give it back with `settle`."""
        worst = (prompt_tokens + completion_tokens, self._cost(prompt_tokens, completion_tokens))
        self.calls, self.tokens, self.usd = self.calls - 1, self.tokens - worst[0], self.usd - worst[1]
        self._put_aside(1, worst)
        return worst

    def settle(
        self,
        worst: tuple[int, float],
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        cached_tokens: int = 0,
        *,
        attempts: int,
    ) -> None:
        """Give back what was set aside, and count what the attempt did cost."""
        self._put_aside(-1, worst)
        self.calls += attempts
        self.tokens += prompt_tokens + completion_tokens
        self.usd += self._cost(prompt_tokens, completion_tokens, cached_tokens)
        self._changed.set()

    def has_room(self, calls: float, tokens: float, usd: float) -> bool:
        """Whether so much more fits in addition to what is spent; what is set aside is not counted."""
        wanted = (
            (self.limits.calls, self.calls + calls),
            (self.limits.tokens, self.tokens + tokens),
            (self.limits.usd, self.usd + usd),
        )
        return all(limit is None or value <= limit for limit, value in wanted)

    @property
    def overshoot(self) -> dict[str, float]:
        """By how much each limit is passed, as far as it is."""
        pairs = {name: (getattr(self.limits, name), getattr(self, name)) for name in Limits._fields}
        return {
            name: round(spent - limit, 6)
            for name, (limit, spent) in pairs.items()
            if limit is not None and spent > limit
        }

    def _cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        return 0.0 if self._each is None else self._each.of(prompt_tokens, completion_tokens, cached_tokens)

    def _put_aside(self, attempts: int, each: tuple[int, float]) -> None:
        calls, tokens, usd = self._aside
        calls += attempts
        self._aside = (calls, tokens + attempts * each[0], usd + attempts * each[1] if calls else 0.0)

    def _fits(self, worst: tuple[int, float]) -> bool:
        calls, tokens, usd = self._aside
        return self.has_room(1 + calls, worst[0] + tokens, worst[1] + usd)
