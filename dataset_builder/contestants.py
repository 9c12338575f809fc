"""What predicts, as `bench.yaml` and `generators.yaml` name it, within which limits, and what it used.

Models on this machine and endpoints lie in packages that know nothing of each other, so whoever runs a contestant is handed what
asks it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataset_builder import atomic
from dataset_builder.errors import InputError

__all__ = ["Contestant", "Limited", "Limits", "Outcome", "Strict", "claim", "rest"]


class Strict(BaseModel):
    """Content of a YAML file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Contestant(Strict):
    """One predictor: a local model (`model`, `adapter`), an endpoint (`base_url` or `plan`, with `model`), or `predictions`.

    Attributes:
        plan (`str`, *optional*): `direct`, one call a picture, which is what an endpoint gets unless told otherwise; `efficient`,
            `vote` and `paper` are the agent's.
        rpm, tpm (`int`, *optional*): an endpoint's quota in calls and tokens per minute, where it is known.
    """

    model: str | None = None
    adapter: str | None = None
    base_url: str | None = None
    plan: Literal["direct", "efficient", "vote", "paper"] | None = None
    rpm: Annotated[int, Field(gt=0)] | None = None
    tpm: Annotated[int, Field(gt=0)] | None = None
    predictions: Path | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Contestant":
        if self.predictions is not None and self.model_fields_set != {"predictions"}:
            raise ValueError("predictions cannot have other keys; remove them or predictions")
        if self.is_remote and self.model is None:
            raise ValueError("an endpoint needs model, the model's name on the server; add it")
        if self.is_remote and self.adapter is not None:
            raise ValueError("an endpoint loads adapters itself; remove adapter and give its name as model")
        if self.predictions is None and self.model is None and self.adapter is None:
            raise ValueError("has neither model, adapter nor predictions; give one")
        return self

    @property
    def is_remote(self) -> bool:
        """Whether an endpoint answers."""
        return self.base_url is not None or self.plan is not None


class Limits(NamedTuple):
    """What a run, or all endpoints of a benchmark together, may use, earlier runs included; `None` means no limit."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None


class Limited(Strict):
    """What asks endpoints within limits: `budget_usd` (with `prices`, a table), `budget_tokens`, `budget_calls`."""

    budget_usd: Annotated[float, Field(gt=0)] | None = None
    budget_tokens: Annotated[int, Field(gt=0)] | None = None
    budget_calls: Annotated[int, Field(gt=0)] | None = None
    prices: Path | None = None

    @property
    def budget(self) -> Limits:
        """The three limits."""
        return Limits(self.budget_usd, self.budget_tokens, self.budget_calls)

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.budget_usd is not None and self.prices is None:
            raise ValueError("budget_usd needs prices, a table of what the models cost; add it")
        return self


@dataclass(frozen=True)
class Outcome:
    """What predicting used over every time it was run, as far as it is known.

    Attributes:
        unfinished (`str`): why it cannot be scored, if it cannot.
        note (`str`): what readers must know of the answers.
    """

    unfinished: str = ""
    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None
    note: str = ""


def claim(path: Path, contestant: Contestant) -> None:
    """Marks whose answers lie next to `path`: those of another model are not taken for its own; a server's address may change.

    Raises:
        InputError: if they are another model's.
    """
    settings = contestant.model_dump(mode="json", include={"model", "adapter", "plan"})
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise InputError(f"{path.parent}: holds answers of another model; remove it or give another --out")
    atomic.write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")


def rest(budget: Limits, outcome: Outcome) -> Limits:
    """What is left of a budget."""
    used = Limits(outcome.usd, outcome.tokens, outcome.calls)
    # At 0, answers that are already paid for are still read.
    return Limits._make(
        None if limit is None else max(limit - (spent or 0), 0) for limit, spent in zip(budget, used, strict=True)
    )
