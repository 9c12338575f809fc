"""The files of a source: a directory, the zip archives in it, or one zip archive.

Archives are read where they are. Nothing of them is written to the disk, so a member's name, whatever it is, leads
nowhere, and links in them are not followed. Symbolic links of a directory are followed as long as they stay within it, or
lead from a snapshot of the Hub's cache to its blobs; those that leave it, or lead in circles, are passed over and told. No
more is read of a file than its limit allows, whatever its header says.
"""

import functools
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_builder.errors import InputError, OversizedPictureError, PictureError, shorten
from dataset_builder.files.regular import MAX_JSON
from dataset_builder.files.strict_json import loads

__all__ = ["MAX_PICTURE", "File", "Tree", "open_tree", "read_json", "within"]

MAX_PICTURE = 64 * 2**20
"""Bytes of one picture file; the release's are below one megabyte."""


@dataclass(frozen=True, slots=True)
class File:
    """One file: its path in the source, for messages; where it is; its size in bytes."""

    path: str
    place: str
    member: str | None
    size: int

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    def read(self, limit: int = MAX_PICTURE) -> bytes:
        """The whole content.

        Raises:
            PictureError: if it cannot be read or has more than `limit` bytes.
        """
        if self.size > limit:
            raise OversizedPictureError(
                f"{self.path}: {self.size:,} bytes are more than {limit:,}; make the file smaller"
            )
        try:
            if self.member is None:
                with open(self.place, "rb") as plain:
                    # Not limit + 1: so much memory would be set aside for each file, however small.
                    data = plain.read(self.size + 1)
            else:
                with _archive(self.place, os.getpid()).open(self.member) as packed:
                    data = packed.read(limit + 1)
        except FileNotFoundError:
            raise PictureError(f"{self.path}: is missing; put it back, or fetch or render it again") from None
        # zipfile says RuntimeError for an encrypted member and NotImplementedError for a compression it lacks.
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, KeyError) as error:
            raise PictureError(f"{self.path}: cannot be read ({error}); fetch it again") from None
        if len(data) > limit:
            raise OversizedPictureError(f"{self.path}: more than {limit:,} bytes; make the file smaller")
        if self.member is None and len(data) > self.size:
            raise PictureError(f"{self.path}: grew while it was read; try again when it is complete")
        return data

    def ends(self, head: int, tail: int) -> tuple[bytes, bytes]:
        """Its first and last bytes; all of it, twice, where that costs no more."""
        if self.member is not None or self.size <= head + tail:
            data = self.read()
            return data, data
        if self.size > MAX_PICTURE:
            raise OversizedPictureError(
                f"{self.path}: {self.size:,} bytes are more than {MAX_PICTURE:,}; make the picture smaller"
            )
        try:
            with open(self.place, "rb", buffering=0) as plain:
                first = plain.read(head)
                plain.seek(self.size - tail)
                return first, plain.read(tail)
        except OSError as error:
            raise PictureError(f"{self.path}: cannot be read ({error.strerror}); fetch it again") from None

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """A path of this content, for readers that take one; errors name the file by its path in the source."""
        if self.member is None:
            yield Path(self.place)
            return
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "content")
            path.write_bytes(self.read(MAX_JSON))
            try:
                yield path
            except InputError as error:
                raise InputError(str(error).replace(str(path), self.path)) from None


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a source, sorted by path, and the links that were passed over. A file may be there under several paths."""

    root: Path
    files: list[File]
    links: list[str]


# Keyed by process too: a forked child must not move the file position of its parent's archive.
@functools.lru_cache(maxsize=64)
def _archive(place: str, process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(place)


def open_tree(root: Path) -> Tree:
    """The files of a directory, of the zip archives in it, or of one zip archive.

    Raises:
        InputError: if there is nothing, or an archive cannot be read.
    """
    if root.is_file():
        if not zipfile.is_zipfile(root):
            raise InputError(f"{root}: is neither a directory nor a zip archive; give the one or the other")
        files, links = _members(str(root), "")
        return Tree(root, sorted(files, key=lambda file: file.path), links)
    if not root.is_dir():
        raise InputError(f"{root}: does not exist; give a directory or a zip archive")
    grounds, top = _grounds(root), os.path.realpath(root)
    files, links = [], []
    linked: set[str] = set()
    # Each directory with its path in the source and the real directories above it, itself included.
    directories: list[tuple[str, str, tuple[str, ...]]] = [(str(root), "", (top,))]
    while directories:
        directory, prefix, above = directories.pop()
        for entry in _entries(directory):
            path, place = prefix + entry.name, entry.path
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if entry.is_symlink():
                target = _target(place, grounds)
                # A directory is entered through one link only: links to each other would multiply without an end.
                if target is None or target in above or target in linked:
                    links.append(place)
                    continue
                place = target
                if os.path.isdir(target):
                    linked.add(target)
            if entry.is_dir():
                directories.append((place, f"{path}/", (*above, os.path.realpath(place))))
            elif entry.name.lower().endswith(".zip") and entry.is_file():
                members, inner = _members(place, f"{path}/")
                files += members
                links += inner
            elif entry.is_file():
                files.append(File(path, place, None, entry.stat().st_size))
    return Tree(root, sorted(files, key=lambda file: file.path), sorted(links))


def within(path: Path, root: Path) -> Path | None:
    """The real file of a path in a source, which may be a link to one; `None` if it leads out of the source or nowhere."""
    if not path.is_symlink():
        return path
    target = _target(str(path), _grounds(root))
    return None if target is None else Path(target)


def _grounds(root: Path) -> tuple[str, ...]:
    """The real directories that a source's links may lead into."""
    real = root.resolve()
    # The Hub's cache keeps each file once, below blobs/, and links to it from snapshots/REVISION/.
    caches = [place.parents[1] / "blobs" for place in (real, *real.parents) if place.parent.name == "snapshots"]
    return (str(real), *(str(blobs.resolve()) for blobs in caches if blobs.is_dir()))


