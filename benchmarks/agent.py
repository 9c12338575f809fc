"""What the agent finds, costs and takes, against the simulated model: `python -m benchmarks.agent [quality|client|wall]`.

(Started as a module: a script of this name would hide the package `agent`.)

quality   the plans on the same scenes at the same error rates, over several seeds: recall, precision, false alarms on clean
          pictures, calls, tokens; also where half of the errors are repeated by every look, and on pictures enlarged from
          168 pixels a side to 1,008, which cost more than the text around them
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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from huggingface_hub import AsyncInferenceClient
from PIL import Image

from agent.asking import Asker, Question, Services
from agent.budget import Budget
from agent.client import Chat
from agent.connection import connect
from agent.journal import Journal
from agent.journal_files import open_for_reading
from agent.journal_rows import totals
from agent.pictures import SentPicture
from agent.plans import Annotation, Settings
from agent.prompts import messages
from agent.run import Endpoint, annotate
from dataset_builder.contestants import Limits
from dataset_builder.scenes import SceneRow, family_of, read_scenes, write_scenes

RATES = {"miss": 0.2, "hallucinate": 0.1, "catch": 0.8, "doubt": 0.05}
POOL = 32


class Quality(NamedTuple):
    """What a plan found of the truth: an anomaly counts as found once, by its family and its object."""

    truths: int
    found: int
    reported: int
    alarms: int  # clean pictures with anything reported
    clean: int

    def __add__(self, other: "Quality") -> "Quality":  # type: ignore[override]
        return Quality(*(one + another for one, another in zip(self, other, strict=True)))


class Case(NamedTuple):
    """Under what the plans are compared: `seeds` directories of `pictures` scenes each, half of them clean."""

    side: int
    stubborn: float
    seeds: int
    pictures: int


CASES = (Case(168, 0.0, 4, 100), Case(168, 0.5, 2, 100), Case(1008, 0.0, 1, 40))
SUPPORT = {"paper": (1, 2), "efficient": (1, 4), "direct": (1,)}
"""What `--min-support` is set to: nothing left out, and a stricter choice."""


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


def judge(rows: list[SceneRow], annotations: list[Annotation]) -> Quality:
    """Compare a run with the truth."""
    answers = {annotation.image_id: annotation.anomalies for annotation in annotations}
    truths = found = reported = alarms = 0
    for row in rows:
        true = {(one.family, one.object) for one in row.anomalies}
        told = answers[row.image_id]
        said = {
            (one.family, one.object)
            for one in row.anomalies
            if any(family_of(told_one.name) == one.family and one.object in told_one.phenomenon for told_one in told)
        }
        truths, found, reported = truths + len(true), found + len(said), reported + len(told)
        alarms += bool(told) and not true
    return Quality(truths, found, reported, alarms, sum(not row.anomalies for row in rows))


def quality() -> None:
    """The table of plans."""
    print(f"error rates {RATES}")
    for case in CASES:
        outcomes: Outcomes = {}
        for seed in range(case.seeds):
            with tempfile.TemporaryDirectory() as place:
                compare(case, seed, Path(place), outcomes)
        print(
            f"\n{case.seeds * case.pictures} pictures of {case.side} × {case.side}, half of them clean; "
            f"{case.stubborn:.0%} of errors repeated by every look"
        )
        print(f"{'plan':<11}{'support':>8}{'recall':>8}{'precision':>11}{'false alarms':>14}", end="")
        print(f"{'calls':>8}{'tokens':>12}{'share':>7}")
        base = outcomes["paper", 1][2]
        for (plan, support), (q, calls, tokens) in outcomes.items():
            print(
                f"{plan:<11}{f'≥ {support}':>8}{q.found / q.truths:>8.3f}{q.found / max(q.reported, 1):>11.3f}"
                f"{f'{q.alarms} of {q.clean}':>14}{calls:>8,}{tokens:>12,}{tokens / base:>7.2f}",
                flush=True,
            )


Outcomes = dict[tuple[str, int], tuple[Quality, int, int]]
"""Plan and least support → what was found, calls and tokens."""


def compare(case: Case, seed: int, place: Path, outcomes: Outcomes) -> None:
    """Run all plans over one directory of scenes and add up what came of it."""
    scenes = write_scenes(place / "scenes", case.pictures, seed=seed)
    images = scenes / "images"
    if case.side != 168:
        images = place / "images"
        images.mkdir()
        for path in (scenes / "images").iterdir():  # the server knows them at any size
            Image.open(path).resize((case.side, case.side), Image.Resampling.LANCZOS).save(images / path.name)
    rows = read_scenes(scenes)
    for plan, support in ((plan, support) for plan, supports in SUPPORT.items() for support in supports):
        out = place / f"{plan}{support}"
        with server(scenes, **RATES, stubborn=case.stubborn, seed=seed) as url:
            settings = Settings(plan=plan, min_support=support)  # type: ignore[arg-type]
            annotate(str(images), out, Endpoint("simulated", url, POOL), settings)
            served = httpx.get(url.replace("/v1", "/stats")).json()
        tokens = served["prompt_tokens"] + served["completion_tokens"]
        check_ledger(out, served)
        lines = (out / "annotations.jsonl").read_text().splitlines()
        q = judge(rows, [Annotation.model_validate_json(line) for line in lines])
        if (plan, support) in outcomes:
            before = outcomes[plan, support]
            outcomes[plan, support] = (before[0] + q, before[1] + served["calls"], before[2] + tokens)
        else:
            outcomes[plan, support] = (q, served["calls"], tokens)


def check_ledger(run: Path, served: Mapping[str, int]) -> int:
    """Check that a run's ledger bounds what its server billed, and is exact but for attempts that were lost.

    An attempt without an answer (a connection that broke, a time-out) may have been billed or not, which only the server knows: the
    ledger counts all it may have cost. On a busy machine that happens without any fault.

    Args:
        run (`Path`): the run.
        served (mapping): the server's `prompt_tokens` and `completion_tokens`.

    Returns:
        The number of attempts that were lost.
    """
    tokens = served["prompt_tokens"] + served["completion_tokens"]
    with contextlib.closing(open_for_reading(run)) as db:
        everything = totals(db)
        (answered,) = db.execute(
            "SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) FROM calls WHERE billed AND NOT lost"
        ).fetchone()
    assert everything.tokens >= tokens, f"the ledger has {everything.tokens:,} tokens, less than the {tokens:,} billed"
    assert answered <= tokens, f"the ledger has answers of {answered:,} tokens, more than the {tokens:,} billed"
    return everything.lost


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
            for plan in ("paper", "efficient"):
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
    inference, workers = connect("simulated", url), asyncio.Semaphore(8)
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
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
