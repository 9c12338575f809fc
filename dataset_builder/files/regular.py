"""Opens regular files and nothing else: a pipe would be waited for and a device read for ever."""

import errno
import os
import stat
from typing import BinaryIO

__all__ = ["MAX_JSON", "open_regular", "read_regular"]

MAX_JSON = 2**30
"""Bytes of one file of records; the release's 130,000 quadruplets are below 100 megabytes."""


# Without O_NONBLOCK, opening a pipe waits for somebody to write into it; Windows, which lacks it, has no such files, but would
# read text without O_BINARY.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading.

    Raises:
        OSError: if it cannot be opened, or is a pipe, a device or a socket.
    """
    handle = os.open(path, _FLAGS)
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return open(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory", path)
    raise OSError(errno.EINVAL, "it is a pipe or a device, not a regular file", path)


def read_regular(path: str | os.PathLike[str], limit: int = MAX_JSON) -> bytes:
    """The whole content of a file of at most `limit` bytes. Raises `OSError` as `open_regular`, and for a larger one."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", path)
        return file.read(size)
