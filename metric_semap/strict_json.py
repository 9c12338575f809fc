"""JSON read strictly: what json would silently drop or bend — repeated keys, NaN — is an error that names the place."""

import json
from typing import Any

from .errors import RecordError, shorten

__all__ = ["parse_json", "parse_rows"]


def parse_json(text: str, source: str) -> Any:
    """The value of a JSON text; `source` is what errors call it."""
    if not text.strip():
        raise RecordError(f"{source}: is empty; write one JSON object, {{picture: [anomalies]}}")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise RecordError(
            f"{source}: line {error.lineno}, column {error.colno}: is not JSON ({error.msg}); correct it there"
        ) from None
    except RecordError as error:
        raise RecordError(f"{source}: {error}") from None
    except RecursionError:
        raise RecordError(f"{source}: is nested too deeply; it is not a file of anomalies") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise RecordError(f"{source}: holds a number that cannot be read ({error}); correct it") from None


def parse_rows(text: str, source: str) -> list[Any] | None:
    """The values of a text with one JSON object per line, or `None` if it is not such a text.

    A last line without an end that is not JSON was torn by a crash and is left out.
    """
    # Not splitlines(): a JSON string may hold U+2028, which that takes for the end of a line.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines or not _is_row(lines[0][1], alone=len(lines) == 1):
        return None
    rows = []
    for number, line in lines:
        try:
            rows.append(parse_json(line, f"{source}, line {number}"))
        except RecordError:
            if number == lines[-1][0] and not text.endswith("\n") and not _is_json(line):
                break
            raise
    return rows


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_row(line: str, alone: bool) -> bool:
    """Whether a first line is a whole object; if it is the only line, it must also name its picture."""
    if not _is_json(line):
        return False
    value = json.loads(line)
    return isinstance(value, dict) and (not alone or "image_id" in value or "path" in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in pairs:
        if key in entries:
            raise RecordError(f"the key {shorten(key)} appears more than once in one object; remove the duplicates")
        entries[key] = value
    return entries


def _no_number(constant: str) -> Any:
    raise RecordError(f"{constant} is not a JSON number; write null")
