"""What can go wrong, as one tree.

    AnomReasonError            every error this project raises on purpose
    ├── InputError             a source cannot be read or is not what it should be
    │   ├── RecordError        one record in a file: names file, key, index, field and value
    │   └── PictureError       one picture cannot be decoded or is not accepted
    ├── OutputError            a destination may not or cannot be written
    └── UnavailableError       something needed is out of reach: a model, an encoder, a server

A message is one sentence that names the place, the value and the mend. The command prints it on one line and exits with
2. `InputError` is also a `ValueError`, `OutputError` an `OSError` and `UnavailableError` a `RuntimeError`, so code that
knows nothing of this project catches them too.
"""

import reprlib

__all__ = ["AnomReasonError", "InputError", "OutputError", "PictureError", "RecordError", "UnavailableError", "shorten"]


class AnomReasonError(Exception):
    """Base of every error raised on purpose; its text is meant for a person."""


class InputError(AnomReasonError, ValueError):
    """A source cannot be read or is not what it should be."""


class PictureError(InputError):
    """A picture cannot be decoded or is not accepted."""


class OutputError(AnomReasonError, OSError):
    """A destination may not or cannot be written."""


class UnavailableError(AnomReasonError, RuntimeError):
    """Something needed is out of reach: a model, an encoder, a server."""


def shorten(value: object, limit: int = 80) -> str:
    """A value for a message: one line, at most `limit` characters, text in double quotes, nothing a terminal would obey.

    >>> shorten("110/100"), shorten(None), shorten("a" * 100, 12), shorten("\\x1b[2J")
    ('"110/100"', 'None', '"aaaaaaaaa…"', '"\\\\x1b[2J"')
    """
    if isinstance(value, str):
        room = limit - 2
        # Cut first: a 10 MB string is not escaped only to be thrown away.
        shown = "".join(map(_visible, value[: room + 1]))
        return f'"{shown}"' if len(shown) <= room else f'"{shown[: room - 1]}…"'
    try:
        # reprlib bounds depth and length; a plain `repr` recurses, and refuses integers of more than 4,300 digits.
        text = _BOUNDED.repr(value)
    except ValueError:
        text = f"<{type(value).__name__}>"
    text = "".join(map(_visible, text[: limit + 1])).replace('\\"', '"')
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _visible(character: str) -> str:
    if character == '"':
        return '\\"'
    return character if character.isprintable() else character.encode("unicode_escape").decode()


_BOUNDED = reprlib.Repr()
_BOUNDED.maxdict = _BOUNDED.maxlist = _BOUNDED.maxtuple = 6
_BOUNDED.maxstring = _BOUNDED.maxother = 80


class RecordError(InputError):
    """One record cannot be read.

    The message is the place, the field and the value, then the problem: `gt.json: "cup.jpg"[2]: severity "110/100" is
    …`.

    Args:
        problem (`str`): what is wrong and how to mend it; goes on from the value ("is outside 0..100").
        file (`str` or path, *optional*): the file it stands in.
        key (`str`, *optional*): the image it belongs to.
        index (`int`, *optional*): its position in that image's list, from 0.
        field (`str`, *optional*): the field.
        value (*optional*): the offending value; shortened in the message.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: object = None,
        key: str | None = None,
        index: int | None = None,
        field: str | None = None,
        value: object = ...,
    ) -> None:
        self.problem, self.file, self.key, self.index, self.field, self.value = problem, file, key, index, field, value
        entry = "" if key is None else shorten(key, 120)
        entry += "" if index is None else f"[{index}]"
        # A field may be a key of the file's own choosing.
        name = field if field is None or (field.isprintable() and len(field) <= 60) else shorten(field)
        words = [name, None if value is ... else shorten(value), problem]
        sentence = " ".join(word for word in words if word)
        super().__init__(": ".join(str(part) for part in (file, entry or None, sentence) if part is not None))
