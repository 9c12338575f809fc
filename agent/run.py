"""A run: a source annotated into a run directory, to be interrupted and run again at any time."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

from agent import loops
from agent.asking import LONG, Services
from agent.batches import PICTURES, through_batches
from agent.budget import UNLIMITED, Budget, BudgetReached, Price
from agent.canaries import Drift, ask_again, chosen
from agent.client import Chat
from agent.connection import connect
from agent.fleet import Fleet
from agent.forecast import forecast
from agent.journal import Journal
from agent.outputs import begin, check_is_ours, price_of, write_outputs
from agent.plans import Settings
from agent.report import write_report
from agent.runner import Expected, Progress, annotate_all
from agent.sources import Listed, Source, open_source
from dataset_builder.contestants import Limits
from dataset_builder.errors import AnomReasonError, OutputError, UnavailableError
from dataset_builder.files.strict_json import read_rows

__all__ = ["INTERRUPTED", "Endpoint", "annotate"]

INTERRUPTED = "interrupted; re-run to resume"

LOOKED_AT = 200
"""Pictures by which it is judged what one will cost."""

Show = Callable[[Progress, Budget, int | None], None]


class Endpoint(NamedTuple):
    """Where the model answers. The key comes from the environment.

    Attributes:
        model (`str`): its name there.
        base_url (`str`, *optional*): of an OpenAI-compatible server; see `agent.connection.connect`.
        concurrency (`int`): calls in flight, at each server.
        timeout (`float`): seconds for one attempt.
        rpm, tpm (`int`, *optional*): the quota in calls and tokens per minute, where it is known.
        others (`tuple[str, ...]`): addresses of more servers that have the same model.
    """

    model: str
    base_url: str | None = None
    concurrency: int = 16
    timeout: float = 300.0
    rpm: int | None = None
    tpm: int | None = None
    others: tuple[str, ...] = ()

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

    def chats(self) -> list[Chat]:
        """New connections to it and to all others."""
        return [self.chat(), *(self._replace(base_url=url).chat() for url in self.others)]


def annotate(
    source: str,
    out: Path,
    endpoint: Endpoint,
    settings: Settings,
    *,
    limit: int | None = None,
    limits: Limits = UNLIMITED,
    price: Price | None = None,
    canaries: int = 0,
    batches: bool = False,
    show: Show = lambda progress, budget, total: None,
) -> dict[str, Any]:
    """Annotate a source into a run directory, or resume a run.

    Args:
        source (`str`): see `agent.sources.open_source`.
        out (`Path`): the run directory.
        endpoint (`Endpoint`): the model.
        settings (`Settings`): the plan and its numbers.
        limit (`int`, *optional*): only the first pictures.
        limits (`Limits`, *optional*): what the run may cost in all, earlier times included.
        price (`Price`, *optional*): of the model's tokens.
        canaries (`int`): how many finished pictures of the run are asked about again first; see `agent.canaries`.
        batches (`bool`): use the server's batch API, which answers within a day at half the price; see `agent.batches`.
        show (callable, *optional*): called with progress, budget and the number of pictures, several times per second.

    Returns:
        The content of `summary.json`.

    Raises:
        InputError, OutputError, UnavailableError: see the parts; paid answers are in the journal, and finished pictures in
            the run's files, where `summary.json` says why it ended.
    """
    check_is_ours(out)
    opened = open_source(source, out, limit)
    return loops.run(_annotate(source, opened, out, endpoint, settings, limits, price, canaries, batches, show))


async def _annotate(
    source: str,
    opened: Source,
    out: Path,
    endpoint: Endpoint,
    settings: Settings,
    limits: Limits,
    price: Price | None,
    canaries: int,
    batches: bool,
    show: Show,
) -> dict[str, Any]:
    progress = Progress()
    chats = endpoint.chats()
    async with Journal(out) as journal:
        price = price or price_of(out)
        budget = Budget(limits, price, journal.totals(), batches=batches)
        begin(
            out,
            settings,
            endpoint.model,
            source=source,
            images=opened.images,
            base_url=endpoint.base_url,
            others=endpoint.others,
            price=price,
        )
        if batches:
            chats = [through_batches(chat, journal) for chat in chats]
        services, fleet = Services(chats[0], journal, budget), Fleet(chats)
        fingerprint = settings.fingerprint(endpoint.model)
        order: list[str] = []
        pictures = _noted(opened.pictures, order)
        ticking = asyncio.create_task(_tick(lambda: show(progress, budget, opened.total)))
        drift: Drift | None = None
        ended: BaseException | None = None
        try:
            if canaries:
                pictures = iter(listed := list(pictures))
                drift = await ask_again(chosen(listed, journal, fingerprint, canaries), services, settings)
            await annotate_all(
                pictures,
                services,
                settings,
                window=PICTURES if batches else endpoint.concurrency * len(chats),
                progress=progress,
                # A batch takes hours: nobody waits for the first picture to learn what one costs.
                fleet=fleet,
                expected=_expected(source, settings, endpoint.model, price) if batches and budget.limited else None,
            )
        except BudgetReached:  # while canaries were asked
            progress.stopped = True
        except (AnomReasonError, asyncio.CancelledError) as error:
            ended = error
        finally:
            ticking.cancel()

        async def end() -> dict[str, Any]:
            nonlocal progress
            await asyncio.gather(*(chat.server.close() for chat in chats))
            if len(progress.order) < len(order) or ended is not None:
                with suppress(OutputError):  # told where it matters: where the results are written
                    await journal.settle()
                _all_of(order, pictures, opened, out)
                stopped, progress = progress.stopped, Progress.of(order, journal, fingerprint)
                progress.stopped = stopped
            show(progress, budget, opened.total)
            return await _conclude(out, journal, settings, endpoint.model, progress, budget, fleet, drift, ended)

        # An interruption may come in these moments too, and the results are written all the same.
        return await loops.to_its_end(end())


def _expected(source: str, settings: Settings, model: str, price: Price | None) -> Expected:
    """What a picture is expected to take in batches."""
    batched = None if price is None else price.batched
    whole = forecast(source, settings, model=model, limit=LOOKED_AT, price=batched, concurrency=1)
    pictures, prompt = max(whole.pictures, 1), whole.prompt_tokens / max(whole.calls, 1)
    tokens = whole.prompt_tokens + whole.completion_tokens
    longest = max(LONG.values())
    usd = 0.0 if batched is None else batched.of(round(prompt), longest)
    return Expected(
        (whole.calls / pictures, tokens / pictures, (whole.usd or 0.0) / pictures), (1.0, prompt + longest, usd)
    )


def _noted(pictures: Iterable[Listed], order: list[str]) -> Iterator[Listed]:
    for item in pictures:
        order.append(item.image_id)
        yield item


def _all_of(order: list[str], pictures: Iterator[Listed], opened: Source, out: Path) -> None:
    """The names of all pictures of a run that ended early, as far as they are known without reading a dataset on."""
    with suppress(AnomReasonError):
        if opened.total is not None:
            deque(pictures, maxlen=0)
        elif (out / "annotations.jsonl").is_file():
            known = set(order)
            rows = [str(row["image_id"]) for _, row in read_rows(out / "annotations.jsonl")]
            order += [image_id for image_id in rows if image_id not in known]


async def _conclude(
    out: Path,
    journal: Journal,
    settings: Settings,
    model: str,
    progress: Progress,
    budget: Budget,
    fleet: Fleet,
    drift: Drift | None,
    ended: BaseException | None,
) -> dict[str, Any]:
    """Write what is finished and the report, whatever ended the run; then raise what did."""
    if isinstance(ended, asyncio.CancelledError):
        stopped: str | None = INTERRUPTED
    else:
        stopped = None if ended is None else str(ended)
    try:
        with suppress(OutputError) if ended else nullcontext():
            await journal.settle()
        before = _written(out)
        summary = write_outputs(out, journal, settings, model, progress, budget, stopped, drift, fleet)
        if not (out / "report.html").is_file() or _written(out) != before:
            write_report(out)
    except AnomReasonError as error:
        # What ended the run, such as a full disk, may keep its results from being written.
        raise (ended or error) from None
    if isinstance(ended, UnavailableError):
        raise UnavailableError(f"{ended}; finished pictures are in {out}; re-run to resume")
    if ended is not None:
        raise ended
    return summary


def _written(out: Path) -> list[str]:
    """What a report is made from, by its hashes."""
    paths = (out / name for name in ("run.json", "summary.json", "annotations.jsonl"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for path in paths]


async def _tick(show: Callable[[], None]) -> None:
    while True:
        show()
        await asyncio.sleep(0.25)
