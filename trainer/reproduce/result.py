"""What every experiment of the paper gives: its cost beforehand, and afterwards findings in sentences, tables and numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from trainer.evaluation.intensity import Score

if TYPE_CHECKING:  # torch comes with it
    from trainer.predict import Progress

__all__ = ["NOTHING", "Cell", "Cost", "Experiment", "Result", "Table", "percent", "plain", "sure"]

Cell = str | int | float | Score | None
"""What stands in a table: a text, a number, a value with its 95 % interval, or nothing. NaN is nothing."""


def sure(value: float) -> Score:
    """A number without an interval."""
    return Score(value, math.nan, math.nan)


class Cost(NamedTuple):
    """What an experiment is expected to need before it starts.

    Attributes:
        pictures (`int`): shown to models, all models together.
        calls, tokens (`int`): of endpoints.
        usd (`float`, *optional*): what they cost; `None` where a price is not known.
        gpu_hours (`float`): of models that need a GPU.
        seconds (`float`): on this machine, endpoints and GPUs not counted.
        assumed (`tuple[str, ...]`): what the numbers rest on, in words.
    """

    pictures: int = 0
    calls: int = 0
    tokens: int = 0
    usd: float | None = 0.0
    gpu_hours: float = 0.0
    seconds: float = 0.0
    assumed: tuple[str, ...] = ()

    def plus(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(
            self.pictures + other.pictures,
            self.calls + other.calls,
            self.tokens + other.tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
            self.gpu_hours + other.gpu_hours,
            self.seconds + other.seconds,
            tuple(dict.fromkeys((*self.assumed, *other.assumed))),
        )


NOTHING = Cost()
"""What reading files costs."""


@dataclass(frozen=True)
class Table:
    """A table: a title, columns (the first names the row), rows with a cell for each column, and what must be known to read it.

    `digits` is how many decimals are shown.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    digits: int = 3


@dataclass(frozen=True)
class Result:
    """What an experiment found.

    Attributes:
        experiment (`str`): its name, as in `anomreason reproduce NAME`.
        title (`str`): what it asks.
        claim (`str`): what the paper says of it.
        data (`str`): on what it was measured, in a sentence; whether that is simulated stands in it.
        simulated (`bool`): whether pictures, answers or people were made up.
        findings (`list[str]`): the answers, a sentence each.
        tables (`list[Table]`): the numbers.
        numbers (`dict`): the numbers again by name, for programs.
        notes (`list[str]`): where a number is right but easily misread.
        settings (`dict`): what the numbers depend on: seed, signature, sizes.
    """

    experiment: str
    title: str
    claim: str
    data: str
    simulated: bool
    findings: Sequence[str]
    tables: Sequence[Table]
    numbers: Mapping[str, Cell]
    notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values; what is undefined is null."""
        return {
            "experiment": self.experiment,
            "title": self.title,
            "claim": self.claim,
            "data": self.data,
            "simulated": self.simulated,
            "findings": list(self.findings),
            "numbers": {name: plain(value) for name, value in self.numbers.items()},
            "tables": [
                {
                    "title": table.title,
                    "columns": list(table.columns),
                    "rows": [[plain(cell) for cell in row] for row in table.rows],
                    "note": table.note,
                }
                for table in self.tables
            ],
            "notes": list(self.notes),
            "settings": dict(self.settings),
            "unfinished": dict(self.unfinished),
        }


class Experiment(Protocol):
    """An experiment, ready to be forecast and run; it goes on with what is in `out` already."""

    name: str

    def cost(self) -> Cost: ...

    def run(self, out: Path, progress: "Progress") -> Result: ...


def percent(share: float, digits: int = 1) -> str:
    """A share in 0..1 as text.

    >>> percent(0.248)
    '24.8 %'
    """
    return f"{100 * share:.{digits}f} %"


def plain(value: Cell) -> Any:
    """A cell as JSON has it."""
    if isinstance(value, Score):
        return {part: plain(number) for part, number in value._asdict().items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
