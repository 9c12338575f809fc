"""The engine `ray`: the same agent over shards of a source, on however many machines Ray has.

A shard is `SHARD` pictures in a row and a run directory of its own, `shards/00012/`, so what a worker has paid for survives it,
whichever worker goes on. When all shards are through, their journals are merged into the run's.

The run directory and the pictures must lie where every worker sees them.
"""

import asyncio
import json
import math
from itertools import islice
from pathlib import Path
from typing import Any

from agent.asking import Services
from agent.budget import UNLIMITED, Budget, Limits, Price
from agent.client import Chat, connect
from agent.journal import Journal
from agent.outputs import begin, check_is_ours, write_outputs
from agent.plans import Settings
from agent.run import Endpoint
from agent.runner import Progress, annotate_all
from agent.sources import Listed, open_source
from dataset_builder.errors import InputError, UnavailableError

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
    try:
        import ray.data
    except ImportError:
        raise UnavailableError("--engine ray: Ray is not installed; pip install 'anomreason[ray]'") from None

    if not ray.is_initialized():
        ray.init(logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    check_is_ours(out)
    opened = open_source(source, out, limit)
    out.mkdir(parents=True, exist_ok=True)
    begin(out, settings, endpoint.model, source=source, images=opened.images, base_url=endpoint.base_url)
    listed = list(opened.pictures)
    shards = [
        {
            "directory": str((out / "shards" / f"{number:05d}").absolute()),
            "pictures": json.dumps([[item.image_id, str(item.path.absolute())] for item in part]),
            "endpoint": json.dumps(endpoint),
            "settings": settings.model_dump_json(),
            "price": "" if price is None else price.model_dump_json(),
        }
        for number, part in enumerate(_parts(listed))
    ]
    answers = ray.data.from_items(shards, override_num_blocks=len(shards)).map(_shard).take_all()
    stopped = next((answer["stopped"] for answer in answers if answer["stopped"]), None)
    summary = asyncio.run(
        _merge(out, listed, [Path(shard["directory"]) for shard in shards], endpoint, settings, price)
    )
    if stopped:
        raise UnavailableError(stopped)
    return summary


def _parts(listed: list[Listed]) -> list[list[Listed]]:
    rest = iter(listed)
    return [list(islice(rest, SHARD)) for _ in range(math.ceil(len(listed) / SHARD))]


def _shard(row: dict[str, Any]) -> dict[str, Any]:
    """One shard, on a worker. An error that stops the run is handed back as a word, so that the others are merged first."""
    try:
        asyncio.run(_annotate_shard(row))
    except UnavailableError as error:
        return {"directory": row["directory"], "stopped": str(error)}
    return {"directory": row["directory"], "stopped": ""}


async def _annotate_shard(row: dict[str, Any]) -> None:
    endpoint, settings = Endpoint(*json.loads(row["endpoint"])), Settings.model_validate_json(row["settings"])
    price = Price.model_validate_json(row["price"]) if row["price"] else None
    listed = [Listed(image_id, Path(path)) for image_id, path in json.loads(row["pictures"])]
    async with Journal(Path(row["directory"])) as journal:
        client = connect(endpoint.model, endpoint.base_url, endpoint.timeout)
        try:
            chat = Chat(client, endpoint.model, concurrency=endpoint.concurrency, timeout=endpoint.timeout)
            services = Services(chat, journal, Budget(UNLIMITED, price, journal.totals()))
            await annotate_all(listed, services, settings, window=endpoint.concurrency, progress=Progress())
        finally:
            await client.close()


async def _merge(
    out: Path, listed: list[Listed], shards: list[Path], endpoint: Endpoint, settings: Settings, price: Price | None
) -> dict[str, Any]:
    fingerprint = settings.fingerprint(endpoint.model)
    progress = Progress(order=[item.image_id for item in listed])
    async with Journal(out) as journal:
        for shard in shards:
            journal.absorb(shard / "journal.sqlite")
        for image_id in progress.order:
            kept = journal.result(image_id, fingerprint)
            if kept is None:
                progress.unfinished.append(image_id)
            else:
                progress.statuses[kept[1]] += 1
        return write_outputs(
            out, journal, settings, endpoint.model, progress, {**UNLIMITED._asdict(), "priced": price is not None}
        )
