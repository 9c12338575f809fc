"""What commands show on a terminal: steps, bars, and text from outside without anything a terminal would obey."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

__all__ = ["Steps", "pictures_done", "printable"]


class Steps:
    """Progress on the terminal: a numbered heading a step, a bar while something is counted."""

    def __init__(self, total: int) -> None:
        self.total, self.at = total, 0

    def step(self, text: str) -> None:
        self.at += 1
        typer.secho(f"[{self.at}/{self.total}] {text}", bold=True)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("      {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress:
            task = progress.add_task(text, total=total)
            yield lambda done: progress.update(task, completed=done)


@contextmanager
def pictures_done() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done to pictures, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield show


def printable(text: str) -> str:
    """Text from outside without anything a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
