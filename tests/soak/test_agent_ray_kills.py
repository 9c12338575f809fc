"""The engine `ray` killed in mid-run, its driver and one of its workers: run again it ends with the bytes of the plain engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.scenes import write_scenes
from tests.annotating import outputs, stats

CODE = """
from pathlib import Path
import ray
from agent import cluster
from agent.plans import Settings
from agent.run import Endpoint

ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
cluster.SHARD = 6
cluster.annotate({source!r}, Path({out!r}), Endpoint("simulated", {url!r}, 4), Settings())
"""
AT_ONCE = 2 * 4
"""Calls in flight, of two workers: what a kill may lose."""


def _begin(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env=dict(os.environ))


def _below(parent: int) -> list[int]:
    """The processes that a process has begun, and theirs."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
    found = [parent]
    for one in found:
        found += [child for child, its in parents.items() if its == one]
    return found[1:]


def _worker(driver: int) -> int | None:
    """A process of the driver's that works on a shard."""
    for pid in _below(driver):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
            if title.startswith(b"ray::") and b"IDLE" not in title:
                return pid
        except OSError:
            continue
    return None


def _after(url: str, calls: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server has been asked so often."""
    while stats(url)["calls"] < calls:
        assert process.poll() is None, "the run ended before it was killed"
        time.sleep(0.02)


@pytest.mark.soak
def test_a_killed_driver_and_a_killed_worker_lose_only_what_was_in_flight(tmp_path: Path) -> None:
    """SIGKILL of the driver with all its processes, then, in the run that goes on, of a worker."""
    scenes = write_scenes(tmp_path / "scenes", 24, seed=41)
    source, out = str(scenes / "images"), tmp_path / "ray"
    with serve(scenes) as url:
        annotate(source, tmp_path / "plain", Endpoint("simulated", url), Settings())
        whole = stats(url)["calls"]
    with serve(scenes, latency=0.2) as url:
        code = CODE.format(source=source, out=str(out), url=url)
        driver = _begin(code)
        _after(url, whole // 4, driver)
        started = _below(driver.pid)
        driver.send_signal(signal.SIGKILL)
        for pid in started:  # those of ours alone: a machine that loses power loses them all
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        driver.wait()
        driver = _begin(code)
        _after(url, stats(url)["calls"] + whole // 4, driver)
        worker = _worker(driver.pid)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        if (
            driver.wait(timeout=600) != 0
        ):  # Ray gave the run up instead of the worker: it leaves its files and continues
            assert (out / "summary.json").is_file()
            assert _begin(code).wait(timeout=600) == 0
        served = stats(url)["calls"]
    print(f"\n{served} calls served, {whole} undisturbed, {whole + 2 * AT_ONCE} allowed")
    assert outputs(out) == outputs(tmp_path / "plain")
    assert served <= whole + 2 * AT_ONCE
