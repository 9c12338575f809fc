"""The line in front of the models: by arrival, with places told, and nobody in the way of those behind."""

import asyncio
from types import SimpleNamespace

import pytest

from agent.loops import run
from space.clients import client_of
from space.line import Full, Line, TooMany


def test_first_come_is_first_served_and_everybody_is_told() -> None:
    """Twenty people, two at a time: served in the order of arrival, each told how many are before, ever fewer."""

    async def visit(line: Line, name: int, served: list[int], told: dict[int, list[int]]) -> None:
        async with line.join("ann") as turn:
            told[name] = [before async for before in turn]
            served.append(name)
            await asyncio.sleep(0.001)

    async def crowd() -> tuple[list[int], dict[int, list[int]]]:
        line, served, told = Line(2, each=20), list[int](), dict[int, list[int]]()
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
            async with line.join("ann") as turn:
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


def test_clients_take_turns() -> None:
    """Whoever sends one picture after somebody has sent five waits for one of these, not for five."""

    async def crowd() -> list[str]:
        line, served = Line(1), list[str]()

        async def visit(client: str) -> None:
            async with line.join(client) as turn:
                async for _ in turn:
                    pass
                served.append(client)
                await asyncio.sleep(0.001)

        visits = [asyncio.create_task(visit(client)) for client in ("many",) * 5 + ("one", "other", "one")]
        await asyncio.gather(*visits)
        return served

    assert run(crowd()) == ["many", "one", "other", "many", "one", "many", "many", "many"]


def test_a_client_has_so_many_places_and_others_have_theirs() -> None:
    """One too many is refused; a place that is left can be taken again."""

    async def crowd() -> None:
        line = Line(1, each=2)
        async with line.join("ann"):
            async with line.join("ann"):
                with pytest.raises(TooMany):
                    async with line.join("ann"):
                        pass
                async with line.join("bea"):
                    pass
            async with line.join("ann"):
                pass

    run(crowd())


@pytest.mark.parametrize(
    ("space", "address", "header", "client"),
    [
        (False, "203.0.113.5", "198.51.100.7", "203.0.113.5"),
        (True, "10.0.0.1", "1.2.3.4, 93.184.216.34", "93.184.216.34"),
        (True, "10.0.0.1", "93.184.216.34, 10.1.2.3", "93.184.216.34"),
        (True, "10.0.0.1", "", "10.0.0.1"),
        (False, "2606:4700:1:2:3:4:5:6", "", "2606:4700:1:2::/64"),
    ],
)
def test_clients_are_told_apart_by_what_they_cannot_choose(
    monkeypatch: pytest.MonkeyPatch, space: bool, address: str, header: str, client: str
) -> None:
    """The header of a proxy counts on a Space alone, and there only what the proxy wrote."""
    monkeypatch.setenv("SPACE_ID", "org/demo") if space else monkeypatch.delenv("SPACE_ID", raising=False)
    request = SimpleNamespace(client=SimpleNamespace(host=address), headers={"x-forwarded-for": header})
    assert client_of(request) == client


def test_a_full_line_takes_nobody_in() -> None:
    """Those who are in it stay."""

    async def crowd() -> None:
        line = Line(1, longest=1)
        async with line.join("ann"), line.join("bea"):
            with pytest.raises(Full):
                async with line.join("cem"):
                    pass
        async with line.join("ann") as turn:
            assert [before async for before in turn] == []

    run(crowd())
