"""The engine `ray`: over a local Ray of two CPUs, the same bytes as the plain engine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.ledger import by_stage
from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from tests.annotating import outputs, rows, stats, summary
from tests.commands import run_command
from tests.processes import begun_by, run_python

RATES = {"miss": 0.2, "hallucinate": 0.1, "doubt": 0.05}

OVER_RAY = """
import asyncio, json
from pathlib import Path
import ray
from agent import cluster
from agent.budget import Price
from agent.journal import Journal
from agent.plans import Settings
from agent.run import Endpoint

ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
cluster.SHARD = 10
told, PRICE = [], Price(input=1.0, output=2.0)
for limit in (6, 20, 20):
    summary = cluster.annotate({source!r}, Path({out!r}), Endpoint("simulated", {url!r}, 4), Settings(), limit=limit, price=PRICE)
    told.append([summary["pictures"], summary["calls"], summary["unfinished"]])

async def taken():
    async with Journal(Path({out!r})):
        try:
            await asyncio.to_thread(
                cluster.annotate, {source!r}, Path({out!r}), Endpoint("simulated", {url!r}), Settings(), limit=5
            )
        except OSError as error:
            return str(error)

told.append(asyncio.run(taken()))
print(json.dumps(told))
"""


def test_ray_merges_to_the_bytes_of_the_plain_engine(scenes: Path, tmp_path: Path) -> None:
    """Begun by the plain engine, gone on with over Ray in two goes: same files, same ledger, and no call made twice."""
    source, out = str(scenes / "images"), tmp_path / "ray"
    with serve(scenes, **RATES) as url:
        annotate(source, tmp_path / "plain", Endpoint("simulated", url), Settings(), limit=20)
        whole = stats(url)["calls"]
    with serve(scenes, **RATES) as url:
        annotate(source, out, Endpoint("simulated", url), Settings(), limit=4)
        six, twenty, again, taken = run_python(OVER_RAY.format(source=source, out=str(out), url=url), tmp_path)
        served = stats(url)["calls"]
    assert six[0] == 6
    assert twenty == again == [20, whole, 0]
    assert served == whole
    assert outputs(out) == outputs(tmp_path / "plain")
    assert [row[:5] for row in by_stage(out)][-1] == [row[:5] for row in by_stage(tmp_path / "plain")][-1]
    assert json.loads((out / "run.json").read_text())["price"]["output"] == 2.0
    assert "another process is annotating into it" in taken
    assert len(list((out / "shards").iterdir())) == 2


@pytest.mark.usefixtures("interruptible")  # what is caught here is not ignored by what is begun
@pytest.mark.parametrize(
    ("kind", "code", "told"),
    [
        (signal.SIGKILL, 2, "Ray stopped the run"),
        (signal.SIGTERM, 143, "interrupted"),
        (signal.SIGINT, 130, "interrupted"),
    ],
)
def test_however_a_run_over_ray_ends_it_leaves_what_is_finished(
    kind: signal.Signals, code: int, told: str, scenes: Path, tmp_path: Path
) -> None:
    """Ray ends its driver without a word where a cluster is gone, and people interrupt: files and reason are written.

    A worker may have been killed as it made its shard's journal: such a file keeps nobody from going on.
    """
    source, out = scenes / "images", tmp_path / "ray"
    with serve(scenes, **RATES) as url:
        annotate(str(source), out, Endpoint("simulated", url), Settings(), limit=4)
        (out / "shards" / "00000").mkdir(parents=True)
        (out / "shards" / "00000" / "journal.sqlite").touch()
        command = [sys.executable, "-m", "anomreason", "annotate", source, "--out", out, "--model", "simulated"]
        process = subprocess.Popen(
            [*map(str, command), "--base-url", url, "--engine", "ray"], stderr=subprocess.PIPE, text=True
        )
        while not (drivers := [pid for pid in begun_by(process.pid) if b"agent.shards" in pid.title]):
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)  # looking takes a core from what is looked for
        os.kill(drivers[0].number if kind == signal.SIGKILL else process.pid, kind)
        _, said = process.communicate(timeout=240)
    assert process.returncode == code
    assert told in summary(out)["stopped"]
    assert told in said or code != 2
    assert len(rows(out)) == 40 - summary(out)["unfinished"] == 4


def test_a_budget_is_refused_over_ray(scenes: Path, tmp_path: Path) -> None:
    """No worker knows what others spend, so a limit is an error before anything starts."""
    options = ("--simulate", "--engine", "ray", "--budget-calls", 5)
    refused = run_command("annotate", scenes, "--out", tmp_path / "run", *options, cwd=tmp_path)
    assert refused.returncode == 2
    assert "does not support budgets" in refused.stderr
    assert not (tmp_path / "run").exists()
