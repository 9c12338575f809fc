"""Files of predictions and references: every form is read alike, everything malformed is named."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_semap.anomalies import Anomaly, Picture, Quadruplet
from metric_semap.errors import RecordError
from metric_semap.records import parse_records, read_names, read_records

OFFICIAL = {
    "Name": "Cup",
    "Observed Phenomenon": "It hovers.",
    "Reasoning": "It should fall.",
    "Severity Score": "25/100 (odd).",
}
PLAIN = {"name": "Cup", "phenomenon": "It hovers.", "reasoning": "It should fall.", "severity": 25}
READ = Anomaly("Cup", "It hovers.", "It should fall.", 25)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"a.jpg": [OFFICIAL], "b.jpg": []}, indent=1),
        json.dumps({"a.jpg": [OFFICIAL], "b.jpg": []}),
        json.dumps({"/data/1_fake/a.jpg": [PLAIN], "C:\\pictures\\b.jpg": []}),
        json.dumps({"a.jpg": [{**OFFICIAL, "Severity Score": "25", "entry": "…"}], "b.jpg": []}),
        json.dumps({"a.jpg": [{**OFFICIAL, "Name": "@1. Name: Cup", "Reasoning": "It should fall.\n-"}], "b.jpg": []}),
        json.dumps([{"image_id": "a.jpg", "anomalies": [PLAIN]}, {"image_id": "b.jpg", "anomalies": []}]),
        json.dumps({"image_id": "a.jpg", "status": "anomalies", "anomalies": [PLAIN], "p_fake": 0.9, "tokens": 3})
        + "\n"
        + json.dumps({"image_id": "b.jpg", "status": "none", "anomalies": []})
        + "\n",
        json.dumps({"status": "ok", "path": "/x/a.jpg", "parsed": [OFFICIAL], "response": "…"})
        + "\n\n"
        + json.dumps({"status": "ok", "path": "/x/b.jpg", "parsed": []}),
    ],
    ids=["official", "one line", "paths", "bare severity", "residue", "rows", "our rows", "the tools' rows"],
)
def test_every_form_is_read_alike(content: str) -> None:
    """Official, plain, the tools' and our rows give the same pictures."""
    assert parse_records(content, "prediction", "f") == {"a.jpg": Picture([READ]), "b.jpg": Picture([])}


def test_the_tools_list_takes_nothing_for_a_failure() -> None:
    """`responses_structured.json` writes [] where the tool failed; it cannot say that nothing is wrong."""
    content = json.dumps([{"/x/a.jpg": [OFFICIAL]}, {"/x/b.jpg": []}])
    assert parse_records(content, "prediction", "f") == {"a.jpg": Picture([READ]), "b.jpg": Picture([], failed=True)}


def test_failures_are_empty_and_marked() -> None:
    """A failed row, an error row and a null have no anomalies and are known as failures."""
    rows = [
        {"image_id": "a.jpg", "status": "failed", "anomalies": []},
        {"path": "b.jpg", "status": "error", "parsed": None, "error": "timeout"},
    ]
    lines = "\n".join(map(json.dumps, rows))
    assert all(picture == Picture([], failed=True) for picture in parse_records(lines, "prediction", "f").values())
    assert parse_records('{"a.jpg": null}', "prediction", "f") == {"a.jpg": Picture([], failed=True)}


def test_pictures_of_an_unknown_kind_are_empty_and_told_from_failures() -> None:
    """The predictor gave no answer, and it is not that nothing is wrong."""
    line = json.dumps({"image_id": "a.jpg", "status": "unknown", "anomalies": []})
    (picture,) = parse_records(line + "\n", "prediction", "f").values()
    assert picture == Picture([], unknown=True)
    assert not picture.answered


def test_the_last_row_of_a_picture_counts_and_a_torn_one_is_left_out() -> None:
    """A picture tried again has its last answer; what a crash tore off is missing, not an error."""
    row = {"image_id": "a.jpg", "status": "failed", "anomalies": []}
    lines = json.dumps(row) + "\n" + json.dumps({**row, "status": "anomalies", "anomalies": [PLAIN]}) + "\n"
    assert parse_records(lines, "prediction", "f") == {"a.jpg": Picture([READ])}
    assert parse_records(lines + '{"image_id": "b.jpg", "anoma', "prediction", "f") == {"a.jpg": Picture([READ])}


