"""JSON as language models write it: cut off, fenced, between prose, badly quoted.

One pass from left to right with an explicit stack. A bracket that can open a list or an object starts a value; a value
that breaks is left where it broke, with everything that was complete in it, and the search for the next bracket continues
from there. Nothing is read twice, so the time is linear in the text, and nothing recurses, so no nesting is too deep.

What broke can be tried once more by `json_repair`, piece by piece: its time grows with the square of the text, so only
short pieces are given to it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import json_repair

from dataset_builder.fields import repair

__all__ = ["CUT_OFF", "MALFORMED", "Array", "Object", "Repairs", "scan"]

# Beyond these a text is not an answer; they bound the time for any text. A finished object renews the patience.
_DEPTH = 32  # brackets inside one another
_OBJECTS = 3_000  # objects in all
_PATIENCE = 20_000  # tokens without a finished object
_BREAKS = 1_000  # values that break off
_RUNAWAYS = 5  # strings that never end, each of which costs a pass over the rest

CUT_OFF = "cut off before it was complete"
MALFORMED = "its JSON is broken"
BEYOND = "more than an answer can hold; not read"

# Between two tokens: blanks, commas (also full-width ones) and comments.
_COMMENT = r"(?://[^\n]*+|/\*(?:[^*]|\*(?!/)){0,500}+\*/)"
_OPEN = re.compile(r"""\{(?=\s*+(?:["'}]|[A-Za-z_]\w{0,60}+\s*+:))|(?<![\w\])])\[(?=\s*+(?:[\[{"'\]]|\Z))""")
_TOKEN = re.compile(
    rf"""(?:[\s,，]++|{_COMMENT})*+(?:(?P<open>[{{\[])|(?P<close>[}}\]])|(?P<quote>["'])|(?P<bare>[^\s,:])|(?P<end>\Z))"""
)
_KEY = re.compile(
    r"""(?:"((?:[^"\\\n]|\\.){0,100}+)"|'((?:[^'\\\n]|\\.){0,100}+)'|([A-Za-z_][\w ]{0,60}?))\s*+[:：]\s*+"""
)
_BARE = re.compile(r"(?:[^,，}\]\n(/]|/(?![/*])|\([^)\n]{0,300}+\))++")
_RECORD = re.compile(r"""\{\s*+["'][\w @.]{1,40}+["']\s*+:""")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?(?:[eE][+-]?\d{1,2})?\Z")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LITERALS: dict[str, object] = {"null": None, "none": None, "nan": None, "true": True, "false": False}
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "/": "/"}

# What may stand after a closing quote. Where a quote inside a string was not escaped, the stricter form finds the true
# end.
_NEXT_KEY = r"""[ \t]*+\n\s*+["'][\w @.]{1,40}+["']\s*+:"""
_AFTER = re.compile(rf"\s*+(?:[}}\],，]|\Z|{_COMMENT})|{_NEXT_KEY}")
# A string that holds this swallowed the key after it.
_SWALLOWED = re.compile(r"""(?:["']\s*|,\s*)["'][\w @.]{1,40}+["']\s*+:""")


def _string_patterns(quote: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    exact = rf"{quote}(?:[^{quote}\\]++|\\.)*+{quote}"
    after = rf"""\s*+(?:[}}\]]|\Z|,\s*+(?:["'{{\[}}\]]|-?\d|\Z|//)|//)|{_NEXT_KEY}"""
    # A brace that closes one object before another opens ends the search: the quote was forgotten, not the rest quoted.
    mended = rf"""{quote}((?:[^{quote}\\}}]++|\\.|{quote}(?!{after})|\}}(?!\s*+,?\s*+\{{\s*+["']))*+)({quote})?+"""
    return re.compile(exact, re.DOTALL), re.compile(mended, re.DOTALL)


_STRINGS = {quote: _string_patterns(quote) for quote in "\"'"}


class Object(dict[str, Any]):
    """A JSON object as found.

    Attributes:
        start, end (`int`): its place in the text.
        problem (`str`, *optional*): why it ends before its bracket; `None` once it was closed.
    """

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start, self.end = start, start
        self.problem: str | None = CUT_OFF


class Array(list[Any]):
    """A JSON list as found; the attributes are those of `Object`."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start, self.end = start, start
        self.problem: str | None = CUT_OFF


class Repairs:
    """Second tries at values that broke, by `json_repair`, as long as they are short and few.

    Args:
        longest (`int`): characters that a piece may have; the time grows with their square.
        total (`int`): characters of all pieces together.
    """

    def __init__(self, *, longest: int, total: int) -> None:
        self.longest = longest
        self._left = total

    def read(self, piece: str) -> Any:
        """The object or list that a piece of broken JSON was meant to be; `None` if that cannot be said."""
        if not piece or len(piece) > min(self.longest, self._left):
            return None
        self._left -= len(piece)
        try:
            value = json_repair.loads(piece)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict | list) else None


@dataclass
class _Budget:
    objects: int = _OBJECTS
    patience: int = _PATIENCE
    breaks: int = _BREAKS
    runaways: int = _RUNAWAYS

    def spent(self) -> bool:
        return min(self.objects, self.patience, self.breaks, self.runaways) <= 0


def scan(text: str) -> Iterator[Object | Array]:
    """Every outermost list or object in a text, in order, complete or not. Never raises; linear in the text."""
    budget = _Budget()
    position = 0
    while opening := _OPEN.search(text, position):
        position = opening.start()
        root: Object | Array = Object(position) if text[position] == "{" else Array(position)
        stack = [root]
        problem = BEYOND if budget.spent() else None
        if not problem:
            budget.objects -= 1
            position, problem = _read(text, position + 1, stack, budget)
            budget.breaks -= problem is not None
        for value in stack:
            value.end, value.problem = position, problem
        yield root
        if problem == BEYOND:
            return


def _read(text: str, position: int, stack: list[Object | Array], budget: _Budget) -> tuple[int, str | None]:
    """Reads what the stack's first value holds, up to its end or to where it breaks.

    Returns:
        Where to go on, and the problem of the values still open, which are left on the stack.
    """
    while stack:
        if budget.spent():
            return position, BEYOND
        budget.patience -= 1
        top = stack[-1]
        token = _TOKEN.match(text, position)
        if token is None:
            return position, MALFORMED
        kind = token.lastgroup or "end"
        if kind == "end":
            return len(text), CUT_OFF
        if kind == "close":
            position = token.end()
            _close(stack, token["close"], position)
            budget.patience = _PATIENCE if isinstance(top, Object) and top else budget.patience
            continue
        position = token.start(kind)
        key = None
        if isinstance(top, Object):
            named = _KEY.match(text, position)
            if named is None:
                # The text may end inside a key; anything else that is no key is a break.
                rest = text[position : position + 110]
                ends = position + len(rest) == len(text) and not any(sign in rest for sign in "\n{}[]")
                return (len(text), CUT_OFF) if ends else (position, MALFORMED)
            key = _unescape(next(part for part in named.groups() if part is not None))
            position = named.end()
        value, position, problem = _value(text, position, budget)
        if problem:
            return position, problem
        if isinstance(top, Object):
            # Of two texts under one key the last counts, as in JSON; of two objects neither is lost.
            again = key in top and isinstance(value, Object | Array)
            top[f"{key} {len(top)}" if again else key or ""] = value
        else:
            top.append(value)
        if isinstance(value, Object | Array):
            if len(stack) >= _DEPTH:
                return position, MALFORMED
            budget.objects -= 1
            stack.append(value)
    return position, None


def _close(stack: list[Object | Array], bracket: str, position: int) -> None:
    """Closes the innermost value that the bracket fits, and with it those inside whose own bracket was forgotten."""
    kind = Object if bracket == "}" else Array
    if any(isinstance(value, kind) for value in stack):
        while True:
            value = stack.pop()
            value.end, value.problem = position, None
            if isinstance(value, kind):
                break


def _value(text: str, position: int, budget: _Budget) -> tuple[Any, int, str | None]:
    """The value that starts at a position, where it ends, and what is wrong with it."""
    first = text[position : position + 1]
    if first in ("{", "["):
        return (Object if first == "{" else Array)(position), position + 1, None
    if first in _STRINGS:
        exact, mended = _STRINGS[first]
        match = exact.match(text, position)
        if match and _AFTER.match(text, match.end()):
            return _unescape(match[0][1:-1]), match.end(), None
        match = mended.match(text, position)
        if match and match[2]:
            if _SWALLOWED.search(match[1]):
                return None, position + 1, MALFORMED
            return _unescape(match[1]), match.end(), None
        if match and match.end() < len(text) - text.endswith("\\"):
            return None, match.end(), MALFORMED
        budget.runaways -= 1
        later = _RECORD.search(text, position)
        return (None, later.start(), MALFORMED) if later else (None, len(text), CUT_OFF)
    match = _BARE.match(text, position)
    if match:
        return _bare(match[0].strip()), match.end(), None
    if not first:
        return None, position, CUT_OFF
    return None, position, None if first in (",", "，", "}", "]") else MALFORMED


def _bare(word: str) -> object:
    if word.casefold() in _LITERALS:
        return _LITERALS[word.casefold()]
    number = _NUMBER.match(word)
    if number:
        return float(word) if number[1] or "e" in word.casefold() else int(word)
    return word


def _unescape(raw: str) -> str:
    if "\\" not in raw:
        return raw
    try:
        text = json.loads(f'"{raw}"', strict=False)
    except ValueError:
        # An unknown escape stays as it was written, backslash and all.
        text = _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _UNESCAPED.get(m[1], m[0]), raw)
    return repair(text)
