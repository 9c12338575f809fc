"""A result as four files: `NAME.json` for programs, `.md` and `.html` for people, `.tex` for a paper."""

import json
import math
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dataset_builder import atomic
from dataset_builder.templates import environment
from dataset_builder.terminal import printable
from metric_semap.report import interval, number
from trainer.evaluation.intensity import Score
from trainer.evaluation.result import Cell, Result

__all__ = ["files", "print_result", "write_result"]

FORMS = ("json", "md", "html", "tex")


def files(name: str = "result") -> tuple[str, ...]:
    """The names of the files that a result is written as.

    >>> files("gate")
    ('gate.json', 'gate.md', 'gate.html', 'gate.tex')
    """
    return tuple(f"{name}.{form}" for form in FORMS)


_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "τ": r"$\tau$",
    "≥": r"$\geq$",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def write_result(result: Result, out: Path, name: str = "result") -> list[Path]:
    """Write the four files of `name` into `out`; each appears whole or not at all."""
    templates = environment(Path(__file__).parent)
    templates.filters |= {
        "cell": _cell,
        "interval": _interval,
        "tex": _tex,
        "is_text": lambda cell: isinstance(cell, str),
    }
    shown = {"result": result, "name": name}
    content = json.dumps(result.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
    return [
        atomic.write(out / f"{name}.json", content + "\n"),
        *(
            atomic.write(out / f"{name}.{form}", templates.get_template(f"result.{form}.jinja").render(shown))
            for form in FORMS[1:]
        ),
    ]


def _cell(cell: Cell, digits: int) -> str:
    """A cell's text, its interval left out."""
    if isinstance(cell, str):
        return cell
    value = cell.value if isinstance(cell, Score) else cell
    if isinstance(value, float) and 0 < abs(value) < 0.5 * 10**-digits:  # a p of 0.0002 is not 0.000
        return f"{value:.1g}".replace("-", "−")
    return number(value, digits)


def _interval(cell: Cell, digits: int) -> str:
    """The interval of a cell that has one, else nothing."""
    if not isinstance(cell, Score) or math.isnan(cell.low) or math.isnan(cell.high):
        return ""
    return interval(cell.low, cell.high, digits)


def _tex(text: object) -> Markup:
    """A text as LaTeX shows it, character by character."""
    plain = "".join(character if character.isprintable() else " " for character in str(text))
    return Markup("".join(_TEX.get(character, character) for character in plain))


def print_result(result: Result) -> None:
    """The findings and tables on the terminal."""
    from rich.console import Console
    from rich.table import Table as Shown

    console = Console()

    def say(text: str, **style: Any) -> None:
        console.print(printable(text), markup=False, soft_wrap=True, **style)

    say(result.title, style="bold")
    say(result.data, style="dim")
    for table in result.tables:
        shown = Shown(box=None, pad_edge=False, title=printable(table.title), title_justify="left")
        for at, column in enumerate(table.columns):
            shown.add_column(column, justify="left" if at == 0 else "right", overflow="fold")
        for row in table.rows:
            texts = [(_cell(cell, table.digits), _interval(cell, table.digits)) for cell in row]
            shown.add_row(*(printable(text) + (f"\n{printable(span)}" if span else "") for text, span in texts))
        console.print(shown, markup=False)
    for finding in result.findings:
        say(finding)
    for note in result.notes:
        say(f"note: {note}")
