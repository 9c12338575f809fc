"""What pictures cost a served page in memory, by the figures that the system keeps of its process."""

import io
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from tests.serving import Served

__all__ = ["Cost", "cost_of_posts", "large_png", "resident"]

SIDE = 7_000
"""Pixels of a side of the large picture: 49 megapixels."""


def large_png(path: Path) -> Path:
    """A PNG of 49 megapixels, 16 bits per channel with transparency: a few hundred kilobytes, 392 MB when it is unpacked."""
    row = np.repeat(np.linspace(0, 65_535, SIDE).astype(">u2"), 4).tobytes()
    # Each further row is told as no difference from the one above.
    raw = b"\0" + row + (b"\2" + bytes(len(row))) * (SIDE - 1)
    path.write_bytes(_png(raw))
    assert Image.open(io.BytesIO(path.read_bytes())).size == (SIDE, SIDE)
    return path


def _png(raw: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 6, 0, 0, 0)
    packed = zlib.compress(raw, 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


class Cost:
    """Megabytes of resident memory: at the start, at the highest point, and some seconds after the end."""

    def __init__(self, start: float, highest: float, end: float) -> None:
        self.start, self.highest, self.end = start, highest, end

    def __str__(self) -> str:
        above, left = self.highest - self.start, self.end - self.start
        return f"{self.start:.0f} MB at the start, {above:.0f} MB above it at most, {left:.0f} MB above it afterwards"


def cost_of_posts(served: Served, picture: Path, posts: int = 6) -> Cost:
    """Examine a picture several times at once, after one small picture that loads what is loaded once."""
    client = Client(served.url, verbose=False)
    small = picture.with_name("small.png")
    Image.new("RGB", (64, 64), "teal").save(small)
    client.predict(handle_file(small), api_name="/examine")
    start = resident(served.pid)
    Path(f"/proc/{served.pid}/clear_refs").write_text("5")  # the system forgets the peak so far
    with ThreadPoolExecutor(posts) as pool:
        asked = [pool.submit(client.predict, handle_file(picture), api_name="/examine") for _ in range(posts)]
        assert [one.result()["status"] for one in asked] == ["none"] * posts
    highest = resident(served.pid, "VmHWM")
    time.sleep(3)
    return Cost(start, highest, resident(served.pid))


def resident(pid: int, figure: str = "VmRSS") -> float:
    """Megabytes of a process: resident now, or `VmHWM`, at the highest point."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{figure}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(figure)
