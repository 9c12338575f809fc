"""Pictures are whole or named: what a strict decoder finds, and that no whole picture is accused."""

import io
import random
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from dataset_builder.building.build import BuildError, build
from dataset_builder.checks.decoding import decode
from dataset_builder.checks.validation import validate
from dataset_builder.errors import PictureError
from dataset_builder.files.tree import File
from dataset_builder.picture_header import check_structure
from dataset_builder.pictures import open_picture
from tests.synthetic_release import write_release

PICTURES = 30


def _picture(seed: int, size: tuple[int, int] = (512, 384)) -> Image.Image:
    """What a photograph is to a codec: smooth areas and noise."""
    draw = np.random.default_rng(seed)
    smooth = Image.fromarray(draw.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noisy = np.asarray(smooth) + draw.normal(0, 6, (size[1], size[0], 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _saved(picture: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    return [_saved(_picture(seed), quality=88) for seed in range(PICTURES)]


def _start(data: bytes) -> int:
    return data.index(b"\xff\xda") + 14


def _zeroed(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(_start(data), len(data) - 1100)
    return data[:at] + bytes(1024) + data[at + 1024 :]


def _swapped(data: bytes, rng: random.Random) -> bytes:
    one = rng.randrange(_start(data), len(data) - 3 * 1024)
    other = rng.randrange(one + 1024, len(data) - 1026)
    blocks = data[one : one + 1024], data[one + 1024 : other], data[other : other + 1024]
    return data[:one] + blocks[2] + blocks[1] + blocks[0] + data[other + 1024 :]


def _closed_again(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(_start(data) + 100, len(data) - 100)] + b"\xff\xd9"


def _flipped(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(_start(data), len(data) - 2)
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _errors(data: bytes) -> list[str]:
    return [finding.kind for finding in decode(data, "cup.jpg").findings if finding.is_error]


@pytest.mark.parametrize(
    ("damage", "share"),
    [(_zeroed, 1), (_swapped, 0.8), (_closed_again, 1), (_flipped, 0.1)],
    ids=["zeroed", "swapped", "closed again", "one bit"],
)
def test_damage_inside_a_jpeg_is_found_as_often_as_a_strict_decoder_can(
    damage: Callable[[bytes, random.Random], bytes], share: float, photographs: list[bytes]
) -> None:
    """A KiB of zeros, exchanged blocks, a tail cut off and closed again: nearly always; one flipped bit: seldom."""
    rng = random.Random(7)
    found = sum(bool(_errors(damage(data, rng))) for data in photographs)
    print(f"{damage.__name__}: {found} of {len(photographs)}")
    assert found >= share * len(photographs)


def test_a_damaged_picture_is_an_error_of_its_own_kind(photographs: list[bytes]) -> None:
    """Not merely one that cannot be decoded: Pillow decodes it without a word."""
    data = _zeroed(photographs[0], random.Random(1))
    open_picture("cup.jpg", data)
    assert _errors(data) == ["damaged picture"]


def _mpo() -> bytes:
    return _saved(_picture(1, (64, 64)), "MPO", save_all=True, append_images=[_picture(2, (64, 64))])


WHOLE: dict[str, Callable[[], bytes]] = {
    "baseline": lambda: _saved(_picture(1)),
    "progressive": lambda: _saved(_picture(1), progressive=True),
    "optimized": lambda: _saved(_picture(1), optimize=True, quality=30),
    "grey": lambda: _saved(_picture(1).convert("L")),
    "cmyk": lambda: _saved(_picture(1).convert("CMYK")),
    "restart markers": lambda: _saved(_picture(1), restart_marker_rows=1),
    "4:4:4": lambda: _saved(_picture(1), subsampling=0),
    "rgb": lambda: _saved(_picture(1), keep_rgb=True),
    "one pixel": lambda: _saved(_picture(1, (1, 1))),
    "odd sides": lambda: _saved(_picture(1, (17, 31))),
    "zeros before the end marker": lambda: _saved(_picture(1))[:-2] + bytes(500) + b"\xff\xd9",
    "fill bytes before the end marker": lambda: _saved(_picture(1))[:-2] + b"\xff\xff\xff\xff\xd9",
    "a few bytes before the end marker": lambda: _saved(_picture(1))[:-2] + b"\x12\x34\x56" + b"\xff\xd9",
    "bytes after the end marker": lambda: _saved(_picture(1)) + b"camera maker's trailer" * 50,
    "exif": lambda: _saved(_picture(1), exif=_turned()),
    "comment": lambda: _saved(_picture(1), comment=b"\xff\xd9" * 20),
    "two pictures": _mpo,
    "png": lambda: _saved(_picture(1, (64, 48)), "PNG"),
    "png with palette": lambda: _saved(_picture(1, (64, 48)).convert("P"), "PNG"),
    "png with text": lambda: _saved(_picture(1, (64, 48)), "PNG", pnginfo=_text("x" * 1000, packed=True)),
    "png with trailing bytes": lambda: _saved(_picture(1, (64, 48)), "PNG") + b"more",
    "png of 16 bits": lambda: _saved(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "PNG"),
    "webp": lambda: _saved(_picture(1, (64, 48)), "WEBP"),
    "gif": lambda: _saved(_picture(1, (64, 48)), "GIF"),
    "bmp": lambda: _saved(_picture(1, (64, 48)), "BMP"),
    "tiff": lambda: _saved(_picture(1, (64, 48)), "TIFF"),
    "avif": lambda: _saved(_picture(1, (64, 48)), "AVIF"),
}  # fmt: skip


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _text(text: str, *, packed: bool) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text, packed)
    return info


@pytest.mark.parametrize("kind", WHOLE)
def test_no_whole_picture_is_accused(kind: str, tmp_path: Path) -> None:
    """Whatever a writer does that readers take, the build's check and the decoder take too."""
    data = WHOLE[kind]()
    path = tmp_path / "picture"
    path.write_bytes(data)
    check_structure(File("picture", str(path), None, len(data)))
    assert _errors(data) == []


def test_every_flipped_bit_of_a_png_is_found_at_the_build(tmp_path: Path) -> None:
    """It has checksums; nothing needs to be decoded."""
    data = _saved(_picture(3, (64, 48)), "PNG")
    rng = random.Random(0)
    for _ in range(60):
        at = rng.randrange(33, len(data))  # behind the header, whose damage makes it no PNG at all
        damaged = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        (tmp_path / "cup.png").write_bytes(damaged)
        with pytest.raises(PictureError, match=r"cup\.png"):
            check_structure(File("cup.png", str(tmp_path / "cup.png"), None, len(damaged)))


@pytest.mark.parametrize("where", ["before the pixels", "after the pixels", "profile"])
def test_a_text_that_no_reader_opens_stops_the_build(where: str, tmp_path: Path) -> None:
    """More than a megabyte once decompressed: `load_dataset` would raise on that row."""
    small = _picture(4, (64, 48))
    text = b"Comment\0\0" + zlib.compress(bytes(1_500_000))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    data = {
        "before the pixels": _saved(small, "PNG", pnginfo=_text("x" * 1_500_000, packed=True)),
        "after the pixels": _saved(small, "PNG")[:-12] + chunk + _saved(small, "PNG")[-12:],
        "profile": _saved(small, "PNG", icc_profile=bytes(1_500_000)),
    }[where]
    with pytest.raises(ValueError, match="MAX_TEXT_CHUNK"):
        Image.open(io.BytesIO(data)).load()
    release = write_release(tmp_path / "release", 8)
    sorted((release / "1_fake").iterdir())[0].write_bytes(data)
    with pytest.raises(BuildError, match="which no reader opens") as raised:
        build(release, tmp_path / "out")
    assert [finding.kind for finding in raised.value.findings] == ["oversized picture"]


def test_a_large_plain_text_in_a_png_is_fine() -> None:
    """Pillow's limit is on what is decompressed, and on all texts together."""
    data = _saved(_picture(4, (64, 48)), "PNG", pnginfo=_text("x" * 1_500_000, packed=False))
    Image.open(io.BytesIO(data)).load()
    assert _errors(data) == []


def test_of_an_animation_the_first_frame_is_taken_and_said_so() -> None:
    """Its hash is that of the first frame; damage in later frames is not looked for."""
    frames = [_picture(seed, (96, 96)) for seed in (5, 6, 7)]
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        data = _saved(frames[0], form, save_all=True, append_images=frames[1:])
        decoded = decode(data, "cup")
        told = [finding.message for finding in decoded.findings if finding.kind == "animated picture"]
        assert told == ["cup: animated, 3 frames; the first one is taken"], form
        still = decode(_saved(frames[0], form), "cup")
        assert decoded.bits is not None
        assert still.bits is not None
        assert np.bitwise_count(decoded.bits ^ still.bits).sum() <= 26


def test_what_training_would_refuse_is_told_by_validate(tmp_path: Path) -> None:
    """A 4 × 1200 picture and a text with a model's special token: warnings that name the row."""
    release = write_release(tmp_path / "release", 8)
    (release / "AnomReason_After_HITL_test.json").unlink()
    first, second = sorted((release / "1_fake").iterdir())[:2]
    first.write_bytes(_saved(_picture(8, (4, 1200))))
    path = release / "AnomReason_After_HITL.json"
    path.write_text(path.read_text().replace("has weight", "has <|image_pad|> weight", 1))
    found = {finding.kind: finding for finding in validate(release).findings}
    assert found["extreme aspect ratio"].image_id == first.name
    assert "4 × 1200" in found["extreme aspect ratio"].message
    assert found["special token in a text"].image_id in (first.name, second.name)
    assert "<|image_pad|>" in found["special token in a text"].message
    assert not validate(release).has_errors


@pytest.mark.soak
def test_strict_decoding_costs_no_more_than_half_a_decode_on_top() -> None:
    """At most 1.5 times one full decode by Pillow, the hash included."""
    data = _saved(_picture(9, (1024, 768)), quality=90)

    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(15):
            started = time.process_time()
            run()
            times.append(time.process_time() - started)
        return min(times)

    plain = best(lambda: Image.open(io.BytesIO(data)).load())
    strict = best(lambda: decode(data, "cup.jpg"))
    print(f"full decode {plain * 1e3:.1f} ms, strict decode and hash {strict * 1e3:.1f} ms: {strict / plain:.2f} times")
    assert strict <= 1.5 * plain
