"""An answer is read while it is written, and reads the same as when it is whole."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.schema import Anomaly
from dataset_builder.textform import parse_answer, write_answer
from space.reading import MAX_CHARACTERS, Reading

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ANOMALIES = st.lists(
    st.builds(Anomaly, name=TEXT, phenomenon=TEXT, reasoning=TEXT, severity=st.integers(0, 100)), max_size=4
)


@given(ANOMALIES, st.integers(1, 17))
def test_pieces_of_any_length_give_the_anomalies_of_the_whole(anomalies: list[Anomaly], size: int) -> None:
    """Quotes, braces and brackets inside texts among them."""
    text = write_answer(anomalies)
    reading = Reading()
    early = [one for at in range(0, len(text), size) for one in reading.feed(text[at : at + size])]
    assert early == parse_answer(text).anomalies == reading.finish().anomalies


def test_an_anomaly_is_given_as_soon_as_it_is_complete() -> None:
    """Not before, and once."""
    text = write_answer([Anomaly(name=name, phenomenon="It is {so}.", reasoning='"Why"', severity=3) for name in "AB"])
    reading = Reading()
    seen = [(at, one.name) for at, character in enumerate(text) for one in reading.feed(character)]
    assert [name for _, name in seen] == ["A", "B"]
    assert all(text[at] == "}" for at, _ in seen)


def test_thinking_is_not_shown() -> None:
    """Drafts that a model takes back are not findings."""
    reading = Reading()
    draft, answer = '<think>[{"name": "Draft", "phenomenon": "x"}]', '</think>[{"name": "Final", "phenomenon": "y"}]'
    assert reading.feed(draft) == []
    assert [one.name for one in reading.feed(answer)] == ["Final"]


@pytest.mark.parametrize("piece", ["{", '"', "[{", "\\", '{"name": "'])
def test_time_is_bounded_for_any_answer(piece: str) -> None:
    """A model that never stops is read up to a limit, in seconds."""
    reading, started = Reading(), time.monotonic()
    while not reading.full:
        reading.feed(piece * 2000)
    reading.finish()
    assert len(reading.text) == MAX_CHARACTERS
    assert time.monotonic() - started < 10
