"""The engine `batch`: the same answers at half the price, and no request paid for twice, whatever ends a run or a batch."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.batches.files import FileLimits, Request, Result, read_result, write_file
from agent.budget import Price
from agent.plans import Settings
from agent.run import Endpoint, annotate
from agent.simulated import BatchRules, serve
from dataset_builder.contestants import Limits
from tests.annotating import outputs, stats, summary
from tests.clocks import faster

CLOCK = 600.0
"""How much faster than the wall's the client's clock is: it looks at batches and waits for requests as in an hour."""
RATES = {"miss": 0.2, "hallucinate": 0.1}
DIRECT, EFFICIENT = Settings(plan="direct"), Settings()


def run(scenes: Path, out: Path, base_url: str, settings: Settings = EFFICIENT, limit: int = 4, **more: Any) -> Any:
    with faster(CLOCK):
        return annotate(str(scenes), out, Endpoint("simulated", base_url), settings, limit=limit, batches=True, **more)


def online(scenes: Path, out: Path, base_url: str, settings: Settings = EFFICIENT, limit: int = 4) -> Any:
    return annotate(str(scenes), out, Endpoint("simulated", base_url), settings, limit=limit)


@pytest.mark.parametrize("expires", [0.0, 0.3])
def test_a_batch_run_is_the_online_run_at_half_the_price(scenes: Path, tmp_path: Path, expires: float) -> None:
    """The same files byte for byte, each call made once, several in a batch; what expires is asked again and costs nothing."""
    price = Price(input=2.0, output=10.0)
    with serve(scenes, **RATES) as base_url:
        online(scenes, tmp_path / "online", base_url)
    with serve(scenes, batches=BatchRules(expires=expires), **RATES) as base_url:
        told = run(scenes, tmp_path / "run", base_url, price=price)
        served = stats(base_url)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "online")
    assert told["calls"] == served["answers"] == summary(tmp_path / "online")["calls"]
    assert (told["prompt_tokens"], told["completion_tokens"]) == (served["prompt_tokens"], served["completion_tokens"])
    assert (served["batch_requests"] > served["answers"]) == bool(expires)
    assert served["batches"] < served["answers"]
    assert told["calls_waiting_in_batches"] == 0
    full = price.of(told["prompt_tokens"], told["completion_tokens"])
    assert told["usd"] == pytest.approx(full / 2, abs=1e-6)


def test_a_file_holds_what_the_server_takes(tmp_path: Path) -> None:
    """As many requests as fit in number and bytes, at least one, each on a line of its own."""
    requests = [Request(str(number), {"text": "é\u2028x" * 10}) for number in range(10)]
    with write_file(requests, FileLimits(requests=4))[0] as file:
        lines = file.read().split(b"\n")
    assert [json.loads(line)["custom_id"] for line in lines if line] == ["0", "1", "2", "3"]
    size = len(lines[0]) + 1
    for limit, count in ((3 * size, 3), (3 * size - 1, 2), (1, 1)):
        file, written = write_file(requests, FileLimits(size=limit))
        file.close()
        assert written == count


def test_lines_that_are_not_results_are_passed_over() -> None:
    """A result is a status and a body, an error that may pass, or a request that nobody worked on."""
    for line in (b"", b"[]", b"{", b'{"custom_id": 3}', b"null", b"[" * 100_000, b"\xff"):
        assert read_result(line) is None
    good = read_result(b'{"custom_id": "a", "response": {"status_code": 200, "body": {"x": 1}}, "error": null}')
    assert good is not None
    assert good.came is not None
    assert (good.came.status, json.loads(good.came.text)) == (200, {"x": 1})
    late = read_result(b'{"custom_id": "a", "response": null, "error": {"code": "batch_expired"}}')
    assert late == Result("a", None)
    broken = read_result(b'{"custom_id": "a", "response": {"status_code": "200"}, "error": {"code": "x"}}')
    assert broken is not None
    assert broken.came is not None
    assert broken.came.status == 500


def test_a_batch_that_is_too_large_is_made_smaller(scenes: Path, tmp_path: Path) -> None:
    """A server that lets few requests wait gets smaller batches, one request at a time in the end, and all are answered."""
    with serve(scenes, batches=BatchRules(enqueued=3), **RATES) as base_url:
        told = run(scenes, tmp_path / "run", base_url, DIRECT, limit=8)
        served = stats(base_url)
    assert told["pictures"] == told["anomalies"] + told["none"] == 8
    assert served["answers"] == told["calls"] == 8


def test_faults_within_a_batch_are_asked_again(scenes: Path, tmp_path: Path) -> None:
    """Errors and bad answers come to the same as online, and the ledger bounds the bill."""
    rates = {"broken": 0.3, "malformed": 0.2, "cut": 0.2}
    with serve(scenes, **RATES, **rates) as base_url:
        told = run(scenes, tmp_path / "run", base_url, DIRECT, limit=8)
        served = stats(base_url)
    with serve(scenes, **RATES, **rates) as base_url:
        online(scenes, tmp_path / "online", base_url, DIRECT, limit=8)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "online")
    assert served["faults"]["broken"] > 0
    assert told["prompt_tokens"] > served["prompt_tokens"]
    assert told["calls"] >= served["answers"]


def test_a_schema_that_is_refused_is_left_out(scenes: Path, tmp_path: Path) -> None:
    """What a server does not take is said otherwise in the next batch, as it is online."""
    with serve(scenes, dialects=["no-response-format"], **RATES) as base_url:
        told = run(scenes, tmp_path / "run", base_url)
    assert told["anomalies"] + told["none"] == 4


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("plan", [DIRECT, EFFICIENT], ids=["direct", "efficient"])
def test_a_stopped_run_goes_on_with_its_batches(scenes: Path, tmp_path: Path, plan: Settings) -> None:
    """Interrupted as its batch is worked on: the summary counts what may be billed, and the next process takes up the results."""
    with serve(scenes, batches=BatchRules(seconds=1.0), **RATES) as base_url:
        stopped: list[bool] = []

        def stop(*_: Any) -> None:
            if not stopped and stats(base_url)["batch_requests"]:
                stopped.append(True)
                os.kill(os.getpid(), signal.SIGINT)  # to the process, as Ctrl-C: this may not be its main thread

        with pytest.raises(KeyboardInterrupt):
            run(scenes, tmp_path / "run", base_url, plan, show=stop)
        waiting = stats(base_url)["batch_requests"]
        told = summary(tmp_path / "run")
        assert told["calls_waiting_in_batches"] == told["calls"] == waiting
        assert told["stopped"]
        told = run(scenes, tmp_path / "run", base_url, plan)
        served = stats(base_url)
        assert told["calls"] == served["answers"] == served["batch_requests"]
        assert (told["prompt_tokens"], told["completion_tokens"]) == (
            served["prompt_tokens"],
            served["completion_tokens"],
        )
    with serve(scenes, **RATES) as base_url:
        online(scenes, tmp_path / "online", base_url, plan)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "online")


@pytest.mark.parametrize("option", ["calls", "usd"])
def test_a_budget_holds_in_batches(scenes: Path, tmp_path: Path, option: str) -> None:
    """As many pictures are begun as are expected to fit; the limit is not passed, and with more the run ends as if undisturbed."""
    price = Price(input=10.0, output=2.0)
    limit = {"calls": 40, "usd": 0.12}[option]
    with serve(scenes, **RATES) as base_url:
        limits = Limits(**{option: limit})
        stopped = run(scenes, tmp_path / "run", base_url, limit=10, limits=limits, price=price)
        assert stopped["stopped_by_budget"]
        assert 0 < stopped["anomalies"] + stopped["none"] < 10
        assert stopped[option] <= limit
        assert stopped["over_limits"] == {}
        assert stopped["calls"] == stats(base_url)["answers"]
        told = run(scenes, tmp_path / "run", base_url, limit=10, price=price)
        assert told["calls"] == stats(base_url)["answers"]
        online(scenes, tmp_path / "online", base_url, limit=10)
    assert outputs(tmp_path / "run") == outputs(tmp_path / "online")


def test_whatever_step_a_run_dies_at_nothing_is_paid_for_twice(scenes: Path, tmp_path: Path) -> None:
    """The process ends at once before and after every request and every commit, one after the other: run again, it ends with the
    same bytes, and the server has answered each call once."""
    with serve(scenes, **RATES) as base_url:
        online(scenes, tmp_path / "online", base_url, DIRECT, limit=2)
        before = stats(base_url)["answers"]
        module = [sys.executable, "-m", "tests.agent.crashing"]
        subprocess.run(
            [*module, scenes, tmp_path / "runs", base_url, "direct", "2", str(CLOCK)], check=True, timeout=300
        )
        answers = stats(base_url)["answers"] - before
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) > 15
    assert answers == 2 * len(runs)
    for one in runs:
        assert outputs(one) == outputs(tmp_path / "online")
        assert summary(one)["calls"] == 2
        assert summary(one)["calls_waiting_in_batches"] == 0
