"""The one parser: every form of an answer, whole, cut off or broken."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder import Anomaly, parse_answer, write_answer, write_official_text
from dataset_builder.textform import identity
from dataset_builder.textform.denials import says_none
from dataset_builder.textform.names import says_enough
from tests.growth import grows_linearly

CUP = Anomaly(name="Floating cup", phenomenon="A cup hovers.", reasoning="Cups fall.", severity=10)
HAND = Anomaly(
    name="Six fingers",
    phenomenon='The "left" hand has six {fingers}, [all] of them bent.',
    reasoning="Hands have five.\n\nNot six.",
    severity=35,
)
SUN = Anomaly(name="Two suns", phenomenon="Two suns shine.", reasoning="There is one.", severity=None)
THREE = [CUP, HAND, SUN]
JSON = write_answer(THREE)

texts = st.text(max_size=60)
severities = st.none() | st.integers(0, 100)
boxes = st.builds(
    lambda x, y, width, height: (float(x), float(y), float(x + width), float(y + height)),
    *[st.integers(0, 2000)] * 4,
)

# What the JSON form carries: any text at all, but for a record that is called "None" and says nothing: that is a denial.
anomalies = st.builds(
    Anomaly, name=texts, phenomenon=texts, reasoning=texts, severity=severities, bbox=st.none() | boxes
).filter(lambda one: not (says_none(one.name) and (not one.phenomenon.strip() or says_none(one.phenomenon))))

# What the labelled lines carry: one line a field, words between single spaces, no markup.
_words = st.text("abcdefgXYZéß0123456789'’,;!?&%/(“", min_size=1, max_size=9)
lines = st.lists(_words, min_size=1, max_size=8).map(lambda words: "The " + " ".join(words) + ".")
remarks = st.none() | st.lists(st.text("abcdef", min_size=1, max_size=9), min_size=1, max_size=3).map(" ".join)
line_anomalies = st.builds(
    lambda name, phenomenon, reasoning, severity, remark: Anomaly(
        name=name,
        phenomenon=phenomenon,
        reasoning=reasoning,
        severity=severity,
        remark=None if severity is None else remark,
    ),
    lines,
    lines,
    lines,
    severities,
    remarks,
)


# JSON


@settings(max_examples=50, deadline=None)
@given(st.lists(anomalies, max_size=4, unique_by=identity))
def test_json_written_is_read_back(written: list[Anomaly]) -> None:
    """Whatever the texts hold, the written JSON form is read back as it was."""
    parsed = parse_answer(write_answer(written, boxes=True))
    assert parsed.anomalies == written
    assert parsed.status == ("anomalies" if written else "none")
    assert parsed.dropped == []


@pytest.mark.parametrize(
    "wrap",
    [
        "{}",
        "```json\n{}\n```",
        "```\n{}",
        "Sure! Here [as you asked] is the list:\n{}\nI hope that helps.",
        '{{"anomalies": {}}}',
        '{{"image": "cup.jpg", "result": {{"anomalies": {}, "count": 3}}}}',
        "<think>Perhaps [] or a draft: [{{'name': 'x', 'phenomenon': 'y'}}]</think>\n{}",
        "\n\n{}\n\n",
    ],
)
def test_json_is_found_in_what_surrounds_it(wrap: str) -> None:
    """Fences, prose, wrapper objects and thinking around the list change nothing."""
    assert parse_answer(wrap.format(JSON)) == ("anomalies", THREE, [])


def test_single_object_is_a_list_of_one() -> None:
    """An object instead of a list is one anomaly; several objects in a row are several."""
    assert parse_answer(JSON[1:-1].split("}, {")[0] + "}").anomalies == [CUP]
    rows = "\n".join(write_answer([anomaly])[1:-1] for anomaly in THREE)
    assert parse_answer(rows) == ("anomalies", THREE, [])


def test_cut_off_json_keeps_every_complete_item() -> None:
    """Cut anywhere, an answer keeps exactly the items that were complete, and says that something is missing."""
    ends = [JSON.index(write_answer([anomaly])[1:-1]) + len(write_answer([anomaly])) - 2 for anomaly in THREE]
    for length in range(1, len(JSON)):
        complete = sum(end <= length for end in ends)
        parsed = parse_answer(JSON[:length])
        assert parsed.anomalies == THREE[:complete]
        assert parsed.status == ("partial" if complete else "failed")
        assert parsed.dropped


@pytest.mark.parametrize(
    "value", ["10", '"10"', '"10/100"', '"10/100 (severe)."', "10.0", '"10/100 - severe"', '"10%"']
)
def test_severity_is_read_in_every_form(value: str) -> None:
    """A severity may be a number, a text, out of 100, with a remark."""
    parsed = parse_answer('[{"name": "a", "phenomenon": "b", "reasoning": "c", "severity": ' + value + "}]")
    assert parsed.status == "anomalies"
    assert parsed.anomalies[0].severity == 10
    assert parsed.anomalies[0].remark == ("severe" if "severe" in value else None)


@pytest.mark.parametrize("value", ['"high"', "110", "-5", '"10-20"', "0.5", "true", "[1]", '"7/10"', "1" * 6000])
def test_unreadable_severity_costs_only_itself(value: str) -> None:
    """An anomaly with an unreadable severity is kept without it, and the reason is given."""
    answer = (
        '[{"name": "a", "phenomenon": "b", "reasoning": "c", "severity": '
        + value
        + '}, {"name": "d", "phenomenon": "e"}]'
    )
    parsed = parse_answer(answer)
    assert parsed.status == "partial"
    assert [(anomaly.name, anomaly.severity) for anomaly in parsed.anomalies] == [("a", None), ("d", None)]
    assert "severity" in parsed.dropped[0].reason


@pytest.mark.parametrize(
    "keys",
    [
        ("Name", "Observed Phenomenon", "Reasoning", "Severity Score"),
        ("name", "observed_phenomenon", "reasoning", "severity_score"),
        ("name", "phenomenon", "explanation", "severity"),
        ("@1. Name", "Observed Phenomenon", "Reasoning", "Severity Score"),
        ("NAME", "PHENOMENON", "REASONING", "SEVERITY"),
    ],
)
def test_spellings_of_the_keys(keys: tuple[str, ...]) -> None:
    """The release's keys, its tools' and ours name the same fields."""
    values = (CUP.name, CUP.phenomenon, CUP.reasoning, CUP.severity)
    assert parse_answer(json.dumps([dict(zip(keys, values, strict=True))])) == ("anomalies", [CUP], [])


@pytest.mark.parametrize(
    ("answer", "names", "status"),
    [
        ("[{'name': 'The child's cup', 'phenomenon': 'b', 'reasoning': 'c', 'severity': None},]", ["The child's cup"], "anomalies"),
        ('[{"name": "A "stop" sign", "phenomenon": "It says "go", now", "severity": 5}]', ['A "stop" sign'], "anomalies"),
        ('[{"name": "a", "phenomenon": "b, "severity": 5}, {"name": "d", "phenomenon": "e"}]', ["a", "d"], "anomalies"),
        ('[{"name": "a", "phenomenon": "b"} {"name": "d", "phenomenon": "e"}]', ["a", "d"], "anomalies"),
        ('[{"name": "a", "phenomenon": "b", "severity": 5, {"name": "d", "phenomenon": "e"}]', ["a", "d"], "anomalies"),
        ('[{name: "a", phenomenon: "b", severity: 25/100 (mild)}]', ["a"], "anomalies"),
        ('[{"name": "a\nb", "phenomenon": "c\\_d"}]', ["a\nb"], "anomalies"),
        ('[{"name": "a", "phenomenon": "b"}, null, {"severity": 3}, {"name": "d", "phenomenon": "e"}]', ["a",
        "d"], "partial"),
        ('[{"name": "a", "phenomenon": ["b", "c"], "bbox": [5, 5, 1, 1]}]', ["a"], "partial"),
        ('{"1": {"name": "a", "phenomenon": "b"}, "2": {"name": "d", "phenomenon": "e"}}', ["a", "d"], "anomalies"),
        ('{"anomalies": [{"name": "a", "phenomenon": "b"}, {"name": "d", "phen', ["a"], "partial"),
        ('{"anomalies": [{"name": "a", "phenomenon": "b"}', ["a"], "partial"),
        ('[{"name": "\\ud83d", "phenomenon": "b"}]', ["\ufffd"], "anomalies"),
    ],
)  # fmt: skip
def test_broken_json_loses_only_what_is_broken(answer: str, names: list[str], status: str) -> None:
    """Wrong quotes, missing commas, braces and keys lose at most the item that they stand in."""
    parsed = parse_answer(answer)
    assert [anomaly.name for anomaly in parsed.anomalies] == names
    assert parsed.status == status
    assert bool(parsed.dropped) == (status == "partial")


# Labelled lines

LINES = [
    ("Floating cup", "A cup hovers.", "Cups fall. Its score is low:\n1. nothing holds it,\n2. gravity pulls.",
     "25/100 (moderately noticeable)."),
    ("Six fingers", "The hand has six fingers.", "Hands have five.", "5/100 (severe)."),
    ("Two suns", "Two suns shine.", "There is one.", "40/100 (mild)."),
]  # fmt: skip
LABELS = ("Name", "Observed Phenomenon", "Reasoning", "Severity Score")
EXPECTED = [
    Anomaly(name=n, phenomenon=p, reasoning=r, severity=int(s.split("/")[0]), remark=s.split("(")[1][:-2])
    for n, p, r, s in LINES
]
NUMBERS = [
    "@{i}. ", "{i}. ", "{i}) ", "### {i}. ", "### Anomaly {i}\n", "**{i}.** ", "- ", "", "**Anomaly {i}:**\n", "{i}.\n",
    "@{i}.\n\n", "---\n", "### {i}. {name}\n\n", "**Anomaly {i}: {name}**\n", "[{i}] ",
]  # fmt: skip
FORMS = [
    "{label}: {value}", "**{label}**: {value}", "**{label}:** {value}", "- **{label}**: {value}", "- {label}: {value}",
    "* **{label}:** {value}", "   - **{label}**: {value}", "{label}:\n{value}", "**{label}**\n{value}",
    "#### {label}\n{value}", "**{label}** - {value}",
]  # fmt: skip


def lay_out(number: str, form: str, within: str, between: str) -> str:
    blocks = []
    for i, values in enumerate(LINES, 1):
        fields = [form.format(label=label, value=value) for label, value in zip(LABELS, values, strict=True)]
        blocks.append(number.format(i=i, name=values[0]) + within.join(fields))
    return between.join(blocks)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("form", FORMS)
def test_every_layout_of_labelled_lines(number: str, form: str) -> None:
    """Numbering, bold, bullets, blank lines between fields or records, in every combination, give the same anomalies."""
    for within, between in itertools.product(("\n", "\n\n", "\r\n"), ("\n", "\n\n", "\n\n---\n\n")):
        assert parse_answer(lay_out(number, form, within, between)) == ("anomalies", EXPECTED, [])


@pytest.mark.parametrize(
    "number",
    ["{i}. **{name}**\n", "### {i}. {name}\n", "**{name}**\n", "@{i}. {name}\n", "### Anomaly {i}: {name}\n\n"],
)
@pytest.mark.parametrize("form", ["{label}: {value}", "- **{label}:** {value}"])
def test_heading_is_the_name(number: str, form: str) -> None:
    """Without a Name label, the heading of a record is its name."""
    blocks = [
        number.format(i=i, name=values[0])
        + "\n".join(form.format(label=label, value=value) for label, value in zip(LABELS[1:], values[1:], strict=True))
        for i, values in enumerate(LINES, 1)
    ]
    assert parse_answer("\n\n".join(blocks)) == ("anomalies", EXPECTED, [])


PLAIN = lay_out("@{i}. ", "{label}: {value}", "\n", "\n\n")


@pytest.mark.parametrize(
    "answer",
    [
        f"Here is what I found:\n\n{PLAIN}\n\nOverall, the picture is implausible. 10 out of 10!",
        f"```\n{PLAIN}\n```",
        PLAIN.replace("Name: ", "Name: **").replace("\nObserved", "**\nObserved"),
        PLAIN.replace("@", "**@").replace(".\n\n", ".**\n\n"),
        PLAIN.replace("@1. Name: ", "@1. Name: @1. Name: "),
    ],
)
def test_labelled_lines_in_what_surrounds_them(answer: str) -> None:
    """Prose, fences and leftover markup do not end up in the fields."""
    assert parse_answer(answer).anomalies == EXPECTED


def test_records_on_one_line() -> None:
    """Records whose line breaks were lost are still told apart."""
    one_line = " ".join(PLAIN.replace("low:\n1. nothing holds it,\n2. gravity pulls.", "low.").split("\n")).replace(
        "  ", " "
    )
    assert [(anomaly.name, anomaly.severity) for anomaly in parse_answer(one_line).anomalies] == [
        ("Floating cup", 25), ("Six fingers", 5), ("Two suns", 40),
    ]  # fmt: skip


def test_cut_off_tail_is_dropped_and_said() -> None:
    """A last record that the end of the answer cut is dropped with that reason; those before it stay whole."""
    start = PLAIN.index("@3. Name")
    for length in range(start + len("@3. Name: "), PLAIN.index("Severity Score: 40")):
        parsed = parse_answer(PLAIN[:length])
        assert parsed.anomalies == EXPECTED[:2]
        assert parsed.status == "partial"
        assert "cut off" in parsed.dropped[0].reason


def test_half_a_number_is_no_severity() -> None:
    """Where the others read 25/100, a lone digit at the end of a cut answer is not taken for a severity."""
    parsed = parse_answer(PLAIN[: PLAIN.index("Severity Score: 40") + len("Severity Score: 4")])
    assert parsed.anomalies[2].severity is None
    assert parsed.status == "partial"


def test_name_inside_a_reasoning_is_no_record() -> None:
    """A line of the reasoning that reads "Name: …" does not begin a record, and a score in it is not the severity."""
    text = "Name: Badge\nObserved Phenomenon: The badge is odd.\nReasoning: It reads\nName: JOHN\nScore: 3-2\nSeverity Score: 30"
    (anomaly,) = parse_answer(text).anomalies
    assert (anomaly.name, anomaly.reasoning, anomaly.severity) == ("Badge", "It reads\nName: JOHN\nScore: 3-2", 30)


@settings(max_examples=50, deadline=None)
@given(st.lists(line_anomalies, max_size=4, unique_by=identity))
def test_labelled_lines_written_are_read_back(written: list[Anomaly]) -> None:
    """Anomalies whose fields are single lines of plain text survive the release's form unchanged."""
    parsed = parse_answer(write_official_text(written))
    assert parsed == ("anomalies" if written else "none", written, [])


