"""A process whose Hugging Face libraries talk to a Hub on loopback, for all tests that need one.

The libraries read where the Hub is when they are imported, so the process of the tests cannot be it; and importing them takes
longer than most of what is done with them, so there is one such process, which does one thing after the other.
"""

import json
import os
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from tests.commands import run_command
from tests.loopback_hub import LoopbackHub

__all__ = ["HubClient"]

ROOT = Path(__file__).resolve().parents[1]


class HubClient:
    """The process, with a cache of its own below `home`; `hub` is the Hub."""

    def __init__(self, home: Path) -> None:
        self.hub = LoopbackHub()
        self._home = home

    def __enter__(self) -> "HubClient":
        self.hub.__enter__()
        environment = os.environ | self.hub.environment
        environment |= {"HF_HOME": str(self._home), "HF_EVALUATE_OFFLINE": "0", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hub_client"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # it waits for the next thing to do
        self._process.communicate()
        self.hub.__exit__(None, None, None)

    def run(self, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """`anomreason` with these arguments."""
        return self._ask({"arguments": [*map(str, arguments)], "cwd": str(cwd)})

    def python(self, code: str) -> str:
        """Run code that has to succeed; what it prints."""
        done = self._ask({"code": code})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _ask(self, asked: dict[str, object]) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        told = self._process.stdout.readline()
        assert self.hub.token not in told, "the token was printed"
        return subprocess.CompletedProcess("hub_client", **json.loads(told))


def _execute(code: str) -> subprocess.CompletedProcess[str]:
    with redirect_stdout(StringIO()) as said, redirect_stderr(StringIO()) as told:
        try:
            exec(code, {})
        except Exception:
            return subprocess.CompletedProcess("", 1, said.getvalue(), told.getvalue() + traceback.format_exc())
    return subprocess.CompletedProcess("", 0, said.getvalue(), told.getvalue())


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print past `sys.stdout` is not an answer
    for line in sys.stdin:
        asked = json.loads(line)
        done = _execute(asked["code"]) if "code" in asked else run_command(*asked["arguments"], cwd=Path(asked["cwd"]))
        told = {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
