"""The client: what it tries again, what stops the run, what servers that take less are asked, and what never leaks."""

import asyncio
import email.utils
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from agent import loops
from agent.client import CallFailed, Chat, Reply
from agent.connection import api_key, connect
from agent.simulated import serve
from dataset_builder.errors import UnavailableError
from tests.clocks import faster
from tests.scripted_endpoint import Asked, Said, completion, serve_scripted


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a server does not say how long to wait, these tests do not wait long."""
    monkeypatch.setattr("agent.client.FIRST_WAIT", 0.01)


GOOD = completion("good")
KEY = "sk-secret-0123456789abcdef"


def ask(
    base_url: str,
    times: int = 1,
    *,
    model: str = "scripted",
    concurrency: int = 4,
    timeout: float = 10.0,
    **parameters: Any,
) -> list[Any]:
    """So many calls at once through one client: replies, and errors in the place of replies."""

    async def calls() -> list[Any]:
        client = connect(model, base_url)
        chat = Chat(client, model, concurrency=concurrency, timeout=timeout)

        async def one() -> Reply:
            async with chat.slots.of(0):
                return await chat.ask([{"role": "user", "content": "x"}], parameters, 50, prompt_tokens=77)

        try:
            return list(await asyncio.gather(*(one() for _ in range(times)), return_exceptions=True))
        finally:
            await client.close()

    return loops.run(calls())


def first(bad: Said, count: int = 1) -> Callable[[Asked, int], Said]:
    """A script whose first replies are bad."""
    return lambda asked, number: bad if number < count else GOOD


@pytest.mark.parametrize(
    "bad",
    [
        Said(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"}),
        Said(408, "timeout"),
        Said(409, "conflict"),
        Said(500, "<html>oops</html>"),
        Said(502, ""),
        Said(503, {"error": "loading"}),
        GOOD._replace(cut=True),
        Said(200, "no JSON"),
        Said(200, []),
        Said(200, {"choices": []}),
        Said(200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": 3}, "finish_reason": "stop"}]}),
        Said(
            200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": None}]}
        ),
    ],
    ids=["429", "408", "409", "500", "502", "503", "cut", "no JSON", "list", "no choices", "no text", "broken off"],
)
def test_what_passes_is_tried_again(bad: Said) -> None:
    """Two bad replies of each passing kind are followed by a third try, which is answered, by one layer alone."""
    with serve_scripted(first(bad, 2)) as endpoint:
        (reply,) = ask(endpoint.base_url)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("good", 100, 10)
    assert len(endpoint.asked) == 3


def test_silence_is_tried_again() -> None:
    """A reply that does not come within the timeout is asked for again."""
    with serve_scripted(first(GOOD._replace(wait=1.5))) as endpoint:
        (reply,) = ask(endpoint.base_url, timeout=0.4)
    assert reply.text == "good"
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_is_waited_for_as_long_as_it_says(form: str) -> None:
    """`Retry-After`, in seconds or as a date, is heeded."""
    after = "1" if form == "seconds" else email.utils.formatdate(time.time() + 3, usegmt=True)
    times: list[float] = []

    def answer(asked: Asked, number: int) -> Said:
        times.append(time.monotonic())
        return Said(429, "slow down", {"Retry-After": after}) if number == 0 else GOOD

    with serve_scripted(answer) as endpoint:
        (reply,) = ask(endpoint.base_url)
    assert reply.text == "good"
    assert times[1] - times[0] >= 0.95


@pytest.mark.parametrize("after", ["nan", "-3", "soon", ""])
def test_a_retry_after_that_makes_no_sense_is_no_obstacle(after: str) -> None:
    """A header that is no time is passed over."""
    with serve_scripted(first(Said(429, "slow down", {"Retry-After": after}))) as endpoint:
        assert ask(endpoint.base_url)[0].text == "good"


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
def test_what_will_not_pass_stops_the_run_at_once(status: int) -> None:
    """The reason is the server's, the fix ours; nothing is tried again and calls that wait are not made."""
    refusal = Said(status, {"error": {"message": "because \x1b[31m it is so", "type": "x"}}, wait=0.2)
    with serve_scripted(lambda asked, number: refusal) as endpoint:
        errors = ask(endpoint.base_url, 8, concurrency=2)
    assert len(endpoint.asked) <= 2
    assert all(isinstance(error, UnavailableError) for error in errors)
    assert f"{status}: " in str(errors[0])
    assert "because" in str(errors[0])
    assert str(errors[0]).isprintable()


def test_an_account_without_money_is_no_busy_server() -> None:
    """OpenAI says 429 to both; what only money can change stops the run at once."""
    broke = Said(429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}})
    with serve_scripted(lambda asked, number: broke) as endpoint:
        (error,) = ask(endpoint.base_url)
    assert isinstance(error, UnavailableError)
    assert "add credit to the account" in str(error)
    assert len(endpoint.asked) == 1


