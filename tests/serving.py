"""Serves the Space in a process of its own, as users do."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Served(NamedTuple):
    """A server: its address, its process id, its folder of uploads, its log, and the seconds it took to answer."""

    url: str
    pid: int
    uploads: Path
    log: Path
    seconds: float


@contextmanager
def serve_space(work: Path, *options: str, command: list[str] | None = None, **variables: str) -> Iterator[Served]:
    """`anomreason demo` with these options, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "GRADIO_TEMP_DIR": str(work / "uploads"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        **variables,
    }
    environment.pop("GRADIO_SERVER_PORT", None)
    if command is None:
        command = [sys.executable, str(ROOT / "anomreason.py"), "demo", "--port", str(port), *options]
    else:
        environment |= {"GRADIO_SERVER_PORT": str(port)}
    log = work / "log"
    started = time.monotonic()
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=work, env=environment, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).read()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() - started > 300:
                    raise AssertionError(log.read_text()) from None
                time.sleep(0.1)
        yield Served(url, server.pid, work / "uploads", log, time.monotonic() - started)
    finally:
        server.terminate()
        server.wait(30)
