"""Annotates many pictures at once: one pool of calls, no picture waits for another.

As many pictures are under way as there are slots for calls, so the pool stays full whatever stage each is at, and memory
does not grow with the folder. A picture that an earlier run finished under the same settings is passed over; one that
was left half done takes up its committed answers from the journal.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Self

from agent.asking import Asker, Services
from agent.budget import Budget, BudgetReached
from agent.fleet import Fleet
from agent.journal import Journal
from agent.pictures import SentPicture, stamp
from agent.plans import PLANS, Annotation, Settings
from agent.sources import Listed
from dataset_builder.errors import PictureError, UnavailableError

__all__ = ["Expected", "Progress", "annotate_all"]


class Expected(NamedTuple):
    """What a picture is thought to take, in calls, tokens and dollars; and what one call may take at most."""

    picture: tuple[float, float, float]
    call: tuple[float, float, float]


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        order (`list[str]`): the pictures so far, in the source's order.
        statuses (`Counter`): how many finished how, those of earlier runs included.
        kept (`int`): pictures that an earlier run had finished.
        unfinished (`list[str]`): pictures that the budget kept from being finished.
        stopped (`bool`): whether the budget ended the run.
    """

    order: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    unfinished: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def done(self) -> int:
        return sum(self.statuses.values())

    @classmethod
    def of(cls, order: Sequence[str], journal: Journal, fingerprint: str) -> Self:
        """The state of pictures in a journal, whoever finished them."""
        progress = cls(list(order))
        for image_id in order:
            kept = journal.result(image_id, fingerprint)
            if kept is None:
                progress.unfinished.append(image_id)
            else:
                progress.statuses[kept[1]] += 1
        return progress


async def annotate_all(
    listed: Iterable[Listed],
    services: Services,
    settings: Settings,
    *,
    window: int,
    progress: Progress,
    expected: Expected | None = None,
    fleet: Fleet | None = None,
    show: Callable[[], None] = lambda: None,
) -> None:
    """Annotate pictures into the journal's `results`.

    Args:
        listed (iterable of `Listed`): read as pictures are needed.
        services (`Services`): server, journal and budget.
        settings (`Settings`): how.
        window (`int`): pictures under way at once.
        progress (`Progress`): kept up to date.
        expected (`Expected`, *optional*): what a picture is thought to take, until one is finished.
        fleet (`Fleet`, *optional*): the servers, if there are others in addition to the one of `services`.
        show (callable, *optional*): called whenever a picture is finished.

    Raises:
        UnavailableError: if the server will answer no call. What was in flight is in the journal.
        OutputError: if the journal cannot be written.
    """
    fingerprint = settings.fingerprint(services.chat.model)
    means = _Means(services.budget, expected)
    servers = fleet or Fleet([services.chat])
    under_way: set[asyncio.Task[None]] = set()

    async def one(item: Listed, mark: str, rank: int) -> None:
        try:
            annotation = await _annotate(item, services, servers, settings, rank)
        except BudgetReached:
            progress.stopped = True
            progress.unfinished.append(item.image_id)
            return
        await services.journal.finish(item.image_id, fingerprint, mark, annotation.status, annotation.model_dump_json())
        progress.statuses[annotation.status] += 1
        means.finished += 1
        show()

    try:
        async for item, mark in _ahead(listed, window):
            number = len(progress.order)
            progress.order.append(item.image_id)
            kept = services.journal.result(item.image_id, fingerprint)
            if kept is not None and kept[0] == mark and kept[1] in ("anomalies", "none"):
                progress.statuses[kept[1]] += 1
                progress.kept += 1
                continue
            if progress.stopped:
                progress.unfinished.append(item.image_id)
                continue
            while under_way and not means.leave_room(len(under_way)):
                under_way = await _some_done(under_way)
            under_way.add(asyncio.create_task(one(item, mark, number)))
            if len(under_way) >= window:
                under_way = await _some_done(under_way)
        while under_way:
            under_way = await _some_done(under_way)
    except asyncio.CancelledError:
        for task in under_way:
            task.cancel()
        raise
    finally:
        # What the others have in flight is paid for: it is waited for and kept, unless they were cancelled.
        await asyncio.gather(*under_way, return_exceptions=True)
    await services.journal.settle()


class _Means:
    """Whether a budget suffices for one more picture in addition to those under way, by what a picture has cost so far.

    So the last of a budget finishes pictures instead of beginning them; until one is finished, they go one after the other, unless
    it is known what they are expected to cost.
    """

    def __init__(self, budget: Budget, expected: Expected | None) -> None:
        self.budget, self.expected = budget, expected
        self.spare = (0.0, 0.0, 0.0) if expected is None else expected.call
        self.finished = 0
        self._before = (budget.calls, budget.tokens, budget.usd)

    def leave_room(self, under_way: int) -> bool:
        if not self.budget.limited:
            return True
        if self.finished:
            spent = (self.budget.calls, self.budget.tokens, self.budget.usd)
            each = [(now - before) / self.finished for now, before in zip(spent, self._before, strict=True)]
        elif self.expected is not None:
            each = list(self.expected.picture)
        else:
            return False
        # The last call of the last picture needs room for the longest answer.
        return self.budget.has_room(
            *(one * (under_way + 1) + spare for one, spare in zip(each, self.spare, strict=True))
        )


async def _some_done(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait until a picture is done; the others. Raises the first error; the caller gathers all, so none is left unseen."""
    done, others = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return others


async def _ahead(listed: Iterable[Listed], count: int) -> AsyncIterator[tuple[Listed, str]]:
    """The pictures with their stamps, a few at a time and in a thread: they may come over a network."""
    rest = iter(listed)
    while part := await asyncio.to_thread(lambda: [(item, stamp(item.path)) for item in islice(rest, count)]):
        for item in part:
            yield item


async def _annotate(item: Listed, services: Services, servers: Fleet, settings: Settings, rank: int) -> Annotation:
    try:
        picture = await asyncio.to_thread(SentPicture.read, item.path, item.image_id)
    except PictureError as error:
        return Annotation.failed(item.image_id, "picture", str(error))
    while True:
        try:
            async with servers.one() as chat:
                asker = Asker(
                    picture, services._replace(chat=chat), settings.stance, rank, settings.boxes, texts=settings.texts
                )
                return await PLANS[settings.plan](asker, settings)
        except UnavailableError:
            servers.check()  # what was answered is in the journal: the next server is asked for the rest
