"""What can go wrong, as one tree.

    AnomReasonError                    every error this project raises on purpose
    ├── InputError                     a source cannot be read or is not what it should be
    │   ├── UnmatchedListError         a list whose names are not those of the pictures
    │   ├── SecondListError            two files where only one can be right
    │   ├── RecordError                one record in a file: names file, key, index, field and value
    │   │   ├── SeverityRangeError     a severity outside 0..100
    │   │   ├── DuplicateError         a picture or key that appears more than once
    │   │   ├── ConflictError          two files or rows that say different things of one picture
    │   │   ├── SameNameError          two pictures with the same file name
    │   │   ├── AnnotatedRealError     anomalies of a picture that is labelled real
    │   │   └── TestInTrainError       a picture of a test list that would be trained on
    │   └── PictureError               one picture cannot be decoded or is not accepted
    │       ├── TruncatedPictureError  its file ends too early
    │       ├── DamagedPictureError    it decodes, but not to what was once encoded
    │       └── OversizedPictureError  more bytes or pixels than the limit
    ├── OutputError                    a destination may not or cannot be written
    └── UnavailableError               something needed is out of reach: a model, an encoder, a server

Each kind of problem that a source can have is one class below `InputError`: `kind` is its name in reports and
`meaning` explains it. `InputError` itself means a file of the source that cannot be read as a whole.

A message is one sentence that names the place, the value and the fix. The command prints it on one line and exits with
2. `InputError` is also a `ValueError`, `OutputError` an `OSError` and `UnavailableError` a `RuntimeError`, so code that
knows nothing of this project catches them too.
"""

import reprlib
from typing import ClassVar

__all__ = [
    "AnnotatedRealError",
    "AnomReasonError",
    "ConflictError",
    "DamagedPictureError",
    "DuplicateError",
    "InputError",
    "OutputError",
    "OversizedPictureError",
    "PictureError",
    "RecordError",
    "SameNameError",
    "SecondListError",
    "SeverityRangeError",
    "TestInTrainError",
    "TruncatedPictureError",
    "UnavailableError",
    "UnmatchedListError",
    "shorten",
]


class AnomReasonError(Exception):
    """Base of every error raised on purpose; its text is meant for a person."""


class InputError(AnomReasonError, ValueError):
    """A source cannot be read or is not what it should be.

    Attributes:
        kind (`str`): what this class of problems is called in reports.
        meaning (`str`): a few words that explain it.
        concerns_all (`bool`): whether it says something about the whole source, so that leaving out one picture or record
            does not help.
    """

    kind: ClassVar[str] = "unreadable file"
    meaning: ClassVar[str] = "a file of the source that cannot be read as what its name says"
    concerns_all: ClassVar[bool] = True


class UnmatchedListError(InputError):
    """Most names of a list are not names of pictures, and most pictures are not in it."""

    kind = "unmatched list"
    meaning = "a list whose names are mostly not those of the pictures"


class SecondListError(InputError):
    """Two files where only one can be right."""

    kind = "second list"
    meaning = "two lists of the same kind, of which only one can be right"


class PictureError(InputError):
    """A picture cannot be decoded or is not accepted."""

    kind = "unreadable picture"
    meaning = "not a picture, or one that cannot be decoded"
    concerns_all = False


class TruncatedPictureError(PictureError):
    """A picture file that ends too early."""

    kind = "truncated picture"
    meaning = "a picture file that ends too early"


class DamagedPictureError(PictureError):
    """A picture that decodes, but not to what was once encoded."""

    kind = "damaged picture"
    meaning = "data inside the picture is damaged; a viewer shows grey or displaced blocks"


class OversizedPictureError(PictureError):
    """A picture with more bytes or pixels than the limit, or that would need more memory than a reader allows."""

    kind = "oversized picture"
    meaning = "more bytes or pixels than the limit: a decompression bomb"


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
        problem (`str`): what is wrong and how to fix it; it follows the value ("is outside 0..100").
        file (`str` or path, *optional*): the file it is in.
        key (`str`, *optional*): the image it belongs to.
        index (`int`, *optional*): its position in that image's list, from 0.
        field (`str`, *optional*): the field.
        value (*optional*): the offending value; shortened in the message.
    """

    kind = "unreadable record"
    meaning = "a record that cannot be read"
    concerns_all = False

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


class SeverityRangeError(RecordError):
    """A severity outside 0..100."""

    kind = "severity out of range"
    meaning = "a severity outside 0..100"


class DuplicateError(RecordError):
    """A picture, or a key of an object, that appears more than once in a file."""

    kind = "duplicate id"
    meaning = "a picture that appears more than once in a file"


class ConflictError(RecordError):
    """Two files, or two rows, that say different things of one picture."""

    kind = "conflicting statements"
    meaning = "two places that say different things of one picture"


class SameNameError(RecordError):
    """Two pictures with the same file name, which is a picture's identity."""

    kind = "basename collision"
    meaning = "two pictures with the same file name"


class AnnotatedRealError(RecordError):
    """Anomalies of a picture that is labelled real."""

    kind = "annotated real picture"
    meaning = "anomalies of a picture that is labelled real; they would be lost"


class TestInTrainError(RecordError):
    """A picture of a test list that would be trained on."""

    __test__ = False  # pytest takes a class of this name for a test
    kind = "test picture in train"
    meaning = "a picture that a test list names and that would be trained on"
