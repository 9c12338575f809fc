"""Asking: a bad answer is asked for again once, a cut-off one with more room, and what stays bad loses only itself."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agent import loops
from agent.asking import Asker, Services
from agent.budget import UNLIMITED, Budget
from agent.client import Chat
from agent.connection import connect
from agent.journal import Journal
from agent.journal_files import open_for_reading
from agent.pictures import SentPicture
from agent.stages import Stage
from dataset_builder.errors import OutputError
from tests.scripted_endpoint import Asked, Endpoint, Said, completion, serve_scripted

FINDING = {"object": "cup", "name": "Floating cup", "phenomenon": "The cup hovers.", "reasoning": "Nothing holds it."}
GOOD = completion(json.dumps({"findings": [FINDING]}))
Script = Callable[[Asked, int], Said]


def in_turn(*replies: Said) -> Script:
    """A script that says one after the other, and the last for ever."""
    return lambda asked, number: replies[min(number, len(replies) - 1)]


def ask(
    script: Script, journal: Path, *, stage: Stage = "attributes_broad", given: Any = None, times: int = 1, **more: Any
) -> tuple[list[Any], Asker, Endpoint]:
    """Ask about a small picture: the answers' items, the asker, and the endpoint with what it was asked."""
    picture = SentPicture.read(Image.new("RGB", (64, 48), "teal"), "a.png")

    async def asked(base_url: str) -> tuple[list[Any], Asker]:
        client = connect("scripted", base_url)
        async with Journal(journal) as opened:
            services = Services(Chat(client, "scripted"), opened, Budget(UNLIMITED, None, opened.totals()))
            asker = Asker(picture, services)
            try:
                answers = [asker.ask(stage, given, about="cup", **more) for _ in range(times)]
                return list(await asyncio.gather(*answers)), asker
            finally:
                await client.close()

    with serve_scripted(script) as endpoint:
        items, asker = loops.run(asked(endpoint.base_url))
        return items, asker, endpoint


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.client.FIRST_WAIT", 0.01)


def texts(asked: Asked) -> list[str]:
    """The texts of a request's messages, in order."""
    contents = [message["content"] for message in asked.body["messages"]]
    return [content if isinstance(content, str) else content[-1]["text"] for content in contents]


def test_a_bad_answer_is_asked_for_again_with_the_error_quoted(tmp_path: Path) -> None:
    """The second request repeats the first and adds the answer and what is wrong with it; its answer is used."""
    bad = completion(json.dumps({"findings": [FINDING | {"name": ""}]}))
    ((found,), *_), asker, endpoint = ask(in_turn(bad, GOOD), tmp_path)
    assert found.phenomenon == "The cup hovers."
    assert asker.failures == []
    once, again = endpoint.asked
    assert again.body["messages"][: len(once.body["messages"])] == once.body["messages"]
    assert texts(again)[-2] == bad.body["choices"][0]["message"]["content"]
    assert 'findings[0]: name "": is empty; write at least a word' in texts(again)[-1]


def test_an_answer_that_stays_bad_is_given_up_and_said(tmp_path: Path) -> None:
    """After one repetition nothing more is asked; the failure names stage, object and reason; the next run asks anew."""
    items, asker, endpoint = ask(in_turn(completion("I see a cup.")), tmp_path)
    assert items == [None]
    assert len(endpoint.asked) == 2
    (failure,) = asker.failures
    assert (failure.stage, failure.object) == ("attributes_broad", "cup")
    assert 'no JSON object with the list "findings"' in failure.reason
    ((found,), *_), asker, endpoint = ask(in_turn(GOOD), tmp_path)
    assert found.name == "Floating cup"
    assert len(endpoint.asked) == 1
    assert len(texts(endpoint.asked[0])) == 2


