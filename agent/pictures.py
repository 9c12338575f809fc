"""A picture as models are shown it: encoded once, and crops of it in full resolution.

A PNG, JPEG or WebP file that is upright and no larger than `MAX_SIDE` is sent as it is. Anything else is turned as its EXIF
orientation says, scaled down and encoded again.
"""

import base64
import functools
import hashlib
import io
import math
import os
import threading
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple, Self

from PIL import Image

from dataset_builder.errors import PictureError
from dataset_builder.pictures import MAX_PIXELS, upright

__all__ = ["CROP_SIDE", "MAX_SIDE", "SUFFIXES", "Picture", "common_box", "stamp"]

MAX_SIDE = 2048
CROP_SIDE = 1024
MAX_BYTES = 256 * 2**20
KEPT_PIXELS = 24_000_000
"""Up to here a picture stays decoded while it is under way (72 MB)."""
SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif"))

_AS_IS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_ORIENTATION = 0x0112
_ONE_LARGE = threading.Lock()

Box = tuple[float, float, float, float]


class Picture(NamedTuple):
    """A picture that was read.

    Attributes:
        image_id (`str`): its file name.
        digest (`str`): SHA-256 of the file's bytes, in hexadecimal.
        url (`str`): what is sent, as a data URL.
        size (`tuple[int, int]`): width and height of the upright picture in full resolution.
        full (`PIL.Image.Image` or `bytes`): that picture, RGB; of one larger than `KEPT_PIXELS` the file's bytes, decoded again
            for each close view.
        shown (`tuple[int, int]`): width and height of what is sent.
    """

    image_id: str
    digest: str
    url: str
    size: tuple[int, int]
    full: Image.Image | bytes
    shown: tuple[int, int]

    @classmethod
    def read(cls, source: str | os.PathLike[str] | bytes | Image.Image, image_id: str | None = None) -> Self:
        """Read a file, the bytes of one, or a picture in memory.

        Raises:
            PictureError: if it is missing, empty, damaged, no picture, or has more than `MAX_PIXELS`.
        """
        if isinstance(source, Image.Image):
            buffer = io.BytesIO()
            upright(source, image_id or "picture").save(buffer, "PNG")
            return cls._decode(buffer.getvalue(), image_id or "picture.png")
        if isinstance(source, bytes):
            return cls._decode(source, image_id or "picture")
        path = Path(source)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise PictureError(f"{path.name}: is larger than {MAX_BYTES:,} bytes; make it smaller")
            data = path.read_bytes()
        except PictureError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PictureError(f"{path.name}: cannot be read ({reason}); give an existing picture") from None
        return cls._decode(data, image_id or path.name)

    @classmethod
    def _decode(cls, data: bytes, image_id: str) -> Self:
        if not data:
            raise PictureError(f"{image_id}: is empty; fetch it again")
        _read_heif()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # MAX_PIXELS is the limit; a damaged EXIF block is no damage to the picture
                with Image.open(io.BytesIO(data)) as opened:
                    size, form = opened.size, opened.format
                    if size[0] * size[1] > MAX_PIXELS:
                        raise PictureError(
                            f"{image_id}: {size[0]} × {size[1]} pixels are more than {MAX_PIXELS:,}; make it smaller"
                        )
                    turned = opened.getexif().get(_ORIENTATION, 1) not in (0, 1)
                    still = getattr(opened, "n_frames", 1) == 1
                    plain = opened.mode in ("RGB", "L") and "transparency" not in opened.info
                    large = size[0] * size[1] > KEPT_PIXELS
                    as_is = form in _AS_IS and not turned and still and plain and max(size) <= MAX_SIDE
                    # Many large ones may be under way; one at a time is as much as memory should be asked for.
                    with _ONE_LARGE if large else nullcontext():
                        image = upright(opened, image_id)
                        small = image if as_is else _within(image, MAX_SIDE)
        except PictureError:
            raise
        # A decoder that is handed rubbish can raise nearly anything.
        except Exception as error:
            raise PictureError(
                f"{image_id}: cannot be decoded ({type(error).__name__}); give an undamaged picture"
            ) from None
        url = _data_url(data, _AS_IS[form]) if as_is and form else _encode(small, lossless=form == "PNG")
        digest = hashlib.sha256(data).hexdigest()
        return cls(image_id, digest, url, image.size, data if large else image, small.size)

    @property
    def image(self) -> Image.Image:
        """The upright RGB picture in full resolution; decoded anew where it was too large to keep."""
        if isinstance(self.full, Image.Image):
            return self.full
        with warnings.catch_warnings(), Image.open(io.BytesIO(self.full)) as opened:
            warnings.simplefilter("ignore")
            return upright(opened, self.image_id)

    def crop(self, box: Sequence[int]) -> str | None:
        """A close view of a box on the grid from 0 to 1000, as a data URL.

        `None` where the whole picture is the better view: the picture is small, or the box tiny (it may be off by its own
        size) or most of the picture. The view is padded by 15 % of the longer side and at least 256 pixels wide and high.
        """
        width, height = self.size
        area = (box[2] - box[0]) * (box[3] - box[1]) / 1e6
        if max(self.shown) < 768 or not 0.01 <= area <= 0.6:
            return None
        x0, y0, x1, y1 = box[0] * width / 1000, box[1] * height / 1000, box[2] * width / 1000, box[3] * height / 1000
        pad = 0.15 * max(x1 - x0, y1 - y0)
        grow_x, grow_y = max(pad, (256 - (x1 - x0)) / 2), max(pad, (256 - (y1 - y0)) / 2)
        view = (
            max(0, math.floor(x0 - grow_x)),
            max(0, math.floor(y0 - grow_y)),
            min(width, math.ceil(x1 + grow_x)),
            min(height, math.ceil(y1 + grow_y)),
        )
        if (view[2] - view[0]) * (view[3] - view[1]) > 0.85 * width * height:
            return None
        return _encode(_within(self.image.crop(view), CROP_SIDE), lossless=False)

    def in_pixels(self, box: Sequence[int] | None) -> Box | None:
        """A box on the grid as [x0, y0, x1, y1] in pixels of the upright picture."""
        if box is None:
            return None
        width, height = self.size
        scale = (width, height, width, height)
        x0, y0, x1, y1 = (round(corner * side / 1000, 1) for corner, side in zip(box, scale, strict=True))
        return x0, y0, x1, y1


def common_box(boxes: Sequence[Sequence[int]]) -> list[int] | None:
    """The median of boxes of one object; `None` if there is none or they disagree (mean pairwise IoU below 0.3)."""
    if not boxes:
        return None
    pairs = [overlap(one, other) for index, one in enumerate(boxes) for other in boxes[index + 1 :]]
    if pairs and sum(pairs) / len(pairs) < 0.3:
        return None
    return [sorted(box[side] for box in boxes)[len(boxes) // 2] for side in range(4)]


def overlap(one: Sequence[int], other: Sequence[int]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - both)


def stamp(path: Path) -> str:
    """Tells whether a file is still the one that was annotated: its size and time of change."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _within(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    if scale >= 1:
        return image
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
        Image.Resampling.LANCZOS,
        reducing_gap=3.0,  # as good to the eye, and a fraction of the time where much is left out
    )


def _encode(image: Image.Image, *, lossless: bool) -> str:
    buffer = io.BytesIO()
    if lossless:
        image.save(buffer, "PNG")
        return _data_url(buffer.getvalue(), "image/png")
    image.save(buffer, "JPEG", quality=92)
    return _data_url(buffer.getvalue(), "image/jpeg")


def _data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@functools.cache
def _read_heif() -> None:
    """What telephones photograph."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
