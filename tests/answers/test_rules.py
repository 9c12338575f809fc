"""The rules by which an answer is read, one by one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder import parse_answer
from dataset_builder.textform import last_value
from tests.growth import grows_linearly

HAND = {
    "name": "Six-fingered hand",
    "phenomenon": "The hand has six fingers.",
    "reasoning": "Hands have five.",
    "severity": 10,
}
CUP = {"name": "Floating cup", "phenomenon": "The cup hovers.", "reasoning": "Cups fall.", "severity": 20}


def names(text: str) -> list[str]:
    return [anomaly.name for anomaly in parse_answer(text).anomalies]


# Nothing wrong


@pytest.mark.parametrize(
    "text",
    [
        "There are no anomalies. The hand has six fingers.",
        "I looked for anomalies everywhere. " * 40 + "\nThe cup floats in the air.\nNo other anomalies.",
        "The man has no shadow.\n" * 40 + "I found no anomalies.",
        "There are no anomalies in the background.",
        "No anomalies, apart from the floating cup.",
        "It is not true that there are no anomalies.",
        "Is there nothing wrong with this image?",
        "Nothing is wrong with the cup.",
        "The image is empty.",
        "[]\nHowever, the hand has six fingers.",
        "The man's left hand has six fingers.\n[]",
        "The hand [] has six fingers.",
        "The dog has five legs.\n\n```json\n[]\n```",
        json.dumps([HAND]) + "\n[]",
        '{"anomalies": [], "note": "I could not open the image."}',
        '{"physical_anomalies": [], "semantic_anomalies": ["The hand has six fingers."]}',
        "背景没有异常，但是手有六根手指。",
        "Keine Fehler im Hintergrund.",
    ],
)
def test_a_text_that_says_anything_besides_the_denial_is_not_none(text: str) -> None:
    """However long it is, and wherever in it the denial stands."""
    assert parse_answer(text).status != "none"


@pytest.mark.parametrize(
    "text",
    [
        "I don't see any anomalies in this image.",
        "No, everything in this image looks natural and consistent.",
        "There are no anomalies. The lighting, shadows and perspective are all consistent.",
        "I compared the hands and the faces; everything is in order.\n\n```json\n[]\n```",
        "The final answer is: []",
        f"Draft: {json.dumps([HAND])}\nOn a second look the sixth finger is a shadow.\nFinal answer: []",
        '{"reasoning": "The light comes from the left.", "anomalies": []}',
        '{"name": "report", "arguments": "{\\"anomalies\\": []}"}',
        '{"anomalies": "none detected"}',
        "Name: None\nObserved Phenomenon: No anomalies.\nReasoning: The image is realistic.\nSeverity Score: 100",
        "<think>The hand has six fingers? No, five.</think>No anomalies.",
        "图像看起来很正常，没有发现任何异常。",
        "異常は見当たりません。",
        "Aucune anomalie détectée.",
        "No se observan anomalías en la imagen.",
    ],
)
def test_a_denial_is_none_in_every_form(text: str) -> None:
    """In words of several languages, as an empty list, as a record called None, as the arguments of a tool."""
    assert parse_answer(text) == ("none", [], [])


def test_a_list_of_nothing_but_unreadable_items_is_not_nothing_wrong() -> None:
    """A list whose items all fail is a failure with its reasons, never an empty list."""
    for text in ('[{"severity": 5}, {"severity": 7}]', '[{"name": ', '[null, 3, "a hand"]', '{"anomalies": [1, 2]}'):
        parsed = parse_answer(text)
        assert parsed.status == "failed"
        assert parsed.dropped


# Thoughts


@pytest.mark.parametrize(
    "marks",
    [
        ("<think>", "</think>"),
        ("<thinking>\n", "\n</thinking>"),
        ("<thought>", "</thought>"),
        ("◁think▷", "◁/think▷"),
        ("[THINK]", "[/THINK]"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ],
)
def test_thoughts_are_never_the_answer(marks: tuple[str, str]) -> None:
    """Before the answer, behind it, without their opening mark, or cut before they end."""
    opening, closing = marks
    draft, final = json.dumps([HAND]), json.dumps([CUP])
    assert names(f"{opening}{draft}{closing}{final}") == ["Floating cup"]
    assert parse_answer(f"{opening}{draft}").status == "failed"
    assert parse_answer(f"{opening}No anomalies.{closing}").status == "failed"
    if "channel" not in opening:
        assert names(f"{draft}{closing}{final}") == ["Floating cup"]
        assert names(f"{final}{opening}{draft}{closing}") == ["Floating cup"]


def test_the_answer_begins_behind_the_last_closing_mark() -> None:
    """A thought may speak of its own mark; the first one is not its end."""
    text = f"I write </think> when I am done: {json.dumps([HAND])} </think> {json.dumps([CUP])}"
    assert names(text) == ["Floating cup"]


def test_marks_inside_a_field_are_words() -> None:
    """An answer that is JSON as it stands is taken as it stands."""
    anomaly = HAND | {"phenomenon": 'The sign reads "<think>" and &quot;STOP&quot;.'}
    (read,) = parse_answer(json.dumps([anomaly])).anomalies
    assert read.phenomenon == anomaly["phenomenon"]


# Which list


def test_the_last_complete_list_wins_and_what_it_leaves_out_is_told() -> None:
    """Silently only where the text itself takes the earlier list back or calls it an example."""
    both = [json.dumps([HAND, CUP]), json.dumps([CUP])]
    told = parse_answer("\n\nThe objects:\n\n".join(both))
    assert [anomaly.name for anomaly in told.anomalies] == ["Floating cup"]
    assert told.status == "partial"
    assert "Six-fingered hand" in told.dropped[0].text
    assert parse_answer("\n\nCorrected list:\n\n".join(both)).dropped == []


def test_a_list_that_adds_to_the_one_before_is_part_of_it() -> None:
    """Said to be additional, or a block for each anomaly."""
    assert names(f"{json.dumps([HAND])}\n\nAdditional anomalies:\n\n{json.dumps([CUP])}") == [
        "Six-fingered hand",
        "Floating cup",
    ]
    blocks = [f"**Anomaly {number}**\n```json\n{json.dumps(one)}\n```" for number, one in enumerate((HAND, CUP), 1)]
    assert names("\n".join(blocks)) == ["Six-fingered hand", "Floating cup"]


def test_a_complete_list_wins_over_one_that_was_cut_off() -> None:
    """And the cut one is told."""
    parsed = parse_answer(json.dumps([HAND]) + "\n" + json.dumps([CUP, HAND])[:-40])
    assert [anomaly.name for anomaly in parsed.anomalies] == ["Six-fingered hand"]
    assert parsed.status == "partial"


@pytest.mark.parametrize(
    "example",
    [
        {"name": "...", "phenomenon": "...", "reasoning": "...", "severity": 0},
        {"name": "<short name>", "phenomenon": "<what is wrong>", "reasoning": "<why it cannot be>", "severity": 0},
        {"name": "string", "phenomenon": "string", "reasoning": "string", "severity": "integer"},
        {"type": "array", "items": {"properties": {"name": {"type": "string"}, "phenomenon": {"type": "string"}}}},
    ],
)
def test_an_example_of_the_prompt_is_no_answer(example: dict[str, object]) -> None:
    """Neither alone nor before the answer nor after it."""
    echo = json.dumps([example])
    assert parse_answer(echo).status == "failed"
    assert names(f"{echo}\n{json.dumps([CUP])}") == ["Floating cup"]
    assert names(f"{json.dumps([CUP])}\nin the form {echo}") == ["Floating cup"]


def test_the_same_again_counts_once() -> None:
    """The same list, and the same anomaly in a list; two at different places are two."""
    assert names(json.dumps([HAND, CUP, HAND, CUP])) == ["Six-fingered hand", "Floating cup"]
    assert names("\n".join([json.dumps([HAND])] * 5)) == ["Six-fingered hand"]
    assert len(names(json.dumps([HAND | {"bbox": [0, 0, 5, 5]}, HAND | {"bbox": [9, 9, 12, 12]}]))) == 2


def test_nothing_in_a_list_is_lost_without_a_word() -> None:
    """Neither of two objects under one key, nor a text between objects, nor the whole around its parts."""
    assert names(f'{{"anomaly": {json.dumps(HAND)}, "anomaly": {json.dumps(CUP)}}}') == [
        "Six-fingered hand",
        "Floating cup",
    ]
    told = parse_answer(json.dumps([HAND, "The cup floats above the table."]))
    assert (told.status, told.dropped[0].text) == ("partial", "The cup floats above the table.")
    assert names(json.dumps([HAND | {"parts": [{"name": "thumb", "description": "too long"}]}])) == [
        "Six-fingered hand"
    ]
    broken = json.dumps(json.dumps([HAND])[:-2].replace(', "phenomenon"', ' "phenomenon"'))
    assert names(f'{{"name": "report", "arguments": {broken}}}') in ([], ["Six-fingered hand"])


# Fields


@pytest.mark.parametrize(
    "keys",
    [
        ("title", "what", "why"),
        ("label", "description", "reason"),
        ("anomaly", "issue", "explanation"),
        ("issue", "description", "why_it_is_wrong"),
        ("object", "problem", "rationale"),
        ("Name", "What is wrong", "Why it's wrong"),
        ("名称", "现象", "原因"),
        ("名前", "観察された現象", "理由"),
        ("Bezeichnung", "Beobachtung", "Begründung"),
        ("nom", "description", "explication"),
    ],
)
def test_fields_go_by_every_name_in_use(keys: tuple[str, str, str]) -> None:
    """As keys of JSON, as labels of lines, as headings of a table, as tags."""
    values = ("Floating cup", "The cup hovers.", "Cups fall.")
    pairs = [*zip(keys, values, strict=True), ("severity", "20/100")]
    table = (
        "| "
        + " | ".join(key for key, _ in pairs)
        + " |\n|---|---|---|---|\n| "
        + " | ".join(value for _, value in pairs)
        + " |"
    )
    for text in (json.dumps([dict(pairs)]), "\n".join(f"**{key}**: {value}" for key, value in pairs), table):
        (anomaly,) = parse_answer(text).anomalies
        assert (anomaly.name, anomaly.phenomenon, anomaly.reasoning, anomaly.severity) == (*values, 20)


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("20/100 - six fingers instead of 5", 20), ("very low (20/100)", 20), ("20 out of 100", 20), ("20 von 100", 20),
        ("8点（100点満点）", 8), ("Severity: 20/100.", 20), ("Low (20)", 20), ({"score": 20, "remark": "obvious"}, 20),
        ("20-30/100", None), ("20/100 to 30/100", None), ("7/10", None), ("high", None), ("120/100", None), ([20], None),
    ],
)  # fmt: skip
def test_severities_as_models_write_them(level: object, severity: int | None) -> None:
    """The one score out of 100; what is a range, another scale or a word is left out, and told."""
    parsed = parse_answer(json.dumps([HAND | {"severity": level}]))
    assert parsed.anomalies[0].severity == severity
    assert parsed.status == ("partial" if severity is None else "anomalies")


@pytest.mark.parametrize(
    ("score", "severity", "confidence"), [("20/100", 20, None), (20, 20, None), (0.9, None, 0.9), (1, None, 1.0)]
)
def test_a_score_is_a_severity_only_on_its_scale(score: object, severity: int | None, confidence: float | None) -> None:
    """What is called a score is a confidence from 0 to 1, else a severity."""
    (anomaly,) = parse_answer(json.dumps([{"name": "Cup", "phenomenon": "It hovers.", "score": score}])).anomalies
    assert (anomaly.severity, anomaly.score) == (severity, confidence)


def test_records_in_parts_and_keyed_by_name() -> None:
    """A record whose texts lie one level deeper is one record; a key that is no counter and no wrapper is a name."""
    parts = {"phenomenon": "The cup hovers.", "reasoning": "Cups fall."}
    (anomaly,) = parse_answer(json.dumps([{"name": "Floating cup", "details": parts, "severity": 20}])).anomalies
    assert (anomaly.name, anomaly.phenomenon, anomaly.severity) == ("Floating cup", "The cup hovers.", 20)
    assert names(json.dumps({"Floating cup": parts, "Third arm": parts | {"phenomenon": "Three arms."}})) == [
        "Floating cup", "Third arm",
    ]  # fmt: skip
    assert names(json.dumps({"anomaly_1": parts, "result": parts | {"phenomenon": "Three arms."}})) == ["", ""]
    assert names(json.dumps({"image": "a cup", "findings": {"name": "Floating cup", **parts}})) == ["Floating cup"]


def test_tags_that_are_unclosed_inline_or_cut() -> None:
    """An element that was never closed loses nothing; formatting is no field; what the end cut is told."""
    one = "<name>Floating <b>cup</b></name><phenomenon>It hovers.<br/>High.</phenomenon>"
    (anomaly,) = parse_answer(f"<list><anomaly><note>{one}</anomaly></list>").anomalies
    assert (anomaly.name, anomaly.phenomenon) == ("Floating cup", "It hovers.\nHigh.")
    cut = parse_answer(f"<anomaly>{one}</anomaly><anomaly><name>Third arm</name><phenomenon>Three ar")
    assert [anomaly.name for anomaly in cut.anomalies] == ["Floating cup"]
    assert cut.dropped
    assert names(f'<image>\n<b>1</b><anomaly id="3">{one}</anomaly>') == ["Floating cup"]


def test_lines_keep_to_their_fields() -> None:
    """Quotes of YAML, rules, headings and prose after a severity are not part of a value."""
    text = '- name: "Floating cup"\n  phenomenon: "It hovers."\n  severity: 20/100\n\nAll in all it is odd, 3 of 5.\n\n---\n'
    text += "## 2. Third arm\n- phenomenon: The man has three arms.\n- severity: 30/100\n***\n"
    first, second = parse_answer(text).anomalies
    assert (first.name, first.phenomenon, first.severity) == ("Floating cup", "It hovers.", 20)
    assert (second.name, second.phenomenon, second.severity) == ("Third arm", "The man has three arms.", 30)


def test_remarks_in_labelled_lines_do_not_replace_a_list() -> None:
    """Only whole records do, such as a final answer written in lines."""
    remark = "**Name**: Note\n**Phenomenon**: see above"
    assert names(f"{json.dumps([CUP])}\n\n{remark}") == ["Floating cup"]
    final = "Name: Third arm\nPhenomenon: Three arms.\nReasoning: People have two.\nSeverity: 5"
    assert names(f"{json.dumps([CUP])}\n\nFinal answer:\n{final}") == ["Third arm"]


def test_titled_items_with_a_severity_are_anomalies() -> None:
    """A list of bold titles without severities may be a list of anything, as of checks."""
    text = "1. **Floating cup**: The cup hovers. (Severity: 20/100)\n2. **Third arm** – Three arms. Severity: 5"
    read = [(one.name, one.phenomenon, one.severity) for one in parse_answer(text).anomalies]
    assert read == [("Floating cup", "The cup hovers.", 20), ("Third arm", "Three arms.", 5)]
    assert parse_answer("1. **Hands**: five fingers each.\n2. **Cup**: stands on the table.").status == "failed"


def test_of_a_text_without_end_the_end_is_read_and_that_is_told() -> None:
    """A model in a loop writes megabytes; its last word is what counts."""
    parsed = parse_answer("and so on " * 60_000 + json.dumps([CUP]))
    assert [anomaly.name for anomaly in parsed.anomalies] == ["Floating cup"]
    assert (parsed.status, "not read" in parsed.dropped[0].reason) == ("partial", True)


# Any value


def test_the_last_complete_value_that_fits() -> None:
    """What a stage asks for is found as an answer's anomalies are: no thoughts, no drafts, broken JSON tried once more."""
    fits = lambda value: isinstance(value, dict) and isinstance(value.get("ids"), list)  # noqa: E731
    assert last_value('{"ids": [1]} then {"ids": [2]}', fits) == ({"ids": [2]}, None)
    assert last_value('<think>{"ids": [1]}</think>```json\n{"result": {"ids": [2]}}\n```', fits) == ({"ids": [2]}, None)
    assert last_value('{"arguments": "{\\"ids\\": [3]}"}', fits) == ({"ids": [3]}, None)
    assert last_value('{"ids": [4] "note": "no comma"}', fits)[0]["ids"] == [4]
    assert last_value('{"ids": [5]} {"ids": [6, ', fits) == ({"ids": [5]}, None)
    value, problem = last_value('{"ids": [7, ', fits)
    assert value == {"ids": [7]}
    assert problem
    assert last_value("nothing of the kind", fits) == (None, None)


