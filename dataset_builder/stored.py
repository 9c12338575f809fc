"""The pictures of a dataset: of one split, by name and read when they are asked for, or of all splits, as they come.

A picture may be embedded, as in a built dataset, or lie in a file that the row names, as in a folder of pictures that
`load_dataset` reads. Its name is its `image_id`; without that column, its file's name; without a file, its split and row.
A file outside the dataset is opened for a dataset on this machine only: one from the Hub could name any file of its reader.
"""

import os
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dataset_builder.errors import InputError, PictureError, UnavailableError, shorten
from dataset_builder.files.regular import read_regular
from dataset_builder.files.tree import MAX_PICTURE

__all__ = ["StoredPictures", "load_split", "open_split", "stream"]


@dataclass(frozen=True)
class StoredPictures:
    """Pictures by name.

    Attributes:
        ids (`list[str]`): the names, in order, each once.
        content (callable): the file's bytes of a name; raises `PictureError` if they cannot be read.
    """

    ids: list[str]
    content: Callable[[str], bytes]

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """Pictures whose bytes are at hand."""
        return cls(list(files), files.__getitem__)

    def __len__(self) -> int:
        return len(self.ids)

    def among(self, images: Container[str]) -> "StoredPictures":
        """Those with names in `images`."""
        return StoredPictures([name for name in self.ids if name in images], self.content)

    def first(self, limit: int | None) -> "StoredPictures":
        """The first `limit` of them; all for `None`."""
        return StoredPictures(self.ids[:limit], self.content)


def load_split(
    dataset: str, split: str, columns: set[str], config: str | None = None, *, streaming: bool = False
) -> Any:
    """A split of a dataset's directory or a Hub id, as `datasets` has it; with `streaming`, an iterable dataset.

    Raises:
        InputError: if it cannot be loaded, has no such split, or lacks one of `columns`.
    """
    import datasets

    try:
        rows = datasets.load_dataset(dataset, config, split=split, streaming=streaming)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"{dataset} [{split}]: cannot be loaded ({_reason(error)}); give the directory of a built dataset or a reachable Hub id"
        ) from None
    missing = columns and columns - set(rows.column_names)
    if missing:
        raise InputError(f"{dataset}: lacks the columns {', '.join(sorted(missing))}; build it with `anomreason build`")
    return rows


def open_split(
    dataset: str,
    split: str,
    config: str | None = None,
    *,
    where: Mapping[str, object] | None = None,
) -> StoredPictures:
    """The pictures of a split.

    Args:
        dataset (`str`): a built dataset's directory, a folder of pictures that `load_dataset` reads, or a Hub id.
        split (`str`): the split.
        config (`str`, *optional*): the dataset's configuration.
        where (mapping, *optional*): only the rows whose columns have these values; a class is given by its name.

    Raises:
        InputError: if it cannot be loaded, lacks a column, holds no pictures, or has two of one name.
    """
    import datasets

    wanted = dict(where or {})
    rows = load_split(dataset, split, {"image", *wanted}, config)
    place = f"{dataset} [{split}]"
    if not isinstance(rows.features["image"], datasets.Image):
        raise InputError(f"{place}: its column image holds no pictures; build it with `anomreason build`")
    # As bytes: a picture that cannot be decoded is a lost picture, not the end of the run.
    rows = rows.cast_column("image", datasets.Image(decode=False))
    for column, value in wanted.items():
        labels = getattr(rows.features[column], "names", None)  # of a ClassLabel: the column holds their positions
        value = labels.index(value) if labels and value in labels else value
        rows = rows.select([at for at, held in enumerate(rows.select_columns([column])[column]) if held == value])
    ids = _names(rows, split)
    positions = {name: at for at, name in enumerate(ids)}
    if len(positions) < len(ids):
        twice = next(name for at, name in enumerate(ids) if positions[name] != at)
        raise InputError(f"{place}: the picture {shorten(twice)} appears more than once; remove the duplicates")
    return StoredPictures(ids, lambda name: _content(dataset, name, rows[positions[name]]["image"]))


