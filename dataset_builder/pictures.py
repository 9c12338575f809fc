"""Pictures from anywhere: which files are taken, how they are opened, and what a model is shown of them.

A model is shown the same pixels in training, on this machine, behind a server, by the agent and on the page: upright, RGB
with 8 bits per channel, transparency on white, the longer side at most `MAX_SIDE` pixels (`prepare`). What a processor makes
of them within its own pixel budget is the model's affair. Whoever needs the full resolution, for close views or boxes, takes
`upright`.
"""

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pillow_heif
from PIL import Image, UnidentifiedImageError

from dataset_builder.errors import OversizedPictureError, PictureError
from dataset_builder.files.regular import open_regular

pillow_heif.register_heif_opener()  # HEIC, what telephones photograph

__all__ = [
    "FORMATS",
    "LARGE",
    "MAX_PIXELS",
    "MAX_RATIO",
    "MAX_SIDE",
    "SHOWN_BY_BROWSERS",
    "SUFFIXES",
    "Prepared",
    "check_shape",
    "eight_bits",
    "encode",
    "is_picture",
    "open_picture",
    "prepare",
    "upright",
    "within",
]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
"""The formats taken, by Pillow's names. Pillow reads many more, with parsers nobody has looked at for years."""

SHOWN_BY_BROWSERS = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a JPEG with a second picture behind the first, as telephones write it
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
"""The media types of the files that a page can show as they are, by Pillow's names of their formats."""

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")
"""How the names of such files end, in small letters."""

MAX_PIXELS = 100_000_000
"""A picture with more pixels is refused before it is decoded: a few kilobytes can claim gigabytes."""

MAX_RATIO = 200
"""The longer side by the shorter one, above which models of the Qwen-VL kind refuse a picture."""

MAX_SIDE = 2048
"""Pixels of the longer side that a model is shown; more only costs time."""

LARGE = 24_000_000
"""Pixels (72 MB) from which on one picture is decoded at a time, whoever asks: many may be under way at once."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture is turned upright, by its EXIF orientation; 1 is upright already."""
_ONE_LARGE = threading.Lock()


class Prepared(NamedTuple):
    """A picture as a model is shown it.

    Attributes:
        image (`PIL.Image.Image`): upright, RGB, its longer side at most `MAX_SIDE` pixels.
        size (`tuple[int, int]`): width and height of the upright picture in full resolution, in whose pixels boxes are given.
    """

    image: Image.Image
    size: tuple[int, int]


def is_picture(path: str) -> bool:
    """Whether a file's name is that of a picture.

    >>> is_picture("a/IMG_1.HEIC"), is_picture("notes.txt")
    (True, False)
    """
    return path.lower().endswith(SUFFIXES)


def open_picture(path: str | os.PathLike[str], content: bytes | None = None) -> Image.Image:
    """Open a picture file as the upright RGB picture a viewer would show, in full resolution.

    Args:
        path (`str` or path): the file.
        content (`bytes`, *optional*): what it holds, where that is at hand; `path` then only names it.

    Raises:
        PictureError: if it is missing, empty, not a picture, truncated, or larger than `MAX_PIXELS`.
    """
    path = Path(path)
    if content == b"":
        raise PictureError(f"{path}: is empty; fetch it again")
    try:
        with open_regular(path) if content is None else io.BytesIO(content) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MAX_PIXELS is the limit; a damaged EXIF block is no damage to the picture
            with Image.open(file, formats=FORMATS) as picture:
                return upright(picture, str(path))
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"{path}: no such file; give an existing picture") from None
    except IsADirectoryError:
        raise PictureError(f"{path}: is a directory; give picture files") from None
    except UnidentifiedImageError:
        raise PictureError(
            f"{path}: is not a picture that can be read; give a PNG, JPEG, WebP, HEIC or AVIF file"
        ) from None
    # A decoder that is handed rubbish can raise nearly anything.
    except Exception as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise PictureError(
            f"{path}: cannot be decoded ({reason or type(error).__name__}); give an undamaged picture"
        ) from None


def check_shape(size: tuple[int, int], name: str = "picture") -> None:
    """Raise `PictureError` for a picture so narrow that models of the Qwen-VL kind refuse it."""
    width, height = size
    if max(size) > MAX_RATIO * min(size):
        raise PictureError(f"{name}: {width} × {height} pixels is more than {MAX_RATIO} times as long as wide; crop it")


