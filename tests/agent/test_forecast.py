"""What a run would cost, said beforehand without a call, against what the server then billed."""

from pathlib import Path
from typing import Any

import pytest

from agent.budget import Price
from agent.forecast import forecast
from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from tests.annotating import stats
from tests.commands import run_command

PRICE = Price(input=2.5, output=10)


def billed(scenes: Path, out: Path, settings: Settings) -> dict[str, Any]:
    with serve(scenes) as base_url:
        annotate(str(scenes / "images"), out, Endpoint("simulated", base_url), settings, limit=10)
        return stats(base_url)


@pytest.mark.parametrize("plan", ["paper", "efficient", "vote", "direct"])
def test_a_forecast_is_what_the_server_bills(scenes: Path, tmp_path: Path, plan: Any) -> None:
    """For scenes, calls and tokens are within 20 % of what is billed, for `paper` and `direct` the calls exactly."""
    settings = Settings(plan=plan)
    pictures = str(scenes / "images")
    expected = forecast(pictures, settings, model="simulated", limit=10, price=PRICE, concurrency=4, latency=3.0)
    served = billed(scenes, tmp_path / "run", settings)
    assert expected.pictures == 10
    assert expected.calls == pytest.approx(served["calls"], rel=0.2 if plan in ("efficient", "vote") else 0)
    assert expected.prompt_tokens == pytest.approx(served["prompt_tokens"], rel=0.2)
    assert expected.completion_tokens == pytest.approx(served["completion_tokens"], rel=0.2)
    assert expected.usd == pytest.approx((2.5 * expected.prompt_tokens + 10 * expected.completion_tokens) / 1e6)
    assert expected.seconds == expected.calls * 3.0 / 4


def test_a_forecast_counts_pictures_as_the_models_family_does(scenes: Path) -> None:
    """gpt-4o-mini's tiles cost far more tokens than Qwen's patches, and the forecast says so."""
    tokens = {
        model: forecast(
            str(scenes / "images"), Settings(plan="direct"), model=model, limit=4, price=None, concurrency=1
        ).prompt_tokens
        for model in ("gpt-4o-mini", "gpt-4o", "qwen2.5-vl-7b")
    }
    assert tokens["gpt-4o-mini"] > 4 * 8500
    assert tokens["qwen2.5-vl-7b"] < tokens["gpt-4o"] < tokens["gpt-4o-mini"] / 10


def test_the_paper_plan_is_foretold_by_its_formula(scenes: Path) -> None:
    """T + [T > 1] + 5 N + 2 S + 1 calls a picture; without a price no money is made up."""
    settings = Settings(plan="paper", drafts=1, samples=2, max_objects=4)
    expected = forecast(str(scenes / "images"), settings, model="mine", limit=None, price=None, concurrency=1)
    assert expected.calls == 40 * (1 + 0 + 5 * 4 + 2 * 2 + 1)
    assert expected.usd is None
    assert "4 objects and 2 findings per picture" in expected.assumed


def test_the_command_says_it_without_a_server(scenes: Path, tmp_path: Path) -> None:
    """`--dry-run` needs neither server nor key, makes no run, and says what it assumed."""
    (tmp_path / "prices.yaml").write_text("gpt-x: {input: 2.5, output: 10}\n")
    options = ("--model", "gpt-x", "--dry-run", "--prices", "prices.yaml", "--out", "run")
    done = run_command("annotate", scenes / "images", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert said["pictures"] == "40"
    assert said["money"].startswith("$")
    assert "6 objects and 2 findings per picture" in said["assumed"]
    assert not (tmp_path / "run").exists()
