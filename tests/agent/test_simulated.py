"""The simulated model: what it serves over HTTP, what it sees, how it errs, how it fails, and what it bills."""

import base64
import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from PIL import Image

from agent.prompts import messages, repair_messages
from agent.simulated import Rates, serve
from agent.simulated.faults import MALFORMED
from agent.stages import ANSWERS, Stage, schema
from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.prompts import PROMPTS
from dataset_builder.scenes import SceneRow, family_of, read_scenes
from dataset_builder.textform import parse_answer

_CLIENT = httpx.Client(timeout=30)
# Made once: `jsonschema.validate` would check the schema itself at each answer.
_ANSWER = jsonschema.Draft202012Validator(schema())


def url_of(picture: Path | Image.Image, form: str = "PNG") -> str:
    buffer = io.BytesIO()
    image = Image.open(picture).convert("RGB") if isinstance(picture, Path) else picture
    image.save(buffer, form)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def post(base_url: str, asked: list[dict[str, Any]], **more: Any) -> httpx.Response:
    body = {"model": "simulated", "messages": asked} | more
    return _CLIENT.post(f"{base_url}/chat/completions", json=body)


def read(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    """What an answer says: the lists of a stage, in the form of all stages, or an object of another question."""
    value: dict[str, Any] = json.loads(response.json()["choices"][0]["message"]["content"])
    if "answer" in value:
        _ANSWER.validate(value)
    return value.get("answer", value)


def direct(url: str, task: str = "anomalies") -> list[dict[str, Any]]:
    text = {"type": "text", "text": PROMPTS[task]}  # type: ignore[index]
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, text]}]


def odd(scenes: Path) -> list[SceneRow]:
    return [row for row in read_scenes(scenes) if row.anomalies]


def stats(base_url: str) -> dict[str, Any]:
    found: dict[str, Any] = _CLIENT.get(base_url.replace("/v1", "/stats")).json()
    return found


def test_serves_one_model_and_says_that_it_is_well(scenes: Path) -> None:
    """The list of models has `simulated` and nothing else; any other name is a 404 that says so."""
    with serve(scenes) as base_url:
        assert [model["id"] for model in _CLIENT.get(f"{base_url}/models").json()["data"]] == ["simulated"]
        assert _CLIENT.get(base_url.replace("/v1", "/health")).json() == {"status": "ok"}
        answer = post(base_url, [{"role": "user", "content": "Hello"}], model="gpt-4o")
        assert answer.status_code == 404
        assert "'simulated'" in answer.json()["error"]["message"]


def test_perfect_rates_tell_the_truth_of_every_scene(scenes: Path) -> None:
    """Without errors, one look at a scene lists exactly its anomalies, and at its clean twin none."""
    with serve(scenes) as base_url:
        for row in read_scenes(scenes):
            answer = post(base_url, direct(url_of(scenes / "images" / row.image_id), "grounded")).json()
            told = parse_answer(answer["choices"][0]["message"]["content"]).anomalies
            assert {(family_of(one.name), one.bbox is not None) for one in told} == {
                (one.family, True) for one in row.anomalies
            }
            for one, true in zip(told, row.anomalies, strict=True):
                assert one.severity is not None
                assert true.severity is not None
                assert true.bbox is not None
                assert one.bbox is not None
                assert abs(one.severity - true.severity) <= 5
                assert true.object in one.phenomenon
                assert all(abs(a - b) < 2 for a, b in zip(one.bbox, true.bbox, strict=True))


