"""The engine `ray`: the same agent over shards of a source, on however many machines Ray has.

A shard is `SHARD` pictures in a row and a run directory of its own, `shards/00012/`, so what a worker has paid for survives it,
whichever worker continues. When all shards are through, or Ray has ended before, their journals are merged into the run's.

The run directory and the pictures must lie where every worker sees them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from agent.budget import UNLIMITED, Budget, Price
from agent.connection import connect
from agent.journal import Journal
from agent.loops import LoopThread
from agent.outputs import begin, check_is_ours, price_of, write_outputs
from agent.plans import Settings
from agent.report import write_report
from agent.run import INTERRUPTED, Endpoint
from agent.runner import Progress
from agent.shards import PATIENCE, Shard
from agent.sources import Listed, open_source
from dataset_builder.contestants import Limits
from dataset_builder.errors import InputError, UnavailableError
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
            "--engine ray does not support budgets (workers cannot see each other's spending); use --engine local"
        )
    require("--engine ray", "ray")
    check_is_ours(out)
    opened = open_source(source, out, limit)
    connect(endpoint.model, endpoint.base_url)  # says here, and once, what every worker would
    ended: BaseException | None = None
    with LoopThread() as loop:
        journal = loop.wait(Journal(out).__aenter__())
        try:
            price = price or price_of(out)
            begin(
                out,
                settings,
                endpoint.model,
                source=source,
                images=opened.images,
                base_url=endpoint.base_url,
                price=price,
            )
            listed = list(opened.pictures)
            shards = [_shard(out, number, part) for number, part in enumerate(_parts(listed))]
            for path in _journals(out):
                loop.wait(_prepare(path.parent))
            _gather(journal, out)
            if journal.totals().calls:
                for shard in shards:
                    loop.wait(_prepare(Path(shard.directory), journal.path, [item.image_id for item in shard.listed]))
            shared = {
                "endpoint": json.dumps(endpoint),
                "settings": settings.model_dump_json(),
                "price": "" if price is None else price.model_dump_json(),
            }
            try:
                stopped = _work_on([shard._asdict() | shared for shard in shards])
            except (KeyboardInterrupt, SystemExit) as error:
                ended, stopped = error, INTERRUPTED
            _gather(journal, out)
            order = [item.image_id for item in listed]
            progress = Progress.of(order, journal, settings.fingerprint(endpoint.model))
            budget = Budget(limits, price, journal.totals())
            summary = write_outputs(out, journal, settings, endpoint.model, progress, budget, stopped)
            write_report(out)
        finally:
            loop.wait(journal.__aexit__(None, None, None))
    if ended is not None:
        raise ended
    if stopped is not None:
        raise UnavailableError(f"{stopped}; finished pictures are in {out}; re-run to resume")
    return summary


def _work_on(rows: list[dict[str, Any]]) -> str | None:
    """Have Ray work on shards, from a process of its own (see `agent.shards`); why it ended early, or `None`."""
    command = [sys.executable, "-c", "from agent.shards import main; main()"]
    told = b""
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=_environment()
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(rows).encode() + b"\n")
            process.stdin.flush()
            told = process.stdout.readline()
            code = process.wait()
    except BrokenPipeError:  # it ended before it had read everything
        code = process.wait()
    if not told:
        return f"Ray stopped the run (its process ended with exit code {code})"
    answer: str | None = json.loads(told)
    return answer


def _environment() -> dict[str, str]:
    """That of this process, with the address of the cluster that it has joined, if it has."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return dict(os.environ)
    return os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}


def _shard(out: Path, number: int, part: Sequence[Listed]) -> Shard:
    pictures = [[item.image_id, str(item.path.absolute())] for item in part]
    return Shard(str((out / "shards" / f"{number:05d}").absolute()), json.dumps(pictures))


async def _prepare(directory: Path, journal: Path | None = None, image_ids: Sequence[str] = ()) -> None:
    """Bring a shard's journal to this version, once no worker of a killed run holds it any more; one may have been killed as it
    made it. What the run has answers to already, whichever engine asked, goes into it."""
    async with Journal(directory, PATIENCE) as own:
        if journal is not None:
            own.absorb(journal, image_ids)


def _parts(listed: list[Listed]) -> Iterator[list[Listed]]:
    rest = iter(listed)
    while part := list(islice(rest, SHARD)):
        yield part


def _journals(out: Path) -> list[Path]:
    return sorted((out / "shards").glob("*/journal.sqlite"))


def _gather(journal: Journal, out: Path) -> None:
    """All that workers have journalled, those of earlier and interrupted times included."""
    for path in _journals(out):
        journal.absorb(path)
