"""Problems of the texts of a dataset, and how diverse they are. All of it is heuristic: it only warns."""

import functools
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any, NamedTuple

from dataset_builder import severity
from dataset_builder.sources.findings import Finding
from dataset_builder.sources.rows import SPLITS, Row

__all__ = ["Reading", "Texts", "looks_english", "read_texts", "remark_contradicts"]

_PLAIN_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SEVERE = re.compile(
    r"\b(?:(?:highly|very|extremely|strongly|clearly|immediately) (?:noticeable|unnatural|unrealistic|implausible|visible"
    r"|distracting)|severe(?:ly)?|(?:completely|entirely|totally) (?:unnatural|unrealistic|irrational|impossible)|glaring"
    r"|impossible|high(?:ly)? (?:impact|severity))\b",
    re.IGNORECASE,
)
_MILD = re.compile(
    r"\b(?:mild(?:ly)?|slight(?:ly)?|minor|subtle|low impact|low severity|barely|hardly|negligible|(?:mostly|nearly|almost|fully"
    r"|completely) (?:natural|realistic|plausible))\b",
    re.IGNORECASE,
)
_ENGLISH = frozenset(
    """a an the this that these those it its is are was be been being has have had of in on at to from by with without and or
    but not no as for which while into there their they would could should can cannot does do appears appear he she his her
    where than any""".split()  # noqa: SIM905
)
_NEAR = 0.8
_SPECIAL = re.compile(r"<\|\w{1,40}\|>|<image>|<video>")


def _words(text: str) -> list[str]:
    # The same words either way; letters by their range cost a third less than letters by their Unicode class.
    return _PLAIN_WORD.findall(text.lower()) if text.isascii() else _WORD.findall(text.casefold())


@functools.lru_cache(maxsize=4096)
def remark_contradicts(level: int, remark: str) -> bool:
    """Whether a remark's words say the opposite of its score: grave words with a realistic one, mild words with a grave one.

    >>> remark_contradicts(70, "highly noticeable"), remark_contradicts(20, "low impact"), remark_contradicts(20, "severe")
    (True, True, False)
    """
    grave, mild = bool(_SEVERE.search(remark)), bool(_MILD.search(remark))
    return grave != mild and (severity.intensity(level) <= 0.35 if grave else severity.intensity(level) >= 0.7)


def looks_english(text: str) -> bool:
    """Whether a text may be English; short ones pass unless they are in another script.

    >>> looks_english("The cup hangs in the air."), looks_english("Die Tasse hängt ohne jeden Halt in der Luft.")
    (True, False)
    >>> looks_english("杯子悬在空中")
    False
    """
    return _in_latin(text) and _may_be_english(_words(text))


def _in_latin(text: str) -> bool:
    if text.isascii():
        return True
    letters = [character for character in text if character.isalpha()]
    return sum(character > "ɏ" for character in letters) <= 0.2 * len(letters)


def _may_be_english(words: list[str]) -> bool:
    return len(words) < 6 or not _ENGLISH.isdisjoint(words)


class Reading(NamedTuple):
    """A row's texts as read: their problems, and of each anomaly its name and its words (phenomenon, reasoning)."""

    row: Row
    findings: list[Finding]
    names: list[str]
    words: list[tuple[list[str], list[str]]]
    bags: list[frozenset[str]]


def read_texts(row: Row) -> Reading:
    """Read the texts of a row's anomalies."""
    reading = Reading(row, [], [], [], [])
    for index, anomaly in enumerate(row.anomalies or []):
        texts = {"name": anomaly.name, "phenomenon": anomaly.phenomenon, "reasoning": anomaly.reasoning}
        words = {name: _words(text) for name, text in texts.items()}
        plain = {name: text.strip().casefold() for name, text in texts.items()}
        odd: list[tuple[str, str]] = []
        empty = [name for name, text in plain.items() if not text]
        if empty:
            odd.append(("empty field", f"{' and '.join(empty)} without text"))
        if len(set(plain.values())) < 3:
            odd += [
                ("identical fields", f"{one} and {other} are the same")
                for one, other in combinations(plain, 2)
                if plain[one] and plain[one] == plain[other]
            ]
        if anomaly.remark and anomaly.severity is not None and remark_contradicts(anomaly.severity, anomaly.remark):
            odd.append(
                ("remark contradicts score", f'severity {anomaly.severity} with the remark "{anomaly.remark[:60]}"')
            )
        if not all(_in_latin(texts[name]) and _may_be_english(words[name]) for name in texts):
            odd.append(("non-English text", "a text does not look English"))
        place = f"{row.image_id}[{index}]"
        token = _SPECIAL.search("\n".join((*texts.values(), anomaly.remark or "")))
        if token:
            reading.findings.append(_special(token[0], place, row.image_id, index))
        reading.findings.extend(Finding(kind, place, f"{place}: {told}", row.image_id, index) for kind, told in odd)
        reading.names.append(plain["name"])
        reading.words.append((words["phenomenon"], words["reasoning"]))
        reading.bags.append(frozenset(words["phenomenon"] + words["reasoning"]))
    reading.findings.extend(_near_duplicates(row.image_id, reading.bags))
    if row.caption and (token := _SPECIAL.search(row.caption)):
        reading.findings.append(_special(token[0], row.image_id, row.image_id))
    return reading


