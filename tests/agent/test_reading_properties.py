"""Any answer, however it is wrapped, reads as the answer itself."""

import json
import re
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.answers import read_answer
from agent.stages import ANSWERS, LIST_OF, Stage
from dataset_builder.textform import parse_answer
from tests.growth import grows_linearly

IDS = ["1", "2", "3"]
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=30).filter(str.strip)
SEVERITIES = st.integers(0, 100)
BOXES = st.none() | st.just([100, 200, 500, 500])
QUADRUPLET = {"name": WORDS, "phenomenon": WORDS, "reasoning": WORDS}
ITEMS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "objects": st.fixed_dictionaries({"name": WORDS, "description": WORDS, "oddity": st.none() | WORDS, "bbox": BOXES}),
    "findings": st.fixed_dictionaries({"object": WORDS} | QUADRUPLET),
    "verdicts": st.fixed_dictionaries(
        {"id": st.sampled_from(IDS), "evidence": WORDS, "holds": st.booleans(), "severity": SEVERITIES}
    ),
    "groups": st.fixed_dictionaries({"ids": st.lists(st.sampled_from(IDS), min_size=1, max_size=3)}),
    "anomalies": st.fixed_dictionaries(
        {"sources": st.lists(st.sampled_from(IDS), max_size=2), "object": WORDS}
        | QUADRUPLET
        | {"severity": SEVERITIES, "bbox": BOXES}
    ),
}

BEFORE = (
    "",
    "Here is the answer:\n",
    "Sure! Here is the JSON you asked for:\n\n",
    "After careful inspection of the picture:\n",
)
AFTER = ("", "\n", "\n\nLet me know if you need anything else.", "\n\nI hope this helps!")
FENCES = ("%s", "```json\n%s\n```", "```\n%s\n```")
CORRECTIONS = (
    "%a",
    "Draft:\n%d\n\nWait, that is not right. Corrected answer:\n%a",
    "```json\n%d\n```\nOn closer look I was wrong. Final answer:\n%a",
    "My first draft is %d.\n\nFinal answer: %a",
)
THOUGHTS = (
    "%a",
    "<think>Perhaps %d, or nothing at all: []?</think>%a",
    "<think>\n\n</think>\n\n%a",
    "So it may be %d\n</think>\n\n%a",
    "◁think▷%d◁/think▷%a",
    "[THINK]%d[/THINK]\n%a",
    "<|channel|>analysis<|message|>%d<|end|><|start|>assistant<|channel|>final<|message|>%a<|return|>",
    "%a\n<think>Was that right? %d</think>",
)


@st.composite
def wrappings(draw: st.DrawFn) -> tuple[str, ...]:
    """A fence, a correction, words before and after, and thoughts; `%a` stands for the answer and `%d` for a draft."""
    fence, correction, thoughts = (draw(st.sampled_from(one)) for one in (FENCES, CORRECTIONS, THOUGHTS))
    before, after = draw(st.sampled_from(BEFORE)), draw(st.sampled_from(AFTER))
    if "%d" in correction:
        before = ""  # whoever corrects a draft has begun to speak already
    return fence, correction, before, after, thoughts


def wrapped(answer: str, draft: str, wrapping: tuple[str, ...]) -> str:
    """The answer in a wrapping; answer and drafts, which are texts of the model, are put in last and at once."""
    fence, correction, before, after, thoughts = wrapping
    fenced = fence.replace("%s", "%A")
    said = before + correction.replace("%a", fenced) + after
    whole = thoughts.replace("%a", said).replace("%d", "%D")
    return re.sub("%[AD]", lambda place: {"%A": answer, "%D": draft}[place[0]], whole)


@pytest.mark.parametrize("stage", get_args(Stage))
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_stage_reads_an_answer_however_it_is_wrapped(stage: Stage, data: st.DataObject) -> None:
    """In thoughts, drafts, fences, corrections, and words around it: the same items and the same complaint."""
    name = LIST_OF[ANSWERS[stage]][0]
    within = data.draw(st.booleans())
    lists = ({name: data.draw(st.lists(ITEMS[name], max_size=3))} for _ in range(2))
    answer, draft = (json.dumps({"answer": one} if within else one) for one in lists)
    text = wrapped(answer, draft, data.draw(wrappings()))
    assert read_answer(stage, text, IDS) == read_answer(stage, answer, IDS), text


@given(
    answer=st.lists(st.fixed_dictionaries(QUADRUPLET | {"severity": SEVERITIES}), max_size=3),
    wrapping=wrappings(),
)
@settings(max_examples=50, deadline=None)
def test_the_plan_direct_never_reads_a_wrapping_for_the_answer(answer: list[Any], wrapping: tuple[str, ...]) -> None:
    """The same anomalies; and where the answer names some, the picture is never called clean, nor the other way round."""
    draft = json.dumps(
        [] if answer else [{"name": "Cup", "phenomenon": "It floats.", "reasoning": "Cups fall.", "severity": 5}]
    )
    plain, read = parse_answer(json.dumps(answer)), parse_answer(wrapped(json.dumps(answer), draft, wrapping))
    if plain.status == "anomalies":
        assert read.anomalies == plain.anomalies
    else:
        assert read.status in (plain.status, "failed")


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_ids_are_read_in_any_type(data: st.DataObject) -> None:
    """As numbers, with marks and blanks around them, or with a word before them."""
    forms = st.sampled_from([int, float, str, lambda id: f"#{id}", lambda id: f" {id}. ", lambda id: f"Finding {id}"])
    written = [data.draw(forms)(id) for id in IDS]
    verdicts = [{"id": id, "evidence": "Seen.", "holds": True, "severity": 5} for id in written]
    answer = read_answer("relations_verify", json.dumps({"verdicts": verdicts}), IDS)
    assert ([item.id for item in answer.items], answer.problem) == (IDS, None)
    assert read_answer("integrate", json.dumps({"groups": [{"ids": written}]}), IDS).items[0].ids == IDS


@pytest.mark.parametrize(
    "noise",
    [
        "the square. ",
        '{"findings": [',
        "[[",
        '{"a": "',
        "<think>",
        "```json\n",
        "\\",
        '{"findings": []} ',
        "\n \n",
        "没有异常",
    ],
)
def test_work_grows_no_faster_than_the_answer(noise: str) -> None:
    """Whatever it holds before it comes to its end."""
    end = json.dumps({"findings": []})
    assert grows_linearly(lambda text: read_answer("attributes_broad", text), noise, end)
    assert grows_linearly(parse_answer, noise, end)
