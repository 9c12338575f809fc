"""Which scene a picture shows, told by its content: encoded again or at another size, it is still the same scene."""

import base64
import binascii
import hashlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from dataset_builder.pictures import FORMATS, open_picture, upright
from dataset_builder.scenes import SceneRow, read_scenes

__all__ = ["Pictures", "Seen"]

_COARSE = 24  # pixels a side at which all scenes are compared
_NEAREST = 6  # scenes then compared at full size: twins differ in a few pixels only
_UNLIKE = 12.0  # mean absolute difference of channels, of 255, from which two pictures are different ones
_REMEMBERED = 4096


class Seen(NamedTuple):
    """A picture of a request: the scene it shows, if any, and its size in pixels."""

    row: SceneRow | None
    width: int
    height: int


class Pictures:
    """The pictures of a scenes directory.

    Args:
        scenes (`Path`): the directory; only coarse versions of its pictures stay in memory (1.7 kB each).

    Raises:
        InputError: if it is not a scenes directory, or a picture of it cannot be read.
    """

    def __init__(self, scenes: Path) -> None:
        self.rows = read_scenes(scenes)
        self._paths = [scenes / "images" / row.image_id for row in self.rows]
        self._sizes: dict[str, tuple[int, int]] = {}
        coarse = []
        for row, path in zip(self.rows, self._paths, strict=True):
            picture = open_picture(path)
            self._sizes[row.image_id] = picture.size
            coarse.append(_pixels(picture, (_COARSE, _COARSE)))
        self._coarse = np.stack(coarse)
        self._seen: dict[bytes, Seen] = {}

    def see(self, url: str) -> Seen:
        """What a picture's URL shows. Only `data:` URLs are read; nothing is ever fetched.

        Raises:
            ValueError: if it is not a `data:` URL of a picture.
        """
        key = hashlib.sha256(url.encode(errors="surrogatepass")).digest()
        if key not in self._seen:
            if len(self._seen) >= _REMEMBERED:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = self._recognise(_decode(url))
        return self._seen[key]

    def size(self, image_id: str) -> tuple[int, int]:
        """Width and height of a scene's picture, in pixels."""
        return self._sizes[image_id]

    def _recognise(self, picture: Image.Image) -> Seen:
        far = np.abs(self._coarse - _pixels(picture, (_COARSE, _COARSE))).mean(axis=1)
        found, least = None, _UNLIKE
        for index in np.argsort(far, kind="stable")[:_NEAREST]:
            if far[index] < _UNLIKE:
                scene = open_picture(self._paths[index])
                difference = np.abs(_pixels(scene, scene.size) - _pixels(picture, scene.size)).mean()
                if difference < least:
                    found, least = self.rows[index], float(difference)
        return Seen(found, *picture.size)


def _pixels(picture: Image.Image, size: tuple[int, int]) -> npt.NDArray[np.int16]:
    scaled = picture if picture.size == size else picture.resize(size, Image.Resampling.BOX)
    return np.asarray(scaled, dtype=np.int16).ravel()


def _decode(url: str) -> Image.Image:
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise ValueError("image_url must be a data: URL with a base64 picture; nothing is fetched")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `upright` has the limit
            return upright(Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=FORMATS))
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"image_url holds no picture that can be read ({error})") from None
