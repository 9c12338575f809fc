"""A release in the authors' layout with made-up pictures and texts, whole or with a defect of each kind planted.

python tests/synthetic_release.py DIR [--pictures 2000] [--defects]
"""

import argparse
import io
import json
import random
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["ERROR_KINDS", "WARNING_KINDS", "write_release"]

ERROR_KINDS = {
    "unreadable picture", "truncated picture", "oversized picture", "unreadable record", "severity out of range",
    "duplicate id", "basename collision",
}  # fmt: skip
"""The errors that `defects=True` plants."""

WARNING_KINDS = {
    "remark contradicts score", "picture without annotations", "annotations without picture", "split name without picture",
    "picture in no split", "animated picture", "CMYK picture", "16-bit picture", "EXIF-rotated picture", "empty field",
    "identical fields", "near-duplicate anomalies", "non-English text", "exact duplicate across splits",
    "near-duplicate across splits", "same text across splits", "link not followed",
}  # fmt: skip
"""The warnings that it plants."""

_THINGS = ("cup", "lamp", "ladder", "bicycle", "dog", "clock", "bridge", "violin", "window", "boat", "chair", "teapot")
_PLACES = ("table", "street", "roof", "river", "wall", "shelf", "garden", "stage", "harbour", "meadow", "stairway")
_FAULTS = ["floats above", "sinks into", "passes through", "melts into", "is larger than", "casts no shadow on"]


def _picture(rng: random.Random, side: int) -> Image.Image:
    """Blocks of random colours: two of them never look alike."""
    noise = np.frombuffer(rng.randbytes(8 * 8 * 3), dtype=np.uint8).reshape(8, 8, 3)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


