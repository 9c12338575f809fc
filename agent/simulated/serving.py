"""Serves the simulated model on loopback."""

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from agent.simulated.batches import BatchRules
from agent.simulated.dialects import Spoken
from agent.simulated.rates import Rates
from agent.simulated.server import SimulatedVLM
from dataset_builder.errors import UnavailableError

__all__ = ["configure", "listen", "serve"]


@contextlib.contextmanager
def serve(
    scenes: Path,
    port: int = 0,
    *,
    dialects: Sequence[str] = (),
    clock: float = 1.0,
    quota: int = 60,
    batches: BatchRules | None = None,
    **rates: float | bool,
) -> Iterator[str]:
    """Serve the simulated model from a thread while the block runs.

    Args:
        scenes (`Path`): a scenes directory; its `scenes.jsonl` is the truth.
        port (`int`, defaults to 0): on 127.0.0.1; 0 takes a free one.
        dialects (sequence of `str`, *optional*): see `agent.simulated.dialects`.
        clock (`float`, defaults to 1): how many times faster than the wall's clock the dialects' quotas run.
        quota (`int`, defaults to 60): requests per minute of those quotas.
        batches (`BatchRules`, *optional*): how files of requests are worked on.
        rates: see `agent.simulated.Rates`.

    Yields:
        The base URL, ending in `/v1`.

    Raises:
        InputError: for a directory without scenes, or rates or dialects that are not known.
        UnavailableError: if the port is taken.
    """
    known = Rates.named(**rates)
    model = SimulatedVLM(Path(scenes), known, Spoken(dialects, known.seed, clock, quota), batches)
    taken = listen(port)
    server = uvicorn.Server(configure(model))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, name="simulated VLM", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    finally:
        server.should_exit = server.force_exit = True  # what hangs is not waited for
        thread.join()
        taken.close()


def configure(model: SimulatedVLM) -> uvicorn.Config:
    """How it is served: without a log, since faults are its purpose."""
    return uvicorn.Config(model.app, log_level="critical", access_log=False, lifespan="off", backlog=2048)


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1 at a port, or at a free one for 0.

    Raises:
        UnavailableError: if the port is taken or may not be used.
    """
    # Named as TCP, or asyncio leaves Nagle's algorithm on: 40 ms per call.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        taken.close()
        in_use = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "is already in use" if in_use else f"cannot be used ({error})"
        raise UnavailableError(f"port {port} {why} on 127.0.0.1; choose another with --port") from None
    return taken
