"""The side of Ray: a process that hands shards to Ray's workers, and what a worker does with one.

It is a process of its own because Ray ends whoever speaks to it, without an exception, where a cluster breaks down; the run itself
(`agent.cluster`) is left alive to write what is finished. It ends when the run does, however that ends.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from agent.asking import Services
from agent.budget import UNLIMITED, Budget, Price
from agent.journal import Journal
from agent.plans import Settings
from agent.run import Endpoint
from agent.runner import Progress, annotate_all
from agent.sources import Listed
from dataset_builder.errors import AnomReasonError, shorten

__all__ = ["PATIENCE", "Shard", "main"]

PATIENCE = 60.0
"""Seconds in which a worker may still hold its shard after the run that it belonged to was killed."""
GRACE = 10.0
"""Seconds for Ray to end what it has begun on this machine."""
FAILURES = "20"
"""Checks in a row, 3 s apart, that a machine may miss before Ray takes it for dead; by default 5, which one busy machine misses."""


class Shard(NamedTuple):
    """A part of the source: its run directory, and its pictures as JSON."""

    directory: str
    pictures: str

    @property
    def listed(self) -> list[Listed]:
        return [Listed(image_id, Path(path)) for image_id, path in json.loads(self.pictures)]


def main() -> None:
    """Read rows from stdin, work on them through Ray, and write to stdout as JSON why it ended early, or null."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    rows = json.loads(sys.stdin.buffer.readline())
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what else is printed here is no answer
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    with suppress(KeyboardInterrupt):
        print(json.dumps(_over_ray(rows)), file=answer, flush=True)


def _end_with_the_run() -> None:
    """End when nobody is left at the other end of stdin: as on Ctrl-C, so that Ray ends what it has begun, else all the same."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(1)


def _over_ray(rows: list[dict[str, Any]]) -> str | None:
    os.environ.setdefault("RAY_health_check_failure_threshold", FAILURES)
    import ray.data
    import ray.exceptions

    try:
        ray.init(logging_level="ERROR", log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        answers = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_work).take_all()
    except (ray.exceptions.RayError, OSError, RuntimeError) as error:  # what workers have paid for is on the disk
        said = str(error).strip().splitlines() or [type(error).__name__]
        return f"Ray stopped the run ({shorten(said[-1].strip(), 200)})"
    return next((answer["stopped"] for answer in answers if answer["stopped"]), None)


def _work(row: dict[str, Any]) -> dict[str, Any]:
    """One shard, on a worker. An error that stops it is handed back as a word, so that the others are merged first."""
    try:
        asyncio.run(_annotate_shard(row))
    except AnomReasonError as error:
        return {"directory": row["directory"], "stopped": str(error)}
    return {"directory": row["directory"], "stopped": ""}


async def _annotate_shard(row: dict[str, Any]) -> None:
    shard = Shard(row["directory"], row["pictures"])
    endpoint, settings = Endpoint(*json.loads(row["endpoint"])), Settings.model_validate_json(row["settings"])
    price = Price.model_validate_json(row["price"]) if row["price"] else None
    async with Journal(Path(shard.directory), PATIENCE) as journal:
        chat = endpoint.chat()
        try:
            services = Services(chat, journal, Budget(UNLIMITED, price, journal.totals()))
            await annotate_all(shard.listed, services, settings, window=endpoint.concurrency, progress=Progress())
        finally:
            await chat.server.close()
