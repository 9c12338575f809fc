"""Commands and code in processes of their own, as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Process", "begun_by", "run_process", "run_python"]


class Process(NamedTuple):
    """A running process: its number, and the title under which the system lists it."""

    number: int
    title: bytes


def begun_by(parent: int) -> list[Process]:
    """The processes that a process has begun, and those that they have."""
    children: dict[int, list[Process]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            above = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(above, []).append(Process(int(place.name), place.joinpath("cmdline").read_bytes()))
        except OSError:
            continue  # it has ended meanwhile
    found = list(children.get(parent, []))
    for one in found:
        found += children.get(one.number, [])
    return found


def run_process(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `anomreason` with these arguments, and with these variables added to the environment."""
    command = [sys.executable, "-m", "anomreason", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)


def run_python(code: str, cwd: Path, timeout: float | None = None, **environment: str) -> Any:
    """Run code that has to succeed, within so many seconds; returns the JSON it prints last, `None` if it prints nothing."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else None
