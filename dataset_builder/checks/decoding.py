"""Decodes one picture, all of its data, within limits: whether it can be, what problems it has, and its perceptual hash.

A JPEG is decoded strictly (`strict_jpeg`), a PNG's checksums are compared (`png_chunks`). Of an animation the first frame is
decoded, which is the one that readers of the dataset show.
"""

import io
import warnings
from typing import NamedTuple

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from dataset_builder.checks.strict_jpeg import brightness
from dataset_builder.errors import OversizedPictureError, PictureError, TruncatedPictureError
from dataset_builder.pictures import FORMATS, MAX_PIXELS, MAX_RATIO, eight_bits
from dataset_builder.png_chunks import check_png
from dataset_builder.sources.findings import Finding

__all__ = ["Decoded", "decode"]

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)


class Decoded(NamedTuple):
    """What decoding a picture tells.

    Attributes:
        findings (`list[Finding]`): the problems found.
        bits (`numpy.ndarray`, *optional*): the 256 bits of its pHash as four integers; `None` if it cannot be decoded.
        size (`tuple[int, int]`, *optional*): width and height of the upright picture.
    """

    findings: list[Finding]
    bits: npt.NDArray[np.uint64] | None = None
    size: tuple[int, int] | None = None


def decode(data: bytes, image_id: str) -> Decoded:
    """Decode a picture's bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MAX_PIXELS is the limit; a damaged EXIF block is no damage to the picture
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    size = f"{picture.width} × {picture.height}"
                    raise OversizedPictureError(
                        f"{image_id}: {size} pixels are more than {MAX_PIXELS:,}; make it smaller"
                    )
                findings = _odd(picture, image_id)
                turned = picture.getexif().get(_ORIENTATION) in _TURNED
                width, height = picture.size
                bits = _bits(_pixels(picture, data, image_id))
                return Decoded(findings, bits, (height, width) if turned else (width, height))
    except PictureError as error:
        return Decoded([Finding.of(error, image_id)])
    except Image.DecompressionBombError as error:
        return Decoded([Finding.of(OversizedPictureError(f"{image_id}: {error}; make it smaller"), image_id)])
    # A decoder that is handed rubbish can raise nearly anything; Pillow says in words alone that the data ended.
    except Exception as error:
        kind = TruncatedPictureError if "truncated" in str(error) else PictureError
        return Decoded([Finding.of(kind(f"{image_id}: cannot be decoded ({error}); fetch it again"), image_id)])


def _pixels(picture: Image.Image, data: bytes, image_id: str) -> Image.Image:
    """The decoded picture; of a JPEG its brightness, for which all of its data is read."""
    if picture.format in ("JPEG", "MPO"):
        grey = brightness(data, image_id)
        if grey is not None and picture.mode in ("RGB", "L"):
            return Image.fromarray(grey)
        picture.draft("L", picture.size)
    elif picture.format == "PNG":
        check_png(data, image_id)
    picture.load()
    return eight_bits(picture, image_id)


def _odd(picture: Image.Image, image_id: str) -> list[Finding]:
    kinds = {
        "animated picture": getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO",
        "CMYK picture": picture.mode == "CMYK",
        "16-bit picture": picture.mode.startswith("I") or picture.mode == "F",
        "HEIC picture": picture.format == "HEIF",
        "EXIF-rotated picture": picture.getexif().get(_ORIENTATION, 1) not in (0, 1),
        "extreme aspect ratio": max(picture.size) > MAX_RATIO * min(picture.size),
    }
    details = {
        "animated picture": f"animated, {getattr(picture, 'n_frames', 1)} frames; the first one is taken",
        "extreme aspect ratio": f"{picture.width} × {picture.height} pixels, more than {MAX_RATIO} times as long as wide",
    }
    return [
        Finding(kind, image_id, f"{image_id}: {details.get(kind, kind)}", image_id)
        for kind, is_so in kinds.items()
        if is_so
    ]


def _bits(picture: Image.Image) -> npt.NDArray[np.uint64]:
    # The hash works on 64 × 64 grey pixels; averaging whole blocks first costs a fraction of filtering the full picture.
    factor = min(picture.size) // 64
    small = picture.reduce(factor) if factor > 1 and picture.mode in ("RGB", "L", "CMYK") else picture
    hashed = imagehash.phash(small, hash_size=16, highfreq_factor=4)
    return np.frombuffer(np.packbits(hashed.hash.ravel()).tobytes(), dtype=np.uint64)