def _special(token: str, place: str, image_id: str, index: int | None = None) -> Finding:
    message = f"{place}: a text holds {token}, which a model takes for a command; write it in another way"
    return Finding("special token in a text", place, message, image_id, index)


@dataclass
class Texts:
    """The texts of a dataset, counted row by row; what concerns all of them is known once all were added."""

    _counts: dict[str, "_Counts"] = field(default_factory=dict)
    # A text's words as a set, by its hash: the sets of 130,000 quadruplets would take hundreds of megabytes.
    _train: dict[int, str] = field(default_factory=dict)
    _test: list[tuple[str, int, int]] = field(default_factory=list)

    def add(self, reading: Reading) -> None:
        """Count a row's texts."""
        row = reading.row
        if row.split is None:
            return
        counts = self._counts.setdefault(row.split, _Counts())
        counts.families.update(row.families)
        counts.names.update(reading.names)
        for fields in reading.words:
            for words in fields:
                counts.ones.update(words)
                counts.twos.update(pairwise(words))
        for index, bag in enumerate(reading.bags):
            if bag and row.split == "train":
                self._train.setdefault(hash(bag), f"{row.image_id}[{index}]")
            elif bag:
                self._test.append((row.image_id, index, hash(bag)))

    def shared(self) -> list[Finding]:
        """Quadruplets of test whose phenomenon and reasoning are made of the same words as one of train."""
        return [
            Finding(
                "same text across splits",
                f"{name}[{index}]",
                f"{name}[{index}]: the same words as {self._train[bag]} of train",
                name,
                index,
            )
            for name, index, bag in self._test
            if bag in self._train
        ]

    def overlap(self) -> float | None:
        """The share of such quadruplets in test; `None` without texts in both splits."""
        return len(self.shared()) / len(self._test) if self._test and self._train else None

    def diversity(self) -> dict[str, dict[str, Any]]:
        """Per split: texts, words, distinct-1 (the type–token ratio), distinct-2, different names, families where known.

        distinct-n is the number of different n-grams over that of all n-grams (Li et al., 2016), over phenomenon and
        reasoning.
        """
        known = {split: self._counts[split] for split in SPLITS if split in self._counts}
        return {split: counts.measures() for split, counts in known.items() if counts.names}


@dataclass
class _Counts:
    ones: Counter[str] = field(default_factory=Counter)
    twos: Counter[tuple[str, str]] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)

    def measures(self) -> dict[str, Any]:
        return {
            "anomalies": self.names.total(),
            "words": self.ones.total(),
            "distinct_1": round(len(self.ones) / max(1, self.ones.total()), 4),
            "distinct_2": round(len(self.twos) / max(1, self.twos.total()), 4),
            "different_names": len(self.names),
            **({"families": dict(sorted(self.families.items()))} if self.families else {}),
        }


def _near_duplicates(image_id: str, bags: list[frozenset[str]]) -> list[Finding]:
    found = []
    for (at, bag), (other_at, other) in combinations(enumerate(bags), 2):
        # Sets of unlike sizes cannot overlap enough; that spares most of the comparisons.
        if min(len(bag), len(other)) < _NEAR * max(len(bag), len(other)) or not bag:
            continue
        if len(bag & other) >= _NEAR * len(bag | other):
            place = f"{image_id}[{at}] and [{other_at}]"
            found.append(
                Finding("near-duplicate anomalies", place, f"{place}: nearly the same words", image_id, other_at)
            )
    return found
