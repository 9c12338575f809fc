"""Wordings and languages of the user's own: what is asked, what stays, and what an earlier run is worth after them."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.plans import Settings
from agent.prompt_files import LONGEST, read_prompts
from agent.prompts import STANCES, Texts, messages
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.errors import InputError
from tests.annotating import stats


def text(stage: Any, texts: Texts, wording: int = 0) -> str:
    found: str = messages(stage, "neutral", [], {}, wording, texts)[1]["content"][-1]["text"]
    return found


def test_a_wording_replaces_ours_and_keeps_the_form_of_the_answer() -> None:
    """The question is the user's, what follows it (fields, severity, the input) is ours; other stages stay as they are."""
    texts = Texts(replaced={"scan": ("What is wrong?",), "discovery_draft": ("First.", "Second.")})
    ours, theirs = text("scan", Texts()), text("scan", texts)
    assert theirs.startswith("Task: scan\n\nWhat is wrong? Answer {")
    assert ours[ours.index("Answer {") :] == theirs[theirs.index("Answer {") :]
    assert [text("discovery_draft", texts, number).split()[2] for number in range(3)] == ["First.", "Second.", "First."]
    assert text("format", texts) == text("format", Texts())


def test_a_language_is_asked_for_in_the_system_message_alone() -> None:
    """So the beginning that all calls of a picture share stays shared."""
    plain, french = (messages("scan", "neutral", [], texts=Texts(language=one)) for one in (None, "French"))
    assert french[0]["content"].startswith(f"{STANCES['neutral']} Write all texts of your answers in French")
    assert french[1:] == plain[1:]


def test_all_calls_of_a_picture_begin_alike(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same system message and the whole picture, so that a server which caches prefixes reads the picture once."""
    sent: list[dict[str, Any]] = []

    def recorded(body: dict[str, Any]) -> bytes:
        sent.append(body)
        return json.dumps(body).encode()

    monkeypatch.setattr("agent.connection._encoded", recorded)
    with serve(scenes) as base_url:
        annotate(str(scenes), tmp_path / "run", Endpoint("simulated", base_url), Settings(plan="paper"), limit=1)
    begins = {json.dumps([body["messages"][0], body["messages"][1]["content"][0]]) for body in sent}
    assert len(sent) >= 8
    assert len(begins) == 1


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
