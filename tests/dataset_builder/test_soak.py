"""The dataset at length: a release of 2,000 pictures, 50,000 small ones, and an installation with nothing but `datasets`."""

import faulthandler
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import datasets
import pytest

from dataset_builder.building.build import build
from dataset_builder.checks.validation import validate
from dataset_builder.official import read_annotations, write_annotations
from tests.conftest import REPOSITORY
from tests.processes import run_python
from tests.synthetic_release import ERROR_KINDS, WARNING_KINDS, write_release

pytestmark = pytest.mark.soak


def test_of_2000_pictures_exactly_the_damaged_ones_are_named(tmp_path: Path) -> None:
    """Each kind of defect is found where it was planted and nowhere else; a build leaves out those with errors alone."""
    release = write_release(tmp_path / "release", 2000, defects=True)
    found = defaultdict(set)
    for finding in validate(release).findings:
        name = Path(finding.image_id or finding.place)
        official = name.stem.split("_")[6:7]
        found[finding.kind].add(int(official[0]) - 10**18 if official else name.name)
    assert found == {
        "unreadable picture": {0},
        "truncated picture": {1},
        "oversized picture": {2},
        "unreadable record": {3},
        "severity out of range": {4},
        "duplicate id": {5},
        "basename collision": {6},
        "remark contradicts score": {7},
        # Of a repeated key neither list is taken; of two pictures with one name, neither picture.
        "picture without annotations": {5, 8},
        "annotations without picture": {6, "nowhere.jpg"},
        "split name without picture": {6, "missing.jpg"},
        "picture in no split": {9},
        "animated picture": {10},
        "CMYK picture": {11},
        "16-bit picture": {12},
        "EXIF-rotated picture": {13},
        "empty field": {14},
        "identical fields": {15},
        "near-duplicate anomalies": {16},
        "non-English text": {17},
        "exact duplicate across splits": {18},
        "same text across splits": {18},
        "near-duplicate across splits": {20},
        "link not followed": {"link.jpg"},
    }
    assert found.keys() == ERROR_KINDS | WARNING_KINDS
    result = build(release, tmp_path / "anomreason", skip_invalid=True, recipe=None)
    # 0, 1, 2: no picture; 5: no annotations; 6: not known which picture; 8: no annotations. The others stay, less a record.
    assert sum(result.rows["default"].values()) == 1000 - 6
    assert (
        len(result.skipped) == len(ERROR_KINDS) + 1
    )  # the severity stands in the accepted file and in the candidates'


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path) -> None:
    """Building 50,000 small pictures stays below a gigabyte, `sft` and `candidates` included."""
    release = write_release(tmp_path / "release", 50_000, side=16)
    code = f"""
import resource
from pathlib import Path
from dataset_builder.building.build import build
from dataset_builder.official import read_annotations, write_annotations
build(Path({str(release)!r}), Path({str(tmp_path / "anomreason")!r}))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    kilobytes = run_python(code, tmp_path, PYTHONPATH=str(REPOSITORY))
    print(f"50,000 pictures: {kilobytes / 1024:,.0f} MiB at most")
    assert kilobytes < 10**9 / 1024


def test_thirty_gigabytes_follow_from_one_and_three(tmp_path: Path) -> None:
    """Time grows with the bytes, memory hardly does: of 1 GB and 3 GB, measured, a straight line leads to 30 GB.

    It takes 6 GB of the disk at most: one source, which grows, and one build of it at a time.
    """
    faulthandler.cancel_dump_traceback_later()  # each build below has a limit of its own instead
    release, built = tmp_path / "release", tmp_path / "built"
    code = f"""
