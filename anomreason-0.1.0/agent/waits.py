"""How long a server asks to wait, in whatever way it says so."""

import datetime
import email.utils
import math
import re
from collections.abc import Mapping

__all__ = ["asked_to_wait"]

_SCALE = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"(?:\d+(?:\.\d+)?\s?(?:ms|d|h|m(?!s)|s|sec|min)\w*\s?)+"
_SAID = re.compile(rf"(?:try again|retry|available|wait|resets? in)\D{{0,20}}?({_DURATION})")


def asked_to_wait(headers: Mapping[str, str], text: str) -> float | None:
    """The seconds that a server asks to wait: `Retry-After` in seconds or as a date, `retry-after-ms`, `x-ratelimit-reset-*`
    of a quota that is used up, or a sentence such as "try again in 10.4s"; `None` if it says nothing.

    Args:
        headers (mapping): their names in lower case.
        text (`str`): the body.

    >>> asked_to_wait({"retry-after-ms": "1500"}, ""), asked_to_wait({}, "Please try again in 1m2.5s.")
    (1.5, 62.5)
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    if (header := headers.get("retry-after")) is not None:
        if (seconds := _number(header)) is not None:
            return seconds
        try:
            until = email.utils.parsedate_to_datetime(header)
            zone = until.tzinfo or datetime.UTC
            return max((until.replace(tzinfo=zone) - datetime.datetime.now(zone)).total_seconds(), 0.0)
        except (ValueError, OverflowError):
            pass
    resets = [
        seconds
        for name, value in headers.items()
        if name.startswith(("x-ratelimit-reset", "ratelimit-reset"))
        and (seconds := _span(value)) is not None
        and _number(headers.get(name.replace("reset", "remaining"))) in (None, 0.0)
    ]
    if resets:
        return max(resets)
    found = _SAID.search(text.lower())
    return _span(found[1]) if found else None


def _span(value: str) -> float | None:
    """Seconds in `10.4s`, `1m2s`, `250ms`, `6`, or until a point in time in seconds or milliseconds since 1970."""
    value = value.strip().lower()
    number = _number(value)
    if number is None:
        parts = re.findall(r"(\d+(?:\.\d+)?)\s?(ms|d|h|m|s)", value)
        return sum(float(one) * _SCALE[unit] for one, unit in parts) if parts else None
    if number < 1e9:
        return number
    return max((number if number < 1e11 else number / 1000) - datetime.datetime.now(datetime.UTC).timestamp(), 0.0)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return max(number, 0.0) if math.isfinite(number) else None
