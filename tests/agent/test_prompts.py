"""Wordings and languages of the user's own: what is asked, what stays, and what an earlier run is worth after them."""

import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
from typer.testing import CliRunner

import anomreason
from agent.answers import read_answer
from agent.boxes import GRID, Boxes, Frame
from agent.connection import Server
from agent.plans import STAGES, Settings
from agent.prompt_files import LONGEST, read_prompts
from agent.prompts import STANCES, Texts, messages
from agent.run import Endpoint, annotate
from agent.simulated import serve
from agent.stages import ANSWERS, schema
from dataset_builder.errors import InputError
from dataset_builder.scenes import write_scenes
from tests.annotating import stats
from tests.scripted_endpoint import Asked, Said, completion, serve_scripted


def text(stage: Any, texts: Texts, wording: int = 0) -> str:
    found: str = messages(stage, "neutral", [], {}, wording, texts)[1]["content"][-1]["text"]
    return found


def test_a_wording_replaces_ours_and_keeps_the_form_of_the_answer() -> None:
    """The question is the user's, what follows it (fields, severity, the input) is ours; other stages stay as they are."""
    texts = Texts(replaced={"scan": ("What is wrong?",), "discovery_draft": ("First.", "Second.")})
    ours, theirs = text("scan", Texts()), text("scan", texts)
    assert theirs.startswith('Task: scan\n\nWhat is wrong?\nAnswer {"answer": {"anomalies": [...]}}: ')
    assert ours[ours.index("Answer {") :] == theirs[theirs.index("Answer {") :]
    assert [text("discovery_draft", texts, number).split()[2] for number in range(3)] == ["First.", "Second.", "First."]
    assert text("format", texts) == text("format", Texts())


def test_a_language_is_asked_for_in_the_system_message_alone() -> None:
    """So the beginning that all calls of a picture share stays shared."""
    plain, french = (messages("scan", "neutral", [], texts=Texts(language=one)) for one in (None, "French"))
    assert french[0]["content"].startswith(f"{STANCES['neutral']} Write all texts of your answers in French")
    assert french[1:] == plain[1:]


@pytest.mark.parametrize("boxes", [GRID, Boxes("pixels"), Boxes("permille", swapped=True), Boxes("fraction")])
@pytest.mark.parametrize("stage", ANSWERS)
def test_the_worked_example_holds_to_the_schema_and_to_the_models_boxes(stage: Any, boxes: Boxes) -> None:
    """It is an answer of the stage: nothing is wrong with it, and its boxes are read as the same place in any convention."""
    asked: str = messages(stage, "neutral", [], boxes=boxes)[1]["content"][-1]["text"]
    (line,) = (line for line in asked.splitlines() if line.startswith("Example, "))
    example = line[line.index("{") :]
    jsonschema.validate(json.loads(example), schema())
    read = read_answer(stage, example, ["1", "2"] if "verify" in stage else ["1", "2", "3"], Frame(boxes, (1200, 800)))
    assert (read.problem, read.lost_boxes) == (None, 0)
    assert read.items
    placed = [item.bbox for item in read.items if hasattr(item, "bbox")]
    assert placed in ([], [[400, 250, 550, 450]], [[400, 250, 550, 450], [50, 600, 950, 1000]])
    assert bool(placed) == (f"bbox is {boxes.asked}, or null" in asked)


def test_a_model_is_asked_for_boxes_in_its_own_convention(scenes: Path, tmp_path: Path) -> None:
    """By its family, or as `--boxes` says; one of which nothing is known is asked for the grid."""
    said: list[str] = []

    def script(asked: Asked, number: int) -> Said:
        said.append(asked.body["messages"][1]["content"][-1]["text"])
        return completion('{"answer": {"anomalies": []}}')

    with serve_scripted(script) as endpoint:
        for model, unit in (("Qwen2.5-VL-7B", None), ("gemini-2.5", None), ("mine", None), ("mine", "fraction")):
            out = tmp_path / f"{model}-{unit}"
            settings = Settings(boxes=unit)  # type: ignore[arg-type]
            annotate(str(scenes / "images"), out, Endpoint(model, endpoint.base_url), settings, limit=1)
    asked = [re.search(r"bbox is (.*?), or null", one)[1] for one in said[::3]]  # type: ignore[index]
    assert asked == [
        "[x0, y0, x1, y1] in pixels of the whole picture",
        "[y0, x0, y1, x1] from 0 to 1000 over the whole picture",
        "[x0, y0, x1, y1] from 0 to 1000 over the whole picture",
        "[x0, y0, x1, y1] from 0 to 1 over the whole picture",
    ]


class Exchange(NamedTuple):
    """A request: its prompt from the beginning to the end of the whole picture, and the times at which it was sent and answered."""

    beginning: str
    sent: float
    answered: float


def beginning_of(body: dict[str, Any]) -> str:
    """How a prompt begins at a server that puts the schema before the messages, as far as the end of the first picture."""
    begun = json.dumps(body.get("response_format"))
    for message in body["messages"]:
        content = message["content"]
        begun += f"<{message['role']}>"
        for part in [{"text": content}] if isinstance(content, str) else content:
            if "image_url" in part:
                return str(begun + part["image_url"]["url"])
            begun += part["text"]
    raise AssertionError("a request without a picture")


