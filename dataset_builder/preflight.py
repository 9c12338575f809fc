"""Looks at everything that long work will need before it begins, and reports all problems together."""

import shutil
from collections.abc import Callable
from pathlib import Path

from dataset_builder.errors import AnomReasonError, InputError, OutputError

__all__ = ["Check", "check_room", "look"]

Check = Callable[[], object]
"""Looks at one thing; raises what the work itself would raise."""


def look(*checks: Check, expected: tuple[type[Exception], ...] = ()) -> None:
    """Make all checks.

    Args:
        checks (callables): each raises an error of this package, or one of `expected`, if its thing is not ready.
        expected (tuple of exception types): errors of other packages whose text is meant for a person.

    Raises:
        InputError: if several are not ready, with a line each. A single one is raised as it is.
    """
    caught: tuple[type[Exception], ...] = (AnomReasonError, *expected)
    found: dict[str, Exception] = {}
    for check in checks:
        try:
            check()
        except caught as error:
            found.setdefault(str(error), error)
    if len(found) == 1:
        raise next(iter(found.values()))
    if found:
        lines = "\n".join(f"  {problem}" for problem in found)
        raise InputError(f"nothing was started, because of {len(found)} problems:\n{lines}")


def check_room(place: Path, needed: int) -> None:
    """Raise an `OutputError` if the disk below a place has not `needed` bytes free."""
    there = next(parent for parent in (place.absolute(), *place.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise OutputError(
            f"{place}: the disk has {free / 1e6:,.0f} MB free and about {needed / 1e6:,.0f} MB are needed; "
            "make room there, or choose another path"
        )
