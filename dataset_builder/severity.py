"""Severity: the one place that knows its direction.

A severity is an integer from 0 (completely irrational) to 100 (completely realistic): **low is severe**. It is the
paper's scale, a realism score in spite of its name. Everything that reads, writes, sorts, words or colours a severity
does it here.
"""

import re
import unicodedata

from dataset_builder.errors import RecordError, SeverityRangeError

__all__ = ["BANDS", "colour", "find", "format_official", "intensity", "parse", "word"]

_NUMBER = re.compile(
    r"\s*+(?P<score>[+-]?[0-9]++(?:\.[0-9]++)?)(?P<scale>\s*+/\s*+100(?![0-9])|\s*+%|\s++out of 100)?", re.IGNORECASE
)
_SEPARATOR = re.compile(r"\s*+[,;:–—-]?\s++(?=[^\W\d_])|\s*+[,;:]\s*+(?=[^\W\d_])")

_FIX = "is not a severity; write a whole number from 0 (completely irrational) to 100 (completely realistic)"

# (exclusive upper bound, word, colour). Every colour reaches 4.5:1 against white text (WCAG AA).
BANDS: list[tuple[int, str, str]] = [
    (20, "completely irrational", "#a3123a"),
    (40, "severely irrational", "#b23c17"),
    (60, "clearly implausible", "#8a5a00"),
    (80, "slightly odd", "#4d6b1f"),
    (101, "nearly realistic", "#1f6f4a"),
]


def parse(text: str | int | float) -> tuple[int, str | None]:
    """Read a severity in any of the release's forms: `25/100 (remark).`, `25/100`, `25`, or a number.

    Also taken are `25%`, `25 out of 100` and a remark without brackets (`25/100 - mild`), which models write.

    Returns:
        The severity, an integer in 0..100, and the remark or `None`.

    Raises:
        RecordError: if it is not a whole number; `SeverityRangeError` if it is outside 0..100.

    >>> parse("25/100 (moderately noticeable)."), parse("25"), parse(25.0), parse("25/100 - mild.")
    ((25, 'moderately noticeable'), (25, None), (25, None), (25, 'mild'))
    """
    remark = None
    if isinstance(text, str):
        match = _NUMBER.match(text)
        readable, remark = _remark(text[match.end() :]) if match else (False, None)
        if not match or not readable:
            raise RecordError(_FIX, value=text)
        value = float(match["score"])
    elif isinstance(text, bool) or not isinstance(text, int | float):
        raise RecordError(_FIX, value=text)
    else:
        value = text
    if not 0 <= value <= 100:
        raise SeverityRangeError("is outside 0..100 (0 completely irrational, 100 completely realistic)", value=text)
    if value != int(value):
        raise RecordError(_FIX, value=text)
    return int(value), remark


def find(text: str | int | float) -> tuple[int, str | None]:
    """Read a severity as models write it: in any form of `parse`, or as the one score out of 100 in a sentence.

    Returns:
        The severity, an integer in 0..100, and the remark or `None`.

    Raises:
        RecordError: if there is none, or more than one.

    >>> find("20/100 - six fingers instead of 5"), find("very severe (5/100)"), find("10 von 100"), find("8点（100点満点）")
    ((20, 'six fingers instead of 5'), (5, None), (10, None), (8, '100点満点'))
    """
    try:
        return parse(text)
    except RecordError:
        if not isinstance(text, str):
            raise
        plain = _UNIT.sub(r"\1", _western_digits(unicodedata.normalize("NFKC", text[:1_000])))
        scores = list(_OUT_OF_100.finditer(plain))
        if not scores:
            lone = _LONE.fullmatch(plain)
            return parse(lone["score"] if lone else plain)
        if len({score["score"] for score in scores}) > 1:
            raise
        remark = plain[scores[0].end() :].strip(" \t,;:–—-*()") if not plain[: scores[0].start()].strip(" *(") else ""
        return parse(scores[0]["score"])[0], remark.removesuffix(".").rstrip(")") or None


_OUT_OF_100 = re.compile(
    r"(?<![\d.,/–-])(?<!\d\s[–-]\s)(?P<score>\d{1,3})\s*(?:/|out of|von|sur|de|su|van|из)\s*100(?!\.?\d)(?!\s*[–-]\s*\d)",
    re.IGNORECASE,
)
_LONE = re.compile(r"[^\d:=(]{0,60}(?:[:=]\s*|\(\s*)(?P<score>\d{1,3})\s*\)?[\s.*]*")
_UNIT = re.compile(r"(?<=^)\s*(\d{1,3})\s*(?:点|分|점|points?\b|punkte\b)", re.IGNORECASE)


def _western_digits(text: str) -> str:
    """Arabic, Devanagari and all other decimal digits as 0 to 9."""
    return "".join(str(unicodedata.decimal(one, one)) for one in text)


def _remark(rest: str) -> tuple[bool, str | None]:
    """What follows the number: whether it can be read, and the remark in it."""
    body = rest.strip().removesuffix(".").rstrip()
    if not body:
        return True, None
    if body.startswith("(") and body.endswith(")"):
        return True, body[1:-1]
    # "25-30", "25/10" and "25 to 30" are no single severity.
    match = _SEPARATOR.match(rest.rstrip())
    readable = match is not None and not any(character.isdigit() for character in body)
    return readable, rest[match.end() :].strip().removesuffix(".") if match and readable else None


def format_official(severity: int, remark: str | None = None) -> str:
    """The released annotations' form: `25/100 (remark).`, or `25/100` without a remark.

    >>> format_official(25, "moderately noticeable"), format_official(25)
    ('25/100 (moderately noticeable).', '25/100')
    """
    return f"{severity}/100" if remark is None else f"{severity}/100 ({remark})."


def intensity(severity: int) -> float:
    """How wrong, 0.0 (completely realistic) to 1.0 (completely irrational): (100 − severity) / 100. High is severe.

    >>> intensity(25)
    0.75
    """
    return (100 - severity) / 100


def _band(severity: int) -> tuple[int, str, str]:
    return next(band for band in BANDS if severity < band[0])


def word(severity: int) -> str:
    """A severity in words, e.g. `severely irrational` for 25."""
    return _band(severity)[1]


def colour(severity: int) -> str:
    """A severity's colour as `#rrggbb`; white text on it is legible (WCAG AA)."""
    return _band(severity)[2]
