"""What can be annotated: a folder, a list of files, a picture, a built dataset or a dataset on the Hub."""

import os
import re
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from dataset_builder import atomic
from dataset_builder.errors import InputError, OutputError, shorten
from dataset_builder.files.records import Place, as_image_id
from dataset_builder.pictures import SUFFIXES, is_picture
from dataset_builder.sources.opening import is_dataset
from dataset_builder.stored import stream

__all__ = ["Listed", "Source", "open_source"]

_LISTS = (".txt", ".lst")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Listed(NamedTuple):
    """One picture to annotate."""

    image_id: str
    path: Path


class Source(NamedTuple):
    """The pictures of a run, in order.

    Attributes:
        images (`Path`, *optional*): the directory the pictures are below; `None` if it is the run's own `images/`.
        total (`int`, *optional*): how many, where that is known beforehand.
        pictures (iterator of `Listed`): read once.
    """

    images: Path | None
    total: int | None
    pictures: Iterator[Listed]


def open_source(source: str, run: Path, limit: int | None = None) -> Source:
    """Open what is to be annotated.

    Args:
        source (`str`): a directory (all pictures below it, sorted by path), a `.txt` file with one path per line, a picture, a
            built dataset's directory, or a Hub dataset's id.
        run (`Path`): the run; pictures of a dataset are copied into its `images/`, those of a list linked there.
        limit (`int`, *optional*): only the first pictures.

    Raises:
        InputError: if it holds no picture, or two with the same file name.
        UnavailableError: while its pictures are read, if a dataset on the Hub stops answering.
    """
    path = Path(source)
    if path.is_dir() and is_dataset(path):
        return _stored(source, stream(source), run / "images", limit)
    if path.is_dir():
        return Source(path.absolute(), *_files(path, _below(str(path)), limit))
    if path.is_file():
        files = _list(path) if path.suffix.lower() in _LISTS else iter([os.path.split(path.absolute())])
        total, pictures = _files(path, files, limit)
        return Source(None, total, (_placed(listed, run / "images") for listed in pictures))
    if _HUB_ID.fullmatch(source) and not source.startswith("."):
        return _stored(source, stream(source), run / "images", limit)
    raise InputError(f"{shorten(source)}: does not exist; give a folder, a list of files, a dataset or a Hub id")


def _files(source: Path, files: Iterator[tuple[str, str]], limit: int | None) -> tuple[int, Iterator[Listed]]:
    """How many pictures there are, and which, from files that are each given as its directory and its name.

    Only names are kept, and each directory once: 15 MiB for a hundred thousand.
    """
    known: dict[str, str] = {}
    for directory, name in files:
        place = os.path.join(directory, name)
        if as_image_id(name, Place(place)) != name:
            raise InputError(f"{shorten(place, 200)}: has a backslash in its name; rename it")
        other = known.setdefault(name, directory)
        if other != directory:
            raise InputError(
                f"{shorten(place, 200)} and {shorten(os.path.join(other, name), 200)} have the same file name; rename one"
            )
    if not known:
        kinds = ", ".join(SUFFIXES)
        raise InputError(f"{source}: holds no pictures; give a folder or a list of files ({kinds})")
    listed = (Listed(name, Path(directory, name)) for name, directory in known.items())
    return len(known) if limit is None else min(limit, len(known)), islice(listed, limit)


def _placed(listed: Listed, images: Path) -> Listed:
    """A listed picture in the run's own folder, whose other pictures are of the run too; linked where that can be."""
    target = images / listed.image_id
    try:
        ours, theirs = target.stat() if target.exists() else None, listed.path.stat()
        if ours is None or (ours.st_size, ours.st_mtime_ns) != (theirs.st_size, theirs.st_mtime_ns):
            images.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(listed.path.resolve(), target)
            except OSError:  # another file system, or one without links
                shutil.copy2(listed.path, target)
    except FileNotFoundError:
        return listed  # its row will say that it is not there
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error}); make room there") from None
    return Listed(listed.image_id, target)


def _below(directory: str) -> Iterator[tuple[str, str]]:
    """All pictures below a directory, sorted by their paths; what is hidden is passed over, links to folders too."""
    try:
        with os.scandir(directory) as entries:
            # A folder is sorted as its pictures' paths are: "a.png", "a/b.png", "a0.png".
            found = sorted(
                entry.name + "/" * entry.is_dir(follow_symlinks=False)
                for entry in entries
                if not entry.name.startswith(".")
            )
    except OSError as error:
        raise InputError(f"{directory}: cannot be read ({error.strerror}); give a folder that can be") from None
    for name in found:
        if name.endswith("/"):
            yield from _below(os.path.join(directory, name[:-1]))
        elif is_picture(name):
            yield directory, name


def _list(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield os.path.split(os.path.normpath(path.parent.absolute() / line.strip()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of files ({error})") from None


def _stored(source: str, pictures: Iterator[tuple[str, bytes]], images: Path, limit: int | None) -> Source:
    def copied() -> Iterator[Listed]:
        known: set[str] = set()
        for name, data in islice(pictures, limit):
            if Path(name).name != name or name in (".", ".."):
                raise InputError(f"{source}: {shorten(name)} is not a file name; correct the dataset's image_id")
            if name in known:
                raise InputError(f"{source}: {shorten(name)} appears more than once; correct the dataset's image_id")
            known.add(name)
            path = images / name
            if not path.is_file() or path.read_bytes() != data:
                atomic.write(path, data)
            yield Listed(name, path)

    return Source(None, None, copied())
