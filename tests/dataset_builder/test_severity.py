"""Severity: read, checked, inverted, worded and coloured in one place. Low is severe."""

import pytest

from dataset_builder import RecordError, severity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25/100 (moderately noticeable).", (25, "moderately noticeable")),
        ("25/100 (mild)", (25, "mild")),
        ("25/100 (mild (on the left)).", (25, "mild (on the left)")),
        ("25/100.", (25, None)),
        (" 25 / 100 ", (25, None)),
        ("25", (25, None)),
        (25, (25, None)),
        (25.0, (25, None)),
        ("25.0/100", (25, None)),
        ("25%", (25, None)),
        ("25 out of 100", (25, None)),
        ("25/100 - mild.", (25, "mild")),
        ("25/100, mild", (25, "mild")),
        ("0", (0, None)),
        ("100/100", (100, None)),
    ],
)
def test_every_form_is_read(text: str | float, expected: tuple[int, str | None]) -> None:
    """Numbers, texts, out of 100, with and without a remark."""
    assert severity.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "high",
        "25-30",
        "25/10",
        "7/10",
        "25/1000",
        "25 to 30",
        "2 5",
        "25.5",
        0.5,
        True,
        None,
        [],
        "٢٥",
        "1e1",
        "25/100 (a",
        "25/100a",
    ],
)
def test_what_is_no_severity_is_refused(text: object) -> None:
    """Words, ranges, other scales and fractions are errors that say what to write."""
    with pytest.raises(RecordError, match=r"is not a severity; write a whole number from 0 \(completely irrational\)"):
        severity.parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["101", "-1", "110/100 (x).", 1e9, float("nan"), float("inf")])
def test_what_is_out_of_range_is_refused(text: str | float) -> None:
    """Numbers outside 0..100, however large, are errors that name the range."""
    with pytest.raises(RecordError, match=r"is outside 0\.\.100"):
        severity.parse(text)


@pytest.mark.parametrize("text", [10**5000, "9" * 5000], ids=["number", "text"])
def test_endless_number_is_out_of_range(text: str | int) -> None:
    """A number that Python refuses to convert is outside the range, not a crash."""
    with pytest.raises(RecordError, match=r"is outside 0\.\.100"):
        severity.parse(text)


@pytest.mark.parametrize("remark", [None, "", "mild", "mild (very).", "a)b(", "5"])
def test_written_severity_is_read_back(remark: str | None) -> None:
    """The release's form carries every severity and remark."""
    for level in (0, 25, 100):
        assert severity.parse(severity.format_official(level, remark)) == (level, remark)


def test_low_is_severe() -> None:
    """Intensity falls from 1 to 0 as the severity rises, and so do the words."""
    assert [severity.intensity(level) for level in (0, 25, 100)] == [1.0, 0.75, 0.0]
    words = [severity.word(level) for level in range(101)]
    assert words[0] == "completely irrational"
    assert words[100] == "nearly realistic"
    assert [word for i, word in enumerate(words) if i == 0 or words[i - 1] != word] == [
        word for _, word, _ in severity.BANDS
    ]


def test_white_text_is_legible_on_every_colour() -> None:
    """Each colour reaches the contrast of 4.5:1 that WCAG AA asks for."""
    for level in (0, 20, 40, 60, 80, 100):
        channels = [int(severity.colour(level)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert 1.05 / (luminance + 0.05) >= 4.5
