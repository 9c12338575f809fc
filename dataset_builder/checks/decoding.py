"""Decodes one picture, all of its data, within limits: whether it can be, what is odd about it, and its perceptual hash."""

import io
import warnings

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from dataset_builder.errors import InputError
from dataset_builder.pictures import FORMATS, MAX_PIXELS, eight_bits
from dataset_builder.sources.findings import Finding, of_picture

__all__ = ["decode"]

_ORIENTATION = 0x0112


def decode(data: bytes, image_id: str) -> tuple[list[Finding], npt.NDArray[np.uint64] | None]:
    """Decode a picture's bytes.

    Returns:
        What was found, and the 256 bits of its pHash as four integers; `None` if it cannot be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MAX_PIXELS is the limit; a damaged EXIF block is no damage to the picture
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    size = f"{picture.width} × {picture.height}"
                    raise InputError(f"{image_id}: {size} pixels are more than {MAX_PIXELS:,}; make it smaller")
                # Of a JPEG the brightness: all of its data is read and has to be right, and nobody looks at the colours.
                picture.draft("L", picture.size)
                picture.load()
                return _odd(picture, image_id), _bits(eight_bits(picture, image_id))
    except InputError as error:
        return [of_picture(error, image_id)], None
    # A decoder that is handed rubbish can raise nearly anything.
    except Exception as error:
        cut = "is truncated" if "truncated" in str(error) else "cannot be decoded"
        return [of_picture(InputError(f"{image_id}: {cut} ({error}); fetch it again"), image_id)], None


def _odd(picture: Image.Image, image_id: str) -> list[Finding]:
    kinds = {
        "animated picture": getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO",
        "CMYK picture": picture.mode == "CMYK",
        "16-bit picture": picture.mode.startswith("I") or picture.mode == "F",
        "HEIC picture": picture.format == "HEIF",
        "EXIF-rotated picture": picture.getexif().get(_ORIENTATION, 1) not in (0, 1),
    }
    return [Finding(kind, image_id, f"{image_id}: {kind}", image_id) for kind, is_so in kinds.items() if is_so]


def _bits(picture: Image.Image) -> npt.NDArray[np.uint64]:
    # The hash works on 64 × 64 grey pixels; averaging whole blocks first costs a fraction of filtering the full picture.
    factor = min(picture.size) // 64
    small = picture.reduce(factor) if factor > 1 and picture.mode in ("RGB", "L", "CMYK") else picture
    hashed = imagehash.phash(small, hash_size=16, highfreq_factor=4)
    return np.frombuffer(np.packbits(hashed.hash.ravel()).tobytes(), dtype=np.uint64)