# Any text at all

PIECES = [
    "<a>", "</a>", "<anomaly><name>x</name>", "<anomaly>", "| a | b |\n", "|", "| Name | Phenomenon |\n",
    "| Name | Reasoning |\n|---|---|\n| a | b |\n", "<tr><td>", "//", "/*", '{"a": /*', "{“a”：", "&quot;", "[{&quot;name&quot;:",
    "<think></think>", "</think>", "<|channel|>analysis", "<|end|>", "<answer>", "<summary></summary>", "no anomalies ", "には",
    '{"name": "x" "phenomenon": "y"},', '[{"name": "x", "phenomenon": "y, "z": 1},', '{"name": "a", "phenomenon": "b"} ',
    '{"anomalies": []} ', "\n[]\n", "final answer:\n", "Name: x\nPhenomenon: y\n",
    "Final answer:\nName: x\nPhenomenon: y\nReasoning: z\n",
    '"[{\\"name\\": \\"', "**Why ", "What is ", "<b>", "Description (", '{"properties": {', '{"a": {"name": "x"}, ',
    '{"name": "x", "severity": "20/100 20/100"}', '["{\\"name\\": 1}", ',
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_work_grows_no_faster_than_the_text(piece: str) -> None:
    """Also where a second reader, a table or a tag is begun a hundred thousand times."""
    assert grows_linearly(parse_answer, piece)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.text(max_size=8) | st.sampled_from([*PIECES, json.dumps(HAND), json.dumps([CUP]), "```", "No anomalies."]),
        max_size=20,
    )
)
def test_nothing_raises_and_the_status_fits(pieces: list[str]) -> None:
    """Any mixture of the pieces above."""
    text = "".join(pieces)
    status, found, dropped = parse_answer(text)
    assert bool(found) == (status in ("anomalies", "partial"))
    assert bool(dropped) == (status in ("partial", "failed"))
    last_value(text, lambda value: "name" in value)
