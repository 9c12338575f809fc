"""Close views: cut from the upright picture in full resolution, and only where they show more than the whole does."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agent.pictures import CROP_SIDE, SentPicture, common_box
from dataset_builder.pictures import MAX_SIDE

ORIENTATION = 0x0112
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera does to a picture before it writes an orientation."""


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def reds(picture: Image.Image) -> float:
    """The share of pixels that are red."""
    red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB"), dtype=int), 2, 0)
    return float(((red > 180) & (green < 80) & (blue < 80)).mean())


def photo(path: Path, orientation: int = 1, size: tuple[int, int] = (1600, 1200)) -> Path:
    """A grey picture with a red block from (200, 150) to (500, 400) on the grid, stored as the orientation says."""
    picture = Image.new("RGB", size, (120, 120, 120))
    width, height = size
    picture.paste((230, 20, 20), (width // 5, height * 3 // 20, width // 2, height * 2 // 5))
    turn = TURNS[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    (picture if turn is None else picture.transpose(turn)).save(path, quality=95, exif=exif)
    return path


BLOCK = [200, 150, 500, 400]


@pytest.mark.parametrize("orientation", TURNS)
def test_crops_of_turned_photographs_show_the_object(tmp_path: Path, orientation: int) -> None:
    """A box on the upright picture finds its object however the file is stored, and the whole is sent upright too."""
    picture = SentPicture.read(photo(tmp_path / "photo.jpg", orientation))
    assert picture.image.size == picture.shown == opened(picture.url).size == (1600, 1200)
    assert opened(picture.url).getexif().get(ORIENTATION, 1) == 1
    view = picture.crop(BLOCK)
    assert view is not None
    # 480 × 300 pixels with 72 around them.
    assert opened(view).size == (624, 444)
    assert reds(opened(view)) == pytest.approx(480 * 300 / (624 * 444), abs=0.02)
    assert picture.in_pixels(BLOCK) == (320.0, 180.0, 800.0, 480.0)


def test_crops_come_from_the_full_resolution(tmp_path: Path) -> None:
    """Of a picture that is sent scaled down, a crop is cut from the original, and scaled only where it is larger than a view."""
    picture = SentPicture.read(photo(tmp_path / "photo.jpg", 6, (6000, 4500)))
    assert max(picture.shown) == MAX_SIDE
    small, large = picture.crop([200, 150, 300, 250]), picture.crop(BLOCK)
    assert small is not None
    assert large is not None
    assert opened(small).size == (780, 630)
    assert max(opened(large).size) == CROP_SIDE
    assert reds(opened(small)) > 0.5


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([500, 500, 560, 560], "tiny: it may be off by its own size"),
        ([50, 50, 900, 900], "nearly all of it"),
        ([0, 100, 1000, 690], "padded, nearly all of it"),
    ],
)
def test_a_view_that_shows_no_more_is_not_sent(tmp_path: Path, box: list[int], why: str) -> None:
    """The whole picture, which every call has in full, is the better view of an object that is tiny or nearly all there is."""
    assert SentPicture.read(photo(tmp_path / "photo.jpg")).crop(box) is None, why


def test_small_pictures_have_no_crops(tmp_path: Path) -> None:
    """A picture that a model takes in at once is sent as a file alone, byte for byte."""
    path = photo(tmp_path / "photo.jpg", size=(700, 500))
    picture = SentPicture.read(path)
    assert picture.crop(BLOCK) is None
    assert base64.b64decode(picture.url.partition(",")[2]) == path.read_bytes()


def test_a_small_object_gets_surroundings(tmp_path: Path) -> None:
    """A view is 256 pixels wide and high at least, cut off at the border of the picture."""
    picture = SentPicture.read(photo(tmp_path / "photo.jpg"))
    view = picture.crop([0, 0, 100, 110])
    assert view is not None
    assert opened(view).size == (208, 194)  # 160 × 132 and, within the picture, half of what is missing to 256
    inner = picture.crop([400, 400, 500, 510])
    assert inner is not None
    assert opened(inner).size == (256, 256)


def test_boxes_that_disagree_are_none() -> None:
    """Of boxes that overlap the median counts; of those that do not, none: no crop shows what is not agreed on."""
    assert common_box([[0, 0, 100, 100], [10, 0, 110, 100], [5, 5, 105, 105]]) == [5, 0, 105, 100]
    assert common_box([[0, 0, 100, 100], [500, 500, 600, 600]]) is None
    assert common_box([]) is None
