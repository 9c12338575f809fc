"""What users read has no phrase that reads as if translated: the check that `make lint` runs finds them."""

from pathlib import Path

import pytest

from docs import check_english

WRONG = [
    ("gt.json is no regular file", "is no regular"),
    ("'a.jpg' stands more than once", "stands more than once"),
    ("the answers stand beside the picture", "stand beside"),
    ("the place and the mend", "mend"),
    ("a row\na picture", "a row a picture"),
    ("20 calls a minute", "calls a minute"),
    ("dollars a million tokens", "dollars a million"),
    ("begin anew", "anew"),
    ("it says nothing of worth", "of worth"),
    ("the port cannot be had", "cannot be had"),
    ("run again, it goes on", "goes on"),
    ("how often verifying tells so", "tells so"),
    ("answers without use", "without use"),
    ("on a telephone", "telephone"),
    ("Of the bootstrap.", "Of the bootstrap."),
]


@pytest.mark.parametrize(("text", "found"), WRONG)
def test_a_phrase_that_reads_as_translated_is_found(text: str, found: str) -> None:
    """Over a line break too, and every pattern has a sentence here that it finds."""
    assert [phrase for _, phrase, _ in check_english.find(text)] == [found]


def test_every_pattern_has_a_sentence() -> None:
    """No pattern is listed that was never seen to find something."""
    assert all(any(pattern.search(text) for text, _ in WRONG) for pattern in check_english.PATTERNS)


@pytest.mark.parametrize(
    "text",
    [
        "There\n    is no limit, and the file is no longer read.",
        "gt.json is not a regular file; one row per picture; the model is no better than chance.",
        "The help of an option, and recommended values, for a picture a model has not seen.",
        "Bootstrap seed. Of these, 3 are empty.",
    ],
)
def test_a_right_sentence_is_left_alone(text: str) -> None:
    """The check is of use only while nobody has to work around it."""
    assert not list(check_english.find(text))


def test_a_finding_has_place_words_and_suggestion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages, filled-in ones too, and docstrings of public names are read; comments and private docstrings are not."""
    code = tmp_path / "module.py"
    code.write_text(
        '"""The mend."""\n\n# anew\ndef _private():\n    """anew"""\n    raise ValueError(f"{name}: is no {kind}, is no text")\n'
    )
    assert check_english.main([str(code)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f'{code}:1: "mend" -> fix',
        f'{code}:6: "is no {{" -> is not a …',
        f'{code}:6: "is no text" -> is not a …',
    ]
    code.write_text('"""The fix."""\n')
    assert check_english.main([str(code)]) == 0
