"""What `anomreason doctor` finds, one line per thing, as a table or as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dataset_builder.errors import AnomReasonError
from dataset_builder.preflight import Check

__all__ = ["Diagnosis", "State", "as_json", "diagnosed", "print_table"]

State = Literal["ok", "note", "problem", "unknown"]
_COLOURS = {"ok": "green", "note": "cyan", "problem": "red", "unknown": "yellow"}


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        about (`str`): the thing, in a word or two.
        state (`str`): `ok`; `note`, good to know; `problem`, something will not work; `unknown`, it could not be found out.
        found (`str`): what was found, with the fix if something is wrong.
    """

    about: str
    state: State
    found: str


def diagnosed(
    about: str,
    check: Check,
    fine: str | Callable[[], str],
    *,
    bad: State = "problem",
    expected: tuple[type[Exception], ...] = (),
) -> Diagnosis:
    """A check as a diagnosis: `fine` if it raises nothing, else its error's text with the state `bad`."""
    caught: tuple[type[Exception], ...] = (AnomReasonError, *expected)
    try:
        check()
        return Diagnosis(about, "ok", fine if isinstance(fine, str) else fine())
    except caught as error:
        return Diagnosis(about, bad, str(error))


def as_json(found: Sequence[Diagnosis]) -> list[dict[str, Any]]:
    """The diagnoses as plain values."""
    return [{"about": one.about, "state": one.state, "found": one.found} for one in found]


def print_table(found: Sequence[Diagnosis]) -> None:
    """The diagnoses on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dataset_builder.terminal import printable

    table = Table(box=None, pad_edge=False, show_header=False)
    for column in ("about", "state", "found"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(one.about, Text(one.state, style=_COLOURS[one.state]), Text(printable(one.found)))
    Console().print(table)
