"""The pool of calls: earlier pictures first, never more than there is room for, and no slot is lost."""

import asyncio
import contextlib

from agent import loops
from agent.slots import Slots


def test_an_earlier_picture_goes_first() -> None:
    """Waiting calls get the next slot by their picture's place, not by when they came; equals in the order they came."""

    async def work() -> list[tuple[int, int]]:
        slots, served = Slots(1), []

        async def call(rank: int, number: int) -> None:
            async with slots.of(rank):
                served.append((rank, number))
                await asyncio.sleep(0)

        await asyncio.gather(*(call(rank, number) for number, rank in enumerate((5, 3, 3, 0, 4))))
        return served

    assert loops.run(work()) == [(5, 0), (0, 3), (3, 1), (3, 2), (4, 4)]


def test_no_more_are_served_than_there_is_room_for() -> None:
    """A hundred calls through three slots: at most three at a time, and all of them in the end, cancelled ones aside."""

    async def work() -> tuple[int, int]:
        slots, busy, most, served = Slots(3), 0, 0, 0

        async def call(rank: int) -> None:
            nonlocal busy, most, served
            async with slots.of(rank):
                busy += 1
                most = max(most, busy)
                try:
                    await asyncio.sleep(0.001)
                    served += 1
                finally:
                    busy -= 1

        tasks = [asyncio.create_task(call(rank)) for rank in range(100)]
        for number, task in enumerate(tasks):
            if number % 7 == 0:
                await asyncio.sleep(0.001)
                task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        async with slots.of(0), slots.of(0), slots.of(0):  # no slot was lost on the way
            pass
        return most, served

    most, served = loops.run(asyncio.wait_for(work(), 30))
    assert most == 3
    assert served >= 85


def test_a_slot_given_in_the_moment_of_cancelling_is_passed_on() -> None:
    """Whoever is cancelled just when the slot came does not keep it from the next."""

    async def work() -> bool:
        slots, reached = Slots(1), False

        async def call() -> None:
            async with slots.of(1):
                pass

        async def last() -> None:
            nonlocal reached
            async with slots.of(2):
                reached = True

        async with slots.of(0):
            cancelled, waiting = asyncio.create_task(call()), asyncio.create_task(last())
            await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait_for(waiting, 10)
        return reached

    assert loops.run(work())