@pytest.mark.parametrize(("plan", "number", "at_once"), [("efficient", 6, 3), ("paper", 2, 6), ("vote", 6, 3)])
def test_calls_of_a_picture_begin_alike_up_to_the_end_of_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: Any, number: int, at_once: int
) -> None:
    """Schema included: all of them, and all but those of the first step like one that was answered by then, so that a prefix cache
    has the picture for 8 of 11 calls and more. The simulated server counts the same."""
    made: list[Exchange] = []
    complete = Server.complete

    async def recorded(server: Server, body: Any, attempt: Any = None) -> Any:
        sent = time.perf_counter()
        came = await complete(server, body, attempt)
        made.append(Exchange(beginning_of(body), sent, time.perf_counter()))
        return came

    monkeypatch.setattr(Server, "complete", recorded)
    scenes = write_scenes(tmp_path / "scenes", number, seed=5)
    errs = {"miss": 0.2, "hallucinate": 0.1, "catch": 0.8, "doubt": 0.05, "misgroup": 0.1}
    with serve(scenes, latency=0.05, **errs) as base_url:
        annotate(str(scenes), tmp_path / "run", Endpoint("simulated", base_url), Settings(plan=plan))
        served = stats(base_url)
    assert set(served["stages"]) <= set(STAGES[plan])
    pictures: dict[str, list[Exchange]] = {}
    for one in made:
        pictures.setdefault(one.beginning, []).append(one)
    assert len(pictures) == number
    hits = [sum(min(o.answered for o in of_one) < one.sent for one in of_one) for of_one in pictures.values()]
    assert all(found >= len(of_one) - at_once for found, of_one in zip(hits, pictures.values(), strict=True))
    assert sum(hits) <= served["prefix_hits"] < len(made)
    assert plan == "vote" or max(map(len, pictures.values())) >= 11


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("neutral: Look.\nscan: [What?, Why?]", "line 2: .*; put texts in quotation marks"),
        ("scan: \x00", "cannot be read as prompts"),
        ("- scan", "is not a text"),
        ("scan: 3", "scan"),
        (
            "scam: What?",
            "scam: is neither a stage nor a stance; choose from neutral, assume-generated, discovery_draft",
        ),
        ("scan: '  '", "scan: a wording is empty"),
        ("scan: []", "scan: a wording is empty"),
        ("neutral: [a, b]", "neutral: has 2 wordings; a stance has one"),
    ],
)
def test_a_file_that_holds_no_wordings_is_told(tmp_path: Path, content: str, words: str) -> None:
    """With the place and what to write there."""
    path = tmp_path / "prompts.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=words.replace("[", "\\[")):
        read_prompts(path)
    path.write_text(f"scan: {'x' * (LONGEST + 1)}")
    with pytest.raises(InputError, match="longer than 4,000 characters"):
        read_prompts(path)


def test_other_wordings_ask_only_what_they_change(scenes: Path, tmp_path: Path) -> None:
    """A run with another wording of one stage asks that stage and what follows from it again; run.json has the words."""
    path = tmp_path / "prompts.yaml"
    path.write_text("scan: |\n  Was stimmt hier nicht?\n  Schau genau hin.\n")
    plain = Settings(plan="efficient")
    settings = plain.model_copy(update={"prompts": read_prompts(path)})
    assert (
        settings.fingerprint("m")
        != plain.fingerprint("m")
        != Settings(plan="efficient", language="French").fingerprint("m")
    )
    with serve(scenes) as base_url:
        endpoint = Endpoint("simulated", base_url)
        annotate(str(scenes), tmp_path / "run", endpoint, plain, limit=2)
        before = stats(base_url)["stages"]
        annotate(str(scenes), tmp_path / "run", endpoint, settings, limit=2)
        after = stats(base_url)["stages"]
    assert after["scan"] == 2 * before["scan"]
    assert after["discovery_draft"] == before["discovery_draft"]
    known = json.loads((tmp_path / "run" / "run.json").read_text())
    assert known["prompts"] == {"scan": ["Was stimmt hier nicht? Schau genau hin."]}


def test_the_command_asks_in_the_users_words_and_says_which_have_no_effect(scenes: Path, tmp_path: Path) -> None:
    """`--language` and `--prompts` reach every request; a wording of a stage that the plan does not ask is told, not swallowed."""
    words = tmp_path / "words.yaml"
    words.write_text(
        'neutral: Du prüfst Bilder.\nlook: ["Was ist falsch?", "Was kann nicht sein?"]\nscan: Was sonst?\n'
    )
    sent: list[Any] = []

    def script(asked: Asked, number: int) -> Said:
        sent.append(asked.body["messages"])
        return completion('{"answer": {"anomalies": []}}')

    with serve_scripted(script) as endpoint:
        to = ("--base-url", endpoint.base_url, "--model", "x", "--out", tmp_path / "run", "--limit", 1)
        options = ("annotate", scenes / "images", *to, "--language", "German", "--prompts", words)
        done = CliRunner().invoke(anomreason.app, list(map(str, options)))
    assert done.exit_code == 0, done.output
    assert {one[0]["content"][:50] for one in sent} == {"Du prüfst Bilder. Write all texts of your answers "}
    asked = [one[1]["content"][-1]["text"].splitlines()[2] for one in sent]
    assert sorted(asked) == ["Was ist falsch?", "Was ist falsch?", "Was kann nicht sein?"]
    assert (
        f"{words}: scan: has no effect; --plan vote uses only neutral, look, integrate, relations_verify" in done.stderr
    )
    assert "look: has no effect" not in done.stderr