def test_one_bad_item_loses_none_of_its_siblings(tmp_path: Path) -> None:
    """Of an answer that stays partly bad the good items are used, and the loss is said."""
    partly = completion(json.dumps({"findings": [FINDING, {"nonsense": True}, FINDING | {"name": "Second"}]}))
    (found, *_), asker, endpoint = ask(in_turn(partly), tmp_path)
    assert [one.name for one in found] == ["Floating cup", "Second"]
    assert len(asker.failures) == 1
    assert "findings[1]" in asker.failures[0].reason
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("cut", [14, 40, 100, -3])
def test_a_list_that_breaks_off_is_never_taken_for_all_of_it(tmp_path: Path, cut: int) -> None:
    """An answer that ends in the middle, though the server calls it whole, is asked for again and never an empty list."""
    whole = json.dumps({"findings": [FINDING]})
    (found, *_), asker, endpoint = ask(in_turn(completion(whole[:cut])), tmp_path)
    assert found is None
    assert asker.failures[0].reason.startswith('the list "findings": ')
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize("text", ["[]", '{"findings": []}', "```json\n[]\n```", "No anomalies were found."])
def test_nothing_is_an_answer(tmp_path: Path, text: str) -> None:
    """An empty list, in any dress, is no failure."""
    (found, *_), asker, endpoint = ask(in_turn(completion(text)), tmp_path)
    assert found == []
    assert asker.failures == []
    assert len(endpoint.asked) == 1


