"""The plan `vote`: looks that know nothing of each other, what they agree on, and when they end."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agent.plans import Annotation, Settings
from agent.plans.annotation import Evidence
from agent.plans.vote import AGREE, ROUND, ROUNDS, _decided
from agent.prompts import LOOKS
from agent.run import Endpoint, annotate
from tests.scripted_endpoint import Asked, Said, completion, serve_scripted, stage_of

LEFT, RIGHT = [0, 0, 300, 300], [600, 600, 900, 900]
Say = Callable[[str, int, dict[str, Any]], Any]


def seen(thing: str, what: str, bbox: list[int] | None = None, severity: int = 20) -> dict[str, Any]:
    return {
        "sources": [],
        "object": thing,
        "name": what,
        "phenomenon": what,
        "reasoning": "It cannot be.",
        "severity": severity,
        "bbox": bbox,
    }


def asked_of(asked: Asked) -> dict[str, Any]:
    text = asked.body["messages"][1]["content"][-1]["text"]
    given: dict[str, Any] = json.loads(text.split("```json\n")[1].split("\n```")[0])
    return given


def voted(tmp_path: Path, say: Say, **settings: Any) -> tuple[Annotation, list[tuple[str, int, dict[str, Any]]]]:
    """One picture annotated by what a script says to a stage, a sample and its input; and the questions in their order."""
    asked: list[tuple[str, int, dict[str, Any]]] = []

    def script(request: Asked, number: int) -> Said:
        question = (stage_of(request), request.body["seed"], asked_of(request))
        asked.append(question)
        return completion(json.dumps(say(*question)))

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with serve_scripted(script) as endpoint:
        annotate(
            str(tmp_path / "a.png"),
            tmp_path / "run",
            Endpoint("scripted", endpoint.base_url),
            Settings(plan="vote", **settings),
        )
    (line,) = (tmp_path / "run" / "annotations.jsonl").read_text().splitlines()
    return Annotation.model_validate_json(line), asked


def says(
    looks: list[list[dict[str, Any]]],
    same: list[set[str]] | None = None,
    holds: Callable[[str, int], bool] = lambda *_: True,
) -> Say:
    """A model whose looks are given, which groups phenomena that are in one of `same`, and confirms what `holds` says."""

    def say(stage: str, sample: int, given: dict[str, Any]) -> Any:
        if stage == "look":
            return {"anomalies": looks[sample] if sample < len(looks) else []}
        findings = given["findings"]
        if stage == "integrate":
            groups: dict[str, list[str]] = {}
            for one in findings:
                words = one["phenomenon"]
                key = next((str(sorted(group)) for group in same or [] if words in group), words)
                groups.setdefault(key, []).append(one["id"])
            return {"groups": [{"ids": ids} for ids in groups.values()]}
        verdicts = [
            {"id": one["id"], "evidence": "seen", "holds": holds(one["phenomenon"], sample), "severity": 30}
            for one in findings
        ]
        return {"verdicts": verdicts}

    return say


def test_a_silent_picture_costs_one_round(tmp_path: Path) -> None:
    """Where nobody found anything more looks are not made, nothing is compared and nothing verified."""
    annotation, asked = voted(tmp_path, says([]))
    assert annotation.status == "none"
    assert [stage for stage, _, _ in asked] == ["look"] * ROUND


def test_looks_are_worded_differently_and_know_nothing_of_each_other(tmp_path: Path) -> None:
    """Each sample has a wording of its own and no input; there are wordings for all looks."""
    assert len(set(LOOKS)) == ROUND * ROUNDS
    texts = []

    def script(request: Asked, number: int) -> Said:
        texts.append(request.body["messages"][1]["content"][-1]["text"])
        return completion('{"anomalies": []}')

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with serve_scripted(script) as endpoint:
        annotate(str(tmp_path / "a.png"), tmp_path / "run", Endpoint("x", endpoint.base_url), Settings(plan="vote"))
    assert len(set(texts)) == ROUND
    assert all("Input:\n```json\n{}\n```" in text for text in texts)


def test_agreement_ends_the_looks(tmp_path: Path) -> None:
    """All looks of the first round name the same in the same words: no second round, no grouping, one verification."""
    cup = seen("cup", "The cup hovers above the table.", LEFT)
    annotation, asked = voted(tmp_path, says([[cup]] * ROUND))
    assert Counter(stage for stage, _, _ in asked) == {"look": ROUND, "relations_verify": 1}
    (anomaly,) = annotation.anomalies
    assert (anomaly.support, anomaly.score) == (ROUND + 1, 1.0)
    assert anomaly.severity == 20
    assert anomaly.stage == "look"


def test_what_one_look_alone_named_is_dropped_unasked(tmp_path: Path) -> None:
    """It makes more looks worth their price, but however many are left without it, no verification can save it."""
    cup, lamp = seen("cup", "The cup hovers."), seen("lamp", "The lamp burns under water.")
    annotation, asked = voted(tmp_path, says([[cup, lamp], [cup], [cup]]))
    counted = Counter(stage for stage, _, _ in asked)
    assert counted["look"] == ROUND * ROUNDS
    assert [one.object for one in annotation.anomalies] == ["cup"]
    verified = [one["object"] for stage, _, given in asked if stage == "relations_verify" for one in given["findings"]]
    assert verified == ["cup"]


def test_findings_in_other_words_are_grouped_by_one_call(tmp_path: Path) -> None:
    """Two looks under other names of the thing agree where the model says so; a look's own findings stay apart."""
    one = seen("cup", "The cup hovers.", LEFT, 10)
    other = seen("mug", "A drinking vessel without support.", LEFT, 30)
    lamp = seen("lamp", "The lamp burns under water.", RIGHT)
    same = [{one["phenomenon"], other["phenomenon"]}]
    annotation, asked = voted(tmp_path, says([[one, lamp], [other, lamp], [lamp]], same))
    assert Counter(stage for stage, _, _ in asked) == {"look": ROUND, "integrate": 1, "relations_verify": 1}
    assert {one.object: one.support for one in annotation.anomalies} == {"cup": 3, "lamp": 4}
    cup = next(one for one in annotation.anomalies if one.object == "cup")
    assert cup.severity == 30  # the median of 10, 30 and the verifying look's 30
    assert cup.bbox is not None


