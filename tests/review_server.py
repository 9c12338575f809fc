"""`anomreason review` as a process of its own on a free port, and what its page asks of it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("anomreason"))


class ReviewServer:
    """A server, ready when made; `url` is its address.

    Args:
        run (`Path`): the run to review.
        options: further options of the command.
    """

    def __init__(self, run: Path, *options: object) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = run.parent / f"server_{port}.log"
        command = [COMMAND, "review", str(run), "--port", str(port), *map(str, options)]
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
        with self._log.open("w") as log:
            # In the run's directory: Gradio must not take the working directory for something to serve.
            self.process = subprocess.Popen(command, cwd=run, env=environment, stdout=log, stderr=log)

    def wait(self) -> "ReviewServer":
        """Wait until the page can be opened."""
        deadline = time.monotonic() + 120
        while "open http" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)
        return self

    @property
    def log(self) -> str:
        return self._log.read_text()

    def call(self, event: str, *data: Any) -> Any:
        """What an event answers; `AssertionError` with its message if it refuses."""
        request = urllib.request.Request(
            f"{self.url}/gradio_api/run/{event}",
            json.dumps({"data": data}).encode(),
            {"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"][0]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
