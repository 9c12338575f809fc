"""What the agent finds, costs and takes, against the simulated model: `python -m benchmarks.agent [quality|client|wall]`.

(Started as a module: a script of this name would hide the package `agent`.)

quality   the plans in regimes of errors, with intervals (`benchmarks/agent_quality.py`); `quality present shared` for some
client    calls a second through client and journal, against the bare AsyncInferenceClient in the same process and the same
          minute; and against what the server can answer when its latency is the limit
wall      20 pictures at 0.4 s an answer and 64 calls at once, against the same calls made as the official agent makes them:
          picture after picture, with a barrier between stages, eight at once

The server runs in a process of its own, as a real one would. Ratios are of one run; a busy machine moves both sides.
"""

import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import AsyncInferenceClient
from PIL import Image

from agent.asking import Asker, Question, Services
from agent.budget import Budget
from agent.client import Chat
from agent.connection import connect
from agent.journal import Journal
from agent.journal_files import open_for_reading
from agent.pictures import SentPicture
from agent.plans import Settings
from agent.prompts import messages
from agent.run import Endpoint, annotate
from benchmarks.agent_quality import quality
from dataset_builder.contestants import Limits
from dataset_builder.scenes import write_scenes

RATES = {"miss": 0.2, "hallucinate": 0.1, "catch": 0.8, "doubt": 0.05}
POOL = 32


