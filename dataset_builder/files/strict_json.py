"""JSON files, read strictly: what is not exactly JSON in UTF-8 is an error that names the file and the place.

Duplicate keys are no error of JSON's, so objects that hold one arrive as `Repeated` and `as_object` refuses them, where
the image and the record that they are in are known.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dataset_builder.errors import InputError, shorten
from dataset_builder.files.regular import read_regular

__all__ = ["Repeated", "loads", "read_json", "read_rows"]


class Repeated(dict[str, Any]):
    """An object in which some keys appear more than once: `keys_repeated`, in the order of their first appearance."""

    keys_repeated: list[str]


def read_json(path: str | os.PathLike[str]) -> Any:
    """A JSON file's value.

    Raises:
        InputError: if the file cannot be read, is empty, is not UTF-8 without a byte order mark, or is not JSON.
    """
    data = _read_bytes(path)
    if not data.strip():
        raise InputError(f"{path}: is empty; it should hold JSON")
    return loads(_decode(data, path), path)


def read_rows(path: str | os.PathLike[str]) -> Iterator[tuple[str, Any]]:
    """The rows of a file with one JSON value per line, each with its place (`file:line`); blank lines are passed over.

    A last line that a crash tore, that is, one without a newline that is not JSON, is left out.

    Raises:
        InputError: if the file cannot be read, or any other line is not JSON in UTF-8.
    """
    lines = _read_bytes(path).split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = loads(_decode(line, place), place)
        except InputError:
            if number == len(lines):
                return
            raise
        yield place, row


def _read_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        data = read_regular(path)
    except OSError as error:
        reason = {FileNotFoundError: "does not exist", IsADirectoryError: "is a directory, not a file"}.get(type(error))
        raise InputError(
            f"{path}: {reason or f'cannot be read ({error.strerror})'}; give the path of the file"
        ) from None
    except ValueError:  # a NUL in the path
        raise InputError(f"{shorten(str(path))} is not a path; give the path of the file") from None
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: begins with a byte order mark {shorten(data[:3])}; save it as UTF-8 without one")
    return data


def _decode(data: bytes, place: object) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = shorten(data[error.start : error.start + 1])
        raise InputError(f"{place}: line {line}: the byte {byte} is not UTF-8; save the file as UTF-8") from None


def loads(text: str, file: object) -> Any:
    """JSON text as values; `file` goes into the messages.

    Raises:
        InputError: if it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        near = text[error.pos : error.pos + 40]
        hint = "; a file with one object per line is read as .jsonl or .ndjson" if error.msg == "Extra data" else ""
        value = f"before {shorten(near, 42)}" if near else "at the end of the file: is it complete?"
        raise InputError(f"{file}: {place}: not JSON ({error.msg}) {value}; fix it there{hint}") from None
    except RecursionError:
        raise InputError(f"{file}: nested too deeply to be a file of records; check what wrote it") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise InputError(f"{file}: not readable ({error}); fix that number") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    repeated.keys_repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    return repeated
