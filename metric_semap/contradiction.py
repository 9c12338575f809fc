"""Whether two texts that look alike say different things: one denies what the other says, counts otherwise, says the
opposite, or puts another object into the same sentence.

Encoders hardly notice any of these (Ettinger, 2020, https://arxiv.org/abs/1907.13528), so each has a rule of its own over
the words of both texts. The rules know words of English, not of any data.
"""

from collections.abc import Callable
from difflib import SequenceMatcher

from .antonyms import ANTONYMS
from .wording import Word, read

__all__ = ["Related", "contradiction"]

Related = Callable[[str, str], float]
"""How related two words are, -1..1."""

COUNTING = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {word: float(k) for k, word in enumerate(COUNTING.split())} | {
    "half": 0.5, "single": 1.0, "once": 1.0, "both": 2.0, "twice": 2.0, "double": 2.0, "thrice": 3.0, "triple": 3.0
}  # fmt: skip
DENIED = 0.25  # of the words in common: a denial of the whole
ALIKE = (0.2, 0.5)  # shares of words in the same order: what differs between texts begins to count, and counts in full


def contradiction(true: str, related: Related, unrelated: float) -> Callable[[str], float]:
    """How far a text contradicts the true one, 0..1: a function of that text, because what is known of the true one serves for all.

    Args:
        related (`Callable`): how related two words are.
        unrelated (`float`): the value below which neither word can stand for the other.
    """
    y = read(true)
    blocks = SequenceMatcher(None, b=[word.text for word in y], autojunk=False)
    return lambda said: _contradiction(read(said), y, blocks, related, unrelated)


def _contradiction(
    x: tuple[Word, ...], y: tuple[Word, ...], blocks: SequenceMatcher[str], related: Related, unrelated: float
) -> float:
    blocks.set_seq1([word.text for word in x])
    start, full = ALIKE
    if blocks.quick_ratio() <= start:  # an upper bound, and cheaper
        return 0.0
    weight = min(1.0, max(0.0, (blocks.ratio() - start) / (full - start)))
    if not weight:
        return 0.0
    if _opposed(x, y) or _counted_otherwise(x, y) or _exchanged(x, y, blocks, related, unrelated):
        return weight
    return weight * min(1.0, _denied(x, y) / DENIED)


def _denied(x: tuple[Word, ...], y: tuple[Word, ...]) -> float:
    """The share of the content words in common that only one of the texts denies."""
    left, right = _polarity(x), _polarity(y)
    shared = left.keys() & right.keys()
    return sum(left[word] != right[word] for word in shared) / len(shared) if shared else 0.0


def _polarity(words: tuple[Word, ...]) -> dict[str, bool]:
    """Whether each content word is denied where it occurs first."""
    polarity: dict[str, bool] = {}
    for word in words:
        if word.content:
            polarity.setdefault(word.stem, word.denied)
    return polarity


def _opposed(x: tuple[Word, ...], y: tuple[Word, ...]) -> bool:
    """Whether one text says a word and the other its antonym, both or neither of them denied."""
    left, right = {word.text: word.denied for word in x}, {word.text: word.denied for word in y}
    return any(
        antonym in right and antonym not in left and left[word] == right[antonym]
        for word in left.keys() - right.keys()
        for antonym in ANTONYMS.get(word, ())
    )


def _counted_otherwise(x: tuple[Word, ...], y: tuple[Word, ...]) -> bool:
    """Whether the texts give different numbers of the same thing."""
    left, right = _counts(x), _counts(y)
    return any(left[thing] != right[thing] for thing in left.keys() & right.keys())


def _counts(words: tuple[Word, ...]) -> dict[str, str | float]:
    """The first number before each thing: the next content word within three."""
    counts: dict[str, str | float] = {}
    for k, word in enumerate(words):
        number = word.text if word.text[0].isdigit() else NUMBERS.get(word.text)
        thing = next((later.stem for later in words[k + 1 : k + 4] if later.content), None)
        if number is not None and thing is not None:
            counts.setdefault(thing, float(number) if isinstance(number, str) and number.isdigit() else number)
    return counts


def _exchanged(
    x: tuple[Word, ...], y: tuple[Word, ...], blocks: SequenceMatcher[str], related: Related, unrelated: float
) -> bool:
    """Whether, within the same words, one text has content words that are unrelated to those of the other.

    An antonym is not unrelated: what it means depends on denials, see `_opposed`.
    """
    for kind, i, j, k, m in blocks.get_opcodes():
        left, right = [word for word in x[i:j] if word.content], [word for word in y[k:m] if word.content]
        if (
            kind == "replace"
            and left
            and right
            and not {word.stem for word in left} & {word.stem for word in right}
            and all(b.text not in ANTONYMS.get(a.text, ()) for a in left for b in right)
            and max(related(a.text, b.text) for a in left for b in right) < unrelated
        ):
            return True
    return False
