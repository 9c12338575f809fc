"""Commands and code in processes of their own, as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["run_command", "run_python"]


def run_command(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
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