import json, resource, time
from pathlib import Path
from dataset_builder.building.build import build
started = time.perf_counter()
build(Path({str(release)!r}), Path({str(built)!r}), recipe=None)
print(json.dumps([time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""
    figures = {}
    for gigabytes in (1, 3):
        _grow_release(release, 1000 * gigabytes)
        for what in ("new", "again"):
            figures[what, gigabytes] = run_python(code, tmp_path, timeout=1800, PYTHONPATH=str(REPOSITORY))
        shutil.rmtree(built)
    lines = {}
    for what in ("new", "again"):
        (first, low), (last, high) = figures[what, 1], figures[what, 3]
        seconds, memory = last + 27 * (last - first) / 2, high + 27 * (high - low) / 2
        lines[what] = (seconds, memory)
        print(
            f"{what}: 1 GB {first:.0f} s and {low / 2**20:,.0f} MiB, 3 GB {last:.0f} s and {high / 2**20:,.0f} MiB; "
            f"on a straight line 30 GB {seconds / 60:.0f} minutes and {memory / 2**20:,.0f} MiB"
        )
    assert figures["new", 3][0] < 6 * figures["new", 1][0]
    assert lines["new"][1] < 2 * 2**30
    assert lines["again"][1] < 2 * 2**30


def _grow_release(release: Path, pictures: int) -> None:
    """Pictures of one megabyte, each another, until there are so many: a small JPEG with comments that nobody could compress."""
    folder, truth = release / "1_fake", release / "AnomReason_After_HITL.json"
    pattern = write_release(release.with_name("pattern"), 4)
    one = next(iter((pattern / "1_fake").iterdir())).read_bytes()
    records = next(iter(json.loads((pattern / truth.name).read_text()).values()))
    shutil.rmtree(pattern)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(list(folder.iterdir())), pictures):
        comments = b"".join(b"\xff\xfe" + (60_002).to_bytes(2, "big") + os.urandom(60_000) for _ in range(17))
        (folder / f"{number:05d}.jpg").write_bytes(one[:2] + comments + one[2:])
    truth.write_text(json.dumps({f"{number:05d}.jpg": records for number in range(pictures)}))


def test_nothing_but_datasets_is_needed_to_load(official: Path, tmp_path: Path) -> None:
    """In an environment with `datasets` alone, every configuration loads, whole, streamed and by columns, with equal features."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "datasets", "pillow"], check=True)
    code = """
from datasets import load_dataset
for config in ("default", "candidates", "deepfake", "sft"):
    whole = load_dataset("anomreason", config, split="test")
    streamed = load_dataset("anomreason", config, split="test", streaming=True)
    assert whole.features == streamed.features, config
    name = next(name for name in whole.features if name.startswith("image"))
    assert whole[0][name] and all(row[name] for row in streamed)  # to the end: apache/arrow#45214
    column = list(whole.features)[1]
    assert load_dataset("anomreason", config, split="test", columns=[column]).column_names == [column]
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, "-c", code], cwd=official.parent, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


if "ANOMREASON_OFFICIAL_SAMPLE" in os.environ:

    def test_official_records_pass_through_a_build(tmp_path: Path) -> None:
        """The authors' texts, under pictures of our own, come out of `load_dataset` as they went in."""
        truth = read_annotations(Path(os.environ["ANOMREASON_OFFICIAL_SAMPLE"]) / "gt.json")
        release = write_release(tmp_path / "release", 2 * len(truth))
        pictures = sorted((release / "1_fake").iterdir())
        for picture, name in zip(pictures, truth, strict=True):
            picture.rename(picture.with_name(name))
        for file in release.glob("*.json"):
            file.unlink()
        write_annotations(release / "AnomReason_After_HITL.json", truth)
        build(release, tmp_path / "anomreason", recipe=None)
        kept = ("name", "phenomenon", "reasoning", "severity", "remark")
        seen = {
            row["image_id"]: row["anomalies"]
            for split in datasets.load_dataset(str(tmp_path / "anomreason"), cache_dir=str(tmp_path)).values()
            for row in split.select_columns(["image_id", "anomalies"])
        }
        assert seen == {name: [one.model_dump(include=set(kept)) for one in listed] for name, listed in truth.items()}
