"""JSON answers of any shape: the last complete value that fits, read with the same eyes as an answer's anomalies."""

from collections.abc import Callable, Iterator
from typing import Any

from dataset_builder.textform.denials import says_none
from dataset_builder.textform.loose_json import MALFORMED, Array, Object, Repairs, scan
from dataset_builder.textform.unwrapping import readings

__all__ = ["is_denial", "last_value"]

_LONGEST = 6_000  # characters of a broken value that is read once more
_MOST_LAYERS = 3


def last_value(text: str, fits: Callable[[Any], bool]) -> tuple[Any, str | None]:
    """The last complete JSON value in an answer that fits, wherever it stands: fenced, in prose, in a string, inside another.

    Thoughts are left out. A value that broke is given to `json_repair`; one that still is not whole counts only if no other
    fits. The values inside one that fits are not looked at.

    Args:
        text (`str`): the answer; any text at all.
        fits (callable): takes a `dict` or a `list`, says whether it is one that was asked for.

    Returns:
        The value and why it is not whole (`None`: it is); `(None, None)` if nothing fits. Never raises.

    >>> last_value('Draft: {"ids": [1]} Final: {"ids": [2]} <think>{"ids": [3]}</think>', lambda value: "ids" in value)
    ({'ids': [2]}, None)
    >>> last_value('{"ids": [1, 2', lambda value: "ids" in value)
    ({'ids': [1, 2]}, 'cut off before it was complete')
    """
    broken: tuple[Any, str | None] = (None, None)
    for reading in readings(text):
        fitting = list(_fitting(reading, fits, _MOST_LAYERS))
        for value, problem in reversed(fitting):
            if problem is None:
                return value, None
        broken = fitting[-1] if fitting and broken[0] is None else broken
    return broken


def is_denial(text: str) -> bool:
    """Whether an answer says, in words and thoughts left out, that nothing is wrong, and says nothing besides.

    >>> is_denial("<think>The hand?</think>No anomalies."), is_denial("No anomalies in the sky.")
    (True, False)
    """
    return any(says_none(reading) for reading in readings(text))


def _fitting(text: str, fits: Callable[[Any], bool], layers: int) -> Iterator[tuple[Any, str | None]]:
    repairs = Repairs(longest=_LONGEST, total=_LONGEST)
    end = 0
    for root in scan(text):
        if root.start < end:
            continue  # a part of what was read once more
        if root.problem == MALFORMED:
            stop = text.rfind("]" if isinstance(root, Array) else "}", root.start, root.start + _LONGEST) + 1
            mended = repairs.read(text[root.start : stop])
            if mended and fits(mended):
                yield mended, None
                end = stop
                continue
        yield from _inside(root, fits, layers)


def _inside(value: Any, fits: Callable[[Any], bool], layers: int) -> Iterator[tuple[Any, str | None]]:
    if isinstance(value, Object | Array):
        if fits(value):
            yield value, value.problem
            return
        for part in value.values() if isinstance(value, Object) else value:
            yield from _inside(part, fits, layers)
    elif isinstance(value, str) and layers and value.lstrip()[:1] in ("[", "{"):
        yield from _fitting(value, fits, layers - 1)