def test_a_cut_off_answer_gets_twice_the_room_up_to_a_cap(tmp_path: Path) -> None:
    """Each answer that ends at its length doubles the limit; at 16,000 tokens the call is given up."""
    whole = json.dumps({"findings": [FINDING | {"phenomenon": f"Its handle number {n} is bent."} for n in range(200)]})
    cut = completion(whole[:60], "length")

    def growing(asked: Asked, number: int) -> Said:
        return completion(whole[: asked.body["max_tokens"] // 2], "length")

    _, asker, endpoint = ask(growing, tmp_path)
    assert [asked.body["max_tokens"] for asked in endpoint.asked] == [2000, 4000, 8000, 16000]
    assert "cut off at 16000 tokens" in asker.failures[0].reason
    assert all(len(texts(asked)) == 2 for asked in endpoint.asked)
    (found, *_), asker, endpoint = ask(in_turn(cut, GOOD), tmp_path / "other")
    assert len(found) == 1
    assert asker.failures == []


@pytest.mark.parametrize(
    "answers",
    [
        lambda limit: '{"findings": [' + " \n" * limit,
        lambda limit: '{"findings": [' + json.dumps(FINDING) * (limit // 40),
        lambda limit: '{"findings": [',
    ],
    ids=["blanks", "the same again and again", "no longer with more room"],
)
def test_an_answer_that_would_never_end_gets_no_more_room(tmp_path: Path, answers: Callable[[int], str]) -> None:
    """Blanks, loops and answers that do not grow are given up, at two attempts and 6,000 tokens at most."""

    def answer(asked: Asked, number: int) -> Said:
        return completion(answers(asked.body["max_tokens"]), "length")

    _, asker, endpoint = ask(answer, tmp_path)
    assert sum(asked.body["max_tokens"] for asked in endpoint.asked) <= 6000
    assert "repeat or are blank" in asker.failures[0].reason


@pytest.mark.parametrize(
    "said",
    [
        completion("I'm sorry, but I can't help with that picture."),
        completion(None, refusal="I cannot assist with this."),
        completion("", "content_filter"),
    ],
    ids=["in words", "in its field", "by a filter"],
)
def test_a_refusal_is_recognised_and_not_argued_with(tmp_path: Path, said: Said) -> None:
    """However a model declines, the call is given up at once with that reason."""
    items, asker, endpoint = ask(in_turn(said), tmp_path)
    assert items == [None]
    assert len(endpoint.asked) == 1
    assert asker.failures[0].reason.startswith("refused (")


def test_a_server_without_schemas_is_read_tolerantly(tmp_path: Path) -> None:
    """Where `response_format` is refused, prose, fences and single quotes around the list do not matter."""
    answer = f"Certainly!\n```json\n{json.dumps({'findings': [FINDING]})}\n```\nAnything else?".replace('"', "'")

    def script(asked: Asked, number: int) -> Said:
        if "response_format" in asked.body:
            return Said(400, {"error": {"message": "response_format is not supported"}})
        return completion(answer)

    (found, *_), asker, endpoint = ask(script, tmp_path)
    assert [one.name for one in found] == ["Floating cup"]
    assert asker.failures == []
    assert [("response_format" in asked.body) for asked in endpoint.asked] == [True, False]


def test_a_verdict_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    """An answer that judges only one of two findings is asked for again; what it did judge is kept."""
    given = {"findings": [FINDING | {"id": "1"}, FINDING | {"id": "2"}]}
    verdict = {"id": "2", "evidence": "I see it.", "holds": True, "severity": 20}
    said = completion(json.dumps({"verdicts": [verdict, verdict | {"id": "9"}]}))
    (found, *_), asker, endpoint = ask(in_turn(said), tmp_path, stage="attributes_verify", given=given)
    assert [one.id for one in found] == ["2"]
    assert len(endpoint.asked) == 2
    assert 'no verdict on the finding "1"' in asker.failures[0].reason


def test_the_picture_comes_first_with_identical_bytes(tmp_path: Path) -> None:
    """In every request of a picture, repetitions included, system message and picture are the same bytes, and the text is last."""
    crops = ["data:image/png;base64,AAAA"]
    _, _, endpoint = ask(in_turn(completion("bad"), GOOD), tmp_path, crops=crops)
    _, _, other = ask(in_turn(GOOD), tmp_path / "other", stage="relations_broad", given={"objects": ["cup"]}, sample=2)
    asked = [*endpoint.asked, *other.asked]
    assert len({json.dumps(one.body["messages"][0]) for one in asked}) == 1
    contents = [one.body["messages"][1]["content"] for one in asked]
    assert len({content[0]["image_url"]["url"] for content in contents}) == 1
    assert contents[0][1]["image_url"]["url"] == crops[0]
    assert all([part["type"] for part in content].index("text") == len(content) - 1 for content in contents)


def test_a_valid_answer_is_never_paid_for_twice(tmp_path: Path) -> None:
    """Asked again, at once or in a later process, the answer comes out of the journal."""
    items, _, endpoint = ask(in_turn(GOOD), tmp_path, times=5)
    assert len(endpoint.asked) == 1
    assert all(item == items[0] for item in items)
    again, asker, endpoint = ask(in_turn(completion("never asked")), tmp_path)
    assert again == items[:1]
    assert endpoint.asked == []
    assert asker.asked == 1


def test_what_shaped_a_call_is_its_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another sample, input, temperature or prompt is another call; another server is not."""
    ask(in_turn(GOOD), tmp_path)
    for change in ({"sample": 1}, {"given": {"objects": ["lamp"]}}, {"temperature": 0.9}, {"crops": ["data:,x"]}):
        _, _, endpoint = ask(in_turn(GOOD), tmp_path, **change)
        assert len(endpoint.asked) == 1, change
    monkeypatch.setattr("agent.prompts._ASK", {"attributes_broad": "Look again."})
    _, _, endpoint = ask(in_turn(GOOD), tmp_path)
    assert len(endpoint.asked) == 1
    monkeypatch.undo()
    _, _, endpoint = ask(in_turn(GOOD), tmp_path)
    assert endpoint.asked == []


def test_what_cannot_be_kept_is_not_asked(tmp_path: Path) -> None:
    """Once the journal cannot be written, no further call is paid for."""
    picture = SentPicture.read(Image.new("RGB", (64, 48), "teal"), "a.png")

    async def asked(base_url: str) -> None:
        client = connect("scripted", base_url)
        async with Journal(tmp_path) as journal:
            journal._opened.writer.execute("PRAGMA query_only = 1")
            services = Services(
                Chat(client, "scripted", concurrency=1), journal, Budget(UNLIMITED, None, journal.totals())
            )
            asker = Asker(picture, services)
            waiting = [asker.ask("scan", sample=sample) for sample in range(6)]
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(result, OutputError) for result in results)
            await client.close()

    with serve_scripted(in_turn(completion('{"anomalies": []}'))) as endpoint:
        loops.run(asked(endpoint.base_url))
    assert len(endpoint.asked) == 1


def test_each_attempt_stands_in_the_journal(tmp_path: Path) -> None:
    """With what was asked, what came, why it was no use and what it cost, given-up ones marked."""
    ask(in_turn(completion("bad"), completion("worse")), tmp_path)
    rows = [dict(row) for row in open_for_reading(tmp_path).execute("SELECT * FROM calls ORDER BY id")]
    assert [(row["answer"], row["gave_up"], row["prompt_tokens"]) for row in rows] == [
        ("bad", 0, 100),
        ("worse", 1, 100),
    ]
    assert all(row["request"].startswith("Task: attributes_broad") and row["problem"] for row in rows)