# Nothing wrong, or nothing read


@pytest.mark.parametrize(
    "answer",
    [
        "[]", "```json\n[]\n```", '{"anomalies": []}', "The answer is [].", "No anomalies.", "no anomalies", "None",
        "N/A",
        "**No anomalies detected.**", "There are no anomalies in this image.", "Nothing is wrong.",
        "nothing is wrong with this picture",
        "I don't see any anomalies in this image.", "I cannot find any unrealistic details.",
        "The image appears realistic and natural.",
        "Everything looks normal.", "No semantic, logical or physical anomalies were found.",
        "The picture does not contain any anomalies.",
        "This is a real photo. No issues were detected.", "<think>Is the hand wrong? No.</think>No anomalies.",
        "未发现明显异常。",
    ],
)  # fmt: skip
def test_nothing_wrong_is_an_answer(answer: str) -> None:
    """An empty list, or words that say so outright, mean that nothing is wrong."""
    assert parse_answer(answer) == ("none", [], [])


@pytest.mark.parametrize(
    "answer",
    [
        "", "   \n", "asdf", "Yes", "{}", "null", "[",
        "[{", '["a floating cup"]', "I'm sorry, I can't assist with that.",
        "I cannot see any image.", "There are some anomalies.", "No doubt there are anomalies.",
        "The image is not realistic.",
        "No anomalies in the sky, but the hand has six fingers.", "Reasoning: I was not given a picture.",
        "<think>no anomalies",
        "I could not identify any anomalies because no image was provided.", "The cup floats.", '{"error": "none", "tags": []}',
        '[{"severity": 5}]', "Severity Score: 25/100",
    ],
)  # fmt: skip
def test_unreadable_is_not_nothing_wrong(answer: str) -> None:
    """Refusals, prose, contradictions and scraps are failures, with a reason."""
    parsed = parse_answer(answer)
    assert parsed.status == "failed"
    assert parsed.anomalies == []
    assert parsed.dropped
    assert parsed.dropped[0].reason


