"""The release's files: every form is read, the released one is written byte for byte, and what is broken is named."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataset_builder import (
    Anomaly,
    InputError,
    RecordError,
    read_annotations,
    read_captions,
    read_deepfake_list,
    read_predictions,
    read_split,
    write_annotations,
)
from dataset_builder.official import dump_annotations

# Exactly as the authors write it: one space a level, no newline at the end, characters as they are.
RELEASED = """{
 "2025_04_18_02_29_58_1298591042668466177_flux.jpg": [
  {
   "Name": "Floating Cup",
   "Observed Phenomenon": "A cup hovers — 3 cm — above the child’s table. ",
   "Reasoning": "Cups fall.\\nThis one \\"does not\\".",
   "Severity Score": "25/100 (moderately noticeable)."
  },
  {
   "Name": "Six Fingers",
   "Observed Phenomenon": "The hand has six fingers.",
   "Reasoning": "Hands have five.",
   "Severity Score": "5/100 (severe (very))."
  }
 ],
 "2025_04_18_02_29_58_1298591042668466178_0_1.jpg": []
}"""

RECORD = {
    "Name": "Floating Cup",
    "Observed Phenomenon": "A cup hovers.",
    "Reasoning": "Cups fall.",
    "Severity Score": "25/100 (mild).",
}
ANOMALY = Anomaly(name="Floating Cup", phenomenon="A cup hovers.", reasoning="Cups fall.", severity=25, remark="mild")

Write = Callable[[Any, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the given name and content (text as it is, anything else as JSON)."""

    def _write(content: Any, name: str = "gt.json") -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return _write


