"""The helper that holds the parsers' work bites: squared work is not linear, whatever else the machine does."""

from tests.growth import grows_linearly


def test_squared_work_is_told_from_linear() -> None:
    """As a reader that looks through all of a text again at every bracket."""

    def squared(text: str) -> None:
        for at in range(0, len(text), 16):
            text.count("]", 0, at)

    assert not grows_linearly(squared, "[")
    assert grows_linearly(lambda text: text.count("]"), "[")