# Any text at all

GARBAGE = [
    "[", "{", "[{", '{"a":', '"', "'", '{"a":"', '{"a":"x"x},{"', "[]", "{}", '{"a":1}', '{"name":"x"}', "\n",
    "\\", '[{"name": "', "[1,",
    "{a:(", '{"name":"', "Reasoning:", "Reasoning:\n", "a\nReasoning ", "**Reasoning**:", "@1. Name: x\n", "1. ",
    "**", "Phenomenon: (",
    "#", "<think>", "\ud800", "é",
]  # fmt: skip


@pytest.mark.parametrize("piece", GARBAGE)
def test_work_grows_no_faster_than_garbage_does(piece: str) -> None:
    """No repetition makes brackets, quotes or labels expensive."""
    assert grows_linearly(parse_answer, piece)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.text(max_size=8) | st.sampled_from([*GARBAGE, *LABELS, JSON[:40], "\n@2. ", ": ", "25/100", "}", "]", ", "]),
        max_size=30,
    )
)
def test_nothing_raises(pieces: list[str]) -> None:
    """Any text gives an answer whose status fits what it holds."""
    status, found, dropped = parse_answer("".join(pieces))
    assert bool(found) == (status in ("anomalies", "partial"))
    assert bool(dropped) == (status in ("partial", "failed"))


