"""Whether a picture file is whole, from its first and last bytes: the header, the size it claims, the end marker.

Of a PNG all chunks are checked. It costs microseconds where decoding costs milliseconds, and finds what happens to files
on their way: empty, cut off, not a picture, a page of HTML in its place, a header that claims gigapixels.
`dataset_builder.checks.validation` decodes.
"""

import io
import struct
from typing import NamedTuple

from PIL import Image

from dataset_builder.errors import OversizedPictureError, PictureError, TruncatedPictureError
from dataset_builder.files.tree import File
from dataset_builder.pictures import FORMATS, MAX_PIXELS
from dataset_builder.png_chunks import SIGNATURE, check_png

__all__ = ["Header", "check_structure"]

_HEAD, _TAIL = 4_096, 1_024
_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


class Header(NamedTuple):
    """What a picture's header claims: its format, and its width and height in pixels."""

    format: str
    width: int
    height: int


def check_structure(file: File, data: bytes | None = None) -> Header:
    """Check a picture file without decoding it.

    Args:
        file (`File`): the file.
        data (`bytes`, *optional*): all of it, where it has been read.

    Raises:
        PictureError: if it is empty, no picture, cut off, or larger than `MAX_PIXELS`.
    """
    head, tail = file.ends(_HEAD, _TAIL) if data is None else (data[:_HEAD], data[-_TAIL:])
    if not head:
        raise PictureError(f"{file.path}: is empty; fetch it again")
    header = None
    if head.startswith(b"\xff\xd8\xff"):
        header = _jpeg(file, head, tail)
    elif head.startswith(SIGNATURE) and head[12:16] == b"IHDR":
        header = Header("PNG", *struct.unpack(">II", head[16:24]))
        if header.width * header.height <= MAX_PIXELS:
            check_png(file.read() if data is None else data, file.path)
    if header is None:
        header = _other(file)
    if header.width * header.height > MAX_PIXELS:
        size = f"{header.width} × {header.height}"
        raise OversizedPictureError(
            f"{file.path}: {size} pixels are more than {MAX_PIXELS:,}; make the picture smaller"
        )
    return header


def _truncated(file: File, marker: str) -> PictureError:
    return TruncatedPictureError(f"{file.path}: is truncated (no {marker} at its end); fetch it again")


def _jpeg(file: File, head: bytes, tail: bytes) -> Header | None:
    size = _frame(head) or (_frame(file.read()) if file.size > len(head) else None)
    # In compressed data 0xFF is never followed by 0xD9; only an embedded thumbnail, near the start, ends so.
    if b"\xff\xd9" not in (tail if len(tail) < file.size else tail[-_TAIL:]):
        data = file.read()
        if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
            raise _truncated(file, "end marker")
    return Header("JPEG", *size) if size else None


def _frame(data: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header; `None` if `data` ends before it."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        elif marker in (0xD9, 0xDA):
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _other(file: File) -> Header:
    data = file.read()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            header = Header(str(picture.format), *picture.size)
    # A parser that is handed rubbish can raise nearly anything.
    except Exception as error:
        if isinstance(error, Image.DecompressionBombError):
            raise OversizedPictureError(f"{file.path}: {error}; make the picture smaller") from None
        raise PictureError(
            f"{file.path}: is not a picture that can be read; give a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file"
        ) from None
    if header.format == "WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise _truncated(file, "full RIFF chunk")
    if header.format == "GIF" and b"\x3b" not in data[-16:]:
        raise _truncated(file, "trailer")
    if header.format in ("HEIF", "AVIF") and _breaks_off(data):
        raise _truncated(file, "full box")
    return header


def _breaks_off(data: bytes) -> bool:
    """Whether a file of boxes (ISO 14496-12, section 4.2), as HEIC and AVIF are, ends within one of those that a picture needs."""
    at = 0
    while at + 16 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if size == 1:  # a size of 64 bits follows
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if (
            kind not in _BOXES or size < 8
        ):  # what a camera appends is its own affair; size 0 goes to the end of the file
            return False
        at += size
    return at > len(data)
