"""One list of picture formats, and one preparation: every way to a model shows it the same pixels."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.pictures import SentPicture
from agent.sources import open_source as open_pictures
from dataset_builder.building.build import build
from dataset_builder.checks.validation import validate
from dataset_builder.errors import PictureError
from dataset_builder.files.tree import File
from dataset_builder.picture_header import check_structure
from dataset_builder.pictures import FORMATS, MAX_SIDE, SUFFIXES, open_picture, prepare, upright
from space.uploads import read_picture
from trainer.asked import sft_example
from trainer.loading import load_processor

_FORM = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".heic": "HEIF",
    ".heif": "HEIF",
}


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """A smooth picture, so that what a JPEG loses is little."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def shown_by_endpoint(data: bytes) -> Image.Image:
    url = SentPicture.read(data, "a").url
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def shown_by_page_to_endpoint(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(read_picture(data, "a").sent().data))


def shown_in_training(data: bytes) -> Image.Image:
    """Decoded as `datasets` does it: turned, its mode left alone."""
    import datasets

    image = datasets.Image().decode_example({"bytes": data, "path": None})
    row = {"image": image, "label": "real", "anomalies": []}
    made = sft_example(row, "anomalies", load_processor("tiny").image_processor)
    found: Image.Image = made["images"][0]
    return found


WAYS: dict[str, Callable[[bytes], Image.Image]] = {
    "a model here": lambda data: prepare(open_picture("a", data)).image,
    "training": shown_in_training,
    "agent and endpoint": shown_by_endpoint,
    "page": lambda data: read_picture(data, "a").image,
    "page with an endpoint": shown_by_page_to_endpoint,
}


def sixteen_bits() -> Image.Image:
    ramp = np.linspace(0, 65_535, 96 * 64).reshape(64, 96)
    return Image.fromarray(ramp.astype(np.uint16))


def glass() -> Image.Image:
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def turned() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif}


CASES: dict[str, bytes] = {
    "JPEG": encoded(photo(), "JPEG"),
    "PNG": encoded(photo(), "PNG"),
    "a turned photograph": encoded(photo(), "JPEG", **turned()),
    "16 bits": encoded(sixteen_bits(), "PNG"),
    "16 bits in a TIFF": encoded(sixteen_bits(), "TIFF"),
    "floats": encoded(Image.fromarray(np.linspace(0, 1, 96 * 64, dtype=np.float32).reshape(64, 96)), "TIFF"),
    "transparency": encoded(glass(), "PNG"),
    "a transparent palette": encoded(glass().quantize(16), "PNG"),
    "colours for print": encoded(photo().convert("CMYK"), "JPEG"),
    "a photograph of a telephone": encoded(photo(), "HEIF"),
    "a large photograph": encoded(photo(5000, 3000), "JPEG"),
    "a large drawing": encoded(photo(2600, 1300), "PNG"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_way_to_a_model_shows_it_the_same_pixels(case: str) -> None:
    """Training, prediction here, an endpoint and the page: the same size, and no pixel further off than a JPEG's loss."""
    shown = {way: look(CASES[case]) for way, look in WAYS.items()}
    first = np.asarray(shown["a model here"], dtype=int)
    assert max(shown["a model here"].size) <= MAX_SIDE
    assert first.std() > 20, "not black, not white"
    for way, image in shown.items():
        assert image.mode in ("RGB", "L"), way
        other = np.asarray(image.convert("RGB"), dtype=int)
        assert other.shape == first.shape, way
        lossless = "endpoint" not in way or Image.open(io.BytesIO(CASES[case])).format == "PNG"
        assert np.abs(other - first).mean() <= (0 if lossless else 2), way  # of 255


def test_sixteen_bits_and_floats_keep_their_brightness() -> None:
    """The darkest pixel stays black, the lightest white and the middle grey, where clipping gave one colour."""
    for case in ("16 bits", "16 bits in a TIFF", "floats"):
        grey = np.asarray(open_picture(case, CASES[case]).convert("L"))
        assert (grey.min(), grey.max()) == (0, 255), case
        assert abs(int(grey[32, 0]) - 128) <= 1, case


@pytest.mark.parametrize("top", [1.0, 255.0, 65_535.0])
def test_floats_are_scaled_by_the_range_that_holds_them(top: float) -> None:
    """0 to 1, to 255 and to 65,535 are what programs write."""
    values = np.linspace(0, top, 256, dtype=np.float32).reshape(16, 16)
    assert np.asarray(upright(Image.fromarray(values)).convert("L")).ravel().tolist() == list(range(256))


@pytest.mark.parametrize("values", [[-1.0, 1.0], [0.0, 1e6], [0.0, float("nan")]])
def test_floats_of_no_known_range_are_refused(values: list[float]) -> None:
    """One sentence with the values and the fix, instead of a black picture."""
    picture = encoded(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    with pytest.raises(PictureError, match=r"odd\.tif: has pixel values from .* to .*; save it with 8 or 16 bits"):
        open_picture("odd.tif", picture)


def test_what_a_file_says_of_its_maker_stays_behind() -> None:
    """Only pixels come out, whatever is made of them."""
    exif = Image.Exif()
    exif[0x010F] = "Maker of cameras"
    picture = open_picture("a.jpg", encoded(photo(), "JPEG", exif=exif, comment=b"at home"))
    assert not picture.info
    assert not picture.getexif()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with a picture under every suffix."""
    root = tmp_path_factory.mktemp("formats")
    (root / "1_fake").mkdir()
    record = {"Name": "Cup", "Phenomenon": "It floats.", "Reasoning": "Things fall.", "Severity Score": "10/100"}
    for number, suffix in enumerate(SUFFIXES):
        form = _FORM.get(suffix, suffix[1:].upper())
        picture = photo(96 + number, 64).rotate(17 * number)
        (root / "1_fake" / f"a{number:02d}{suffix}").write_bytes(encoded(picture, form))
    names = [path.name for path in sorted((root / "1_fake").iterdir())]
    (root / "AnomReason_After_HITL.json").write_text(json.dumps({name: [record] for name in names}))
    return root


def test_every_kind_of_picture_that_is_annotated_is_built_and_examined(release: Path, tmp_path: Path) -> None:
    """`annotate`, `build`, `validate`, `examine` and the page take the same files: nothing is paid for and left out later."""
    names = {path.name for path in (release / "1_fake").iterdir()}
    listed = {one.image_id for one in open_pictures(str(release / "1_fake"), tmp_path / "run").pictures}
    build(release, tmp_path / "built")
    built = {one.image_id for one in open_pictures(str(tmp_path / "built"), tmp_path / "again").pictures}
    assert listed == built == names
    assert not validate(release).has_errors
    assert not validate(tmp_path / "built").has_errors
    for path in (release / "1_fake").iterdir():
        header = check_structure(File(path.name, str(path), None, path.stat().st_size))
        assert header.format in FORMATS
        assert (
            (header.width, header.height) == open_picture(path).size == read_picture(path.read_bytes(), path.name).size
        )


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
def test_a_telephone_s_picture_that_breaks_off_is_found(form: str, tmp_path: Path) -> None:
    """By its boxes, without decoding; what a camera appends is no damage."""
    data = encoded(photo(400, 300), form)
    path = tmp_path / f"a.{form.lower()}"

    def check(content: bytes) -> str:
        path.write_bytes(content)
        return check_structure(File(path.name, str(path), None, len(content))).format

    assert check(data) == check(data + b"\0\0\0\x20sefd" + b"x" * 9) == form
    with pytest.raises(PictureError, match=r"is truncated \(no full box at its end\)"):
        check(data[:-40])
