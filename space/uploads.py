"""Takes in pictures from anyone: within limits, upright, without what the file says about its maker.

An upload is checked by its header when it comes, and decoded only when its turn has come: a picture that waits is a file, not
hundreds of megabytes of pixels. It loses its name on the disk at once, so that it is gone with whoever holds it.
"""

import ctypes
import ctypes.util
import hashlib
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError

from dataset_builder.data_url import data_url
from dataset_builder.errors import PictureError
from dataset_builder.pictures import FORMATS, LARGE, SHOWN_BY_BROWSERS, encode, prepare
from space.credentials import MARK, credentials

__all__ = ["MAX_BYTES", "MAX_PIXELS", "Encoded", "Sent", "Upload", "read_picture", "read_upload", "receive"]

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000
"""A picture with more pixels is refused by its header. One of this size takes 300 MB while it is decoded."""

_ONE_AT_A_TIME = threading.Lock()


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
        sha256 (`str`): of the file, by which anyone who has it can tell that it is this one.
        about (`tuple`): what the file says about its maker, name and value: for who sent it, and kept nowhere.
    """

    image_id: str
    image: Image.Image
    size: tuple[int, int]
    form: str
    sha256: str = ""
    about: tuple[tuple[str, str], ...] = ()

    @property
    def browsers_show(self) -> bool:
        """Whether a browser can show the file itself."""
        return self.form in SHOWN_BY_BROWSERS

    def sent(self) -> Encoded:
        """The picture as a model behind a server is sent it: only pixels, no EXIF, no colour profile, no comment."""
        return Encoded(*encode(self.image, lossless=self.form == "PNG"), self.image.size)

    def jpeg(self, longest: int = 1024) -> Encoded:
        """The picture for a page, its longer side at most so many pixels; only pixels too."""
        small = self.image.copy()
        small.thumbnail((longest, longest))
        return Encoded(*encode(small, quality=88), small.size)


@dataclass(frozen=True)
class Sent:
    """A picture as it came, not decoded yet.

    Attributes:
        image_id (`str`): the file's name, without its folders.
        file (binary file): what it holds, without a name on the disk: closed or forgotten, it is deleted.
        sha256 (`str`): of the file.
        signed (`bool`): whether it seems to have content credentials.
    """

    image_id: str
    file: IO[bytes]
    sha256: str
    signed: bool

    def open(self) -> Upload:
        """Decode it; one picture of the process at a time. The file is closed, readable or not.

        Raises:
            PictureError: in words for the person who sent it.
        """
        with _ONE_AT_A_TIME, self.file, _in_words():
            picture = self._decoded()
            if picture.size[0] * picture.size[1] > LARGE:
                _give_back()  # before the next one is decoded
            return picture

    def _decoded(self) -> Upload:
        with Image.open(self.file, formats=FORMATS) as opened:
            about = tuple(_told(opened.getexif()))
            image, size = prepare(opened, self.image_id)
            form = opened.format or ""
        if self.signed:
            self.file.seek(0)
            about += tuple(credentials(self.file, Image.MIME.get(form, "")))
        return Upload(self.image_id, image, size, form, self.sha256, about)


def read_upload(file: Any, folder: Path) -> tuple[bytes, str]:
    """What an upload holds, and what it is called; its file is gone from the folder, whatever it was.

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
        _check_length(place.stat().st_size)
        data = place.read_bytes()
    finally:
        place.unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or the folder of uploads itself
            place.parent.rmdir() if place.parent != Path(os.path.realpath(folder)) else None
    given = file.get("orig_name") or file.get("name")
    return data, given if isinstance(given, str) and given else place.name


def receive(data: bytes, name: str) -> Sent:
    """A picture file, checked by its header.

    Raises:
        PictureError: in words for the person who sent it.
    """
    image_id = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())[:120] or "picture"
    _check_length(len(data))
    if not data:
        raise PictureError("This file is empty; please send it again.")
    if b"<svg" in data[:1000].lower():
        raise PictureError("This is an SVG drawing; please send a PNG, JPEG, WebP, HEIC or AVIF picture.")
    file = tempfile.TemporaryFile()  # noqa: SIM115  # it stays open for whoever opens the picture
    try:
        file.write(data)
        file.seek(0)
        with _in_words(), Image.open(file, formats=FORMATS) as opened:
            width, height = opened.size
        file.seek(0)
        if width * height > MAX_PIXELS:
            raise PictureError(
                f"This picture has {width:,} × {height:,} pixels, more than the {MAX_PIXELS // 10**6} million "
                "that can be read here; please send a smaller one."
            )
        if min(width, height) < 16:
            raise PictureError("This picture is too small to show anything; please send a larger one.")
    except BaseException:
        file.close()
        raise
    return Sent(image_id, file, hashlib.sha256(data).hexdigest(), MARK in data)


def read_picture(data: bytes, name: str) -> Upload:
    """Check and decode a picture file.

    Raises:
        PictureError: in words for the person who sent it.
    """
    return receive(data, name).open()


def _check_length(length: int) -> None:
    if length > MAX_BYTES:
        raise PictureError(f"This file is larger than {MAX_BYTES // 2**20} MB; please send a smaller one.")


@contextmanager
def _in_words() -> Iterator[None]:
    """Whatever a decoder raises, as a sentence for the person who sent the picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MAX_PIXELS is the limit; a damaged EXIF block is no damage to the picture
            yield
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


_TOLD = {0x010F: "Camera maker", 0x0110: "Camera", 0x0131: "Software", 0x0132: "Last changed", 0x8298: "Copyright"}
_EXIF, _TAKEN, _GPS = 0x8769, 0x9003, 0x8825


def _told(exif: Image.Exif) -> Iterator[tuple[str, str]]:
    """The entries of an EXIF block that people ask for, as the file has them."""
    with suppress(Exception):  # a damaged block says nothing
        for tag, label in _TOLD.items():
            if exif.get(tag):
                yield label, str(exif[tag])[:120]
        if taken := exif.get_ifd(_EXIF).get(_TAKEN):
            yield "Taken", str(taken)[:120]
        if place := exif.get_ifd(_GPS):
            named = {ExifTags.GPSTAGS.get(tag, ""): value for tag, value in place.items()}
            where = [
                f"{' '.join(f'{float(part):g}' for part in named[axis])} {str(named.get(f'{axis}Ref', ''))[:1]}".strip()
                for axis in ("GPSLatitude", "GPSLongitude")
            ]
            yield "Place (degrees, minutes, seconds)", ", ".join(where)


def _give_back() -> None:
    """Return freed memory to the system: glibc would keep the hundreds of megabytes of a large picture for the next one."""
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(ctypes.util.find_library("c")).malloc_trim(0)
