"""Which picture a name in a list means.

Lists are written on other systems than pictures are stored on: `CUP.JPG` for `cup.jpg`, an `é` of one code point for one
of two, a name without its extension. A name means the picture of exactly this name; else the one picture that differs
in case or Unicode form only; else the one picture with the same stem. Where two would do, none is taken.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from dataset_builder.errors import ConflictError, UnmatchedListError, shorten
from dataset_builder.files.records import Place
from dataset_builder.pictures import is_picture
from dataset_builder.sources.findings import Finding

__all__ = ["Names", "check_matched"]

Value = TypeVar("Value")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()


def _stem(name: str) -> str:
    plain = _plain(name)
    return plain.rpartition(".")[0] if is_picture(plain) else plain


class Names:
    """The pictures of a source, found by the names that lists give them.

    Args:
        pictures (iterable of `str`): the pictures' file names.
    """

    def __init__(self, pictures: Iterable[str]) -> None:
        self._pictures = set(pictures)
        self._plain, self._stems = _by(self._pictures, _plain), _by(self._pictures, _stem)

    def match(self, listed: Mapping[str, Value], file: str, findings: list[Finding]) -> dict[str, Value]:
        """A list's values under the names of the pictures it means; names that mean none stay as they are.

        Names that were matched loosely become one warning that counts them; two names of one picture with different
        values an error.

        Args:
            listed (mapping): a list's names and what it says of them.
            file (`str`): the list, for messages.
            findings (`list[Finding]`): problems are added here.
        """
        pictures = {name: name for name in listed if name in self._pictures}
        loose: list[str] = []
        for ways, key in ((self._plain, _plain), (self._stems, _stem)):
            rest = [name for name in listed if name not in pictures]
            often = Counter(map(key, rest))
            taken = set(pictures.values()) if key is _stem else set()
            for name in rest:
                candidates = ways.get(key(name), [])
                if len(candidates) == 1 and (key is _plain or (often[key(name)] == 1 and candidates[0] not in taken)):
                    pictures[name] = candidates[0]
                    loose.append(name)
        if loose:
            example = f"{shorten(loose[0])} for {shorten(pictures[loose[0]])}"
            told = (
                f"{len(loose):,} of {len(listed):,} names are matched by case, Unicode form or stem, such as {example}"
            )
            findings.append(Finding("name matched loosely", file, f"{file}: {told}"))
        return self._merged(listed, pictures, file, findings)

    def _merged(
        self, listed: Mapping[str, Value], pictures: dict[str, str], file: str, findings: list[Finding]
    ) -> dict[str, Value]:
        merged: dict[str, Value] = {}
        first: dict[str, str] = {}
        for name, value in listed.items():
            picture = pictures.get(name, name)
            other = first.setdefault(picture, name)
            if merged.setdefault(picture, value) != value:
                problem = f"and {shorten(other)} mean the same picture and say different things of it; keep one of them"
                findings.append(Finding.of(Place(file, name).error(problem, kind=ConflictError), picture))
        return merged


def _by(pictures: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        grouped[key(picture)].append(picture)
    return grouped


def check_matched(
    file: str, listed: Iterable[str], pictures: Iterable[str], what: str, findings: list[Finding]
) -> None:
    """Add an error if a list and the pictures it is about have little to do with each other.

    A part of a release is fine: then all its pictures are in the list. So are a few pictures too many. But where fewer
    than half of the names are pictures, and fewer than half of the pictures are named, the list is written for others,
    or writes their names in a way that is not understood.

    Args:
        file (`str`): the list.
        listed (iterable of `str`): its names, as matched.
        pictures (iterable of `str`): the pictures it should name.
        what (`str`): what these pictures are, for the message.
        findings (`list[Finding]`): the error is added here.
    """
    names, there = set(listed), set(pictures)
    found = len(names & there)
    if names and there and 2 * found < len(names) and 2 * found < len(there):
        example = min(names - there)
        other = min(there - names)
        message = (
            f"{file}: only {found:,} of its {len(names):,} names are {what}, of which there are {len(there):,} (it says "
            f"{shorten(example)}, a file is called {shorten(other)}); give the list of these pictures, or remove it"
        )
        findings.append(Finding.of(UnmatchedListError(message)))
