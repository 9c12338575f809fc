"""A result as a comparison or an experiment gives it: findings in sentences, tables, and the numbers by name."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainer.evaluation.intensity import Score

__all__ = ["Cell", "Result", "Table", "percent", "plain", "spanned", "sure"]

Cell = str | int | float | Score | None
"""What a cell of a table holds: a text, a number, a value with its 95 % interval, or nothing. NaN is nothing."""


def sure(value: float) -> Score:
    """A number without an interval."""
    return Score(value, math.nan, math.nan)


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
    """What was found.

    Attributes:
        experiment (`str`): its name, as in `anomreason reproduce NAME`, or the command's.
        title (`str`): what it asks.
        claim (`str`): what the paper says of it; empty where it says nothing.
        data (`str`): on what it was measured, in a sentence; it says so if that is simulated.
        simulated (`bool`): whether pictures, answers or people were made up.
        findings (`list[str]`): the answers, a sentence each.
        tables (`list[Table]`): the numbers.
        numbers (`dict`): the numbers again by name, for programs.
        notes (`list[str]`): where a number is right but easily misread.
        settings (`dict`): what the numbers depend on: seed, signature, sizes.
        unfinished (`dict`): what was left out, and why.
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


def percent(share: float, digits: int = 1) -> str:
    """A share in 0..1 as text.

    >>> percent(0.248)
    '24.8 %'
    """
    return f"{100 * share:.{digits}f} %"


def spanned(share: Score, digits: int = 1) -> str:
    """A share with its interval as text.

    >>> spanned(Score(0.1, 0.05, 0.2), 0)
    '10 % (5 % to 20 %)'
    """
    return f"{percent(share.value, digits)} ({percent(share.low, digits)} to {percent(share.high, digits)})"


def plain(value: Cell) -> Any:
    """A cell as JSON has it."""
    if isinstance(value, Score):
        return {part: plain(number) for part, number in value._asdict().items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