def _encoded(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def _record(rng: random.Random, number: int) -> dict[str, str]:
    # Consecutive records differ in both, so that no picture has two that say nearly the same.
    thing, place = _THINGS[number % len(_THINGS)], _PLACES[number % len(_PLACES)]
    level = rng.randrange(5, 71)
    remark = "severely unnatural" if level < 35 else "mildly unnatural"
    return {
        "Name": f"{thing.title()} against sense",
        "Observed Phenomenon": f"The {thing} numbered {_spelt(number)} {rng.choice(_FAULTS)} the {place}.",
        "Reasoning": f"A {thing} has weight and cannot do that where the {place} is; it would need {_spelt(number * 7)}.",
        "Severity Score": f"{level}/100 ({remark}).",
    }


def _spelt(number: int) -> str:
    """A number as a made-up word, which makes each text one of a kind."""
    syllables = ("ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su")
    return "".join(syllables[int(digit)] for digit in str(number))


def write_release(directory: Path, pictures: int = 60, *, defects: bool = False, side: int = 48, seed: int = 0) -> Path:
    """Write a release: as many generated pictures as real ones, half of the generated in test.

    Args:
        directory (`Path`): where it goes; the photographs go into `0_real.zip`, the generated pictures into `1_fake/`.
        pictures (`int`): how many in all.
        defects (`bool`): whether to plant one defect of each kind of `ERROR_KINDS` and `WARNING_KINDS`.
        side (`int`): pixels of a picture's side.
        seed (`int`): the same seed gives the same release.
    """
    rng = random.Random(f"release {seed}")
    (directory / "1_fake").mkdir(parents=True)
    suffixes = ["", "_0_1", "_flux", "_sdv35"]
    fakes = [
        f"2025_04_18_02_29_58_{10**18 + index}{suffixes[index % 4]}.jpg" for index in range(pictures - pictures // 2)
    ]
    reals = [f"real_{index:06d}.jpg" for index in range(pictures // 2)]
    data = {name: _encoded(_picture(rng, side)) for name in fakes + reals}
    count = iter(range(10, 10**9))
    truth: dict[str, list[Any]] = {
        name: [_record(rng, next(count)) for _ in range(rng.randrange(3, 9))] for name in fakes
    }
    candidates = {name: [*records, _record(rng, next(count))] for name, records in truth.items()}
    split = {"train": fakes[1::2], "test": fakes[0::2]}
    deepfake = {"fake": split["test"], "real": reals[0::2]}
    captions = {name: f"Light and shadow agree in {name}." for name in reals}
    repeated = ""
    if defects:
        repeated = _plant(rng, directory, data, truth, split, fakes, side)
    for name in fakes:
        (directory / "1_fake" / name).write_bytes(data[name])
    with zipfile.ZipFile(directory / "0_real.zip", "w") as archive:
        for name in reals:
            archive.writestr(f"0_real/{name}", data[name])

    def write(name: str, content: object) -> None:
        (directory / name).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")

    write("AnomReason_After_HITL.json", truth)
    if repeated:
        path = directory / "AnomReason_After_HITL.json"
        path.write_text(path.read_text(encoding="utf-8").rstrip("}\n") + repeated, encoding="utf-8")
    write("AnomReason_After_HITL_test.json", {name: truth[name] for name in split["test"][20:] if name in truth})
    write("AnomReason_candidates.json", candidates)
    write("dataset_split_list.json", split)
    write("AnomReason_Deepfake_Test_list.json", deepfake)
    write(f"Real_image_caption_Num{len(reals)}_2025_07_28_14_25_57.json", captions)
    return directory


def _plant(
    rng: random.Random,
    directory: Path,
    data: dict[str, bytes],
    truth: dict[str, list[Any]],
    split: dict[str, list[str]],
    fakes: list[str],
    side: int,
) -> str:
    """Damage the first twenty generated pictures and their records, each in another way; returns a repeated key's text."""
    data[fakes[0]] = b"<html>quota exceeded</html>"
    data[fakes[1]] = data[fakes[1]][: len(data[fakes[1]]) * 2 // 3]
    # A header that claims ten gigapixels, in a whole and tiny PNG.
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    data[fakes[2]] = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    truth[fakes[3]][0] = ["not", "a", "record"]
    truth[fakes[4]][0]["Severity Score"] = "110/100 (severe)."
    repeated = f',\n "{fakes[5]}": []\n}}'
    (directory / "1_fake" / "again").mkdir()
    (directory / "1_fake" / "again" / fakes[6]).write_bytes(data[fakes[6]])
    truth[fakes[7]][0]["Severity Score"] = "70/100 (highly noticeable)."
    del truth[fakes[8]]
    truth["nowhere.jpg"] = [_record(rng, 1)]
    split["train"].append("missing.jpg")
    split["train"].remove(fakes[9])
    frames = [_picture(rng, side) for _ in range(3)]
    data[fakes[10]] = _encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    data[fakes[11]] = _encoded(_picture(rng, side).convert("CMYK"))
    deep = (np.arange(side * side, dtype=np.uint16).reshape(side, side) * 20).astype(np.uint16)
    data[fakes[12]] = _encoded(Image.fromarray(deep), "PNG")
    turned = Image.Exif()
    turned[0x0112] = 6
    data[fakes[13]] = _encoded(_picture(rng, side), exif=turned)
    truth[fakes[14]][0]["Reasoning"] = ""
    truth[fakes[15]][0]["Reasoning"] = truth[fakes[15]][0]["Observed Phenomenon"]
    truth[fakes[16]][1] = truth[fakes[16]][0] | {"Name": "The same again"}
    truth[fakes[17]][0]["Reasoning"] = "Die Tasse hängt ohne jeden Halt mitten über dem Tisch."
    data[fakes[18]] = data[fakes[19]]
    truth[fakes[18]][0] = dict(truth[fakes[19]][0])
    picture = _picture(rng, 256)
    data[fakes[20]], data[fakes[21]] = _encoded(picture, quality=95), _encoded(picture, quality=60)
    (directory / "1_fake" / "link.jpg").symlink_to("/etc/hostname")
    return repeated


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--side", type=int, default=48)
    parser.add_argument("--defects", action="store_true")
    chosen = parser.parse_args()
    print(write_release(chosen.directory, chosen.pictures, defects=chosen.defects, side=chosen.side))
