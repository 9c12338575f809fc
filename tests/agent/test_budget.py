"""Money: the price table, the plan before a run, limits that are never passed, and the ledger after it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent import loops
from agent.budget import UNLIMITED, Budget, BudgetReached, Price, read_prices
from agent.journal_rows import Totals
from agent.ledger import by_stage
from agent.plans import Settings
from agent.plans.vote import calls as vote_calls
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.contestants import Limits
from dataset_builder.errors import InputError
from tests.annotating import outputs, stats
from tests.commands import run_command

PRICE = Price(input=2.5, output=10.0)
NOTHING = Totals()


def test_a_price_table_is_read_or_told(tmp_path: Path) -> None:
    """YAML and JSON, dollars per million tokens; what is not a table is an error with the place and an example."""
    table = tmp_path / "prices.yaml"
    table.write_text("gpt-4o: {input: 2.5, output: 10}\n")
    assert read_prices(table)["gpt-4o"].of(1_000_000, 100_000) == 3.5
    table.write_text('{"gpt-4o": {"input": 2.5, "output": 10}}')
    assert read_prices(table) == {"gpt-4o": PRICE}
    for content, told in (
        ("gpt-4o: 3", "gpt-4o"),
        ("gpt-4o: {input: -1, output: 2}", "gpt-4o.input"),
        ("[", "price table"),
    ):
        table.write_text(content)
        with pytest.raises(InputError, match=told):
            read_prices(table)
    with pytest.raises(InputError, match="cannot be read"):
        read_prices(tmp_path / "none")


def test_a_limit_in_money_needs_a_price() -> None:
    """Without the model's price a limit in dollars is refused before anything is spent."""
    with pytest.raises(InputError, match="--prices"):
        Budget(Limits(usd=1.0), None, NOTHING)


@pytest.mark.parametrize("limits", [Limits(calls=5), Limits(tokens=600), Limits(usd=0.0075)])
def test_no_limit_is_passed_by_calls_at_once(limits: Limits) -> None:
    """Twenty calls at once, each costing half of what it could: what they spend stays within the limit, then all end."""

    async def spend() -> tuple[Budget, int]:
        budget, done = Budget(limits, PRICE, NOTHING), 0

        async def call() -> None:
            nonlocal done
            aside = await budget.reserve(100, 100)
            await asyncio.sleep(0.001)
            budget.settle(aside, 60, 40, attempts=1)
            done += 1

        results = await asyncio.gather(*(call() for _ in range(20)), return_exceptions=True)
        assert {type(result) for result in results} == {type(None), BudgetReached}
        return budget, done

    budget, done = loops.run(spend())
    assert 0 < done < 20
    assert budget.calls == done
    assert limits.calls is None or budget.calls == limits.calls
    assert limits.tokens is None or 300 < budget.tokens <= limits.tokens
    assert limits.usd is None or budget.usd <= limits.usd


def test_earlier_spending_counts() -> None:
    """A limit is of the run directory, whatever process spent it."""

    async def reserve() -> None:
        with pytest.raises(BudgetReached):
            await Budget(Limits(calls=3), None, Totals(calls=3)).reserve(1, 1)

    loops.run(reserve())


@pytest.mark.parametrize("option", ["calls", "tokens", "usd"])
def test_a_run_stops_at_its_budget_and_goes_on_with_more(scenes: Path, tmp_path: Path, option: str) -> None:
    """Stopped cleanly with whole pictures and their files; with more it ends as if it had never stopped, paying nothing twice."""
    limit = {"calls": 20, "tokens": 12_000, "usd": 0.04}[option]
    with serve(scenes, miss=0.2, hallucinate=0.1) as base_url:
        endpoint = Endpoint("simulated", base_url, 8)

        def run(out: Path, limits: Limits = UNLIMITED) -> dict[str, Any]:
            return annotate(str(scenes), out, endpoint, Settings(), limit=10, limits=limits, price=PRICE)

        whole = run(tmp_path / "whole")
        before = stats(base_url)
        stopped = run(tmp_path / "run", Limits(**{option: limit}))
        served = stats(base_url)
        assert stopped["stopped_by_budget"]
        assert stopped["unfinished"] > 0
        assert stopped["pictures"] == 10
        assert stopped["calls"] == served["calls"] - before["calls"] > 0
        spent = {"calls": stopped["calls"], "usd": stopped["usd"]}
        spent["tokens"] = stopped["prompt_tokens"] + stopped["completion_tokens"]
        assert spent[option] <= limit
        lines = (tmp_path / "run" / "annotations.jsonl").read_text().splitlines()
        assert len(lines) == 10 - stopped["unfinished"]
        assert all(json.loads(line)["status"] in ("anomalies", "none") for line in lines)
        resumed = run(tmp_path / "run")
        assert outputs(tmp_path / "run") == outputs(tmp_path / "whole")
        after = stats(base_url)
    assert not resumed["stopped_by_budget"]
    assert resumed["calls"] == whole["calls"] == after["calls"] - before["calls"]
    assert resumed["usd"] == pytest.approx(PRICE.of(resumed["prompt_tokens"], resumed["completion_tokens"]), abs=1e-5)


def test_the_ledger_is_what_the_server_billed(scenes: Path, tmp_path: Path) -> None:
    """Calls and tokens, in all and by stage, bad answers included, are those that the server counted."""
    with serve(scenes, malformed=0.1, truncated=0.1, refused=0.05, miss=0.2, hallucinate=0.1) as base_url:
        summary = annotate(
            str(scenes), tmp_path / "run", Endpoint("simulated", base_url), Settings(), limit=12, price=PRICE
        )
        billed = stats(base_url)
    *stages, total = by_stage(tmp_path / "run")
    assert (total.calls, total.prompt_tokens, total.completion_tokens) == (
        billed["answers"],
        billed["prompt_tokens"],
        billed["completion_tokens"],
    )
    assert {row.stage: row.calls for row in stages} == billed["stages"]
    assert total.unusable > 0
    assert summary["usd"] == pytest.approx(PRICE.of(billed["prompt_tokens"], billed["completion_tokens"]), abs=1e-5)


def test_a_plan_makes_no_call_and_leaves_nothing(scenes: Path, tmp_path: Path) -> None:
    """`--dry-run` tells calls, tokens, money and time of this folder; nobody is asked and no run is begun."""
    table = tmp_path / "prices.yaml"
    table.write_text("simulated: {input: 2.5, output: 10}\n")
    with serve(scenes) as base_url:
        arguments = ("annotate", scenes, "--out", tmp_path / "run", "--model", "simulated", "--base-url", base_url)
        done = run_command(*arguments, "--dry-run", "--prices", table, cwd=tmp_path)
        assert stats(base_url)["calls"] == 0
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "run").exists()
    told = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert set(told) >= {"pictures", "calls", "tokens", "money", "time", "assumed"}
    assert told["pictures"] == "40"
    assert 0 < int(told["calls"].replace(",", "")) <= 40 * sum(vote_calls(2, settled=False).values())
    assert told["money"].startswith("$")
