"""Pictures from anywhere are taken in or refused in words; what a file says about its maker is left behind."""

import io
import os
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image, ImageFile

import space.uploads
from dataset_builder.errors import PictureError
from dataset_builder.pictures import upright
from space.door import sweep
from space.uploads import MAX_BYTES, read_picture, read_upload, receive


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def test_an_exif_rotated_picture_stands_upright_and_says_nothing_of_its_maker() -> None:
    """Orientation is applied; location and everything else in the file is gone."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker of cameras"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    picture = read_picture(encoded(Image.new("RGB", (60, 40), "red"), "JPEG", exif=exif), "C:\\holiday\\me.jpg")
    assert picture.image.size == picture.size == (40, 60)
    assert picture.image_id == "me.jpg"
    assert not picture.image.getexif()
    assert "exif" not in picture.image.info
    assert "Maker" not in picture.jpeg().uri


def test_who_sent_a_picture_is_told_what_the_file_says(tmp_path: Path) -> None:
    """As it stands there: camera, time and place; nothing of a damaged block."""
    exif = Image.Exif()
    exif[0x0110] = "Camera 7"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 0.0)})
    picture = read_picture(encoded(Image.new("RGB", (60, 40)), "JPEG", exif=exif), "me.jpg")
    assert dict(picture.about) == {
        "Camera": "Camera 7",
        "Taken": "2026:01:02 03:04:05",
        "Place (degrees, minutes, seconds)": "52 31 12 N, 13 24 0 E",
    }
    broken = encoded(Image.new("RGB", (60, 40)), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert read_picture(broken, "b.jpg").about == ()


def test_a_picture_that_waits_is_a_file_and_not_pixels() -> None:
    """Its header alone is read when it comes; the pixels, when it is opened; and it has no name on the disk."""
    decoded = []
    huge = io.BytesIO()
    Image.new("L", (7000, 7000), 200).save(huge, "PNG")
    with mock.patch.object(ImageFile.ImageFile, "load", autospec=True, side_effect=ImageFile.ImageFile.load) as load:
        sent = receive(huge.getvalue(), "huge.png")
        decoded.append(load.call_count)
        assert sent.open().size == (7000, 7000)
        decoded.append(load.call_count)
    assert decoded[0] == 0 < decoded[1]
    assert sent.file.closed


def test_pictures_are_decoded_one_at_a_time() -> None:
    """However many are sent at once."""
    under_way, most, lock = [], [], threading.Lock()
    prepare = space.uploads.prepare

    def counting(*arguments: Any) -> Any:
        with lock:
            under_way.append(1)
            most.append(len(under_way))
        time.sleep(0.005)
        try:
            return prepare(*arguments)
        finally:
            under_way.pop()

    with mock.patch.object(space.uploads, "prepare", counting), ThreadPoolExecutor(6) as pool:
        data = encoded(Image.new("RGB", (64, 64)), "PNG")
        list(pool.map(lambda number: read_picture(data, f"{number}.png"), range(12)))
    assert len(most) == 12
    assert max(most) == 1


def test_transparency_takes_one_copy_of_a_picture_and_no_more() -> None:
    """Put on white strip by strip, with the pixels that the whole at once would have."""
    pixels = np.random.default_rng(0).integers(0, 256, (1300, 70, 4), np.uint8)
    picture = Image.fromarray(pixels)
    whole = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    made = []
    new = Image.core.new
    with mock.patch.object(Image.core, "new", lambda mode, size: made.append(size) or new(mode, size)):
        found = upright(picture)
    assert np.array_equal(np.asarray(found), np.asarray(whole))
    assert [size[1] for size in made].count(1300) <= 1


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGBA", "P", "I;16", "1"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    """CMYK, grey, transparent, palette, 16 bits and black-and-white."""
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert read_picture(encoded(Image.new(mode, (32, 32)), kind), "a").image.mode == "RGB"


def test_heic_is_taken_and_browsers_cannot_show_it() -> None:
    """What telephones photograph."""
    picture = read_picture(encoded(Image.new("RGB", (64, 48), "teal"), "HEIF"), "IMG_1.HEIC")
    assert picture.size == (64, 48)
    assert not picture.browsers_show


def test_the_first_frame_of_an_animation_counts() -> None:
    """The one that a viewer shows first."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    picture = read_picture(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "a.gif")
    assert picture.image.getpixel((5, 5)) == (255, 0, 0)


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"no picture at all", "not a picture that can be read"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (encoded(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG")[:900], "damaged or cut off"),
        (bomb(), "50 million pixels"),
        (encoded(Image.new("1", (9000, 6000)), "PNG"), "9,000 × 6,000 pixels"),
        (encoded(Image.new("RGB", (4, 4)), "PNG"), "too small"),
        (b"\0" * (MAX_BYTES + 1), "larger than 20 MB"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "not a picture that can be read"),
    ],
    ids=["empty", "text", "svg", "truncated", "bomb", "huge", "tiny", "large", "postscript"],
)
def test_what_cannot_be_taken_is_refused_in_words(data: bytes, words: str) -> None:
    """One kind sentence that says what to do."""
    started = time.monotonic()
    with pytest.raises(PictureError, match=words) as refused:
        read_picture(data, "upload.png")
    assert "please" in str(refused.value)
    assert time.monotonic() - started < 2


def test_an_upload_is_deleted_once_read_whatever_it_was(tmp_path: Path) -> None:
    """And nothing outside the folder of uploads is touched, by name or by link."""
    inside = tmp_path / "uploads"
    inside.mkdir()
    (inside / "bad.png").write_bytes(b"rubbish")
    data, name = read_upload({"path": str(inside / "bad.png")}, inside)
    assert (data, name) == (b"rubbish", "bad.png")
    assert not (inside / "bad.png").exists()
    outside = tmp_path / "outside.png"
    outside.write_bytes(encoded(Image.new("RGB", (32, 32)), "PNG"))
    (inside / "link.png").symlink_to(outside)
    for path in (outside, inside / "link.png", inside / ".." / "outside.png", inside):
        with pytest.raises(PictureError, match="no longer here"):
            read_upload({"path": str(path)}, inside)
    assert outside.exists()


def test_uploads_that_nobody_asked_about_are_swept(tmp_path: Path) -> None:
    """By age; newer ones stay."""
    for name, age in (("old", 700), ("new", 0)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    sweep(tmp_path, age=600, every=0.05)
    deadline = time.monotonic() + 5
    while (tmp_path / "old").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
