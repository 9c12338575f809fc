"""What can be annotated: a folder, a list of files, a picture, a built dataset or a dataset on the Hub."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from agent.pictures import SUFFIXES
from dataset_builder import atomic
from dataset_builder.built import is_dataset, stored_pictures
from dataset_builder.errors import InputError, shorten
from dataset_builder.official import ImageNames

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
        images (`Path`, *optional*): the directory the pictures are below; `None` if they are copied into the run.
        total (`int`, *optional*): how many, where that is known beforehand.
        pictures (iterator of `Listed`): read once.
    """

    images: Path | None
    total: int | None
    pictures: Iterator[Listed]


def open_source(source: str, run: Path, limit: int | None = None) -> Source:
    """Open what is to be annotated.

    Args:
        source (`str`): a directory (all pictures below it, sorted by path), a `.txt` file with a path a line, a picture, a
            built dataset's directory, or a Hub dataset's id.
        run (`Path`): the run; pictures out of a dataset are copied into its `images/`.
        limit (`int`, *optional*): only the first pictures.

    Raises:
        InputError: if it holds no picture, or two with the same file name.
    """
    path = Path(source)
    if path.is_dir() and is_dataset(path):
        return _stored(stored_pictures(path), run / "images", limit)
    if path.is_dir():
        return _files(sorted(_below(path), key=lambda file: file.relative_to(path).as_posix()), path, limit)
    if path.is_file() and path.suffix.lower() in _LISTS:
        files = _list(path)
        return _files(files, Path(os.path.commonpath([file.parent for file in files])) if files else path, limit)
    if path.is_file():
        return _files([path], path.parent, limit)
    if _HUB_ID.fullmatch(source) and not source.startswith("."):
        return _stored(_hub(source), run / "images", limit)
    raise InputError(f"{shorten(source)}: does not exist; give a folder, a list of files, a dataset or a Hub id")


def _files(files: list[Path], images: Path, limit: int | None) -> Source:
    names = ImageNames(images)
    listed = [Listed(names.add(file.absolute().as_posix()), file) for file in files]
    if not listed:
        raise InputError(f"{images}: holds no pictures; give a folder or a list with {', '.join(sorted(SUFFIXES))}")
    listed = listed[:limit]
    return Source(images.absolute(), len(listed), iter(listed))


def _below(directory: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(directory, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                yield Path(place, name)


def _unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror}); give a folder that can be")


def _list(path: Path) -> list[Path]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of files ({error})") from None
    return [path.parent.absolute() / line.strip() for line in lines if line.strip()]


def _stored(pictures: Iterator[tuple[str, bytes]], images: Path, limit: int | None) -> Source:
    def copied() -> Iterator[Listed]:
        for name, data in islice(pictures, limit):
            if Path(name).name != name or name in (".", ".."):
                raise InputError(f"{shorten(name)}: is no file name; mend the dataset's image_id")
            path = images / name
            # Written whole or not at all, so a file of the same size is the same picture, copied before.
            if not path.is_file() or path.stat().st_size != len(data):
                atomic.write(path, data)
            yield Listed(name, path)

    return Source(None, None, copied())


def _hub(dataset: str) -> Iterator[tuple[str, bytes]]:
    import datasets

    try:
        splits: Any = datasets.load_dataset(dataset, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{dataset}: is no directory, and no dataset of that name is in reach ({reason})") from None
    return _streamed(dataset, splits)


def _streamed(dataset: str, splits: Any) -> Iterator[tuple[str, bytes]]:
    import datasets

    for rows in splits.values():
        if "image" not in (rows.column_names or []):
            raise InputError(f"{dataset}: has no column image; choose a dataset of pictures")
        undecoded = rows.cast_column("image", datasets.Image(decode=False))
        for number, row in enumerate(undecoded):
            image = row["image"]
            name = row.get("image_id") or os.path.basename(image.get("path") or "") or f"{number:06d}.png"
            data = image.get("bytes")
            if data is None:
                raise InputError(f"{dataset}: {shorten(name)} is stored as a path; embed the pictures")
            yield name, data
