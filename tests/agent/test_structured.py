"""The form of answers: schemas that strict servers take, and everything in them that is limited here instead."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema
import pytest

from agent.answers import read_answer
from agent.stages import ANSWERS, LIST_OF, MAX_TEXT, Stage, schema

STAGES = get_args(Stage)

EXAMPLES: dict[str, dict[str, Any]] = {
    "objects": {"name": "red mug", "description": "A mug on the table.", "oddity": None, "bbox": [10, 20, 300, 400]},
    "findings": {"object": "red mug", "name": "Floats", "phenomenon": "It hovers.", "reasoning": "Mugs fall."},
    "verdicts": {"id": "1", "evidence": "There is air below it.", "holds": True, "severity": 15},
    "groups": {"ids": ["1", "2"]},
    "anomalies": {
        "sources": ["1"],
        "object": "red mug",
        "name": "Floats",
        "phenomenon": "It hovers.",
        "reasoning": "Mugs fall.",
        "severity": 15,
        "bbox": None,
    },
}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a schema that are schemas themselves."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            yield from (
                (node for one in inner.values() for node in nodes(one))
                if key in ("properties", "$defs")
                else nodes(inner)
            )
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def test_the_schema_holds_in_strict_mode() -> None:
    """Every property is required and none else allowed, the root is an object, and no keyword is one that servers refuse; the
    strictest of them takes 5,000 characters."""
    whole = json.loads(json.dumps(dict(schema())))
    jsonschema.Draft202012Validator.check_schema(whole)
    assert whole["type"] == "object"
    assert "anyOf" not in whole
    assert len(json.dumps(whole)) < 5_000
    allowed = {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "$ref",
        "$defs",
        "description",
    }
    for node in nodes(whole):
        assert set(node) <= allowed
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert sorted(node["required"]) == sorted(node["properties"])
        if node.get("type") == "array":
            assert node["items"]


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_schema_allows_is_read_whole(stage: Stage) -> None:
    """An answer that follows the schema is read without a complaint, and nothing of it is lost; so is an empty list, and a list
    that does not stand in `answer`."""
    name, _ = LIST_OF[ANSWERS[stage]]
    answer = {"answer": {name: [EXAMPLES[name]]}}
    jsonschema.validate(answer, schema())
    ids = ["1"] if name == "verdicts" else ["1", "2"]
    (item,), problem, _ = read_answer(stage, json.dumps(answer), ids)
    assert problem is None
    assert item.model_dump() == EXAMPLES[name]
    assert read_answer(stage, json.dumps(answer["answer"]), ids) == ([item], None, 0)
    if name != "verdicts":
        assert read_answer(stage, json.dumps({"answer": {name: []}}), ids) == ([], None, 0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("severity", 130, "outside 0..100"),
        ("severity", "very", "severity"),
        ("name", " ", "empty"),
        ("reasoning", 3, "string"),
    ],
)
def test_one_bad_item_is_named_and_loses_no_sibling(field: str, value: Any, said: str) -> None:
    """Limits that no schema states are checked here: the complaint names the item and the field, the others stay."""
    good = EXAMPLES["anomalies"]
    items, problem, _ = read_answer("format", json.dumps({"anomalies": [good, good | {field: value}, good]}))
    assert len(items) == 2
    assert problem is not None
    assert f"anomalies[1]: {field}" in problem
    assert said in problem


def test_boxes_that_are_none_and_texts_without_end_lose_nothing_else() -> None:
    """A box a little outside the grid is brought into it, one that is none left out; a text is cut where no answer needs to go."""
    good = EXAMPLES["objects"]
    answer = [good | {"bbox": [-5, 0, 1010, 10.4]}, good | {"bbox": [5, 5, 5, 9]}, good | {"bbox": "all of it"}]
    answer.append(good | {"description": "so long " * 100_000})
    items, problem, _ = read_answer("discovery_draft", json.dumps({"objects": answer}))
    assert problem is None
    assert [item.bbox for item in items[:3]] == [[0, 0, 1000, 10], None, None]
    assert len(items[3].description) <= MAX_TEXT


def test_the_release_writes_severities_in_words_and_is_understood() -> None:
    """`25/100 (remark).` is a severity too, for models that were tuned on it."""
    answer = {"anomalies": [EXAMPLES["anomalies"] | {"severity": "25/100 (clearly visible)."}]}
    assert read_answer("scan", json.dumps(answer)).items[0].severity == 25


def test_every_stage_has_an_answer() -> None:
    """The stages of the contract and the answers are the same."""
    assert set(ANSWERS) == set(STAGES)


FINDING = {"object": "hand", "name": "Six fingers", "phenomenon": "It has six.", "reasoning": "Hands have five."}


@pytest.mark.parametrize(
    "text",
    [
        'Draft: {"findings": []} Final answer: %s',
        '<think>{"findings": []}</think>%s',
        "```json\n%s\n```\n<think>Was that all? []</think>",
        '{"name": "answer", "arguments": %s}',
        "%s\n%s",
    ],
)
def test_a_stage_reads_the_last_complete_list_and_no_thoughts(text: str) -> None:
    """As the parser of answers does."""
    answer = json.dumps({"findings": [FINDING]})
    (item,), problem, _ = read_answer("attributes_broad", text.replace("%s", answer))
    assert (item.name, problem) == ("Six fingers", None)


def test_a_stage_knows_fields_by_other_names_and_ids_that_are_numbers() -> None:
    """What was asked for as a string may come as a number, and a phenomenon as a description."""
    other = {"object": "hand", "title": "Six fingers", "description": "It has six.", "why": "Hands have five."}
    (item,), problem, _ = read_answer("attributes_broad", json.dumps({"findings": [other]}))
    assert (item.model_dump(), problem) == (FINDING, None)
    verdict = {"id": 1, "evidence": "Seen.", "holds": True, "severity": "very low (10/100)"}
    (item,), problem, _ = read_answer("attributes_verify", json.dumps({"verdicts": [verdict]}), ["1"])
    assert (item.id, item.severity, problem) == ("1", 10, None)
    assert read_answer("integrate", '{"groups": [{"ids": [1, 2]}]}', ["1", "2"]).items[0].ids == ["1", "2"]


def test_a_stage_repairs_what_broke_before_giving_it_up() -> None:
    """A missing comma costs nothing; a cut list is used up to the cut, and said to be cut."""
    text = json.dumps({"findings": [FINDING, FINDING | {"name": "Third arm"}]})
    items, problem, _ = read_answer("attributes_broad", text.replace(', "phenomenon"', ' "phenomenon"'))
    assert ([item.name for item in items], problem) == (["Six fingers", "Third arm"], None)
    items, problem, _ = read_answer("attributes_broad", text[:-30])
    assert [item.name for item in items] == ["Six fingers"]
    assert "cut off" in str(problem)


def test_a_stage_takes_no_text_for_nothing_wrong_that_says_more() -> None:
    """Nor a thought."""
    assert read_answer("attributes_broad", "No anomalies.").problem is None
    assert read_answer("attributes_broad", "No anomalies in the sky. The hand has six fingers.").problem
    assert read_answer("attributes_broad", "<think>No anomalies.</think>").problem
