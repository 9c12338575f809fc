"""The engine `ray`: the same agent over shards of a source, on however many machines Ray has.

A shard is `SHARD` pictures in a row and a run directory of its own, `shards/00012/`, so what a worker has paid for survives it,
whichever worker goes on. When all shards are through, their journals are merged into the run's.

The run directory and the pictures must lie where every worker sees them.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from agent.asking import Services
from agent.budget import UNLIMITED, Budget, Price
from agent.connection import connect
from agent.journal import Journal
from agent.loops import LoopThread
from agent.outputs import begin, check_is_ours, write_outputs
from agent.plans import Settings
from agent.report import write_report
from agent.run import Endpoint
from agent.runner import Progress, annotate_all
from agent.sources import Listed, open_source
from dataset_builder.contestants import Limits
from dataset_builder.errors import AnomReasonError, InputError, UnavailableError, shorten
from dataset_builder.extras import require

__all__ = ["annotate"]

SHARD = 64


def annotate(
    source: str,
    out: Path,
    endpoint: Endpoint,
    settings: Settings,
    *,
    limit: int | None = None,
    limits: Limits = UNLIMITED,
    price: Price | None = None,
) -> dict[str, Any]:
    """Annotate a source over a Ray cluster: the one in reach, or this machine.

    The arguments and what it leaves are those of `agent.run.annotate`; `endpoint.concurrency` is of each worker.

    Raises:
        UnavailableError: if Ray is not installed, or the server refuses to answer.
        InputError: if a budget is given: no worker knows what the others spend.
    """
    if limits != UNLIMITED:
        raise InputError(
            "--engine ray: takes no budget, because no worker knows what the others spend; use --engine local"
        )
    require("--engine ray", "ray")
    import ray.data
    import ray.exceptions

    check_is_ours(out)
    opened = open_source(source, out, limit)
    connect(endpoint.model, endpoint.base_url)  # says here, and once, what every worker would
    if not ray.is_initialized():
        ray.init(logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    with LoopThread() as loop:
        journal = loop.wait(Journal(out).__aenter__())
        try:
            begin(out, settings, endpoint.model, source=source, images=opened.images, base_url=endpoint.base_url)
            listed = list(opened.pictures)
            shards = [_shard(out, number, part) for number, part in enumerate(_parts(listed))]
            _gather(journal, out)
            if journal.totals().calls:
                for shard in shards:
                    loop.wait(_begin_with(shard, journal.path))
            shared = {
                "endpoint": json.dumps(endpoint),
                "settings": settings.model_dump_json(),
                "price": "" if price is None else price.model_dump_json(),
            }
            rows = [shard._asdict() | shared for shard in shards]
            try:
                answers = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_work).take_all()
            except (
                ray.exceptions.RayError
            ) as error:  # workers or the cluster are gone; what they have paid for is on the disk
                said = str(error).strip().splitlines() or [type(error).__name__]
                answers = [{"stopped": f"Ray broke the run off ({shorten(said[-1].strip(), 200)})"}]
            _gather(journal, out)
            order = [item.image_id for item in listed]
            progress = Progress.of(order, journal, settings.fingerprint(endpoint.model))
            stopped = next((answer["stopped"] for answer in answers if answer["stopped"]), None)
            budget = Budget(limits, price, journal.totals())
            summary = write_outputs(out, journal, settings, endpoint.model, progress, budget, stopped)
            write_report(out)
        finally:
            loop.wait(journal.__aexit__(None, None, None))
    if stopped is not None:
        raise UnavailableError(f"{stopped}; what is finished is in {out}, run again to go on")
    return summary


class _Shard(NamedTuple):
    """A part of the source: its run directory, and its pictures as JSON."""

    directory: str
    pictures: str

    @property
    def listed(self) -> list[Listed]:
        return [Listed(image_id, Path(path)) for image_id, path in json.loads(self.pictures)]


def _shard(out: Path, number: int, part: Sequence[Listed]) -> _Shard:
    pictures = [[item.image_id, str(item.path.absolute())] for item in part]
    return _Shard(str((out / "shards" / f"{number:05d}").absolute()), json.dumps(pictures))


async def _begin_with(shard: _Shard, journal: Path) -> None:
    """What the run has answers to already, whichever engine asked, is not asked again."""
    async with Journal(Path(shard.directory)) as own:
        own.absorb(journal, [item.image_id for item in shard.listed])


def _parts(listed: list[Listed]) -> Iterator[list[Listed]]:
    rest = iter(listed)
    while part := list(islice(rest, SHARD)):
        yield part


def _work(row: dict[str, Any]) -> dict[str, Any]:
    """One shard, on a worker. An error that stops it is handed back as a word, so that the others are merged first."""
    try:
        asyncio.run(_annotate_shard(row))
    except AnomReasonError as error:
        return {"directory": row["directory"], "stopped": str(error)}
    return {"directory": row["directory"], "stopped": ""}


async def _annotate_shard(row: dict[str, Any]) -> None:
    shard = _Shard(row["directory"], row["pictures"])
    endpoint, settings = Endpoint(*json.loads(row["endpoint"])), Settings.model_validate_json(row["settings"])
    price = Price.model_validate_json(row["price"]) if row["price"] else None
    async with Journal(Path(shard.directory)) as journal:
        chat = endpoint.chat()
        try:
            services = Services(chat, journal, Budget(UNLIMITED, price, journal.totals()))
            await annotate_all(shard.listed, services, settings, window=endpoint.concurrency, progress=Progress())
        finally:
            await chat.server.close()


def _gather(journal: Journal, out: Path) -> None:
    """All that workers have journalled, those of earlier and interrupted times included."""
    for path in sorted((out / "shards").glob("*/journal.sqlite")):
        journal.absorb(path)
