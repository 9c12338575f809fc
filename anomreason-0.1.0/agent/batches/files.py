"""The files of a batch: a request per line, and a result per line, in any order."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple

from agent.connection import Came

__all__ = ["FileLimits", "Request", "Result", "read_result", "write_file"]

NOT_DONE = ("batch_expired", "batch_cancelled")
"""Codes of requests that nobody worked on, and that are not charged for."""


class FileLimits(NamedTuple):
    """What a file may hold: requests, and bytes. OpenAI takes 50,000 and 200 MB."""

    requests: int = 50_000
    size: int = 190 * 10**6


class Request(NamedTuple):
    """A request under the name by which its result will be known."""

    name: str
    body: Mapping[str, Any]


class Result(NamedTuple):
    """What came of a request; `came` is `None` if nobody worked on it."""

    name: str
    came: Came | None


def write_file(requests: Sequence[Request], limits: FileLimits) -> tuple[IO[bytes], int]:
    """A file of the first requests, as many as it may hold, at least one; and how many that are.

    The file is gone once it is closed.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever uploads it closes it
    size = count = 0
    for request in requests[: limits.requests]:
        line = {"custom_id": request.name, "method": "POST", "url": "/v1/chat/completions", "body": request.body}
        written = json.dumps(line).encode() + b"\n"
        if count and size + len(written) > limits.size:
            break
        size, count = size + len(written), count + 1
        file.write(written)
    file.seek(0)
    return file, count


def read_result(line: bytes) -> Result | None:
    """The result in a line of a file; `None` for what is not one."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = found.get("custom_id") if isinstance(found, dict) else None
    if not isinstance(name, str):
        return None
    response, error = found.get("response"), found.get("error")
    if isinstance(response, dict) and isinstance(response.get("status_code"), int):
        return Result(name, Came(response["status_code"], {}, json.dumps(response.get("body"))))
    if isinstance(error, dict) and error.get("code") in NOT_DONE:
        return Result(name, None)
    return Result(name, Came(500, {}, json.dumps({"error": error})))
