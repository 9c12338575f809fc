"""Directories that a command of ours made: which files in them are ours, so that nothing else is ever replaced or removed.

A manifest, `.anomreason.json`, names the command that made a directory and the hash of each file it wrote. Written again, those
files change and no others: a `.git`, notes and whatever else lies there stay. A directory without a manifest, or one in which
somebody changed a file of ours, is refused unless `overwrite` is set, and even then only files that are written again are replaced.
"""

import errno
import getpass
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from filelock import FileLock, Timeout

from dataset_builder import atomic
from dataset_builder.errors import AnomReasonError, OutputError, shorten

__all__ = ["MANIFEST", "added", "alone", "begin", "changing", "check", "clear", "record", "replaced"]

MANIFEST = ".anomreason.json"
"""Hidden, so that it is neither published nor taken for data."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}


class _Manifest(NamedTuple):
    command: str
    files: dict[str, str]
    unfinished: bool = False
    """Whether files were being put in place when it was written: each is the old one or the new, and both are ours."""


@contextmanager
def replaced(directory: Path, command: str, *, overwrite: bool = False, also: Iterable[str] = ()) -> Iterator[Path]:
    """Fill a directory again: yields a directory to write into, whose files are put in place if the block ends without an error.

    Each file appears whole or not at all, and where there was no directory, so does the directory. Files of ours that are not
    written again go; others stay.

    Args:
        directory (`Path`): the directory.
        command (`str`): who writes; what another command made is refused.
        overwrite (`bool`): write into a directory that is not ours, and over files of ours that were changed.
        also (iterable of `str`): commands whose directories are taken as well.

    Raises:
        OutputError: if the directory is refused, or cannot be written; what was there before is untouched.
    """
    directory = _real(directory)
    check(directory, command, overwrite=overwrite, also=also)
    with _beside(directory, command, overwrite=overwrite, gone=None) as work:
        yield work


@contextmanager
def added(directory: Path, command: str, results: Iterable[str] = (), *, overwrite: bool = False) -> Iterator[Path]:
    """`replaced` for some of a directory's files, such as an adapter's next to its checkpoints: the others of ours stay.

    Args:
        results (iterable of `str`): patterns of the names that the command gives its results, `*` for any text. Those of an
            earlier run that are not written again are removed, so that old and new numbers never mix.
        directory, command, overwrite: as in `replaced`.
    """
    with _beside(_real(directory), command, overwrite=overwrite, gone=tuple(results)) as work:
        yield work


def begin(directory: Path, command: str, *, overwrite: bool = False) -> None:
    """Make a directory ours in which files will appear one by one; `record` notes them as they do.

    Raises:
        OutputError: as `replaced`.
    """
    directory = _real(directory)
    check(directory, command, overwrite=overwrite)
    known = _read(directory) or _Manifest(command, {})
    _write(directory, known._replace(command=command))


def record(directory: Path, command: str, files: Iterable[Path]) -> None:
    """Note that files below a directory are ours as they are now."""
    directory = _real(directory)
    known = _read(directory) or _Manifest(command, {})
    hashes = {
        file.resolve().relative_to(directory.resolve()).as_posix(): _hash(file)
        for file in files
        if file.name != MANIFEST
    }
    there = {name: value for name, value in known.files.items() if (directory / name).exists()}
    _write(directory, known._replace(files=there | hashes))


@contextmanager
def changing(directory: Path, *names: str) -> Iterator[None]:
    """Around a change that a command makes to files of ours: they stay ours. A file that somebody had changed stays theirs."""
    directory = _real(directory)
    known = _read(directory)
    ours = [name for name in names if known and _is_unchanged(directory / name, known.files.get(name, ""))]
    yield
    if known:
        record(directory, known.command, [directory / name for name in ours if (directory / name).is_file()])


def clear(directory: Path) -> None:
    """Remove the files of ours from a directory, and the folders that are empty then."""
    directory = _real(directory)
    known = _read(directory)
    if known is not None:
        _remove(directory, known.files)
        _write(directory, _Manifest(known.command, {}))


def check(
    directory: Path,
    command: str,
    names: Iterable[str] | None = None,
    *,
    overwrite: bool = False,
    also: Iterable[str] = (),
) -> None:
    """Look before the work begins whether a directory may be written.

    Args:
        names (iterable of `str`, *optional*): the files that will be `added`, patterns among them: what else lies there does not
            matter. Without them the directory will be `replaced`: it has to be new, empty, or ours and unchanged.
        command, overwrite, also: as in `replaced`.

    Raises:
        OutputError: if it may not, with the reason.
    """
    directory = _real(directory)
    _refuse_unwritable(directory)
    if overwrite or not directory.exists():
        return
    known = _read(directory)
    if names is not None:
        names, known = tuple(names), known or _Manifest(command, {})
        _refuse_foreign(directory, known, names)
        _refuse_changed(directory, known, _matching(known.files, names))
    elif known is None:
        if any(directory.iterdir()):
            raise OutputError(
                f"{directory}: already exists, and `anomreason {command}` did not make it (or version 0.1.0 did, "
                "which kept no record); choose another path, or write into it with --overwrite (other files stay)"
            )
    elif known.command not in (command, *also):
        raise OutputError(
            f"{directory}: was made by `anomreason {known.command}`; "
            "choose another path, or replace its files with --overwrite (other files stay)"
        )
    else:
        _refuse_changed(directory, known, known.files)


def _refuse_unwritable(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"{directory}: is a file, not a directory; give another name or remove it")
    place = next(parent for parent in (directory, *directory.parents) if parent.exists())
    if not place.is_dir():
        raise OutputError(f"{place}: is a file, so nothing can be written below it; choose another path")
    if not os.access(place, os.W_OK):
        raise OutputError(f"{place}: is read-only; change its permissions, or choose another path")


def _refuse_foreign(directory: Path, known: _Manifest, names: Iterable[str]) -> None:
    there = [name for name in names if (directory / name).exists()]
    if foreign := sorted(name for name in there if name not in known.files):
        raise OutputError(
            f"{directory / foreign[0]}: already exists, and anomreason did not write it (or version 0.1.0 did, "
            "which kept no record); move it away, choose another path, or replace it with --overwrite"
        )
    _refuse_changed(directory, known, there)


def _refuse_changed(directory: Path, known: _Manifest, names: Iterable[str]) -> None:
    changed = sorted(name for name in names if not _is_unchanged(directory / name, known.files[name]))
    if changed and not known.unfinished:
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise OutputError(
            f"{directory / changed[0]}: was changed since anomreason wrote it{more}; "
            "move it away, choose another path, or replace it with --overwrite"
        )


@contextmanager
def _beside(directory: Path, command: str, *, overwrite: bool, gone: Sequence[str] | None) -> Iterator[Path]:
    with alone(directory):
        # In a directory that is there, since beside it may be another file system, or no place that may be written.
        work = atomic.beside(directory / directory.name if directory.exists() else directory)
        try:
            work.mkdir(parents=True)
        except OSError as error:
            raise atomic.cannot(directory, error) from error
        try:
            yield work
            _put_in_place(work, directory, command, overwrite=overwrite, gone=gone)
        except OSError as error:
            if isinstance(error, AnomReasonError) or error.errno not in _FULL:
                raise
            raise atomic.cannot(directory, error) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """While no other process writes a directory; may be entered again within. What a killed process left of it is removed.

    The lock is a file in the system's temporary directory, since a lock next to the directory would stay there. The system
    takes it back when the process ends, however it ends.

    Raises:
        OutputError: if another process is writing the directory.
    """
    directory = _real(directory)
    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user without a name, as containers have them
        user = ""
    who = hashlib.sha256(f"{user}:{directory.resolve()}".encode()).hexdigest()[:24]
    lock = FileLock(
        Path(tempfile.gettempdir()) / f"anomreason-{who}.lock", blocking=False, is_singleton=True, thread_local=False
    )
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"{directory}: another process is writing it; wait until that is done, or choose another path"
        ) from None
    except (
        OSError,
        NotImplementedError,
    ):  # without locks, as it would be without other processes, but nothing is removed
        yield
        return
    try:
        if lock.lock_counter == 1:
            _remove_leftovers(directory)
        yield
    finally:
        lock.release()


def _remove_leftovers(directory: Path) -> None:
    """Remove the temporary directories that processes which were killed left next to the directory or in it."""
    ours = re.compile(rf"\.{re.escape(directory.name[:100])}\.[0-9a-f]{{12}}")
    for place in (directory.absolute().parent, directory):
        with suppress(OSError):
            for entry in list(os.scandir(place)):
                if ours.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)


def _put_in_place(work: Path, directory: Path, command: str, *, overwrite: bool, gone: Sequence[str] | None) -> None:
    """`gone` are patterns of files of ours that go if they are not written again; None for all of them."""
    found = sorted(file for file in work.rglob("*") if file.is_file())
    new = {file.relative_to(work).as_posix(): _hash(file) for file in found}
    if not directory.exists():
        _write(work, _Manifest(command, new))
        work.rename(directory)
        return
    known = _read(directory) or _Manifest(command, {})
    if not overwrite:
        _refuse_foreign(directory, known, new)
    old = [*known.files] if gone is None else _matching(known.files, gone)
    kept = {name: value for name, value in known.files.items() if name not in old}
    # A directory to which files are added stays what it was.
    command = command if gone is None else known.command
    _write(directory, _Manifest(command, known.files | new, unfinished=True))
    # Deepest first: a card comes after the files that it speaks of.
    for name in sorted(new, key=lambda name: (-name.count("/"), name)):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / name, directory / name)
    _remove(directory, [name for name in old if name not in new])
    _write(directory, _Manifest(command, kept | new))


def _matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _remove(directory: Path, names: Iterable[str]) -> None:
    for name in names:
        file = directory / name
        with suppress(FileNotFoundError, NotADirectoryError):
            file.unlink()
        for folder in file.parents:
            if folder == directory:
                break
            with suppress(OSError):  # not empty: something in it is not ours
                folder.rmdir()


def _read(directory: Path) -> _Manifest | None:
    """The manifest, or None. It may have come with a download: a name that leads out of the directory is not believed."""
    try:
        content = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        command, files = content["made_by"], content["files"]
        if not isinstance(command, str) or not all(isinstance(value, str) for value in files.values()):
            return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    inside = {name: value for name, value in files.items() if _is_inside(directory, name)}
    return _Manifest(_printable(command), inside, content.get("unfinished") is True)


def _printable(command: str) -> str:
    """A command's name as a manifest has it, for a message."""
    return command if command.isprintable() and len(command) < 40 else shorten(command, 40)


def _is_inside(directory: Path, name: str) -> bool:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        return False
    return (directory / path).parent.resolve().is_relative_to(directory.resolve())


def _write(directory: Path, manifest: _Manifest) -> None:
    content: dict[str, object] = {"made_by": manifest.command, "files": dict(sorted(manifest.files.items()))}
    if manifest.unfinished:
        content["unfinished"] = True
    atomic.write(directory / MANIFEST, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _is_unchanged(file: Path, known: str) -> bool:
    """Whether a file of ours is as it was written; one that is gone was not changed."""
    return not file.exists() or (file.is_file() and _hash(file) == known)


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _real(directory: Path) -> Path:
    """The directory itself, not a link to it, and with a name."""
    directory = Path(directory)
    return directory.resolve() if directory.is_symlink() or directory.name in ("", "..") else directory