def test_a_server_that_goes_away_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is not marked as lost, picture by picture, because its server was ended in the middle."""
    monkeypatch.setattr("agent.client.ATTEMPTS", 2)

    async def calls() -> None:
        with serve_scripted(lambda asked, number: GOOD._replace(headers={"Connection": "close"})) as endpoint:
            client = connect("scripted", endpoint.base_url)
            chat = Chat(client, "scripted")
            assert (await chat.ask([{"role": "user", "content": "x"}], {}, 50)).text == "good"
        with pytest.raises(UnavailableError, match="no answer from the server"):
            await chat.ask([{"role": "user", "content": "x"}], {}, 50)
        await client.close()

    loops.run(calls())


def test_a_server_that_is_never_ready_fails_the_call_however_short_a_wait_it_asks_for() -> None:
    """503 with `Retry-After: 0` for ever is six attempts, not as many as fit into a quarter of an hour."""
    with serve_scripted(lambda asked, number: Said(503, "loading", {"Retry-After": "0"})) as endpoint:
        (failed,) = ask(endpoint.base_url)
    assert isinstance(failed, CallFailed)
    assert len(endpoint.asked) == 6


def test_a_server_that_asks_for_no_wait_again_and_again_is_not_hammered() -> None:
    """429 with `Retry-After: 0`: once at once, as told, and then after a second and more."""
    busy = Said(429, "busy", {"Retry-After": "0"})
    started = time.monotonic()
    with serve_scripted(first(busy, 3)) as endpoint, faster(5):
        (reply,) = ask(endpoint.base_url)
    assert reply.text == "good"
    assert (time.monotonic() - started) * 5 > 10
    assert len(endpoint.asked) == 4


def test_a_call_that_stays_without_answer_fails_alone() -> None:
    """After six attempts one call is given up with the reason; another is answered."""
    bad = Said(500, {"error": {"message": "broken"}})
    with serve_scripted(lambda asked, number: bad if asked.body["max_tokens"] == 50 else GOOD) as endpoint:
        (failed,) = ask(endpoint.base_url)
    assert isinstance(failed, CallFailed)
    assert '6 attempts (500: "broken")' in str(failed)
    assert len(endpoint.asked) == 6


@pytest.mark.parametrize(
    "refusal",
    [
        Said(400, {"error": {"message": "because it is so", "type": "x"}}),
        Said(400, {"error": {"message": "image has an extreme aspect ratio"}}),
        Said(400, {"error": {"code": "data_inspection_failed", "message": "Output data may contain"}}),
        Said(403, {"error": {"message": "Input was flagged by moderation", "metadata": {"reasons": ["x"]}}}),
        Said(400, {"error": {"message": "Your request was rejected by our safety system"}}),
        Said(200, {"error": {"message": "Provider returned error", "metadata": {"raw": '{"code": "content_filter"}'}}}),
    ],
    ids=["unknown", "shape", "inspection", "flagged", "safety", "gateway"],
)
def test_what_one_picture_is_refused_for_fails_that_picture_alone(refusal: Said) -> None:
    """The server's sentence is told, nothing is asked twice, and the next call is answered."""
    with serve_scripted(lambda asked, number: refusal if number == 0 else GOOD) as endpoint:
        failed, answered = ask(endpoint.base_url, 2, concurrency=1)
    assert isinstance(failed, CallFailed)
    assert answered.text == "good"
    assert len(endpoint.asked) == 2


def test_a_policy_refusal_is_of_one_picture() -> None:
    """A 400 of a content filter gives up the call and not the run."""
    refusal = Said(400, {"error": {"code": "content_filter", "message": "filtered"}})
    with serve_scripted(lambda asked, number: refusal if number == 0 else GOOD) as endpoint:
        failed, answered = ask(endpoint.base_url, 2, concurrency=1)
    assert isinstance(failed, CallFailed)
    assert answered.text == "good"


def test_a_server_that_is_not_there_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listening at the address is told once, with the option to look at."""
    monkeypatch.setattr("agent.client.ATTEMPTS", 2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        errors = ask(f"http://127.0.0.1:{free.getsockname()[1]}/v1", 3)
    assert all(isinstance(error, UnavailableError) for error in errors)
    assert "--base-url" in str(errors[0])


def _refuses(*names: str, status: int = 400, instead: str = "") -> Callable[[Asked, int], Said]:
    def answer(asked: Asked, number: int) -> Said:
        for name in names:
            if name in asked.body:
                message = f"Unsupported parameter: '{name}' is not supported with this model. {instead}"
                return Said(status, {"error": {"message": message}})
        return GOOD

    return answer


@pytest.mark.parametrize("status", [400, 422])
def test_models_that_take_less_are_asked_with_less(status: int) -> None:
    """Parameters that a server refuses are left out of all later calls, however many were under way when it said so."""
    names = ("temperature", "top_p", "seed", "response_format")
    parameters = {"temperature": 0.3, "top_p": 0.9, "seed": 1, "response_format": {"type": "json_object"}}
    with serve_scripted(_refuses(*names, status=status)) as endpoint:
        replies = ask(endpoint.base_url, 12, concurrency=6, **parameters)
        assert [reply.text for reply in replies] == ["good"] * 12
        assert not set(names) & set(endpoint.asked[-1].body)
    assert len(endpoint.asked) <= 12 + 4 * 6


def test_reasoning_models_get_their_own_name_for_the_limit() -> None:
    """A refusal of `max_tokens` that names `max_completion_tokens` is followed."""
    with serve_scripted(_refuses("max_tokens", instead="Use 'max_completion_tokens' instead.")) as endpoint:
        assert [reply.text for reply in ask(endpoint.base_url, 5)] == ["good"] * 5
        assert endpoint.asked[-1].body["max_completion_tokens"] == 50


def test_parameters_come_as_they_are_meant() -> None:
    """Schema, seed, temperature and limit reach the server unchanged."""
    schema = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}
    with serve_scripted(lambda asked, number: GOOD) as endpoint:
        ask(endpoint.base_url, temperature=0.3, seed=7, response_format=schema)
    body = endpoint.asked[0].body
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("scripted", 50, 0.3, 7)
    assert body["response_format"] == schema


def test_one_pool_bounds_all_calls(scenes: Any) -> None:
    """Of forty calls at once no more than the pool's size are ever at the server, and as many as that."""
    with serve(scenes, latency=0.1) as base_url:
        assert all(isinstance(reply, Reply) for reply in ask(base_url, 25, model="simulated", concurrency=5))
        assert httpx.get(base_url.replace("/v1", "/stats")).json()["most_at_once"] == 5


