"""Serves the Space, and models through `transformers serve`, in processes of their own, as users do."""

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
def serve_space(
    work: Path, *options: str, command: list[str] | None = None, port: int = 0, **variables: str
) -> Iterator[Served]:
    """`anomreason demo` with these options, until the block ends; at a free port unless told."""
    with socket.socket() as free:
        if not port:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
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


@contextmanager
def serve_model(model: Path, log: Path, *options: str) -> Iterator[str]:
    """A real `transformers serve` of a model's directory on loopback, until the block ends; its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model), "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(port), *options]
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 240
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)
