"""What is denied in a sentence, and where two sentences contradict each other."""

import pytest

from metric_semap.contradiction import contradiction
from metric_semap.wording import read, stem


def denied(text: str) -> set[str]:
    return {word.text for word in read(text) if word.denied and word.content}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The lamp does not hang from the ceiling.", {"hang", "ceiling"}),
        ("The lamp doesn't hang.", {"hang"}),
        ("No cable holds the lamp.", {"cable", "holds", "lamp"}),
        ("The lamp is free of cables, and it glows.", {"cables"}),
        ("The lamp hangs without cables.", {"cables"}),
        ("The lamp fails to glow.", {"glow"}),
        ("The lamp neither glows nor hangs.", {"glows", "hangs"}),
        ("The lamp never glows, but the candle burns.", {"glows"}),
        ("The lamp is fixed instead of floating.", {"floating"}),
        ("The lamp is fixed rather than floating.", {"floating"}),
        ("The lamp is not without cables.", set()),
        ("The lamp not only glows.", set()),
        ("The lamp rather glows.", set()),
        ("Feel free to look at the lamp.", set()),
    ],
)
def test_a_cue_denies_to_the_end_of_its_clause(text: str, words: set[str]) -> None:
    """Each construction denies what follows it in the clause; two cues cancel out; idioms deny nothing."""
    assert denied(text) == words


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (("hand", "hands"), True),
        (("berry", "berries"), True),
        (("float", "floating"), True),
        (("bend", "bending"), True),
        (("glass", "glasses"), True),
        (("floating", "floated"), True),
        (("glass", "gas"), False),
    ],
)
def test_forms_of_a_word_have_one_stem(words: tuple[str, str], same: bool) -> None:
    """Plurals, participles and adverbs are the same word."""
    assert (stem(words[0]) == stem(words[1])) is same


def unlike(first: str, second: str) -> float:
    """No two words are related."""
    return 0.0


TRUE = "The left lamp hangs above three green chairs in the hall."


@pytest.mark.parametrize(
    "said",
    [
        "The left lamp does not hang above three green chairs in the hall.",
        "The left lamp hangs above five green chairs in the hall.",
        "The right lamp hangs above three green chairs in the hall.",
        "The left lamp hangs below three green chairs in the hall.",
        "The left sheep hangs above three green chairs in the hall.",
    ],
)
def test_a_copy_that_says_something_else_contradicts(said: str) -> None:
    """A denial, another number, an opposite and another object are each found in a sentence that is otherwise the same."""
    assert contradiction(TRUE, unlike, 0.2)(said) > 0.6


@pytest.mark.parametrize(
    "said",
    [
        TRUE,
        "In the hall the left lamp hangs above three green chairs.",
        "There is a lamp over a trio of chairs.",
        "The left lamp hangs above three green chairs in the large hall.",
    ],
)
def test_a_text_that_says_the_same_does_not(said: str) -> None:
    """Order, other words and more words are no contradiction."""
    assert contradiction(TRUE, unlike, 0.2)(said) == 0


def test_a_related_word_is_not_another_object() -> None:
    """What stands for the same thing may take its place."""
    said = "The left bulb hangs above three green chairs in the hall."
    assert contradiction(TRUE, unlike, 0.2)(said) == 1
    assert contradiction(TRUE, lambda a, b: 0.5, 0.2)(said) == 0


def test_an_opposite_that_is_denied_is_not_one() -> None:
    """The door that is not open is closed."""
    assert contradiction("The red door is closed.", unlike, 0.2)("The red door is not open.") == 0
