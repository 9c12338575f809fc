"""A strict JPEG decoder: what Pillow passes over in silence, and shows as grey or displaced blocks, is an error.

A JPEG has no checksum, so damage shows only where the compressed data stop making sense: a code that does not exist, an
end that comes too early, or data left over behind the last block. Most flipped bits give other data that make sense.
"""

import re

import numpy as np
import numpy.typing as npt
import simplejpeg

from dataset_builder.errors import DamagedPictureError

__all__ = ["brightness"]

_DAMAGE = re.compile(r"Corrupt JPEG data|Premature end of JPEG file|Unsupported marker type")
_SLOPPY_HEADER = re.compile(r"extraneous bytes before marker 0x(?:e.|db|fe|c[0-3])")
_LEFT_OVER = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")
_HARMLESS = 16
"""Bytes left over at the end that a sloppy writer may leave; damage leaves 25 and more."""


def brightness(data: bytes, name: str) -> npt.NDArray[np.uint8] | None:
    """A JPEG's brightness as a [height, width] array; `None` if this decoder does not know the kind of JPEG.

    Raises:
        DamagedPictureError: if the data are damaged.
    """
    try:
        return _decode(data)
    except ValueError as error:
        problem = str(error)
    left = _LEFT_OVER.search(problem)
    if left:
        # Writers that round files up leave zeros before the end marker; what is left over without them is damage.
        end = data.rfind(b"\xff\xd9")
        filled = data[:end].rstrip(b"\0\xff")
        try:
            return _decode(filled + b"\0" * filled.endswith(b"\xff") + data[end:])
        except ValueError as error:
            again = _LEFT_OVER.search(str(error))
            harmless = again is not None and int(again[1]) <= _HARMLESS
    else:
        harmless = not _DAMAGE.search(problem) or _SLOPPY_HEADER.search(problem) is not None
    if harmless:
        return None
    raise DamagedPictureError(f"{name}: is damaged ({problem}); fetch it again")


def _decode(data: bytes) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "GRAY", strict=True)[..., 0]
    return pixels
