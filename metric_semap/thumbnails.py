"""Small pictures for the report, as data URLs: a page that shows them fetches nothing."""

import base64
import io
import warnings
from pathlib import Path
from typing import NamedTuple

__all__ = ["Thumbnail", "thumbnail"]

SIDE = 160  # pixels of the longer side
LARGEST = 100_000_000  # pixels of a picture that is opened


class Thumbnail(NamedTuple):
    """A small picture as a data URL, and the size of the upright picture that it was made from."""

    source: str
    size: tuple[int, int]


def thumbnail(folder: Path, image: str) -> Thumbnail | None:
    """The picture of this name in a folder, made small; `None` if there is none, or none that can be shown."""
    from PIL import Image, ImageOps

    path = folder / image
    if not path.is_file():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                if picture.width * picture.height > LARGEST:
                    return None
                width, height = picture.size
                picture.draft("RGB", (2 * SIDE, 2 * SIDE))
                small = ImageOps.exif_transpose(picture)
                small.thumbnail((SIDE, SIDE))
                turned = (small.width > small.height) != (width > height)  # by a quarter
                buffer = io.BytesIO()
                small.convert("RGB").save(buffer, "JPEG", quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # what Pillow raises for damaged files
        return None
    source = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Thumbnail(source, (height, width) if turned else (width, height))