@pytest.mark.parametrize(
    "seen_as",
    [
        lambda picture: url_of(picture, "JPEG"),
        lambda picture: url_of(picture, "WEBP"),
        lambda picture: url_of(picture.resize((900, 900), Image.Resampling.BICUBIC)),
        lambda picture: url_of(picture.resize((120, 120), Image.Resampling.LANCZOS), "JPEG"),
    ],
    ids=["jpeg", "webp", "enlarged", "reduced"],
)
def test_a_scene_is_known_by_its_content(scenes: Path, seen_as: Callable[[Image.Image], str]) -> None:
    """Encoded again or scaled, a picture is told from all others, its own twin included."""
    with serve(scenes) as base_url:
        for row in read_scenes(scenes)[:16]:
            picture = Image.open(scenes / "images" / row.image_id).convert("RGB")
            answer = post(base_url, direct(seen_as(picture))).json()["choices"][0]["message"]["content"]
            assert [family_of(one.name) for one in parse_answer(answer).anomalies] == [
                one.family for one in row.anomalies
            ]


def test_what_it_does_not_know_it_refuses_to_judge(scenes: Path) -> None:
    """A picture of no scene is refused rather than called clean; a question of another kind gets plain words."""
    noise = Image.effect_noise((200, 150), 80).convert("RGB")
    with serve(scenes) as base_url:
        message = post(base_url, direct(url_of(noise))).json()["choices"][0]["message"]
        assert message["content"] is None
        assert "not one of them" in message["refusal"]
        said = post(base_url, [{"role": "user", "content": "Hello"}]).json()["choices"][0]["message"]["content"]
        assert "simulated" in said


def test_every_stage_answers_in_its_schema(scenes: Path) -> None:
    """From drafts to the final list, answers hold to the schemas, and a finding's sources are the ids given."""
    row = odd(scenes)[0]
    url = url_of(scenes / "images" / row.image_id)
    with serve(scenes, miss=0.1, hallucinate=0.5, catch=0.3) as base_url:

        def ask(stage: Stage, **given: Any) -> Any:
            return (
                ANSWERS[stage]
                .model_validate(read(post(base_url, messages(stage, "neutral", [url], given))))
                .model_dump()
            )

        drafts = [
            read(post(base_url, messages("discovery_draft", "neutral", [url], wording=n), seed=n))["objects"]
            for n in range(3)
        ]
        objects = [one["name"] for one in ask("discovery_merge", drafts=drafts)["objects"]]
        assert row.anomalies[0].object in objects
        found = ask("attributes_broad", objects=objects)["findings"]
        found += ask("relations_broad", objects=objects, findings=found)["findings"]
        given = [{"id": f"f{index}"} | finding for index, finding in enumerate(found)]
        verdicts = (
            ask("relations_verify", findings=given)["verdicts"] + ask("attributes_verify", findings=[])["verdicts"]
        )
        assert [verdict["id"] for verdict in verdicts] == [finding["id"] for finding in given]
        grouped = [at for group in ask("integrate", findings=given)["groups"] for at in group["ids"]]
        assert sorted(grouped) == sorted(finding["id"] for finding in given)
        assert {one["phenomenon"] for one in ask("summary_object", findings=given)["findings"]}
        listed = ask("format", findings=given)["anomalies"]
        assert {at for one in listed for at in one["sources"]} <= set(grouped)
        assert all(one["sources"] == [] for one in ask("scan")["anomalies"])


