"""Simulated reviewers: each looks at an item for a moment, answers over HTTP, and asks either server, as chance has it."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass, field

import aiohttp


@dataclass
class Load:
    """What the reviewers saw: event number → (item, reviewer, verdict) of every acknowledged answer, and seconds each took."""

    acknowledged: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    lost_connections: int = 0

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))]


async def reviewers(urls: list[str], number: int, duration: float, seed: int, think: tuple[float, float]) -> Load:
    """Let `number` reviewers answer for `duration` seconds, thinking `think` seconds at least and at most.

    A request that fails is sent again with the same token, to any server; what one server no longer answers the other does.
    """
    load = Load()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as http:
        end = time.monotonic() + duration
        people = (
            _review(http, urls, f"reviewer {n}", end, random.Random(f"{seed} {n}"), think, load) for n in range(number)
        )
        await asyncio.gather(*people)
    return load


async def _review(
    http: aiohttp.ClientSession,
    urls: list[str],
    name: str,
    end: float,
    rng: random.Random,
    think: tuple[float, float],
    load: Load,
) -> None:
    async def call(event: str, **fields: object) -> dict:  # type: ignore[type-arg]
        while True:
            try:
                async with http.post(f"{rng.choice(urls)}/api/{event}", json={"reviewer": name, **fields}) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.json()  # type: ignore[no-any-return]
            except aiohttp.ClientError:
                load.lost_connections += 1
                await asyncio.sleep(0.05)

    items = (await call("next"))["items"]
    while items and time.monotonic() < end:
        await asyncio.sleep(rng.uniform(*think))
        item, verdict = items[0]["item"], rng.choice(("accept", "reject", "unsure"))
        begun = time.monotonic()
        token = uuid.UUID(int=rng.getrandbits(128)).hex
        state = await call("verdict", item=item, verdict=verdict, token=token, seconds=1.0)
        load.seconds.append(time.monotonic() - begun)
        assert state["saved"] not in load.acknowledged
        load.acknowledged[state["saved"]] = (item, name, verdict)
        items = state["items"]
