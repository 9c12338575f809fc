"""Ten thousand pictures by the plan `direct`: how soon the first call is made, the memory, and what a finished run takes again."""

import struct
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.simulated import serve
from dataset_builder.scenes import write_scenes
from tests.annotating import start, stats, summary

PICTURES = 10_000
SCENES = 100


class Spent(NamedTuple):
    """What a process has used: seconds of the processor, of the clock, and its largest memory in MB."""

    work: float
    clock: float
    memory: float


def spent(process: "subprocess.Popen[str]", began: float) -> Spent | None:
    """What a process has used so far; `None` if it is ending."""
    place = Path("/proc") / str(process.pid)
    ticks = place.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]
    peak = next((line for line in place.joinpath("status").read_text().splitlines() if line.startswith("VmHWM")), "")
    return Spent(sum(map(int, ticks)) / 100, time.monotonic() - began, int(peak.split()[1]) / 1000) if peak else None


def followed(process: "subprocess.Popen[str]", until: Callable[[], bool] = lambda: False) -> Spent:
    """What a process has used when `until` says so, or at its end."""
    began = time.monotonic()
    last = Spent(0.0, 0.0, 0.0)
    while process.poll() is None and not until():
        last = spent(process, began) or last
        time.sleep(0.05)
    return last


def many_pictures(scenes: Path, folder: Path) -> Path:
    """Each scene as many times as makes `PICTURES`, every file with a remark of its own: other bytes, the same picture."""
    folder.mkdir()
    for path in (scenes / "images").iterdir():
        data = path.read_bytes()
        end = data.rindex(struct.pack(">I", 0) + b"IEND")
        for copy in range(PICTURES // SCENES):
            chunk = b"tEXt" + b"Comment\0" + str(copy).encode()
            remark = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
            (folder / f"{path.stem}_{copy:03}.png").write_bytes(data[:end] + remark + data[end:])
    return folder


@pytest.mark.soak
def test_ten_thousand_pictures(tmp_path: Path) -> None:
    """The first call within 5 s of work, at most 500 MB all the way, the report in pages; again within 5 s and without a call."""
    scenes = write_scenes(tmp_path / "scenes", SCENES, seed=31)
    folder, run = many_pictures(scenes, tmp_path / "pictures"), tmp_path / "run"
    with serve(scenes) as base_url:
        process = start(folder, run, base_url, "--plan", "direct")
        first = followed(process, lambda: stats(base_url)["calls"] > 0)
        whole = followed(process)
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
        calls = stats(base_url)["calls"]
        process = start(folder, run, base_url, "--plan", "direct")
        again = followed(process)
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
        asked = stats(base_url)["calls"] - calls
    for name, one in (("first call", first), ("whole run", whole), ("again", again)):
        print(f"\n{name}: {one.work:.1f} s of work, {one.clock:.1f} s of the clock, {one.memory:.0f} MB", end="")
    print(f"\n{calls} calls, {len(list(run.glob('report*.html')))} pages")
    assert summary(run)["pictures"] == calls == PICTURES
    assert asked == 0
    assert first.work < 5
    assert again.work < 5
    assert max(first.memory, whole.memory, again.memory) < 500
    assert len(list(run.glob("report*.html"))) == 10