@contextlib.contextmanager
def server(scenes: Path, **rates: float) -> Iterator[str]:
    """The simulated model in a process of its own."""
    options = [word for name, value in rates.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "anomreason", "simulate-vlm", "--scenes", str(scenes), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+/v1", process.stdout.readline())
            assert found, "the simulated server did not start"
            yield found[0]
        finally:
            process.terminate()


class Speed(NamedTuple):
    """Calls a second, and calls a second of this process's processor time, which a busy machine moves less."""

    clock: float
    processor: float

    @classmethod
    def of(cls, calls: int, started: tuple[float, float]) -> "Speed":
        return cls(calls / (time.perf_counter() - started[0]), calls / (time.process_time() - started[1]))


class Load(NamedTuple):
    """The calls of the client's benchmark: pictures, and how often each is asked about."""

    pictures: list[SentPicture]
    calls: int


def client() -> None:
    """Calls a second."""
    with tempfile.TemporaryDirectory() as place:
        scenes = write_scenes(Path(place) / "scenes", 40, seed=5)
        # A photograph's weight: noise does not compress, and the scene is known all the same.
        for path in (scenes / "images").iterdir():
            large = Image.open(path).convert("RGB").resize((400, 400), Image.Resampling.LANCZOS)
            Image.blend(large, Image.effect_noise(large.size, 60).convert("RGB"), 0.1).save(path)
        pictures = [SentPicture.read(path) for path in sorted((scenes / "images").iterdir())]
        size = sum(len(picture.url) for picture in pictures) / len(pictures) / 1000
        with server(scenes) as url:
            for name, load in (
                ("text only", Load([picture._replace(url=_TINY) for picture in pictures], 800)),
                (f"pictures of {size:.0f} kB", Load(pictures, 300)),
            ):
                bare, ours = [], []
                for turn in range(4):
                    bare.append(asyncio.run(_bare(url, load)))
                    ours.append(asyncio.run(_ours(url, load, Path(place) / f"{name}{turn}")))
                for k, unit in enumerate(("calls/s", "calls/s of processor time")):
                    best, own = max(speed[k] for speed in bare), max(speed[k] for speed in ours)
                    turns = ", ".join(f"{o[k] / b[k]:.0%}" for o, b in zip(ours, bare, strict=True))
                    print(
                        f"{name}: bare client {best:,.0f} {unit}, with ours and the journal {own:,.0f}: {own / best:.0%}"
                        f" (each turn: {turns})",
                        flush=True,
                    )
        latency, slots = 0.2, 24  # fewer than calls in flight, as any server that is the limit has
        with server(scenes, latency=latency, slots=slots) as url:
            rate = asyncio.run(_ours(url, Load(pictures, 2_400), Path(place) / "limited")).clock
            capacity = slots / latency
            print(f"server of {slots} slots at {latency} s = {capacity:.0f} calls/s: {rate:.0f}, {rate / capacity:.0%}")


_TINY = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


async def _bare(url: str, load: Load) -> Speed:
    inference, room = AsyncInferenceClient(base_url=url, api_key="none"), asyncio.Semaphore(POOL)

    async def one(number: int) -> None:
        picture = load.pictures[number % len(load.pictures)]
        async with room:
            await inference.chat_completion(
                messages("scan", "neutral", [picture.url]), model="simulated", extra_body={"seed": number}
            )

    try:
        await one(0)
        started = time.perf_counter(), time.process_time()
        await asyncio.gather(*map(one, range(load.calls)))
        return Speed.of(load.calls, started)
    finally:
        await inference.close()


async def _ours(url: str, load: Load, run: Path) -> Speed:
    inference = connect("simulated", url)
    async with Journal(run) as journal:
        chat = Chat(inference, "simulated", concurrency=POOL)
        services = Services(chat, journal, Budget(Limits(), None, journal.totals()))

        async def one(number: int) -> None:
            asker = Asker(load.pictures[number % len(load.pictures)], services)
            if load.pictures[0].url == _TINY:  # what a picture of no scene gets is a refusal, which is an answer too
                await asker.put(
                    Question("scan", "", number, messages("scan", "neutral", [_TINY]), {"seed": number}, _any)
                )
            else:
                await asker.ask("scan", sample=number)

        try:
            await one(10**6)
            started = time.perf_counter(), time.process_time()
            await asyncio.gather(*map(one, range(load.calls)))
            return Speed.of(load.calls, started)
        finally:
            await inference.close()


def _any(answer: str) -> str | None:
    return None


def wall() -> None:
    """Pictures at once against one after the other, stage after stage."""
    latency, pool = 0.4, 64
    with tempfile.TemporaryDirectory() as place:
        scenes = write_scenes(Path(place) / "scenes", 20, seed=9)
        with server(scenes, latency=latency, **RATES) as url:
            for plan in ("vote", "efficient", "paper"):
                out = Path(place) / plan
                started = time.perf_counter()
                annotate(str(scenes / "images"), out, Endpoint("simulated", url, pool), Settings(plan=plan))  # type: ignore[arg-type]
                took = time.perf_counter() - started
                serial, calls = asyncio.run(_serial(url, out, scenes))
                print(
                    f"{plan}: {calls} calls, {took:.1f} s; image after image with barriers {serial:.1f} s: {serial / took:.1f}×",
                    flush=True,
                )


async def _serial(url: str, run: Path, scenes: Path) -> tuple[float, int]:
    """The same calls again: a picture at a time, a stage at a time, eight at once within a stage as the official agent."""
    with contextlib.closing(open_for_reading(run)) as db:
        rows: list[Any] = db.execute("SELECT image_id, stage, sample, request FROM calls ORDER BY id").fetchall()
    stages: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        stages.setdefault((row["image_id"], row["stage"]), []).append(row)
    inference, workers = AsyncInferenceClient(base_url=url, api_key="none"), asyncio.Semaphore(8)
    pictures = {row["image_id"]: SentPicture.read(scenes / "images" / row["image_id"]).url for row in rows}

    async def one(row: Any) -> None:
        content = [
            {"type": "image_url", "image_url": {"url": pictures[row["image_id"]]}},
            {"type": "text", "text": row["request"]},
        ]
        async with workers:
            body = {"seed": row["sample"]}
            await inference.chat_completion([{"role": "user", "content": content}], model="simulated", extra_body=body)

    started = time.perf_counter()
    for image_id in pictures:
        for (owner, _), calls in stages.items():
            if owner == image_id:
                await asyncio.gather(*map(one, calls))
    took = time.perf_counter() - started
    await inference.close()
    return took, len(rows)


PARTS = {"quality": quality, "client": client, "wall": wall}

if __name__ == "__main__":
    if sys.argv[1:2] == ["quality"]:
        quality(sys.argv[2:])
    else:
        for part in sys.argv[1:] or PARTS:
            PARTS[part]()
