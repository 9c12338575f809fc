"""What building, validating and loading cost, as ratios within one run.

    python benchmarks/dataset.py [--pictures 4000] [--small 50000]

- `build` against a bare `pyarrow.parquet.ParquetWriter` over the same rows (pictures read, quadruplets from the JSON file);
- `validate` against one full decode of every picture on all cores;
- loading the built dataset against `imagefolder` with a metadata.jsonl of the same data, each in a process of its own;
- the memory of building many small pictures.

Every time is the best of several, because other work on the machine only ever adds. Beside the time on the clock stands that of
the processors, which a busy machine disturbs far less.
"""

import argparse
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageChops

from dataset_builder.building.build import build
from dataset_builder.building.sft import Recipe
from dataset_builder.checks.validation import validate
from tests.synthetic_release import write_release


class Cost(NamedTuple):
    """Seconds on the clock, and of all processors together, child processes included."""

    clock: float
    processors: float

    def told(self, what: str, beside: "Cost | None" = None) -> str:
        """A line of the report: the cost, and how many times another one it is."""
        line = f"{what:20} {self.clock:7.2f} s, {self.processors:7.2f} s of processors"
        if beside is None:
            return line
        return f"{line}  {self.clock / beside.clock:5.2f} x, {self.processors / beside.processors:5.2f} x"


def best(*runs: Callable[[], object], times: int = 5) -> list[Cost]:
    """The least cost of each; they take turns, so that a busy spell meets all of them."""
    measured: list[list[Cost]] = [[] for _ in runs]
    for _ in range(times):
        for run, costs in zip(runs, measured, strict=True):
            clock, processors = time.perf_counter(), sum(os.times()[:4])
            run()
            costs.append(Cost(time.perf_counter() - clock, sum(os.times()[:4]) - processors))
    return [Cost(*map(min, zip(*costs, strict=True))) for costs in measured]


def build_new(source: Path, out: Path, recipe: Recipe | None) -> None:
    """Build where nothing is: what an earlier build left there would be taken over."""
    shutil.rmtree(out, ignore_errors=True)
    build(source, out, recipe=recipe)


def write_source(directory: Path, pictures: int, side: int) -> Path:
    """Pictures in the authors' layout, soft shapes under grain (about 72 kB each at 512 pixels), six quadruplets each."""
    (directory / "1_fake").mkdir(parents=True)
    rng = np.random.default_rng(0)
    draw = random.Random(0)
    grain = Image.fromarray(rng.integers(0, 17, (2 * side, 2 * side, 3), dtype=np.uint8))
    words = [f"w{number}" for number in range(2_000)]
    truth = {}
    for index in range(pictures):
        name = f"2025_04_18_02_29_58_{10**18 + index}.jpg"
        shapes = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((side, side))
        x, y = rng.integers(0, side, 2)
        picture = ImageChops.add(shapes, grain.crop((x, y, x + side, y + side)), offset=-8)
        picture.save(directory / "1_fake" / name, quality=91)
        truth[name] = [
            {
                "Name": " ".join(draw.choices(words, k=3)),
                "Observed Phenomenon": " ".join(draw.choices(words, k=18)),
                "Reasoning": " ".join(draw.choices(words, k=24)),
                "Severity Score": f"{draw.randrange(5, 71)}/100 (moderately noticeable).",
            }
            for _ in range(6)
        ]
    (directory / "AnomReason_After_HITL.json").write_text(json.dumps(truth, indent=1))
    return directory


def bare(source: Path, out: Path) -> None:
    """The same rows with pyarrow alone, and nothing checked."""
    truth = json.loads((source / "AnomReason_After_HITL.json").read_text())
    writer = None
    names = list(truth)
    for start in range(0, len(names), 100):
        rows = [
            {
                "image": {"bytes": (source / "1_fake" / name).read_bytes(), "path": name},
                "image_id": name,
                "label": 1,
                "generator": "",
                "anomalies": [
                    {
                        "name": record["Name"],
                        "phenomenon": record["Observed Phenomenon"],
                        "reasoning": record["Reasoning"],
                        "severity": int(record["Severity Score"].split("/")[0]),
                        "remark": record["Severity Score"].split("(")[1][:-2],
                    }
                    for record in truth[name]
                ],
            }
            for name in names[start : start + 100]
        ]
        table = pa.Table.from_pylist(rows)
        writer = writer or pq.ParquetWriter(out, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def decode_all(paths: list[Path]) -> None:
    """One full decode of every picture on all cores."""

    def decode(path: Path) -> None:
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            picture.load()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, paths))


