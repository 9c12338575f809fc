"""A run to review, and `anomreason review` as a process of its own on a free port."""

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

from dataset_builder.scenes import read_scenes
from dataset_builder.schema import Candidate

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
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        with self._log.open("w") as log:
            # In the run's directory: the working directory must not be taken for something to serve.
            self.process = subprocess.Popen(command, cwd=run, env=environment, stdout=log, stderr=log)

    def wait(self) -> "ReviewServer":
        """Wait until the page can be opened."""
        deadline = time.monotonic() + 300  # where everything waits for a core
        while "open http" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)
        return self

    @property
    def log(self) -> str:
        return self._log.read_text()

    def call(self, event: str, **fields: Any) -> Any:
        """What an event answers; `AssertionError` with its message if it refuses."""
        request = urllib.request.Request(
            f"{self.url}/api/{event}", json.dumps(fields).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)


def write_run(run: Path, scenes: Path, copies: int = 1) -> Path:
    """A run over a scenes directory: true candidates on the odd pictures, the same ones, wrongly, on their clean twins.

    With `copies`, each candidate stands more often, numbered.
    """
    run.mkdir(parents=True)
    rows = read_scenes(scenes)
    truth = {row.image_id: row.anomalies for row in rows}
    lines = []
    for row in rows:
        source = row.anomalies or truth.get(row.twin_id or "", [])
        candidates = [
            Candidate(
                **(anomaly.model_dump(exclude={"family"}) | {"name": f"{anomaly.name}{f' {n}' if n else ''}"}),
                stage="attributes" if row.anomalies else "relations",
                support=3 if row.anomalies else 1,
            ).model_dump(mode="json")
            for anomaly in source
            for n in range(copies)
        ]
        status = "anomalies" if candidates else "none"
        lines.append(json.dumps({"image_id": row.image_id, "status": status, "anomalies": candidates, "failures": []}))
    (run / "annotations.jsonl").write_text("\n".join(lines) + "\n")
    (run / "run.json").write_text(json.dumps({"version": 1, "plan": "direct", "images": str(scenes / "images")}))
    return run
