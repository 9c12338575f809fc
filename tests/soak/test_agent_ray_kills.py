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
from tests.annotating import outputs, stats, summary
from tests.processes import begun_by

CODE = """
from pathlib import Path
from agent import cluster
from agent.plans import Settings
from agent.run import Endpoint

cluster.SHARD = 6
cluster.annotate({source!r}, Path({out!r}), Endpoint("simulated", {url!r}, 4), Settings())
"""
AT_ONCE = 2 * 4
"""Calls in flight, of two workers: what a kill may lose."""


def _begin(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code])


def _after(url: str, calls: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server has been asked so often."""
    while stats(url)["calls"] < calls:
        assert process.poll() is None, "the run ended before it was killed"
        time.sleep(0.02)


def _works(number: int) -> bool:
    """Whether a process is a worker that has a shard."""
    try:
        title = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False  # it has ended
    return title.startswith(b"ray::Map")


def _worker(driver: int) -> int:
    """A process that works on a shard."""
    while True:
        for one in begun_by(driver):
            if _works(one.number):
                return one.number


@pytest.mark.soak
def test_a_killed_driver_and_a_killed_worker_lose_only_what_was_in_flight(tmp_path: Path) -> None:
    """SIGKILL of the run alone, then, in the run that goes on at once, of a worker; what Ray had begun for it ends by itself."""
    scenes = write_scenes(tmp_path / "scenes", 24, seed=41)
    source, out = str(scenes / "images"), tmp_path / "ray"
    with serve(scenes) as url:
        annotate(source, tmp_path / "plain", Endpoint("simulated", url), Settings())
        whole = stats(url)["calls"]
    with serve(scenes, latency=0.2) as url:
        code = CODE.format(source=source, out=str(out), url=url)
        driver = _begin(code)
        _after(url, whole // 4, driver)
        begun = begun_by(driver.pid)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        driver = _begin(code)
        _after(url, stats(url)["calls"] + whole // 4, driver)
        assert not [one for one in begun if _works(one.number)]
        os.kill(_worker(driver.pid), signal.SIGKILL)
        ended = driver.wait(timeout=300)
        assert ended == 0 or summary(out)["stopped"]
        if ended != 0:  # Ray gave up the run instead of the worker
            assert _begin(code).wait(timeout=300) == 0
        served = stats(url)["calls"]
    print(f"\n{served} calls served, {whole} undisturbed, {whole + 2 * AT_ONCE} allowed; ended with {ended}")
    assert outputs(out) == outputs(tmp_path / "plain")
    assert served <= whole + 2 * AT_ONCE