def stream(dataset: str) -> Iterator[tuple[str, bytes]]:
    """All pictures of a built dataset's directory, or of every split of a Hub id: each picture's name and bytes.

    The bytes are empty where a picture's file cannot be read: that picture is lost, not the run.

    Raises:
        InputError: if it is neither, or a file of it cannot be read.
        UnavailableError: while it is read, if the Hub stops answering.
    """
    if Path(dataset).is_dir():
        return _embedded(Path(dataset))
    import datasets

    try:
        splits: Any = datasets.load_dataset(dataset, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"{dataset}: is not a directory, and no dataset of that name can be reached ({_reason(error)})"
        ) from None
    return _streamed(dataset, splits)


def _embedded(directory: Path) -> Iterator[tuple[str, bytes]]:
    """A few megabytes at a time, from all files of a build whatever their configuration: some pictures are in one only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for shard in sorted((directory / "data").glob("*.parquet")):
        try:
            for batch in pq.ParquetFile(shard).iter_batches(batch_size=64, columns=["image_id", "image"]):
                for name, picture in zip(batch["image_id"].to_pylist(), batch["image"], strict=True):
                    yield name, (picture.as_py() or {}).get("bytes") or b""
        except (OSError, KeyError, pa.ArrowException) as error:
            raise InputError(f"{shard}: cannot be read ({_reason(error)}); fetch or build it again") from None


def _streamed(dataset: str, splits: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The pictures of splits that are iterable datasets."""
    import datasets

    for split, rows in splits.items():
        if "image" not in (rows.column_names or []):
            raise InputError(f"{dataset}: has no column image; choose a dataset of pictures")
        undecoded = iter(rows.cast_column("image", datasets.Image(decode=False)))
        for number, row in enumerate(_rows(dataset, undecoded)):
            name = _name(row.get("image_id"), row["image"], split, number)
            try:
                yield name, _content(dataset, name, row["image"])
            except PictureError:
                yield name, b""


def _rows(dataset: str, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as error:  # whatever a network, a file format and three libraries make of it
            raise UnavailableError(f"{dataset}: cannot be read further ({_reason(error)}); re-run to resume") from None
        yield row


def _names(rows: Any, split: str) -> list[str]:
    """The name of each row's picture; pictures themselves are not read."""
    if "image_id" in rows.column_names:
        names = list(rows.select_columns(["image_id"])["image_id"])
        paths = [None] * len(names)
    else:
        import pyarrow.compute as pc

        column = rows.select_columns(["image"]).with_format("arrow")[:]["image"]
        names, paths = [None] * len(rows), pc.struct_field(column, "path").to_pylist()
    return [_name(name, {"path": path}, split, at) for at, (name, path) in enumerate(zip(names, paths, strict=True))]


def _name(image_id: object, image: Mapping[str, Any] | None, split: str, number: int) -> str:
    path = (image or {}).get("path") or ""
    return str(image_id or os.path.basename(path) or f"{split}_{number:06d}.png")


def _content(dataset: str, name: str, image: Mapping[str, Any] | None) -> bytes:
    data, path = (image or {}).get("bytes"), (image or {}).get("path")
    if data is not None:
        return bytes(data)
    if not path:
        raise PictureError(f"{dataset}: {shorten(name)} has neither bytes nor a file; build the dataset again")
    if path.startswith("hf://"):
        return _fetched(dataset, path)
    if not Path(dataset).exists() and not _is_cached(path):
        raise PictureError(f"{dataset}: {shorten(name)} lies outside the dataset; embed the pictures")
    try:
        return read_regular(path, MAX_PICTURE)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or _reason(error)
        raise PictureError(f"{dataset}: {shorten(name)} cannot be read ({reason}); put its file back") from None


def _fetched(dataset: str, path: str) -> bytes:
    """A file on the Hub, read by `datasets`, which knows the token that goes with it."""
    import datasets
    import pyarrow as pa

    feature = datasets.Image(decode=False)
    try:
        stored = feature.embed_storage(pa.array([{"bytes": None, "path": path}], type=feature.pa_type))
    except Exception as error:  # whatever a network and two libraries make of it
        raise UnavailableError(f"{dataset}: cannot be read further ({_reason(error)}); re-run to resume") from None
    return bytes(stored[0]["bytes"].as_py())


def _is_cached(path: str) -> bool:
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    caches = (datasets.config.HF_DATASETS_CACHE, datasets.config.DOWNLOADED_DATASETS_PATH, HF_HUB_CACHE)
    return any(Path(os.path.abspath(path)).is_relative_to(os.path.abspath(cache)) for cache in caches)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
