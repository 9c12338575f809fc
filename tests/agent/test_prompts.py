"""Wordings and languages of the user's own: what is asked, what stays, and what an earlier run is worth after them."""

import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from agent.answers import read_answer
from agent.boxes import GRID, Boxes, Frame
from agent.connection import Server
from agent.plans import Settings
from agent.prompt_files import LONGEST, read_prompts
from agent.prompts import STANCES, Texts, messages
from agent.run import Endpoint, annotate
from agent.simulated import serve
from agent.stages import ANSWERS, LIST_OF, schema
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
    assert theirs.startswith('Task: scan\n\nWhat is wrong? Answer {"answer": {"anomalies": [...]}}.')
    assert ours[ours.index("Answer {") :] == theirs[theirs.index("Answer {") :]
    assert [text("discovery_draft", texts, number).split()[2] for number in range(3)] == ["First.", "Second.", "First."]
    assert text("format", texts) == text("format", Texts())


def test_a_language_is_asked_for_last_and_in_the_system_message_alone() -> None:
    """After the example, whose English it must not follow; so the beginning that all calls of a picture share stays shared."""
    plain, french = (messages("scan", "neutral", [], texts=Texts(language=one)) for one in (None, "French"))
    assert french[0]["content"].startswith(plain[0]["content"])
    assert "Write all texts of your answers in French" in french[0]["content"].rpartition("\n\n")[2]
    assert french[1:] == plain[1:]


def test_a_stance_of_the_users_own_keeps_the_form_of_answers() -> None:
    """The words about who the model is are replaced, fields, example and severity stay."""
    ours, theirs = (messages("scan", "neutral", [], texts=one)[0]["content"] for one in (Texts(), OWN))
    assert theirs == ours.replace(STANCES["neutral"], "Look closely.")


OWN = Texts(replaced={"neutral": ("Look closely.",)})


@pytest.mark.parametrize("boxes", [GRID, Boxes("pixels"), Boxes("permille", swapped=True), Boxes("fraction")])
def test_the_worked_example_holds_to_the_schema_and_to_the_models_boxes(boxes: Boxes) -> None:
    """One answer of every list, and one of nothing; read as an answer of such a model, all boxes are in the same place."""
    system: str = messages("scan", "neutral", [], boxes=boxes)[0]["content"]
    assert f"bbox is {boxes.asked}, or null" in system
    frame = Frame(boxes, (1200, 800))
    answers = [json.loads(line[line.index("{") :]) for line in system.splitlines() if '{"answer": {"' in line]
    shown = [next(iter(one["answer"])) for one in answers]
    assert shown == ["objects", "findings", "verdicts", "groups", "anomalies", "anomalies"]
    for name, one in zip(shown, answers, strict=True):
        jsonschema.validate(one, schema())
        stage = next(stage for stage, answer in ANSWERS.items() if LIST_OF[answer][0] == name)
        read = read_answer(stage, json.dumps(one), ["1", "2", "3"] if name != "verdicts" else ["1", "2"], frame)
        assert (read.problem, read.lost_boxes) == (None, 0)
        if name == "objects":
            assert [item.bbox for item in read.items] == [[400, 250, 550, 450], [50, 600, 950, 1000]]


def test_a_model_is_asked_for_boxes_in_its_own_convention(scenes: Path, tmp_path: Path) -> None:
    """By its family, or as `--boxes` says; one of which nothing is known is asked for the grid."""
    said: list[str] = []

    def script(asked: Asked, number: int) -> Said:
        said.append(asked.body["messages"][0]["content"])
        return completion('{"answer": {"anomalies": []}}')

    with serve_scripted(script) as endpoint:
        for model, unit in (("Qwen2.5-VL-7B", None), ("gemini-2.5", None), ("mine", None), ("mine", "fraction")):
            out = tmp_path / f"{model}-{unit}"
            settings = Settings(boxes=unit)  # type: ignore[arg-type]
            annotate(str(scenes / "images"), out, Endpoint(model, endpoint.base_url), settings, limit=1)
    asked = [re.search(r"bbox is (.*), or null", one)[1] for one in said[::3]]  # type: ignore[index]
    assert asked == [
        "[x0, y0, x1, y1] in pixels of the whole picture",
        "[y0, x0, y1, x1] from 0 to 1000 over the whole picture",
        "[x0, y0, x1, y1] from 0 to 1000 over the whole picture",
        "[x0, y0, x1, y1] from 0 to 1 over the whole picture",
    ]


class Exchange(NamedTuple):
    """A request: its prompt, where the whole picture ends in it, and the times at which it was sent and answered."""

    prompt: str
    picture_ends: int
    sent: float
    answered: float

    def shares_the_picture(self, other: "Exchange") -> bool:
        """Whether both prompts are the same from their beginning to the end of the picture."""
        return other.prompt.startswith(self.prompt[: self.picture_ends])


def laid_out(body: dict[str, Any]) -> tuple[str, int]:
    """A prompt as it is for a server that puts the schema before the messages, and where the whole picture ends in it."""
    prompt, ends = json.dumps(body.get("response_format")), 0
    for message in body["messages"]:
        content = message["content"]
        prompt += f"<{message['role']}>"
        for part in [{"text": content}] if isinstance(content, str) else content:
            prompt += part["text"] if "text" in part else part["image_url"]["url"]
            ends = ends or ("image_url" in part and len(prompt))
    return prompt, int(ends)


def exchanges_of(plan: Any, scenes: Path, out: Path, monkeypatch: pytest.MonkeyPatch, image: str) -> list[Exchange]:
    """The requests that a plan makes about a picture, and how many of them the server itself counts as begun like one before."""
    made: list[Exchange] = []
    complete = Server.complete

    async def recorded(server: Server, body: Any, attempt: Any = None) -> Any:
        sent = time.perf_counter()
        came = await complete(server, body, attempt)
        made.append(Exchange(*laid_out(body), sent, time.perf_counter()))
        return came

    monkeypatch.setattr(Server, "complete", recorded)
    with serve(scenes, latency=0.05, **ERRS) as base_url:
        annotate(str(scenes / "images" / image), out, Endpoint("simulated", base_url), Settings(plan=plan))
        hits = stats(base_url)["prefix_hits"]
    assert hits == sum(
        any(other.answered < one.sent and one.shares_the_picture(other) for other in made) for one in made
    )
    return made


ERRS = {"miss": 0.2, "hallucinate": 0.1, "catch": 0.8, "doubt": 0.05, "misgroup": 0.1, "seed": 3}


@pytest.mark.parametrize(
    ("plan", "calls", "at_once"),
    [("efficient", 11, 3), ("paper", 26, 6), ("vote", 8, 3)],
)
def test_calls_of_a_picture_begin_alike_up_to_the_end_of_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: str, calls: int, at_once: int
) -> None:
    """Schema included: all like the first, and all but those of the first step like one that was answered by then, so that a prefix
    cache has the picture for 8 of 11 calls. The simulated server counts the same."""
    scenes = write_scenes(tmp_path / "scenes", 2, seed=5)
    made = exchanges_of(plan, scenes, tmp_path / "run", monkeypatch, "scene_5_000000_odd.png")
    assert len(made) == calls
    assert made[0].picture_ends > 0
    assert all(one.shares_the_picture(made[0]) for one in made)
    hits = sum(any(other.answered < one.sent for other in made) for one in made)
    assert hits >= calls - at_once


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("scan: [", "cannot be read as prompts"),
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