@pytest.mark.parametrize(
    "text",
    [
        "Severity Score: Reasoning:\\u\ud800",
        '[{"name": "half \ud83d a cup", "severity": 5}]',
        '[{"name": "\\ud83d"}]',
        "\udfff",
    ],
)
def test_half_a_character_is_replaced_in_every_form(text: str) -> None:
    """A lone surrogate, written or escaped, becomes U+FFFD; what comes out can be written to a file."""
    parsed = parse_answer(text)
    for anomaly in parsed.anomalies:
        (anomaly.name + anomaly.phenomenon + anomaly.reasoning).encode()
    for piece in parsed.dropped:
        (piece.text + piece.reason).encode()


@pytest.mark.parametrize("field", ["name", "phenomenon", "reasoning"])
@pytest.mark.parametrize("text", ["{}", "[]", " [ ] "])
def test_an_empty_list_in_the_text_of_a_field_is_a_text(field: str, text: str) -> None:
    """It says nothing about whether there are anomalies; `"anomalies": "[]"` does."""
    written = [CUP.model_copy(update={field: text})]
    assert parse_answer(write_answer(written)).anomalies == written
    assert parse_answer('{"anomalies": "[]"}').status == "none"


def test_a_record_in_parts_is_put_together_once() -> None:
    """A part that is called as a field is a part, and not that field's value as well."""
    parsed = parse_answer('{"name": "Six fingers", "reasoning": {"phenomenon": "The hand has six.", "severity": 10}}')
    assert parsed.anomalies == [Anomaly(name="Six fingers", phenomenon="The hand has six.", severity=10)]
    assert parsed.dropped == []


