"""One list of objects from several drafts, made without a call."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.pictures import common_box
from agent.stages import ObjectItem
from dataset_builder.boxes import iou

__all__ = ["Seen", "called", "content_words", "merge", "plain", "same_text"]

_ARTICLES = re.compile(r"^(?:a|an|the|one|another)\s+", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_EMPTY = frozenset(
    ("a", "an", "and", "are", "as", "at", "by", "for", "from", "has", "in", "is", "it", "its", "of", "on", "or")
)
_EMPTY |= {"that", "the", "this", "to", "with"}


@dataclass
class Seen:
    """An object, and what the drafts said about it.

    Attributes:
        name (`str`): unlike all others of the picture.
        description (`str`): the longest.
        drafts (`set[int]`): those that listed it.
        boxes (`list`): those the drafts gave.
        oddities (`list[tuple[int, str]]`): what looked wrong at first sight, with the draft.
    """

    name: str
    description: str
    drafts: set[int] = field(default_factory=set)
    boxes: list[list[int]] = field(default_factory=list)
    oddities: list[tuple[int, str]] = field(default_factory=list)

    @property
    def box(self) -> list[int] | None:
        return common_box(self.boxes)


def merge(drafts: Sequence[tuple[int, Sequence[ObjectItem]]], limit: int | None) -> list[Seen]:
    """The union of drafts, those that most drafts listed first.

    Two entries of different drafts are one object if their names say the same, or if their boxes overlap by more than half and
    the names end in the same word. Two entries of one draft are two objects, whatever they are called.

    Args:
        drafts (sequence of `(number, items)`): what each draft listed.
        limit (`int`, *optional*): how many objects are kept.
    """
    found: list[Seen] = []
    for number, items in drafts:
        for item in items:
            known = _known(item, number, found)
            if known is None:
                known = Seen(_unique(item.name, found), item.description)
                found.append(known)
            known.drafts.add(number)
            known.description = max(known.description, item.description, key=len)
            if item.bbox is not None:
                known.boxes.append(item.bbox)
            if item.oddity and item.oddity.strip():
                known.oddities.append((number, " ".join(item.oddity.split())[:1000]))
    # What looked wrong is examined whatever the limit cuts.
    found.sort(key=lambda seen: (-len(seen.oddities), -len(seen.drafts)))
    return found[:limit]


def _known(item: ObjectItem, number: int, found: list[Seen]) -> Seen | None:
    free = [seen for seen in found if number not in seen.drafts]
    name = plain(item.name)
    for seen in free:
        if plain(seen.name) == name:
            return seen
    for seen in free:
        head = name.split()[-1:] == plain(seen.name).split()[-1:]
        if head and item.bbox is not None and seen.boxes and iou(item.bbox, seen.boxes[0]) > 0.5:
            return seen
    return None


def called(name: str, objects: Sequence[Seen]) -> str:
    """The object that a name means, under the name it has here; the name itself where it means none or could mean several.

    >>> called("The mug", [Seen("red mug", "A mug."), Seen("table", "A table.")])
    'red mug'
    """
    words = frozenset(plain(name).split())
    for seen in objects:
        if plain(seen.name) == plain(name):
            return seen.name
    meant = [seen.name for seen in objects if words and words <= frozenset(plain(seen.name).split())]
    meant = meant or [seen.name for seen in objects if words >= frozenset(plain(seen.name).split())]
    return meant[0] if len(meant) == 1 else name


def plain(name: str) -> str:
    """A name without its article, in lower case."""
    return _ARTICLES.sub("", " ".join(name.casefold().split()))


def _unique(name: str, found: list[Seen]) -> str:
    taken = {plain(seen.name) for seen in found}
    tried, number = name, 1
    while plain(tried) in taken:
        number += 1
        tried = f"{name} ({number})"
    return tried


def same_text(one: str, other: str) -> bool:
    """Whether two short texts say about the same: half of their words that carry meaning are shared (Jaccard index)."""
    first, second = content_words(one), content_words(other)
    return len(first & second) >= 0.5 * len(first | second)


def content_words(text: str) -> frozenset[str]:
    """The words of a text that carry meaning."""
    return frozenset(_WORD.findall(text.casefold())) - _EMPTY