LOAD = """
import os, sys, time, json, datasets
datasets.disable_progress_bars()
place, files, what = sys.argv[1:]
def load(**more):
    if files:
        return datasets.load_dataset("imagefolder", data_dir=files, split="train", **more)
    return datasets.load_dataset(place, split="train", **more)
times = {}
def timed(name, run):
    started = time.perf_counter()
    result = run()
    times[name] = time.perf_counter() - started
    return result
def first_of_stream():
    rows = iter(load(streaming=True))
    next(rows)
    return rows  # ending an unfinished stream is not what is timed
def decode(rows):
    for row in rows:
        row["image"]
if what == "stream":
    rows = timed("first streamed row", first_of_stream)
else:
    timed("first load", load)
    rows = timed("again", load)
    timed("decoded rows/s", lambda: decode(rows))
    times["decoded rows/s"] = len(rows) / times["decoded rows/s"]
print(json.dumps(times), flush=True)
os._exit(0)  # an unfinished stream can keep Python from ending: huggingface/datasets#7467, apache/arrow#45214
"""


def loading(places: dict[str, tuple[Path, Path | None]], caches: Path) -> dict[str, dict[str, float]]:
    """First load, the same again and the first streamed row in seconds, and decoded rows a second; imports not counted.

    Each in processes of its own, in turn.
    """
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in places}
    for attempt in range(3):
        for name, (place, files) in places.items():
            environment = os.environ | {"HF_DATASETS_CACHE": str(caches / f"{name}{attempt}"), "HF_HUB_OFFLINE": "1"}
            times: dict[str, float] = {}
            for what in ("load", "stream"):
                command = [sys.executable, "-c", LOAD, str(place), str(files or ""), what]
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                times |= json.loads(done.stdout)
            measured[name].append(times)
    return {
        name: {what: (max if what == "decoded rows/s" else min)(run[what] for run in runs) for what in runs[0]}
        for name, runs in measured.items()
    }


MEMORY = """
import resource, sys
from pathlib import Path
from dataset_builder.building.build import build
build(Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--small", type=int, default=0, help="Also build this many small pictures and tell the memory.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        directory = Path(work)
        source = write_source(directory / "source", chosen.pictures, 512)
        paths = sorted((source / "1_fake").iterdir())
        size = sum(path.stat().st_size for path in paths)
        print(f"{chosen.pictures:,} pictures, {size / 1e6:.0f} MB")
        writer, built, both, again = best(
            lambda: bare(source, directory / "bare.parquet"),
            lambda: build_new(source, directory / "anomreason", None),
            lambda: build_new(source, directory / "with_sft", "anomaly_only"),
            lambda: build(source, directory / "anomreason", recipe=None),
        )
        print(writer.told("bare ParquetWriter"))
        print(built.told("build, one set", writer))
        print(both.told("build, sft as well", writer), "for twice the pictures written")
        print(again.told("the same built again", writer))
        decoded, checked = best(lambda: decode_all(paths), lambda: validate(source))
        print(decoded.told("decode on all cores"))
        print(checked.told("validate", decoded))
        _loading(directory, source)
        if chosen.small:
            small = write_release(directory / "small", chosen.small, side=16)
            command = [sys.executable, "-c", MEMORY, str(small), str(directory / "built_small")]
            place = str(Path(__file__).resolve().parents[1])
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([place, os.environ.get("PYTHONPATH", "")])}
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            print(f"building {chosen.small:,} small pictures: {int(done.stdout) / 1024:,.0f} MiB at most")


def _loading(directory: Path, source: Path) -> None:
    dataset = directory / "anomreason"
    files = directory / "files" / "train"
    files.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    for shard in sorted((dataset / "data").glob("train-*.parquet")):
        for row in pq.read_table(shard, columns=["image_id", "label", "generator", "anomalies"]).to_pylist():
            (files / row["image_id"]).hardlink_to(source / "1_fake" / row["image_id"])
            rows.append({"file_name": row["image_id"]} | row)
    (files / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    both = loading({"ours": (dataset, None), "theirs": (dataset, files.parent)}, directory / "caches")
    ours, theirs = both["ours"], both["theirs"]
    print(f"{'':20} {'ours':>9} {'imagefolder':>12} {'ratio':>7}")
    for what, mine in ours.items():
        ratio = mine / theirs[what] if what == "decoded rows/s" else theirs[what] / mine
        print(f"{what:20} {mine:9.2f} {theirs[what]:12.2f} {ratio:6.1f} x")


if __name__ == "__main__":
    main()
