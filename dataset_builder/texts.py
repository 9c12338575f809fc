"""What is odd about the texts of a dataset, and how diverse they are. All of it is heuristic: it warns and decides nothing."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import combinations, pairwise
from typing import Any

from dataset_builder import severity
from dataset_builder.findings import Finding
from dataset_builder.rows import SPLITS, Row
from dataset_builder.schema import Anomaly

__all__ = ["diversity", "looks_english", "odd_texts", "remark_contradicts", "shared_texts"]

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


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def remark_contradicts(level: int, remark: str) -> bool:
    """Whether a remark's words say the opposite of its score: grave words beside a realistic one, mild beside a grave one.

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
    letters = [character for character in text if character.isalpha()]
    if letters and sum(character > "ɏ" for character in letters) > 0.2 * len(letters):
        return False
    words = _words(text)
    return len(words) < 6 or any(word in _ENGLISH for word in words)


def odd_texts(row: Row) -> list[Finding]:
    """The warnings about one picture's anomalies."""
    found = []
    anomalies = row.anomalies or []
    for index, anomaly in enumerate(anomalies):
        texts = {"name": anomaly.name, "phenomenon": anomaly.phenomenon, "reasoning": anomaly.reasoning}

        def add(kind: str, message: str, index: int = index) -> None:
            place = f"{row.image_id}[{index}]"
            found.append(Finding(kind, place, f"{place}: {message}", row.image_id, index))

        empty = [name for name, text in texts.items() if not text.strip()]
        if empty:
            add("empty field", f"{' and '.join(empty)} without text")
        for one, other in combinations(texts, 2):
            if texts[one].strip() and texts[one].strip().casefold() == texts[other].strip().casefold():
                add("identical fields", f"{one} and {other} are the same")
        if anomaly.remark and anomaly.severity is not None and remark_contradicts(anomaly.severity, anomaly.remark):
            add("remark contradicts score", f'severity {anomaly.severity} beside "{anomaly.remark[:60]}"')
        if not all(looks_english(text) for text in texts.values()):
            add("non-English text", "a text does not look English")
    bags = [frozenset(_words(f"{anomaly.phenomenon} {anomaly.reasoning}")) for anomaly in anomalies]
    for (at, bag), (other_at, other_bag) in combinations(enumerate(bags), 2):
        if bag and len(bag & other_bag) >= _NEAR * len(bag | other_bag):
            place = f"{row.image_id}[{at}] and [{other_at}]"
            found.append(
                Finding("near-duplicate anomalies", place, f"{place}: nearly the same words", row.image_id, other_at)
            )
    return found


def _fingerprint(anomaly: Anomaly) -> frozenset[str]:
    return frozenset(_words(f"{anomaly.phenomenon} {anomaly.reasoning}"))


def shared_texts(rows: Iterable[Row]) -> tuple[list[Finding], float | None]:
    """Quadruplets of test whose phenomenon and reasoning are made of the same words as one of train, and their share."""
    known: dict[frozenset[str], str] = {}
    tested: list[tuple[str, int, frozenset[str]]] = []
    for row in rows:
        for index, anomaly in enumerate(row.anomalies or []):
            if row.split == "train":
                known.setdefault(_fingerprint(anomaly), f"{row.image_id}[{index}]")
            elif row.split == "test":
                tested.append((row.image_id, index, _fingerprint(anomaly)))
    found = [
        Finding(
            "same text across splits",
            f"{name}[{index}]",
            f"{name}[{index}]: the same words as {known[bag]} of train",
            name,
            index,
        )
        for name, index, bag in tested
        if bag and bag in known
    ]
    return found, len(found) / len(tested) if tested and known else None


def diversity(rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
    """Per split: texts, words, distinct-1 (the type–token ratio), distinct-2, different names, and families where known.

    distinct-n is the number of different n-grams over that of all n-grams (Li et al., 2016), over phenomenon and reasoning.
    """
    measured: dict[str, dict[str, Any]] = {}
    listed = list(rows)
    for split in SPLITS:
        ones: Counter[str] = Counter()
        twos: Counter[tuple[str, str]] = Counter()
        names: Counter[str] = Counter()
        families: Counter[str] = Counter()
        for row in listed:
            if row.split != split:
                continue
            families.update(row.families)
            for anomaly in row.anomalies or []:
                names[anomaly.name.casefold().strip()] += 1
                for text in (anomaly.phenomenon, anomaly.reasoning):
                    words = _words(text)
                    ones.update(words)
                    twos.update(pairwise(words))
        if not names:
            continue
        measured[split] = {
            "anomalies": names.total(),
            "words": ones.total(),
            "distinct_1": round(len(ones) / max(1, ones.total()), 4),
            "distinct_2": round(len(twos) / max(1, twos.total()), 4),
            "different_names": len(names),
            **({"families": dict(sorted(families.items()))} if families else {}),
        }
    return measured