def test_misses_and_inventions_come_at_their_rates(scenes: Path) -> None:
    """Over many samples the share of anomalies missed and of findings caught is the one set, and samples differ."""
    rows = odd(scenes)
    with serve(scenes, miss=0.3, hallucinate=0.25, catch=0.7, doubt=0.1) as base_url:

        def ask(url: str, stage: Stage, sample: int, **given: Any) -> dict[str, Any]:
            return read(post(base_url, messages(stage, "neutral", [url], given), seed=sample))

        truths = found = invented = looked = dropped = doubted = 0
        seen = 0.0
        for row in rows:
            url = url_of(scenes / "images" / row.image_id)
            names = sorted({one.object for one in row.anomalies})
            true = {(one.object, one.family) for one in row.anomalies}
            told = [
                {"id": "true", "object": one.object, "name": one.name, "phenomenon": one.phenomenon}
                for one in row.anomalies[:1]
            ]
            wrong = next(
                family for family in ("handle", "clock") if family not in {one.family for one in row.anomalies}
            )
            false = {
                "handle": "The handle of the {} hovers beside it without touching.",
                "clock": "The face of the {} carries more hands than a clock has.",
            }
            told.append({"id": "false", "object": names[0], "name": "?", "phenomenon": false[wrong].format(names[0])})
            for sample in range(12):
                findings = [
                    (one["object"], family_of(one["name"]))
                    for stage in ("attributes_broad", "relations_broad")
                    for one in ask(url, stage, sample, objects=names)["findings"]  # type: ignore[arg-type]
                ]
                truths += len(true)
                seen += len(true) * (1 - 0.3 * (2 - 1 / len(names)))
                found += len(true & set(findings))
                invented += len(set(findings) - true)
                looked += 2 * len(names)
                verdicts = {
                    one["id"]: one["holds"] for one in ask(url, "attributes_verify", sample, findings=told)["verdicts"]
                }
                dropped += not verdicts["false"]
                doubted += not verdicts["true"]
    asked = 12 * len(rows)
    assert found / truths == pytest.approx(seen / truths, abs=0.09)
    assert invented / looked == pytest.approx(0.25, abs=0.08)
    assert dropped / asked == pytest.approx(0.7 * 0.75, abs=0.09)  # two findings in one look
    assert doubted / asked == pytest.approx(0.1, abs=0.07)


def test_answers_depend_on_the_question_and_never_on_the_order(scenes: Path) -> None:
    """Asked in another order, by another server, or again with an error quoted, a question gets the same answer."""
    rates = {"miss": 0.3, "hallucinate": 0.3, "seed": 5}
    urls = [url_of(scenes / "images" / row.image_id) for row in odd(scenes)[:6]]
    asked = [messages("scan", "neutral", [url]) for url in urls]
    with serve(scenes, **rates) as one, serve(scenes, **rates) as other:
        forth = [read(post(one, question)) for question in asked]
        back = [read(post(other, question)) for question in reversed(asked)]
        again = [read(post(other, repair_messages(question, "rubbish", "no JSON"))) for question in asked]
        samples = {json.dumps(read(post(one, asked[0], seed=sample))) for sample in range(8)}
    assert forth == back[::-1] == again
    assert len(samples) > 1


def test_faults_depend_on_the_question_and_its_attempt(scenes: Path) -> None:
    """Two servers fail at the same attempts of the same questions, whatever else they were asked between."""
    rates = {"busy": 0.2, "broken": 0.2, "malformed": 0.2, "truncated": 0.2, "retry_after": 3}
    asked = [messages("scan", "neutral", [url_of(scenes / "images" / row.image_id)]) for row in odd(scenes)[:16]]
    with serve(scenes, **rates) as one, serve(scenes, **rates) as other:

        def outcome(base_url: str, question: list[dict[str, Any]]) -> tuple[int, str | None, str]:
            answer = post(base_url, question)
            body = answer.json()
            if answer.status_code == 429:
                assert answer.headers["retry-after"] == "3"
            if answer.status_code != 200:
                return answer.status_code, None, ""
            choice = body["choices"][0]
            return 200, choice["finish_reason"], choice["message"]["content"]

        rounds = [[outcome(one, question) for question in asked] for _ in range(4)]
        singly = [[outcome(other, question) for _ in range(4)] for question in reversed(asked)]
        assert rounds == [list(attempts) for attempts in zip(*reversed(singly), strict=True)]
        faults = stats(one)["faults"]
    assert {status for tried in rounds for status, _, _ in tried} == {200, 429, 500, 503}
    assert set(faults) == {"busy", "broken", "malformed", "truncated"}