def test_labels_come_with_their_pictures() -> None:
    """Rows and labelled objects carry a verdict; null is no verdict."""
    rows = json.dumps(
        [{"image_id": "a.jpg", "label": "fake", "anomalies": []}, {"image_id": "b.jpg", "label": None, "anomalies": []}]
    )
    assert [p.label for p in parse_records(rows, "prediction", "f").values()] == ["fake", None]
    assert parse_records('{"a.jpg": {"label": "real", "anomalies": []}}', "reference", "f")["a.jpg"].label == "real"


@pytest.mark.parametrize(
    ("severity", "value"),
    [
        ("5/100 (a (nested) remark).", 5),
        ("0", 0),
        ("100/100", 100),
        (" 40 / 100 ", 40),
        (55, 55),
        (55.0, 55),
        ("30/100 - mild.", 30),
        ("25%", 25),
    ],
)
def test_severities_are_read_in_every_form(severity: Any, value: int) -> None:
    """Numbers, texts with and without a remark."""
    pictures = parse_records(json.dumps({"a.jpg": [{**OFFICIAL, "Severity Score": severity}]}), "reference", "f")
    assert pictures["a.jpg"].anomalies[0].severity == value


@pytest.mark.parametrize("severity", ["", "  ", None])
def test_a_severity_may_be_lacking(severity: Any) -> None:
    """It is unknown then, on both sides: official truths without severities are scored."""
    content = json.dumps({"a.jpg": [{**OFFICIAL, "Severity Score": severity}]})
    assert parse_records(content, "prediction", "f")["a.jpg"].anomalies[0].severity is None
    assert parse_records(content, "reference", "f")["a.jpg"].anomalies[0].severity is None


def test_every_official_form_is_read(tmp_path: Path) -> None:
    """Only phenomenon and reasoning; null for a picture with nothing wrong; the subset, a list of objects with one picture each."""
    bare = {key: OFFICIAL[key] for key in ("Observed Phenomenon", "Reasoning")}
    for role in ("prediction", "reference"):
        (read,) = parse_records(json.dumps({"a.jpg": [bare]}), role, "f")["a.jpg"].anomalies  # type: ignore[arg-type]
        assert (read.name, read.severity, read.phenomenon) == ("", None, OFFICIAL["Observed Phenomenon"])
    truth = parse_records(json.dumps([{"x/a.jpg": [bare]}, {"b.jpg": None}]), "reference", "f")
    assert [len(picture.anomalies) for picture in truth.values()] == [1, 0]
    subset = tmp_path / "subset.json"
    for rows in ([{"x/a.jpg": [bare]}, {"b.jpg": []}], [{"image": "x/a.jpg", "n": 1}, {"path": "b.jpg"}]):
        subset.write_text(json.dumps(rows))
        assert read_names(subset) == ["a.jpg", "b.jpg"]
    subset.write_text('[{"a.jpg": 1, "b.jpg": 2}]')
    with pytest.raises(RecordError, match="is not a name of a picture"):
        read_names(subset)