def test_released_annotations_round_trip_byte_for_byte(write: Write, tmp_path: Path) -> None:
    """What is read from the released ground truth is written back as the same bytes."""
    annotations = read_annotations(write(RELEASED))
    assert [len(records) for records in annotations.values()] == [2, 0]
    assert annotations["2025_04_18_02_29_58_1298591042668466177_flux.jpg"][1].remark == "severe (very)"
    assert write_annotations(tmp_path / "out.json", annotations).read_text(encoding="utf-8") == RELEASED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"Severity Score": "25/100"}, {"remark": None}),
        ({"Severity Score": "25"}, {"remark": None}),
        ({"Severity Score": 25}, {"remark": None}),
        ({"Name": "@1. Name: Floating Cup"}, {}),
        ({"Name": "@12. Floating Cup"}, {}),
        ({"Name": "Floating Cup\n-", "Reasoning": "Cups fall.\n   -"}, {}),
        ({"entry": "@1. Name: Floating Cup …"}, {}),
    ],
)
def test_every_form_of_a_record(write: Write, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """Numbering, residue of the tools, a fifth key and every form of severity give the same anomaly."""
    path = write({"cup.jpg": [RECORD | changes]})
    assert read_annotations(path) == {"cup.jpg": [ANOMALY.model_copy(update=expected)]}


def test_lower_case_keys_are_read(write: Write) -> None:
    """The shape that the release's README advertises is read too."""
    record = {"name": "Floating Cup", "phenomenon": "A cup hovers.", "reasoning": "Cups fall.", "severity": 25}
    assert read_annotations(write({"cup.jpg": [record]}))["cup.jpg"] == [ANOMALY.model_copy(update={"remark": None})]


def test_paths_are_reduced_to_file_names(write: Write) -> None:
    """An image is named by its file name, from a path of either system."""
    assert list(read_annotations(write({"1_fake/a.jpg": [], "C:\\x\\b.jpg": []}))) == ["a.jpg", "b.jpg"]


# What is broken: (content, what the message must hold)

TEXT = '{"cup.jpg": [{"Name": "NAME", "Observed Phenomenon": "b", "Reasoning": "c", "Severity Score": LEVEL}]}'
BROKEN: dict[str, tuple[Any, list[str]]] = {
    "not JSON": ('{"cup.jpg": [}', ["line 1, column 14", "not JSON", "fix it there"]),
    "cut off": ('{"cup.jpg": [{"Name": "a"', ["line 1", "is it complete?"]),
    "rows": ('{"a.jpg": []}\n{"b.jpg": []}', ["line 2", ".jsonl"]),
    "empty": ("", ["is empty"]),
    "byte order mark": (b"\xef\xbb\xbf{}", ["byte order mark", "UTF-8"]),
    "UTF-16": ('{"a": []}'.encode("utf-16"), ["byte order mark", "UTF-8"]),
    "Latin-1": (b'{\n"caf\xe9.jpg": []}', ["line 2", "\\xe9", "UTF-8"]),
    "nested": ("[" * 100_000, ["nested too deeply"]),
    "long number": ('{"a": ' + "9" * 5000 + "}", ["fix that number"]),
    "a list": ([], ["[]", "an object of image names"]),
    "records no list": ({"cup.jpg": RECORD}, ['"cup.jpg"', "list of records"]),
    "record no object": ({"cup.jpg": [RECORD, "text"]}, ['"cup.jpg"[1]', '"text"', "an object with the keys Name,"]),
    "foreign record": ({"cup.jpg": [{"a": 1}]}, ['"cup.jpg"[0]', "none of the keys"]),
    "field missing": ({"cup.jpg": [RECORD, {"Name": "a", "Reasoning": "b"}]},
        ['"cup.jpg"[1]: phenomenon is missing', '"Observed Phenomenon"']),
    "severity missing": ({"cup.jpg": [dict(list(RECORD.items())[:3])]}, ["severity is missing", '"Severity Score"']),
    "field null": ({"cup.jpg": [RECORD | {"Reasoning": None}]}, ['"cup.jpg"[0]', "reasoning None", "JSON string"]),
    "field a number": ({"cup.jpg": [RECORD | {"Name": 5}]}, ["name 5", "not a text"]),
    "field empty": ({"cup.jpg": [RECORD | {"Name": "  "}]}, ['name "  "', "is empty", "remove the record"]),
    "half a character": (TEXT.replace("NAME", "\\ud83d").replace("LEVEL", "5"), ["name", "\\ud83d", "surrogate"]),
    "severity above": ({"cup.jpg": [RECORD, RECORD | {"Severity Score": "110/100"}]},
        ['"cup.jpg"[1]: severity "110/100" is outside 0..100']),
    "severity below": ({"cup.jpg": [RECORD | {"Severity Score": -1}]}, ["severity -1 is outside"]),
    "severity words": ({"cup.jpg": [RECORD | {"Severity Score": "high"}]}, ['severity "high" is not a severity', "whole number"]),
    "severity broken": ({"cup.jpg": [RECORD | {"Severity Score": 2.5}]}, ["severity 2.5", "whole number"]),
    "severity true": ({"cup.jpg": [RECORD | {"Severity Score": True}]}, ["severity True"]),
    "severity null": ({"cup.jpg": [RECORD | {"Severity Score": None}]}, ["severity None"]),
    "severity NaN": (TEXT.replace("LEVEL", "NaN"), ['"cup.jpg"[0]', "severity nan"]),
    "severity infinite": (TEXT.replace("LEVEL", "Infinity"), ["severity inf"]),
    "key twice": ('{"cup.jpg": [], "cup.jpg": []}', ['"cup.jpg"', "more than once"]),
    "field twice": ('{"cup.jpg": [{"Name": "a", "Name": "b"}]}', ['"cup.jpg"[0]', '"Name"', "more than once"]),
    "field twice, two ways": ({"cup.jpg": [RECORD | {"name": "b"}]}, ['"cup.jpg"[0]: name', '"Name"', '"name"']),
    "collision": ({"a/cup.jpg": [], "b/cup.jpg": []}, ['"a/cup.jpg"', '"b/cup.jpg"', "rename"]),
    "no file name": ({"folder/": []}, ['"folder/"', "file name"]),
    "box": ({"cup.jpg": [RECORD | {"bbox": [9, 9, 1, 1]}]}, ['"cup.jpg"[0]', "bbox [9, 9, 1, 1]", "[x0, y0, x1, y1]"]),
    "score": ({"cup.jpg": [RECORD | {"score": 3}]}, ["score 3", "0 to 1"]),
    "long value": ({"cup.jpg": [RECORD | {"Severity Score": "x" * 10_000}]}, ["…"]),
    "terminal codes": ({"cup.jpg\x1b[2J": [RECORD | {"Severity Score": "\x1b]0;x\x07"}]}, ["\\x1b[2J",
    "\\x1b]0;x\\x07"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_annotations_name_place_value_and_mend(write: Write, kind: str) -> None:
    """Each kind of broken file is one line that names the file and what to look for."""
    content, words = BROKEN[kind]
    path = write(content)
    with pytest.raises(InputError) as raised:
        read_annotations(path)
    message = str(raised.value)
    assert message.startswith(f"{path}:")
    assert all(word in message for word in words), message
    assert message.isprintable()
    assert len(message) < len(str(path)) + 450


def test_record_error_carries_its_parts(write: Write) -> None:
    """The parts of the message are attributes too."""
    with pytest.raises(RecordError) as raised:
        read_annotations(path := write({"cup.jpg": [RECORD, RECORD | {"Severity Score": "110/100"}]}))
    error = raised.value
    assert (error.file, error.key, error.index, error.field, error.value) == (path, "cup.jpg", 1, "severity", "110/100")


@pytest.mark.parametrize("name", ["missing.json", "", "a\0b"])
def test_unreadable_paths_are_named(tmp_path: Path, name: str) -> None:
    """A missing file, a directory and an impossible path are input errors."""
    with pytest.raises(InputError, match="give the path of the file"):
        read_annotations(tmp_path / name)


# Predictions


def test_predictions_may_leave_out_what_annotations_may_not(write: Write) -> None:
    """In predictions texts may be empty or missing, and a severity null, empty or missing."""
    records = [RECORD, {"Name": "", "Severity Score": ""}, {"Observed Phenomenon": "x", "Severity Score": None}]
    predictions = read_predictions(write({"cup.jpg": records, "none.jpg": [], "failed.jpg": None}))
    assert [row.status for row in predictions.values()] == ["anomalies", "none", "failed"]
    assert predictions["cup.jpg"].anomalies == [ANOMALY, Anomaly(), Anomaly(phenomenon="x")]


@pytest.mark.parametrize("severity", ["high", "110/100", 1.5])
def test_predictions_still_name_what_cannot_be_read(write: Write, severity: object) -> None:
    """A severity that is there and cannot be read is an error in predictions too."""
    with pytest.raises(RecordError, match=r'"cup.jpg"\[0\]: severity'):
        read_predictions(write({"cup.jpg": [RECORD | {"Severity Score": severity}]}))


def test_unknown_severity_is_written_as_an_empty_text(write: Write) -> None:
    """The release's form says an unknown severity as its tools say a missing field."""
    written = dump_annotations({"cup.jpg": [Anomaly(name="Floating Cup")]})
    assert json.loads(written)["cup.jpg"][0]["Severity Score"] == ""
    assert read_predictions(write(written))["cup.jpg"].anomalies == [Anomaly(name="Floating Cup")]


def test_structured_responses_of_both_versions(write: Write) -> None:
    """A list of single entries is read; its empty lists are failures, because its tools cannot say "nothing wrong"."""
    bare = {
        "Name": "Floating Cup\n-",
        "Observed Phenomenon": "A cup hovers.",
        "Reasoning": "Cups fall.",
        "Severity Score": "25",
    }
    predictions = read_predictions(write([{"/data/1_fake/cup.jpg": [bare]}, {"/data/1_fake/hand.jpg": []}]))
    assert predictions["cup.jpg"].anomalies == [ANOMALY.model_copy(update={"remark": None})]
    assert predictions["hand.jpg"].status == "failed"


def test_rows_of_the_inference_driver(write: Write) -> None:
    """Rows with an answer, without one, retried, torn; where the driver's parser found nothing, ours reads the answer."""
    rows = [
        {"status": "error", "path": "d/cup.jpg", "parsed": [], "response": None, "error": "timeout"},
        {"status": "ok", "path": "d/cup.jpg", "parsed": [RECORD | {"entry": "…"}], "response": "…",
        "base_url": "http://…"},
        {"status": "error", "path": "d/hand.jpg", "parsed": None, "response": None, "error": "timeout"},
        {"status": "ok", "path": "d/none.jpg", "parsed": [], "response": "No anomalies."},
        {"status": "ok", "path": "d/lost.jpg", "parsed": [],
         "response": "1) Name: A\n\nObserved Phenomenon: B\n\nReasoning: C\n\nSeverity Score: 5"},
        {"status": "ok", "path": "d/refused.jpg", "parsed": [], "response": "I'm sorry."},
    ]  # fmt: skip
    text = "\n".join(json.dumps(row) for row in rows) + '\n{"status": "ok", "pa'
    predictions = read_predictions(write(text, "predictions.ndjson"))
    assert {name: row.status for name, row in predictions.items()} == {
        "cup.jpg": "anomalies",
        "hand.jpg": "failed",
        "none.jpg": "none",
        "lost.jpg": "anomalies",
        "refused.jpg": "failed",
    }
    assert predictions["cup.jpg"].anomalies == [ANOMALY]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('{"status": "ok"', [":1: line 1", "not JSON"]),
        ('{"status": "fine", "path": "cup.jpg"}', ['"cup.jpg": status "fine"', "ok or error"]),
        ('{"status": "ok", "path": "cup.jpg", "response": 5}', ["response 5", "JSON string or null"]),
        ('{"status": "ok", "path": "cup.jpg", "parsed": {}}', ["list of records"]),
        ('{"status": "ok", "path": 7}', ["image 7", "not a text"]),
        ('{"name": "cup.jpg"}', ["neither image_id nor path"]),
        ("[]", ["not a row"]),
        ('{"image_id": "cup.jpg"}', ["status", "required"]),
        ('{"image_id": "cup.jpg", "status": "good"}', ['status "good"']),
        ('{"image_id": "cup.jpg", "status": "none", "p_fake": 2}', ["p_fake 2"]),
        ('{"image_id": "cup.jpg", "status": "none", "p_fake": NaN}', ["p_fake nan"]),
        ('{"image_id": "cup.jpg", "status": "none", "lable": "fake"}', ['lable "fake"']),
        ('{"image_id": "cup.jpg", "status": "none", "\\u001b[2J": "fake"}', ['"\\x1b[2J" "fake"']),
        ('{"image_id": "cup.jpg", "status": "anomalies"}', ["needs at least one"]),
        ('{"image_id": "cup.jpg", "status": "none", "anomalies": [{"name": "a"}]}', ["goes with no anomalies"]),
        ('{"image_id": "cup.jpg", "status": "partial", "anomalies": [{"name": "a", "severity": 300}]}',
         ['"cup.jpg"[0]: severity 300 is outside']),
    ],
)  # fmt: skip
def test_broken_rows_name_the_line(write: Write, row: str, words: list[str]) -> None:
    """A row that cannot be read is named by file and line, image, field and value."""
    path = write(f'{row}\n{{"image_id": "b.jpg", "status": "none"}}\n', "preds.jsonl")
    with pytest.raises(InputError) as raised:
        read_predictions(path)
    assert str(raised.value).startswith(f"{path}:1: ")
    assert all(word in str(raised.value) for word in words), str(raised.value)


# Split, captions, deepfake list


def test_split_list(write: Write) -> None:
    """Both splits, reduced to file names, in the file's order; the same name again counts once."""
    path = write({"train": ["1_fake/a.jpg", "0_real/b.jpg", "1_fake/a.jpg"], "test": ["c.jpg"]})
    assert read_split(path) == {"train": ["a.jpg", "b.jpg"], "test": ["c.jpg"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"train": []}, ["['train']", '"train" and "test"']),
        ({"train": [], "tset": []}, ["tset"]),
        ({"train": ["a.jpg"], "test": ["a.jpg"]}, ['"test"[0]: "a.jpg" is also in train']),
        ({"train": "a.jpg", "test": []}, ['"train"', "list of image names"]),
        ({"train": [5], "test": []}, ['"train"[0]', "5"]),
        ({"train": ["x/a.jpg", "y/a.jpg"], "test": []}, ['"x/a.jpg"', '"y/a.jpg"']),
        (["a.jpg"], ["train"]),
    ],
)
def test_broken_split_lists(write: Write, content: Any, words: list[str]) -> None:
    """A split list that leaves a picture in doubt is refused with the place."""
    with pytest.raises(RecordError) as raised:
        read_split(write(content))
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_captions(write: Write) -> None:
    """Each real photograph has one text."""
    assert read_captions(write({"0_real/a.jpg": "The light falls as it should."})) == {
        "a.jpg": "The light falls as it should."
    }
    with pytest.raises(RecordError, match=r'"a.jpg": caption "" is empty'):
        read_captions(write({"a.jpg": ""}))
    with pytest.raises(RecordError, match=r'"a.jpg": caption 7 is not a text'):
        read_captions(write({"a.jpg": 7}))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (["a.jpg", "b.jpg"], {"a.jpg": None, "b.jpg": None}),
        (["1_fake/a.jpg", "0_real/b.jpg"], {"a.jpg": "fake", "b.jpg": "real"}),
        ({"a.jpg": "fake", "b.jpg": "real"}, {"a.jpg": "fake", "b.jpg": "real"}),
        ({"a.jpg": 1, "b.jpg": 0}, {"a.jpg": "fake", "b.jpg": "real"}),
        ({"1_fake/a.jpg": [], "0_real/b.jpg": None}, {"a.jpg": "fake", "b.jpg": "real"}),
        ({"fake": ["a.jpg"], "real": ["b.jpg"]}, {"a.jpg": "fake", "b.jpg": "real"}),
        ({"1_fake": ["a.jpg"], "0_real": ["0_real/b.jpg"]}, {"a.jpg": "fake", "b.jpg": "real"}),
        ({"test": ["a.jpg"]}, {"a.jpg": None}),
        ([{"image": "a.jpg", "label": "fake"}, {"image": "b.jpg"}], {"a.jpg": "fake", "b.jpg": None}),
    ],
)
def test_deepfake_list_in_every_plausible_form(write: Write, content: Any, expected: dict[str, str | None]) -> None:
    """Names, names with labels, labels with names; a folder tells the label where nothing else does."""
    assert read_deepfake_list(write(content)) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a.jpg": "maybe"}, ['"a.jpg": label "maybe"', "real or fake"]),
        ({"a.jpg": True}, ["label True"]),
        ({"1_fake/a.jpg": "real"}, ['label "real"', "contradicts the folder"]),
        ({"fake": "a.jpg"}, ['"fake"', "list of image names"]),
        (["x/a.jpg", "y/a.jpg"], ['"x/a.jpg"', '"y/a.jpg"']),
        (["a.jpg", "a.jpg"], ['"a.jpg"', "more than once"]),
        ([{"label": "fake"}], ["[0]", 'no key "image"']),
        ([5], ["[0]", "5"]),
        ("5", ["an object"]),
    ],
)
def test_broken_deepfake_lists(write: Write, content: Any, words: list[str]) -> None:
    """What leaves a label in doubt is refused with the place."""
    with pytest.raises(RecordError) as raised:
        read_deepfake_list(write(content))
    assert all(word in str(raised.value) for word in words), str(raised.value)


# The authors' own example, in the folder that the variable names. Without it there is no such test, rather than a skipped one.
if "ANOMREASON_OFFICIAL_SAMPLE" in os.environ:

    def test_official_sample() -> None:
        """The authors' ground truth is written back byte for byte, and all their predictions are read."""
        folder = Path(os.environ["ANOMREASON_OFFICIAL_SAMPLE"])
        content = (folder / "gt.json").read_text(encoding="utf-8")
        assert dump_annotations(read_annotations(folder / "gt.json")) == content
        raw = json.loads((folder / "pred.json").read_text(encoding="utf-8"))
        predictions = read_predictions(folder / "pred.json")
        assert {name: len(row.anomalies) for name, row in predictions.items()} == {k: len(v) for k, v in raw.items()}
        assert not any(anomaly.name.startswith("@") for row in predictions.values() for anomaly in row.anomalies)
