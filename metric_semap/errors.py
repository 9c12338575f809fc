"""What can go wrong, as one tree.

SemapError            every error this package raises on purpose; a `ValueError`
├── RecordError       a prediction or reference is malformed: names place, field, value and fix
├── OptionError       an option is outside what is possible
└── EncoderError      an encoder is out of reach or not what it should be
"""

__all__ = ["EncoderError", "OptionError", "RecordError", "SemapError", "SemapWarning", "shorten"]


class SemapError(ValueError):
    """Base of every error raised on purpose; its text is one sentence meant for a person."""


class RecordError(SemapError):
    """A prediction or a reference is malformed."""


class OptionError(SemapError):
    """An option is outside what is possible."""


class EncoderError(SemapError):
    """An encoder is out of reach or not what it should be."""


class SemapWarning(UserWarning):
    """A number is right, but easily misread."""


def shorten(value: object, limit: int = 80) -> str:
    """`repr` of `value`, cut to `limit` characters, for messages."""
    # Slicing first keeps a 10 MB string from being escaped only to be thrown away.
    text = repr(value[: limit + 1] if isinstance(value, (str, bytes, list)) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
