"""Money: a price table, and the limits that stop a run before they are passed."""

import asyncio
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.journal import Totals
from dataset_builder.contestants import Limits
from dataset_builder.errors import InputError
from dataset_builder.files.regular import read_regular

__all__ = ["UNLIMITED", "Budget", "BudgetReached", "Price", "read_prices"]


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


def read_prices(path: Path) -> dict[str, Price]:
    """A price table, YAML or JSON: model → `{"input": …, "output": …}` in US dollars for a million tokens.

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
    """Keeps a run within its limits: what a call could cost at most is set aside before it is made.

    A call for which too little is left waits for those in flight, which mostly give back some of theirs; if none is, the
    budget is reached. No limit is ever passed, whatever the answers' length, as long as the server keeps to `max_tokens`
    and the prompt was not estimated too low.
    """

    def __init__(self, limits: Limits, price: Price | None, spent: Totals) -> None:
        if limits.usd is not None and price is None:
            raise InputError("--budget-usd: the model's price is not known; give a table with --prices")
        self.limits, self.price = limits, price
        self.calls, self.tokens, self.usd = spent.calls, spent.tokens, spent.cost
        self._set_aside: list[tuple[int, float]] = []
        self._changed = asyncio.Event()
        self.reached = False

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        return None if self.price is None else self.price.of(prompt_tokens, completion_tokens)

    async def reserve(self, prompt_tokens: int, max_tokens: int) -> tuple[int, float]:
        """Set aside what a call may cost at most; give it back with `settle`.

        Raises:
            BudgetReached: if too little is left.
        """
        worst = (prompt_tokens + max_tokens, self.cost(prompt_tokens, max_tokens) or 0.0)
        while not self._fits(worst):
            if self.reached or not self._set_aside:
                self.reached = True
                raise BudgetReached
            self._changed.clear()
            await self._changed.wait()
        if self.reached:
            raise BudgetReached
        self._set_aside.append(worst)
        return worst

    def _fits(self, worst: tuple[int, float]) -> bool:
        tokens = self.tokens + worst[0] + sum(aside[0] for aside in self._set_aside)
        usd = self.usd + worst[1] + sum(aside[1] for aside in self._set_aside)
        calls = self.calls + 1 + len(self._set_aside)
        wanted = ((self.limits.tokens, tokens), (self.limits.usd, usd), (self.limits.calls, calls))
        return all(limit is None or value <= limit for limit, value in wanted)

    def settle(self, worst: tuple[int, float], prompt_tokens: int, completion_tokens: int, attempts: int) -> None:
        """Give back what was set aside, and count what the call did cost."""
        self._set_aside.remove(worst)
        self.calls += attempts
        self.tokens += prompt_tokens + completion_tokens
        self.usd += self.cost(prompt_tokens, completion_tokens) or 0.0
        self._changed.set()