def test_nothing_is_grouped_where_grouping_cannot_matter(tmp_path: Path) -> None:
    """What a single look found cannot be agreed on: no call compares it, and the picture ends as `none`."""
    lamp, cup = seen("lamp", "The lamp burns under water."), seen("cup", "The cup hovers.")
    annotation, asked = voted(tmp_path, says([[lamp, cup]]))
    assert {stage for stage, _, _ in asked} == {"look"}
    assert annotation.status == "none"


def test_a_finding_that_was_left_apart_is_not_told_twice(tmp_path: Path) -> None:
    """The grouping call leaves two sayings of one thing apart; what is kept of one object is compared once more."""
    one, other = seen("cup", "The cup hovers."), seen("cup", "No contact with any surface whatsoever.")
    said = says([[one], [one], [other], [other]], [{one["phenomenon"], other["phenomenon"]}])
    compared = Counter[str]()

    def forgetful(stage: str, sample: int, given: dict[str, Any]) -> Any:
        compared[stage] += 1
        if stage == "integrate" and compared[stage] <= 2:
            return {"groups": [{"ids": [finding["id"]]} for finding in given["findings"]]}
        return said(stage, sample, given)

    annotation, _ = voted(tmp_path, forgetful)
    assert compared["integrate"] == 3
    assert [anomaly.support for anomaly in annotation.anomalies] == [5]


def test_what_looks_agree_on_and_the_place_does_not_show_is_dropped(tmp_path: Path) -> None:
    """Looks share errors: what all of them named is looked at again, and dropped when two in a row deny it."""
    cup, lamp = seen("cup", "The cup hovers."), seen("lamp", "The lamp burns under water.")
    annotation, asked = voted(
        tmp_path, says([[cup, lamp]] * ROUND, holds=lambda what, sample: what == cup["phenomenon"])
    )
    assert [one.object for one in annotation.anomalies] == ["cup"]
    verified = [
        [one["object"] for one in given["findings"]] for stage, _, given in asked if stage == "relations_verify"
    ]
    assert verified == [["cup", "lamp"], ["lamp"]]


@pytest.mark.parametrize(
    ("votes", "least", "decided"),
    [
        ("", 1, False),
        ("y", 1, True),
        ("n", 1, False),
        ("nn", 1, True),
        ("ny", 1, False),
        ("nyy", 1, True),
        ("y", 4, False),
        ("yy", 4, True),
        ("y", 9, True),
    ],
)
def test_looks_again_end_when_they_are_decided(votes: str, least: int, decided: bool) -> None:
    """The first to confirm ends them, two denials in a row too; more are made where more support is asked for and can be had."""
    held = votes.count("y")
    known = Evidence("1", "look", "cup", "", "", "", {f"look#{k}" for k in range(AGREE)}, held, len(votes))
    assert _decided(known, Settings(plan="vote", min_support=least)) is decided


def test_a_look_that_never_answers_makes_the_picture_partial(tmp_path: Path) -> None:
    """What the others agree on stands, and the row says what is missing; where none answers nothing can be said."""
    cup = seen("cup", "The cup hovers.")

    def broken(stage: str, sample: int, given: dict[str, Any]) -> Any:
        return "no" if stage == "look" and sample == 1 else says([[cup]] * ROUND)(stage, sample, given)

    annotation, _ = voted(tmp_path, broken)
    assert annotation.status == "partial"
    assert [failure.sample for failure in annotation.failures] == [1]
    assert [one.support for one in annotation.anomalies] == [3]
    (tmp_path / "silent").mkdir()
    annotation, _ = voted(tmp_path / "silent", lambda stage, sample, given: "no")
    assert annotation.status == "failed"
