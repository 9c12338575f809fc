"""Files appear whole or not at all: written under a temporary name next to the target, flushed, then renamed."""

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dataset_builder.errors import OutputError

__all__ = ["beside", "cannot", "write", "write_parts"]


def write(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write a file so that a reader, or a crash, sees the old content or the new and nothing between.

    Args:
        path (`str` or path): the file; missing parent directories are made.
        content (`str` or `bytes`): its content; text is written as UTF-8.

    Returns:
        The path.

    Raises:
        OutputError: if it cannot be written; what was there before is untouched.
    """
    return write_parts(path, (content,))


def write_parts(path: str | os.PathLike[str], parts: Iterable[str | bytes]) -> Path:
    """`write` for what is too large to hold: the parts are written one after the other as they come."""
    path = Path(path)
    temporary = beside(path)
    if path.exists() and not path.is_file():
        # A device, such as /dev/null, would be replaced by a file.
        raise OutputError(f"{path}: cannot be written (it is not a regular file); choose another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part.encode() if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_directory(path.parent)
    except OSError as error:
        raise cannot(path, error) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary)
    return path


def beside(path: Path) -> Path:
    """A temporary name next to `path`, hidden, on the same file system."""
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")


def _flush_directory(path: Path) -> None:
    """Makes a rename survive a power cut, where the system allows opening a directory."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cannot(path: Path, error: OSError) -> OutputError:
    """The error for a place that cannot be written."""
    # pyarrow writes a text of its own around the system's.
    reason = os.strerror(error.errno) if error.errno else error
    return OutputError(f"{path}: cannot be written ({reason}); choose another path or make room there")