def test_usage_that_is_none_is_estimated_and_marked() -> None:
    """Tokens that are missing, negative, words or beyond all measure are estimated from the texts, so that a budget holds."""
    for usage in (None, {}, {"prompt_tokens": -1, "completion_tokens": "many"}, {"prompt_tokens": 10**30}):
        reply = completion("good").body | {"usage": usage}
        with serve_scripted(lambda asked, number, reply=reply: Said(200, reply)) as endpoint:  # type: ignore[misc]
            (answer,) = ask(endpoint.base_url)
        assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("good", 77, 2)
        assert answer.estimated


def test_keys_go_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HF_TOKEN` goes to Hugging Face alone, `OPENAI_API_KEY` to all others; blanks around a key are no part of it."""
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert api_key("https://router.huggingface.co/v1") == "hf_mine"
    assert api_key("https://huggingface.co.evil.example/v1") == KEY
    assert api_key("http://localhost:8000/v1") == KEY
    with serve_scripted(lambda asked, number: GOOD) as endpoint:
        ask(endpoint.base_url)
        assert endpoint.asked[0].headers["authorization"] == f"Bearer {KEY}"
        monkeypatch.delenv("OPENAI_API_KEY")
        ask(endpoint.base_url)
    assert "hf_mine" not in str(endpoint.asked[1].headers)


def test_servers_that_quote_the_key_do_not_spread_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an error, an answer or a refusal the key is replaced by its variable's name."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve_scripted(lambda asked, number: Said(401, {"error": {"message": f"no such key: {KEY}"}})) as endpoint:
        (error,) = ask(endpoint.base_url)
    assert "no such key: [OPENAI_API_KEY]" in str(error)
    with serve_scripted(lambda asked, number: completion(f"You sent {KEY}", refusal=KEY)) as endpoint:
        (reply,) = ask(endpoint.base_url)
    assert reply.text == "You sent [OPENAI_API_KEY]"
    assert KEY not in str(reply)


def test_a_key_that_is_in_no_variable_is_kept_as_well() -> None:
    """Also where the caller handed it to the client; a traceback does not have it either."""

    async def refused(base_url: str) -> None:
        client = connect("scripted", base_url, key=KEY)
        try:
            await Chat(client, "scripted").ask([{"role": "user", "content": "x"}], {}, 50)
        finally:
            await client.close()

    quoting = Said(401, {"error": {"message": f"no such key: {KEY}"}})
    with (
        serve_scripted(lambda asked, number: quoting) as endpoint,
        pytest.raises(UnavailableError, match=r"no such key: \[key\]") as raised,
    ):
        loops.run(refused(endpoint.base_url))
    assert endpoint.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("localhost:8000/v1", "is not the URL of a server"),
        ("ftp://localhost/v1", "is not the URL of a server"),
        ("http://localhost:99999/v1", "is not the URL of a server"),
        ("http://[::1/v1", "is not the URL of a server"),
        (f"http://me:{KEY}@localhost/v1", "OPENAI_API_KEY"),
        (f"http://localhost/v1?key={KEY}", "OPENAI_API_KEY"),
    ],
)
def test_addresses_that_cannot_be_are_told_without_quoting_a_key(base_url: str, told: str) -> None:
    """What is not an address is an error before any call; one with a key in it is refused, unquoted."""
    with pytest.raises(UnavailableError, match=told) as raised:
        connect("scripted", base_url)
    assert KEY not in str(raised.value)


def test_without_a_key_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI and Inference Providers need a key; the error names the variable."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UnavailableError, match="OPENAI_API_KEY"):
        connect("gpt-4o")
    with pytest.raises(UnavailableError, match="HF_TOKEN"):
        connect("Qwen/Qwen2.5-VL-7B-Instruct")
