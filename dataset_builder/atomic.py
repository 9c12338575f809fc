"""Files appear whole or not at all: written under a temporary name beside the target, flushed, then renamed."""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dataset_builder.errors import OutputError

__all__ = ["new_directory", "write", "write_parts"]


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
    temporary = _beside(path)
    if path.exists() and not path.is_file():
        # A device, such as /dev/null, would be replaced by a file.
        raise OutputError(f"{path}: cannot be written (it is no regular file); give another place")
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
        raise _cannot(path, error) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary)
    return path


@contextmanager
def new_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A directory that appears under `path`, replacing what was there, only if the block ends without an error.

    Yields the directory to fill, which stands beside `path` under a temporary name.

    Raises:
        OutputError: if `path` is a file, or cannot be written; what was there before is untouched.
    """
    path = Path(path).absolute()
    work = _beside(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file, not a directory; give another name or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir()
    except OSError as error:
        raise _cannot(path, error) from error
    try:
        yield work
        try:
            _replace_directory(work, path)
        except OSError as error:
            raise _cannot(path, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replace_directory(work: Path, path: Path) -> None:
    if not path.exists():
        work.rename(path)
        return
    # Renamed aside rather than deleted first: the old content goes only once the new one is in place.
    aside = work.with_name(work.name + ".old")
    path.rename(aside)
    try:
        work.rename(path)
    except OSError:
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}")


def _flush_directory(path: Path) -> None:
    """Makes a rename survive a power cut, where the system allows opening a directory."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cannot(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written ({error.strerror or error}); give another place or make room there")