@pytest.mark.parametrize(("length", "shown"), [(199, 199), (200, 200), (201, 200)])
def test_what_was_dropped_is_told_whole_up_to_200_letters(length: int, shown: int) -> None:
    """Longer texts are cut, and say so."""
    (dropped,) = parse_answer("x" * length).dropped
    assert len(dropped.text) == shown
    assert dropped.text.endswith("…") == (length > shown)


@pytest.mark.parametrize(
    ("keys", "enough"),
    [
        (["name"], True),
        (["Observed Phenomenon"], True),
        (["Severity Score"], True),
        (["reasoning"], False),
        (["issue"], False),
        (["issue", "why"], True),
        (["colour"], False),
    ],
)
def test_the_release_s_spelling_is_as_sure_as_ours(keys: list[str], enough: bool) -> None:
    """One such field makes a record an anomaly; of other spellings it takes two."""
    assert says_enough(keys) == enough


def test_of_lists_that_are_all_damaged_the_last_counts() -> None:
    """A later try replaces an earlier one, also where neither is whole."""
    one, other = write_answer([CUP]), write_answer([HAND])
    text = f'{one[:-1]}, "And a loose remark here."]\n\n{other[:-1]}, "And another loose remark."]'
    assert parse_answer(text).anomalies == [HAND]
