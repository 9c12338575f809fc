"""What commands show: steps, bars, lines in a log, and text from outside without anything a terminal would obey.

Results go to stdout; what is shown here goes to stderr. On a terminal it is a bar; elsewhere, as in a log, a line every
half minute.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import typer

__all__ = ["LOG_EVERY", "Steps", "heartbeat", "pictures_done", "printable", "progress_bar", "tell"]

LOG_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal."""

_doing = ["working"]


def tell(status: str) -> None:
    """Say what is being done and how far it is: what the next line in a log will say."""
    _doing[0] = status


@contextmanager
def heartbeat(doing: str) -> Iterator[None]:
    """While the block runs and stderr is not a terminal, a line every half minute: what was last told, and the time so far."""
    tell(doing)
    if sys.stderr.isatty():
        yield
        return
    over, started = threading.Event(), time.monotonic()

    def speak() -> None:
        while not over.wait(LOG_EVERY):
            typer.echo(f"{_doing[0]} · {timedelta(seconds=round(time.monotonic() - started))}", err=True)

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Steps:
    """Progress on stderr: a numbered heading per step, of `total` where that is known, and a bar while something is counted."""

    def __init__(self, total: int | None = None) -> None:
        self.total, self.at = total, 0

    def step(self, text: str) -> None:
        self.at += 1
        tell(printable(text))
        of = "" if self.total is None else f"/{self.total}"
        typer.secho(f"[{self.at}{of}] {text}", bold=True, err=True)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        with progress_bar() as bar:
            task = bar.add_task(f"      {text}", total=total)

            def show(done: int) -> None:
                bar.update(task, completed=done)
                tell(f"{text}: {done:,} of {total:,}")

            yield show


@contextmanager
def pictures_done() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done to pictures."""
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)
            tell(f"{what}: {done:,} of {total:,}")

        yield show


def progress_bar(*extra: Any) -> Any:
    """A bar of rich's on stderr that goes away; nothing where there is no terminal. `extra` columns come before the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *extra, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def printable(text: str) -> str:
    """Text from outside without anything a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