GOOD = json.dumps({"a.jpg": [OFFICIAL]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"IMG_3.jpg": [OFFICIAL, OFFICIAL, {**OFFICIAL, "Severity Score": "110/100"}]},
            r"""^gt\.json: "IMG_3\.jpg"\[2\]: severity: '110/100' is outside 0\.\.100$""",
        ),
        ({"a.jpg": [{**OFFICIAL, "Severity Score": "25-30"}]}, r"severity: '25-30' is not a severity"),
        ({"a.jpg": [{**OFFICIAL, "Severity Score": "high"}]}, r"severity: 'high' is not a severity"),
        ({"a.jpg": [{k: v for k, v in OFFICIAL.items() if k != "Reasoning"}]}, r'"a\.jpg"\[0\]: reasoning is missing'),
        ({"a.jpg": [{**OFFICIAL, "reasoning": "x"}]}, r"reasoning appears twice, as 'Reasoning' and 'reasoning'"),
        ({"a.jpg": [{**OFFICIAL, "Name": " "}]}, r"name: ' ' is empty"),
        ({"a.jpg": [{"bogus": 1}]}, r"has none of name, phenomenon, reasoning"),
        ({"a.jpg": ["Cup"]}, r"\[0\]: 'Cup' is not an anomaly"),
        ({"a.jpg": "Cup"}, r"'Cup' is not a list of anomalies"),
        ({"x/a.jpg": [], "y/a.jpg": []}, r"'x/a\.jpg' and 'y/a\.jpg' are one picture to the metric, 'a\.jpg'"),
        ({"x/": []}, r"'x/' does not end in a file name"),
        ({"a.jpg": {"label": "maybe", "anomalies": []}}, r"label: 'maybe' is neither 'real' nor 'fake'"),
        ([3], r"gt\.json\[0\]: 3 is not a picture"),
        ([{"a.jpg": [], "b.jpg": []}], r"gt\.json\[0\]: \['a\.jpg', 'b\.jpg'\] are the keys"),
        ([{"image_id": 3, "anomalies": []}], r"image_id: 3 is not a picture's name"),
        ([{"image_id": "a.jpg"}], r"anomalies is missing"),
        (3, r"gt\.json: 3 holds no pictures"),
        ('{"a.jpg": [], "a.jpg": []}', r"the key 'a\.jpg' appears more than once"),
        ('{"a.jpg": NaN}', r"NaN is not a JSON number"),
        ('{"a.jpg": [', r"gt\.json: line 1, column 12: is not JSON"),
        ("", r"gt\.json: is empty"),
        ("[" * 100_000, r"is nested too deeply"),
        (GOOD + "\n{torn\n" + GOOD + "\n", r"gt\.json, line 2: line 1, column 2: is not JSON"),
    ],
)
def test_malformed_files_are_named(content: Any, message: str) -> None:
    """File, picture, entry, field, value and mend are in one sentence."""
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(RecordError, match=message) as caught:
        parse_records(text, "reference", "gt.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A missing file, a directory, a pipe that nobody writes into, and one that is not UTF-8."""
    (tmp_path / "latin.json").write_bytes('{"ä.jpg": []}'.encode("latin-1"))
    os.mkfifo(tmp_path / "pipe.json")
    for name, message in (
        ("none.json", "No such file"),
        ("", "Is a directory"),
        ("pipe.json", "is not a regular file"),
        ("latin.json", "byte 2 is not UTF-8"),
    ):
        with pytest.raises(RecordError, match=message):
            read_records(tmp_path / name, "prediction")


def test_subset_files_are_lists_in_any_form(tmp_path: Path) -> None:
    """A JSON list, an object's keys, or lines; an empty one is refused."""
    path = tmp_path / "subset"
    for content in ('["x/a.jpg", "b.jpg"]', '{"a.jpg": 1, "b.jpg": 2}', "a.jpg\n\nb.jpg\n"):
        path.write_text(content)
        assert read_names(path) == ["a.jpg", "b.jpg"]
    path.write_text("[]")
    with pytest.raises(RecordError, match="lists no picture"):
        read_names(path)
    path.write_text("[3]")
    with pytest.raises(RecordError, match=r"subset\[0\]: 3 is not a name"):
        read_names(path)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda s: s.strip()
)
RECORD = st.fixed_dictionaries(
    {"name": WORDS, "phenomenon": WORDS, "reasoning": WORDS, "severity": st.integers(0, 100)}
)
FILE = st.dictionaries(
    st.from_regex(r"[a-z0-9_]{1,12}\.(jpg|png)", fullmatch=True), st.lists(RECORD, max_size=3), max_size=4
)


@given(FILE)
@settings(max_examples=30, deadline=None)
def test_this_reader_and_the_dataset_builders_agree(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    """Both readers of the project give the same anomalies for any file in the official form or as rows."""
    from dataset_builder.official import read_annotations, write_annotations
    from dataset_builder.predictions import read_predictions
    from dataset_builder.schema import Anomaly as Theirs

    def as_ours(anomalies: Sequence[Quadruplet]) -> list[Anomaly]:
        return [Anomaly(one.name, one.phenomenon, one.reasoning, one.severity, one.score) for one in anomalies]

    directory = tmp_path_factory.mktemp("agree")
    path = directory / "gt.json"
    write_annotations(path, {image: [Theirs(**record) for record in records] for image, records in content.items()})
    theirs = {image: Picture(as_ours(anomalies)) for image, anomalies in read_annotations(path).items()}
    assert read_records(path, "reference") == theirs
    rows = directory / "preds.jsonl"
    rows.write_text(
        "".join(
            json.dumps(
                {"image_id": image, "status": "anomalies" if records else "none", "anomalies": records},
                ensure_ascii=False,
            )
            + "\n"
            for image, records in content.items()
        ),
        encoding="utf-8",
    )
    if content:
        said = {image: Picture(as_ours(p.anomalies), p.label) for image, p in read_predictions(rows).items()}
        assert read_records(rows, "prediction") == said
