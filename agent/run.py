"""A run: a source annotated into a run directory, to be interrupted and run again at any time."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from agent import loops
from agent.asking import Services
from agent.budget import UNLIMITED, Budget, Price
from agent.client import Chat
from agent.connection import connect
from agent.journal import Journal
from agent.outputs import begin, check_is_ours, price_of, write_outputs
from agent.plans import Settings
from agent.report import write_report
from agent.runner import Progress, annotate_all
from agent.sources import Source, open_source
from dataset_builder.contestants import Limits
from dataset_builder.errors import AnomReasonError, OutputError, UnavailableError

__all__ = ["Endpoint", "annotate"]

Show = Callable[[Progress, Budget, int | None], None]


class Endpoint(NamedTuple):
    """Where the model answers. The key comes from the environment.

    Attributes:
        model (`str`): its name there.
        base_url (`str`, *optional*): of an OpenAI-compatible server; see `agent.connection.connect`.
        concurrency (`int`): calls in flight.
        timeout (`float`): seconds for one attempt.
        rpm, tpm (`int`, *optional*): the quota in calls and tokens per minute, where it is known.
    """

    model: str
    base_url: str | None = None
    concurrency: int = 16
    timeout: float = 300.0
    rpm: int | None = None
    tpm: int | None = None

    def chat(self) -> Chat:
        """A new connection to it, to be closed with `chat.server.close()`.

        Raises:
            UnavailableError: see `agent.connection.connect`.
        """
        return Chat(
            connect(self.model, self.base_url),
            self.model,
            concurrency=self.concurrency,
            timeout=self.timeout,
            rpm=self.rpm,
            tpm=self.tpm,
        )


def annotate(
    source: str,
    out: Path,
    endpoint: Endpoint,
    settings: Settings,
    *,
    limit: int | None = None,
    limits: Limits = UNLIMITED,
    price: Price | None = None,
    show: Show = lambda progress, budget, total: None,
) -> dict[str, Any]:
    """Annotate a source into a run directory, or go on with one.

    Args:
        source (`str`): see `agent.sources.open_source`.
        out (`Path`): the run directory.
        endpoint (`Endpoint`): the model.
        settings (`Settings`): the plan and its numbers.
        limit (`int`, *optional*): only the first pictures.
        limits (`Limits`, *optional*): what the run may cost in all, earlier times included.
        price (`Price`, *optional*): of the model's tokens.
        show (callable, *optional*): called with progress, budget and the number of pictures, a few times a second.

    Returns:
        The content of `summary.json`.

    Raises:
        InputError, OutputError, UnavailableError: see the parts; what was paid for is in the journal, and what is finished in
            the run's files, whose `summary.json` says why it ended.
    """
    check_is_ours(out)
    opened = open_source(source, out, limit)
    return loops.run(_annotate(source, opened, out, endpoint, settings, limits, price, show))


async def _annotate(
    source: str,
    opened: Source,
    out: Path,
    endpoint: Endpoint,
    settings: Settings,
    limits: Limits,
    price: Price | None,
    show: Show,
) -> dict[str, Any]:
    progress = Progress()
    chat = endpoint.chat()
    async with Journal(out) as journal:
        price = price or price_of(out)
        budget = Budget(limits, price, journal.totals())
        begin(
            out,
            settings,
            endpoint.model,
            source=source,
            images=opened.images,
            base_url=endpoint.base_url,
            price=price,
        )
        ticking = asyncio.create_task(_tick(lambda: show(progress, budget, opened.total)))
        ended: BaseException | None = None
        try:
            await annotate_all(
                opened.pictures,
                Services(chat, journal, budget),
                settings,
                window=endpoint.concurrency,
                progress=progress,
            )
        except (AnomReasonError, asyncio.CancelledError) as error:
            ended = error
        finally:
            ticking.cancel()
            await chat.server.close()
        show(progress, budget, opened.total)
        return await _conclude(out, journal, settings, endpoint.model, progress, budget, ended)


async def _conclude(
    out: Path,
    journal: Journal,
    settings: Settings,
    model: str,
    progress: Progress,
    budget: Budget,
    ended: BaseException | None,
) -> dict[str, Any]:
    """Write what is finished and the report, whatever ended the run; then raise what did."""
    if isinstance(ended, asyncio.CancelledError):
        stopped: str | None = "interrupted; run again to go on"
    else:
        stopped = None if ended is None else str(ended)
    try:
        with suppress(OutputError) if ended else nullcontext():
            await journal.settle()
        summary = write_outputs(out, journal, settings, model, progress, budget, stopped)
        write_report(out)
    except AnomReasonError as error:
        raise (
            ended or error
        ) from None  # what ended the run, such as a full disk, may keep its results from being written
    if isinstance(ended, UnavailableError):
        raise UnavailableError(f"{ended}; what is finished is in {out}, run again to go on")
    if ended is not None:
        raise ended
    return summary


async def _tick(show: Callable[[], None]) -> None:
    while True:
        show()
        await asyncio.sleep(0.25)
