"""A picture as models behind a server are shown it: prepared and encoded once, and crops of it in full resolution.

A PNG, JPEG or WebP file that is upright and no larger than `MAX_SIDE` is sent as it is: decoded, it is what
`dataset_builder.pictures.prepare` gives. Of anything else that is encoded again.
"""

import hashlib
import io
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from PIL import Image

from dataset_builder.boxes import iou, scaled
from dataset_builder.data_url import data_url
from dataset_builder.errors import PictureError
from dataset_builder.files.regular import read_regular
from dataset_builder.files.tree import MAX_PICTURE
from dataset_builder.pictures import FORMATS, LARGE, MAX_SIDE, encode, open_picture, upright, within
from dataset_builder.schema import Box

__all__ = ["CROP_SIDE", "SentPicture", "common_box", "stamp"]

CROP_SIDE = 1024

_AS_IS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_ORIENTATION = 0x0112


class SentPicture(NamedTuple):
    """A picture that was read.

    Attributes:
        image_id (`str`): its file name.
        digest (`str`): SHA-256 of the file's bytes, in hexadecimal.
        url (`str`): what is sent, as a data URL.
        size (`tuple[int, int]`): width and height of the upright picture in full resolution.
        full (`PIL.Image.Image` or `bytes`): that picture, RGB; of one larger than `LARGE` the file's bytes, decoded again for each
            close view.
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
            PictureError: if it is missing, empty, damaged, not a picture, or larger than `MAX_PIXELS` or `MAX_PICTURE`.
        """
        if isinstance(source, Image.Image):
            return cls._decode(
                encode(upright(source, image_id or "picture"), lossless=True)[0], image_id or "picture.png"
            )
        if isinstance(source, bytes):
            if len(source) > MAX_PICTURE:
                raise PictureError(f"{image_id or 'picture'}: has more than {MAX_PICTURE:,} bytes; make it smaller")
            return cls._decode(source, image_id or "picture")
        path = Path(source)
        try:
            data = read_regular(path, MAX_PICTURE)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PictureError(
                f"{path.name}: cannot be read ({reason}); give an existing picture of at most {MAX_PICTURE // 2**20} MiB"
            ) from None
        return cls._decode(data, image_id or path.name)

    @classmethod
    def _decode(cls, data: bytes, image_id: str) -> Self:
        image = open_picture(image_id, data)
        kind, lossless = _form(data)
        shown = within(image, MAX_SIDE)
        url = data_url(data, kind) if kind else data_url(*encode(shown, lossless=lossless))
        large = image.width * image.height > LARGE
        return cls(image_id, hashlib.sha256(data).hexdigest(), url, image.size, data if large else image, shown.size)

    @property
    def image(self) -> Image.Image:
        """The upright RGB picture in full resolution; decoded again where it was too large to keep."""
        return self.full if isinstance(self.full, Image.Image) else open_picture(self.image_id, self.full)

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
        return data_url(*encode(within(self.image.crop(view), CROP_SIDE)))

    def in_pixels(self, box: Sequence[int] | None) -> Box | None:
        """A box on the grid as [x0, y0, x1, y1] in pixels of the upright picture."""
        return None if box is None else scaled(box, (1000, 1000), self.size)


def common_box(boxes: Sequence[Sequence[int]]) -> list[int] | None:
    """The median of boxes of one object; `None` if there is none or they disagree (mean pairwise IoU below 0.3)."""
    if not boxes:
        return None
    pairs = [iou(one, other) for index, one in enumerate(boxes) for other in boxes[index + 1 :]]
    if pairs and sum(pairs) / len(pairs) < 0.3:
        return None
    return [sorted(box[side] for box in boxes)[len(boxes) // 2] for side in range(4)]


def stamp(path: Path) -> str:
    """Tells whether a file is still the one that was annotated: its size and time of change."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _form(data: bytes) -> tuple[str | None, bool]:
    """Of a picture that can be decoded: the media type to send the file itself under, if it can be, and whether it is a PNG."""
    with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        warnings.simplefilter("ignore")
        turned = opened.getexif().get(_ORIENTATION, 1) not in (0, 1)
        still = getattr(opened, "n_frames", 1) == 1
        plain = opened.mode in ("RGB", "L") and "transparency" not in opened.info
        as_is = not turned and still and plain and max(opened.size) <= MAX_SIDE
        return _AS_IS.get(opened.format or "") if as_is else None, opened.format == "PNG"
