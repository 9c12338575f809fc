"""Opens pictures from anywhere: upright, RGB, within limits."""

import io
import os
import warnings
from pathlib import Path

import pillow_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from dataset_builder.errors import PictureError
from dataset_builder.files.regular import open_regular

pillow_heif.register_heif_opener()  # HEIC, what telephones photograph

__all__ = ["MAX_PIXELS", "open_picture", "upright"]

MAX_PIXELS = 100_000_000
"""A picture with more pixels is refused before it is decoded: a few kilobytes can claim gigabytes."""


def open_picture(path: str | os.PathLike[str], content: bytes | None = None) -> Image.Image:
    """Open a picture file as the upright RGB picture a viewer would show.

    Args:
        path (`str` or path): the file.
        content (`bytes`, *optional*): what it holds, where that is at hand; `path` then only names it.

    Raises:
        PictureError: if it is missing, empty, no picture, truncated, or larger than `MAX_PIXELS`.
    """
    path = Path(path)
    try:
        with open_regular(path) if content is None else io.BytesIO(content) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is the limit here
            with Image.open(file) as picture:
                return upright(picture, str(path))
    except FileNotFoundError:
        raise PictureError(f"{path}: no such file; give an existing picture") from None
    except IsADirectoryError:
        raise PictureError(f"{path}: is a directory; give picture files") from None
    except UnidentifiedImageError:
        raise PictureError(f"{path}: is no picture that can be read; give a PNG, JPEG, WebP or HEIC file") from None
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"{path}: cannot be decoded ({error}); give an undamaged picture") from None


def upright(picture: Image.Image, name: str = "picture") -> Image.Image:
    """The picture turned as its EXIF orientation says, transparency on white, in RGB; the first frame of an animation."""
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureError(
            f"{name}: {picture.width} × {picture.height} pixels are more than {MAX_PIXELS:,}; make it smaller"
        )
    picture.load()
    turned = ImageOps.exif_transpose(picture)
    if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
        ground = Image.new("RGBA", turned.size, "white")
        return Image.alpha_composite(ground, turned).convert("RGB")
    if turned.mode.startswith("I") or turned.mode == "F":  # 16 bits a channel: scaled, where convert() would clip
        turned = turned.convert("F").point(lambda value: value / 257).convert("L")
    return turned.convert("RGB")
