"""The line in front of the models: by arrival, with places told, and nobody in the way of those behind."""

import asyncio

import pytest

from agent.loops import run
from space.line import Full, Line


def test_first_come_is_first_served_and_everybody_is_told() -> None:
    """Twenty people, two at a time: served in the order of arrival, each told how many are before, ever fewer."""

    async def visit(line: Line, name: int, served: list[int], told: dict[int, list[int]]) -> None:
        async with line.join() as turn:
            told[name] = [before async for before in turn]
            served.append(name)
            await asyncio.sleep(0.001)

    async def crowd() -> tuple[list[int], dict[int, list[int]]]:
        line, served, told = Line(2), list[int](), dict[int, list[int]]()
        await asyncio.gather(*(visit(line, name, served, told) for name in range(20)))
        return served, told

    served, told = run(crowd())
    assert served == list(range(20))
    assert told[0] == told[1] == []
    assert [told[name][0] for name in range(2, 20)] == list(range(1, 19))
    assert all(places == sorted(places, reverse=True) for places in told.values())


def test_who_gives_up_leaves_no_gap_and_who_fails_no_jam() -> None:
    """The next in line is served, whatever became of those before."""

    async def crowd() -> list[str]:
        line, served = Line(1), list[str]()

        async def visit(name: str) -> None:
            async with line.join() as turn:
                async for _ in turn:
                    pass
                served.append(name)
                if name == "fails":
                    raise ValueError
                await asyncio.sleep(0.01)

        visits = {name: asyncio.create_task(visit(name)) for name in ("first", "gives up", "fails", "last")}
        await asyncio.sleep(0)
        visits["gives up"].cancel()
        await asyncio.gather(*visits.values(), return_exceptions=True)
        return served

    assert run(crowd()) == ["first", "fails", "last"]


def test_a_full_line_takes_nobody_in() -> None:
    """Those who are in it stay."""

    async def crowd() -> None:
        line = Line(1, longest=1)
        async with line.join(), line.join():
            with pytest.raises(Full):
                async with line.join():
                    pass
        async with line.join() as turn:
            assert [before async for before in turn] == []

    run(crowd())
