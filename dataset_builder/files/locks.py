"""Locks between processes: one writes, the others are told so."""

from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from dataset_builder.errors import OutputError

__all__ = ["hold"]


def hold(path: Path, busy: str, patience: float = 0.0) -> BaseFileLock:
    """Take a lock and hold it until its `release`; the system takes it back when the process ends, however it ends.

    Args:
        path (`Path`): the file to lock, made if missing. It holds nothing and may stay.
        busy (`str`): the message if another process holds it.
        patience (`float`): seconds to wait for that process.

    Raises:
        OutputError: if another process holds it, or the file system has no locks.
    """
    lock = FileLock(path, timeout=patience, thread_local=False)  # whoever closes a run may be another thread
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(busy) from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{path.parent}: cannot be written ({reason}); choose another path, on a file system that has locks"
        ) from None
    return lock
