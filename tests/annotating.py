"""Runs of `anomreason annotate`, in processes of their own where a test kills them, and what they leave behind."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent.journal_files import open_for_reading
from agent.journal_rows import totals
from tests.commands import run_to_one_stream

__all__ = ["Killed", "annotate", "check_ledger", "kill_and_resume", "outputs", "rows", "start", "stats", "summary"]

POOL = 8
HANG = 300  # seconds after which a process that should have ended is a failure


def start(
    source: Path,
    out: Path,
    base_url: str,
    *options: object,
    before: Callable[[], object] | None = None,
    **environment: str,
) -> subprocess.Popen[str]:
    """Begin `anomreason annotate` with the simulated model at a server, and a pool of `POOL` calls.

    `before` is called in the new process before the command begins; the variables are added to the environment.
    """
    command = [sys.executable, "-m", "anomreason", *_arguments(source, out, base_url), *map(str, options)]

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell runs in the background inherits that it is ignored
        if before is not None:
            before()

    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
        preexec_fn=prepare,
    )


def _arguments(source: Path, out: Path, base_url: str) -> list[str]:
    served = ["--model", "simulated", "--base-url", base_url, "--concurrency", str(POOL)]
    return ["annotate", str(source), "--out", str(out), *served]


def annotate(source: Path, out: Path, base_url: str, *options: object, **environment: str) -> tuple[int, str]:
    """The same to its end, in this process: exit code, and what it printed."""
    return run_to_one_stream(*_arguments(source, out, base_url), *options, **environment)


def outputs(run: Path) -> tuple[bytes, bytes]:
    """The two files that depend on the answers alone."""
    return (run / "candidates.json").read_bytes(), (run / "annotations.jsonl").read_bytes()


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "annotations.jsonl").read_text().splitlines()]


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def stats(base_url: str) -> dict[str, Any]:
    """What the simulated server served and billed."""
    # Not by httpx, which reads all certificates for each call: tests ask in loops.
    with urllib.request.urlopen(base_url.replace("/v1", "/stats"), timeout=60) as answer:
        content: dict[str, Any] = json.load(answer)
    return content


class Killed(NamedTuple):
    """How often a run was killed, and how often of these before the first call after a start."""

    kills: int
    early: int


def kill_and_resume(source: Path, out: Path, base_url: str, kills: int, seed: int, calls: int) -> Killed:
    """Kill a run `kills` times with SIGKILL, start it again each time, and let it end.

    A moment is drawn as a number of calls that the server gets after the start (about `calls` in all, over all starts) and some
    milliseconds; a quarter of the kills falls anywhere within the first second instead, whatever is being done then.
    """
    dice = random.Random(seed)
    done = early = 0
    while done < kills:
        before = stats(base_url)["calls"]
        wanted = before + dice.randrange(1, max(2, 2 * calls // (kills + 1)))
        started, blind = time.monotonic(), dice.random() < 0.25
        process = start(source, out, base_url)
        until = started + dice.uniform(0.0, 2.0)
        while process.poll() is None and (time.monotonic() < until if blind else stats(base_url)["calls"] < wanted):
            time.sleep(0.01)
        time.sleep(dice.uniform(0.0, 0.03))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
            early += stats(base_url)["calls"] == before
        process.communicate(timeout=HANG)
    code, printed = annotate(source, out, base_url)
    assert code == 0, printed
    return Killed(done, early)


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