def test_malformed_answers_come_in_every_kind(scenes: Path) -> None:
    """Every kind of bad answer is served, and none of them is the good answer itself."""
    row = odd(scenes)[0]
    asked = messages("scan", "neutral", [url_of(scenes / "images" / row.image_id)])
    with serve(scenes) as base_url:
        good = post(base_url, asked).json()["choices"][0]["message"]["content"]
    with serve(scenes, malformed=1.0) as base_url:
        texts = {post(base_url, asked).json()["choices"][0]["message"]["content"] for _ in range(120)}
    assert texts == {broken(good) for broken in MALFORMED.values()}
    assert good not in texts


def test_hostile_answers_hold_to_the_schema(scenes: Path) -> None:
    """Markup, terminal codes, instructions and a megabyte of text come inside the fields of a valid answer."""
    asked = messages("scan", "neutral", [url_of(scenes / "images" / odd(scenes)[0].image_id)])
    with serve(scenes, hostile=1.0) as base_url:
        answers = [read(post(base_url, asked)) for _ in range(24)]
    told = " ".join(one["phenomenon"] for answer in answers for one in answer["anomalies"])
    assert "<script>" in told
    assert "\x1b[2J" in told
    assert len(told) > 1_000_000


def test_refusals_and_cut_off_answers_say_so(scenes: Path) -> None:
    """A refusal stands in its own field; an answer above `max_tokens` ends there with the reason `length`."""
    url = url_of(scenes / "images" / odd(scenes)[0].image_id)
    with serve(scenes, refused=1.0) as base_url:
        message = post(base_url, direct(url)).json()["choices"][0]["message"]
        assert message["content"] is None
        assert "can't help" in message["refusal"]
    with serve(scenes) as base_url:
        for limit in ("max_tokens", "max_completion_tokens"):
            answer = post(base_url, direct(url), **{limit: 7}).json()
            assert answer["choices"][0]["finish_reason"] == "length"
            assert answer["usage"]["completion_tokens"] == 7
    with serve(scenes, truncated=1.0) as base_url:
        assert post(base_url, direct(url)).json()["choices"][0]["finish_reason"] == "length"


def test_cut_connections_and_silence_reach_the_client(scenes: Path) -> None:
    """A cut answer is a broken connection; a hanging one is silence until the client gives up; the server ends at once."""
    asked = direct(url_of(scenes / "images" / odd(scenes)[0].image_id))
    with serve(scenes, cut=1.0) as base_url, pytest.raises(httpx.RemoteProtocolError):
        post(base_url, asked)
    with serve(scenes, hang=1.0) as base_url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{base_url}/chat/completions", json={"model": "simulated", "messages": asked}, timeout=0.3)
        waiting = threading.Thread(target=lambda: _ignoring(base_url, asked))
        waiting.start()
        time.sleep(0.2)
        started = time.monotonic()
    assert time.monotonic() - started < 3
    waiting.join()


def _ignoring(base_url: str, asked: list[dict[str, Any]]) -> None:
    with contextlib.suppress(httpx.HTTPError):
        post(base_url, asked)


