"""Builds the dataset repository: Parquet with embedded pictures and a card."""

import shutil
import tempfile
from pathlib import Path

import datasets
from PIL import Image, UnidentifiedImageError

from dataset_builder import atomic
from dataset_builder.builder import AnomReason, content_hash
from dataset_builder.card import dataset_card
from dataset_builder.errors import OutputError, PictureError
from dataset_builder.scenes import read_scenes

__all__ = ["build", "is_dataset"]


def is_dataset(path: Path) -> bool:
    """Whether `path` holds a dataset repository this project built."""
    return (path / "README.md").is_file() and (path / "data").is_dir()


def _check_pictures(source: Path) -> None:
    """Refuse a source with a missing or unreadable picture before anything is written."""
    for row in read_scenes(source):
        path = source / "images" / row.image_id
        try:
            with Image.open(path) as picture:
                picture.load()
        except FileNotFoundError:
            raise PictureError(f"{path}: is missing; render the directory again with `anomreason scenes`") from None
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
            raise PictureError(f"{path}: cannot be decoded ({error}); render the directory again") from None


def build(source: Path, out: Path) -> dict[str, int]:
    """Build a dataset repository from a scenes directory.

    Args:
        source (`Path`): a scenes directory (`images/` and `scenes.jsonl`).
        out (`Path`): the repository: `data/*.parquet` and `README.md`. It appears whole or not at all.

    Returns:
        The number of pictures in each split.

    Raises:
        InputError: if the source is no scenes directory, or one of its rows or pictures cannot be read.
        OutputError: if `out` holds something that is no dataset.
    """
    if out.exists() and not is_dataset(out) and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is there already and is no dataset; choose another --out")
    _check_pictures(source)
    with atomic.new_directory(out) as work, tempfile.TemporaryDirectory() as cache:
        builder = AnomReason(
            cache_dir=cache,
            config_name="default",
            dataset_name="anomreason",
            data_dir=str(source.absolute()),
            hash=content_hash(source),
        )
        (work / "data").mkdir()
        builder.download_and_prepare(f"{cache}/parquet", file_format="parquet")
        for split in builder.info.splits:
            shards = sorted(Path(cache, "parquet").glob(f"anomreason-{split}*.parquet"))
            for index, shard in enumerate(shards):
                shutil.move(shard, work / "data" / f"{split}-{index:05d}-of-{len(shards):05d}.parquet")
        # What was downloaded or cached on the way describes this machine, not the dataset.
        builder.info.download_checksums = None
        (work / "README.md").write_text(dataset_card(builder.info), encoding="utf-8")
        return {split: info.num_examples for split, info in builder.info.splits.items()}


def quiet_progress() -> None:
    """Leave progress to the command; the library's own bars would draw over it."""
    datasets.disable_progress_bars()