def prepare(picture: Image.Image, name: str = "picture") -> Prepared:
    """A picture as every model is shown it.

    Raises:
        PictureError: as `upright`.
    """
    with _turned(picture, name) as full:
        shown = _shrunk(full)
        shown.info.clear()
        return Prepared(shown, full.size)


def upright(picture: Image.Image, name: str = "picture") -> Image.Image:
    """The picture turned as its EXIF orientation says, transparency on white, in RGB; the first frame of an animation.

    The result has only pixels: nothing of what the file says about its maker or place.

    Raises:
        PictureError: if it has more than `MAX_PIXELS`, or values beyond 16 bits.
    """
    with _turned(picture, name) as full:
        # What has been copied already is not copied again: a large picture is 4 bytes per pixel.
        bare = full if full is not picture and full.mode == "RGB" and not _transparent(full) else _whole(full)
        bare.info.clear()
        return bare


@contextmanager
def _turned(picture: Image.Image, name: str) -> Iterator[Image.Image]:
    """The picture upright with 8 bits per channel; while the block runs, no other large one is held."""
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise OversizedPictureError(
            f"{name}: {picture.width} × {picture.height} pixels are more than {MAX_PIXELS:,}; make it smaller"
        )
    with _ONE_LARGE if pixels > LARGE else nullcontext():
        picture.load()
        # `ImageOps.exif_transpose` would copy what it need not turn, and keep the rest of the EXIF block in what it turns.
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
        yield eight_bits(picture if turn is None else picture.transpose(turn), name)


def _transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info


def _bare(picture: Image.Image) -> Image.Image:
    """In RGB, transparency on white."""
    if not _transparent(picture):
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _whole(picture: Image.Image) -> Image.Image:
    """All of a picture bare; strip by strip where it is transparent, which needs no further copies of all of it."""
    if not _transparent(picture):
        return picture.convert("RGB")
    bare = Image.new("RGB", picture.size)
    for strip in _strips(picture.size):
        bare.paste(_bare(picture.crop(strip)), strip[:2])
    return bare


def _shrunk(picture: Image.Image) -> Image.Image:
    """A picture bare and within `MAX_SIDE`. Strip by strip its rows are scaled, then all columns: Pillow does both in this order,
    so the pixels are those of `within`, and a large picture is not copied."""
    size = _fitting(picture.size, MAX_SIDE)
    if size == picture.size:
        return _whole(picture)
    narrow = Image.new("RGB", (size[0], picture.height))
    for strip in _strips(picture.size):
        part = _bare(picture.crop(strip))
        narrow.paste(part.resize((size[0], part.height), Image.Resampling.LANCZOS), (0, strip[1]))
    return narrow.resize(size, Image.Resampling.LANCZOS)


def _strips(size: tuple[int, int], rows: int = 512) -> Iterator[tuple[int, int, int, int]]:
    width, height = size
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def eight_bits(picture: Image.Image, name: str = "picture") -> Image.Image:
    """A grey picture of 16 bits, 32 bits or floats with 8 bits per pixel, where Pillow's `convert` would clip; any other as it is.

    Integers are taken to be of 16 bits. Floats are scaled by the smallest of the usual ranges that holds them: 0 to 1, to 255, to
    65,535.

    Raises:
        PictureError: if no such range holds its values.
    """
    if not picture.mode.startswith("I") and picture.mode != "F":
        return picture
    values = np.asarray(picture)
    low, high = float(values.min()), float(values.max())
    tops = (1, 255, 65_535) if picture.mode == "F" else (65_535,)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        raise PictureError(f"{name}: has pixel values from {low:g} to {high:g}; save it with 8 or 16 bits per channel")
    narrow = np.empty(values.shape, np.uint8)
    for _, first, _, last in _strips(picture.size):
        narrow[first:last] = np.rint(values[first:last] * np.float32(255 / top))
    return Image.fromarray(narrow)


def within(picture: Image.Image, side: int) -> Image.Image:
    """The picture scaled down until its longer side has at most `side` pixels; a smaller one as it is."""
    size = _fitting(picture.size, side)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    width, height = size
    scale = min(1, side / max(size))
    return max(1, round(width * scale)), max(1, round(height * scale))


def encode(picture: Image.Image, *, lossless: bool = False, quality: int = 92) -> tuple[bytes, str]:
    """An RGB picture as a file and its media type: a PNG if `lossless`, else a JPEG."""
    buffer = io.BytesIO()
    if lossless:
        picture.save(buffer, "PNG")
        return buffer.getvalue(), "image/png"
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue(), "image/jpeg"