def test_a_streamed_answer_is_the_same_answer_in_pieces(scenes: Path) -> None:
    """Chunks as OpenAI's, with the reason at the end; a connection that is cut ends without one."""
    asked = direct(url_of(scenes / "images" / odd(scenes)[0].image_id))
    with serve(scenes) as base_url:
        whole = post(base_url, asked).json()
        lines = [line for line in post(base_url, asked, stream=True).text.splitlines() if line]
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert len(pieces) > 3
    assert "".join(pieces) == whole["choices"][0]["message"]["content"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert chunks[-1]["usage"] == whole["usage"]
    with serve(scenes, cut=1.0) as base_url, pytest.raises(httpx.RemoteProtocolError):
        post(base_url, asked, stream=True)


def test_bills_what_it_served(scenes: Path) -> None:
    """Text costs a token for four characters, a picture one for 28 × 28 pixels; what was not answered costs nothing."""
    url = url_of(scenes / "images" / odd(scenes)[0].image_id)
    with serve(scenes) as base_url:
        answer = post(base_url, direct(url)).json()
        usage, text = answer["usage"], answer["choices"][0]["message"]["content"]
        assert usage["prompt_tokens"] == 6 * 6 + -(-len(PROMPTS["anomalies"]) // 4)
        assert usage["completion_tokens"] == -(-len(text) // 4)
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        post(base_url, direct(url), model="other")
        counted = stats(base_url)
    assert counted["calls"] == 2
    assert counted["answers"] == 1
    assert counted["stages"] == {"anomalies": 1}
    assert (counted["prompt_tokens"], counted["completion_tokens"]) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


def test_slots_bound_what_is_answered_at_a_time(scenes: Path) -> None:
    """With two slots and a latency, eight calls at once take four rounds."""
    asked = direct(url_of(scenes / "images" / odd(scenes)[0].image_id))
    with serve(scenes, latency=0.15, slots=2) as base_url:
        post(base_url, asked)
        threads = [threading.Thread(target=post, args=(base_url, asked)) for _ in range(8)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - started
    assert took >= 4 * 0.15


def test_a_server_without_schemas_says_so(scenes: Path) -> None:
    """`response_format` is answered with 400 by a server that knows none, and the same call without it succeeds."""
    asked = messages("scan", "neutral", [url_of(scenes / "images" / odd(scenes)[0].image_id)])
    with serve(scenes, schemas=False) as base_url:
        answer = post(base_url, asked, response_format={"type": "json_object"})
        assert answer.status_code == 400
        assert "response_format" in answer.json()["error"]["message"]
        assert read(post(base_url, asked))["anomalies"]


@pytest.mark.parametrize("form", [{"type": "json_schema"}, {"type": "json_object", "value": {}}, "json", 3])
def test_a_schema_has_to_have_the_form_of_the_protocol(scenes: Path, form: Any) -> None:
    """A `response_format` of another kind of server is a 400; one of OpenAI's is followed."""
    asked = messages("scan", "neutral", [url_of(scenes / "images" / odd(scenes)[0].image_id)])
    with serve(scenes) as base_url:
        assert post(base_url, asked, response_format=form).status_code == 400
        known = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}
        assert read(post(base_url, asked, response_format=known))["anomalies"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"model": "simulated"}',
        b'{"model": "simulated", "messages": []}',
        b'{"model": "simulated", "messages": [{"role": "user", "content": 3}]}',
        b'{"model": "simulated", "messages": [{"role": "user", "content": [3]}]}',
        b'{"model": "simulated", "messages": [{"role": "user", "content": "x"}], "seed": "y"}',
        b'{"model": "simulated", "messages": [{"role": "user", "content": [{"image_url": {"url": "http://a/b.png"}}]}]}',
        b'{"model": "simulated", "messages": [{"role": "user", "content": [{"image_url": {"url": "data:image/png;base64,AA"}}]}]}',
    ],
)
def test_requests_that_cannot_be_read_are_told_so(scenes: Path, body: bytes) -> None:
    """Whatever is sent, the answer is a 400 with a reason, never a crash; pictures elsewhere are not fetched."""
    with serve(scenes) as base_url:
        answer = _CLIENT.post(f"{base_url}/chat/completions", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]


def test_options_that_make_no_sense_are_refused(scenes: Path) -> None:
    """Rates out of range or above 1 together, unknown names, a taken port and a folder without scenes are errors."""
    with pytest.raises(InputError, match=r"miss 1\.5: is not a rate"):
        Rates(miss=1.5)
    with pytest.raises(InputError, match=r"add up to 1\.2"):
        Rates(cut=0.6, malformed=0.6)
    with pytest.raises(InputError, match="typo: is not a rate"), serve(scenes, typo=1):
        pass
    with pytest.raises(InputError, match=r"scenes\.jsonl"), serve(scenes / "images"):
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UnavailableError, match="--port"), serve(scenes, port=taken.getsockname()[1]):
            pass
