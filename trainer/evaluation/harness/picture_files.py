"""The dataset's pictures as files, for harnesses that hold all questions in memory before the first is asked."""

import tempfile
from pathlib import Path
from typing import Any

from dataset_builder.pictures import encode, prepare

__all__ = ["picture_file"]

_FOLDER = tempfile.TemporaryDirectory(prefix="anomreason-pictures-")


def picture_file(row: dict[str, Any], number: int) -> str:
    """The path of a PNG with a row's picture as every model is shown it; it is there as long as this process is.

    Args:
        row (dict): of the dataset, with `image` and `image_id`.
        number (`int`): of the question, which makes the name.
    """
    path = Path(_FOLDER.name) / f"{number}.png"
    path.write_bytes(encode(prepare(row["image"], row["image_id"]).image, lossless=True)[0])
    return str(path)
