"""Takes in pictures from anyone: within limits, upright, without what the file says about its maker.

A file is deleted as soon as it has been read; what goes on from here are pixels.
"""

import io
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, UnidentifiedImageError

from dataset_builder.data_url import data_url
from dataset_builder.errors import PictureError
from dataset_builder.pictures import FORMATS, MAX_PIXELS, SHOWN_BY_BROWSERS, encode, prepare

__all__ = ["MAX_BYTES", "Encoded", "Upload", "read_picture", "take_upload"]

MAX_BYTES = 20 * 2**20


class Encoded(NamedTuple):
    """A picture file, its media type, and its width and height."""

    data: bytes
    kind: str
    size: tuple[int, int]

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        return data_url(self.data, self.kind)


@dataclass(frozen=True)
class Upload:
    """A picture taken in, as `dataset_builder.pictures.prepare` gives it.

    Attributes:
        image_id (`str`): the file's name, without its folders.
        image (`PIL.Image.Image`): upright, RGB, its longer side at most 2,048 pixels; what a model is shown.
        size (`tuple`): width and height of the upright picture as it came; boxes are in its pixels.
        form (`str`): the file's format, by Pillow's name.
    """

    image_id: str
    image: Image.Image
    size: tuple[int, int]
    form: str

    @property
    def browsers_show(self) -> bool:
        """Whether a browser can show the file itself."""
        return self.form in SHOWN_BY_BROWSERS

    def sent(self) -> Encoded:
        """The picture as a model behind a server is sent it: pixels alone, no EXIF, no colour profile, no comment."""
        return Encoded(*encode(self.image, lossless=self.form == "PNG"), self.image.size)

    def jpeg(self, longest: int = 1024) -> Encoded:
        """The picture for a page, its longer side at most so many pixels; pixels alone too."""
        small = self.image.copy()
        small.thumbnail((longest, longest))
        return Encoded(*encode(small, quality=88), small.size)


def take_upload(file: Any, folder: Path) -> Upload:
    """The picture of an upload; its file is deleted, readable or not.

    Args:
        file (`dict`): `path`, and `orig_name` or `name` of the file, as a browser or client sent them: not to be trusted.
        folder (`Path`): where uploads lie; a path outside it is refused.

    Raises:
        PictureError: in words for the person who sent it.
    """
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not path:
        raise PictureError("There is no picture; choose one first.")
    place = Path(os.path.realpath(path))
    if not place.is_relative_to(os.path.realpath(folder)) or not place.is_file():
        raise PictureError("That picture is no longer here; send it again.")
    try:
        if place.stat().st_size > MAX_BYTES:
            raise PictureError(f"This file is larger than {MAX_BYTES // 2**20} MB; please send a smaller one.")
        data = place.read_bytes()
    finally:
        place.unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or the folder of uploads itself
            place.parent.rmdir() if place.parent != Path(os.path.realpath(folder)) else None
    given = file.get("orig_name") or file.get("name")
    return read_picture(data, given if isinstance(given, str) and given else place.name)


def read_picture(data: bytes, name: str) -> Upload:
    """Decode a picture file within the limits.

    Raises:
        PictureError: in words for the person who sent it.
    """
    image_id = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())[:120] or "picture"
    if len(data) > MAX_BYTES:
        raise PictureError(f"This file is larger than {MAX_BYTES // 2**20} MB; please send a smaller one.")
    if not data:
        raise PictureError("This file is empty; please send it again.")
    if b"<svg" in data[:1000].lower():
        raise PictureError("This is an SVG drawing; please send a PNG, JPEG, WebP, HEIC or AVIF picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MAX_PIXELS is the limit; a damaged EXIF block is no damage to the picture
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise PictureError(
                        f"This picture has {width:,} × {height:,} pixels, more than the {MAX_PIXELS // 10**6} million "
                        "that can be read here; please send a smaller one."
                    )
                if min(width, height) < 16:
                    raise PictureError("This picture is too small to show anything; please send a larger one.")
                image, size = prepare(opened, image_id)
                return Upload(image_id, image, size, opened.format or "")
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(
            "This is not a picture that can be read; please send a PNG, JPEG, WebP, HEIC or AVIF file."
        ) from None
    except Image.DecompressionBombError:
        limit = f"{MAX_PIXELS // 10**6} million pixels"
        raise PictureError(
            f"This picture claims more than the {limit} that can be read here; please send a smaller one."
        ) from None
    # A decoder that is handed rubbish can raise nearly anything.
    except Exception:
        raise PictureError("This picture is damaged or cut off; please send it again.") from None