def _target(link: str, grounds: tuple[str, ...]) -> str | None:
    """Where a link leads, if that exists and lies within the grounds."""
    try:
        target = os.path.realpath(link, strict=True)
    except OSError:  # nowhere, or in a circle
        return None
    return target if any(os.path.commonpath((ground, target)) == ground for ground in grounds) else None


def _entries(directory: str) -> list[os.DirEntry[str]]:
    """What a directory holds; the listing knows what each entry is, which saves two questions of every file."""
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(f"{directory}: cannot be listed ({error.strerror}); make it readable") from None


def _members(place: str, prefix: str) -> tuple[list[File], list[str]]:
    try:
        infos = _archive(place, os.getpid()).infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{place}: cannot be read as a zip archive ({error}); fetch it again") from None
    files, links = [], []
    for info in infos:
        parts = info.filename.replace("\\", "/").split("/")
        if info.is_dir() or any(part.startswith((".", "__MACOSX")) and part != ".." for part in parts):
            continue
        path = prefix + info.filename.replace("\\", "/")
        if stat.S_ISLNK(info.external_attr >> 16):
            links.append(path)
        else:
            files.append(File(path, place, info.filename, info.file_size))
    return files, links


def read_json(file: File) -> Any:
    """The JSON value of a file of the source.

    Raises:
        InputError: if it cannot be read, is too large, is not UTF-8 or is not JSON.
    """
    data = file.read(MAX_JSON)
    if not data.strip():
        raise InputError(f"{file.path}: is empty; it should hold JSON")
    try:
        return loads(data.decode(), file.path)
    except UnicodeDecodeError as error:
        byte = shorten(data[error.start : error.start + 1])
        raise InputError(f"{file.path}: the byte {byte} is not UTF-8; save the file as UTF-8") from None
