"""The conformance suite of answers: texts as models write them, each with what a reader should make of it.

`tests/answers/cases/<manner>.yaml` holds a manner of writing, a case per kind of difficulty: `text`; `expected`, which
is `none`, `failed` or the anomalies, each as [name, phenomenon, reasoning, severity] or as a mapping of the fields that
matter; and `told`: whether something must be listed as dropped (`true`), may be (`either`) or must not be (left out).

A fifth of the cases, chosen by a hash of their names, is held back: the parser is not built on them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from dataset_builder import parse_answer

__all__ = ["Case", "cases", "mistake", "report"]

_CASES = Path(__file__).parent / "answers" / "cases"
_FIELDS = ("name", "phenomenon", "reasoning", "severity")
# Read once before the parser was changed, and then known in every detail: nothing of these could be held back.
_KNOWN = ("once_wrong", "korean", "russian", "portuguese_italian", "llama", "glm", "other_languages")


@dataclass(frozen=True)
class Case:
    """A text in a manner of writing with a kind of difficulty, and what it should give."""

    manner: str
    kind: str
    text: str
    expected: Literal["none", "failed"] | list[dict[str, Any]]
    told: bool | Literal["either"]

    @property
    def name(self) -> str:
        return f"{self.manner}/{self.kind}"

    @property
    def held_back(self) -> bool:
        return self.manner not in _KNOWN and hashlib.sha256(self.name.encode()).digest()[0] < 256 / 5


def cases() -> list[Case]:
    """All cases, in the files' order."""
    found: list[Case] = []
    for path in sorted(_CASES.glob("*.yaml")):
        for kind, case in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            expected = case["expected"]
            if isinstance(expected, list):
                expected = [dict(zip(_FIELDS, row, strict=True)) if isinstance(row, list) else row for row in expected]
            found.append(Case(path.stem, kind, case["text"], expected, case.get("told", False)))
    return found


def mistake(case: Case) -> str | None:
    """What is wrong with the reading of a case; `None` if it is read right."""
    status, anomalies, dropped = parse_answer(case.text)
    if isinstance(case.expected, str):
        return None if status == case.expected else f"{case.expected} was read as {status}: {anomalies}"
    read = [anomaly.model_dump() for anomaly in anomalies]
    wanted = case.expected
    if len(read) != len(wanted) or any(
        got[field] != value for got, want in zip(read, wanted, strict=True) for field, value in want.items()
    ):
        return f"{wanted} was read as {status}: {read}; dropped {dropped}"
    if case.told != "either" and bool(dropped) != case.told:
        return f"dropped {dropped}, which {'leaves out what was lost' if case.told else 'was not lost'}"
    return None


def report(chosen: Iterable[Case]) -> tuple[float, str]:
    """The share of cases read right, and that share in words: in all, by manner and by kind."""
    right: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for case in chosen:
        good = mistake(case) is None
        for group in ("all", case.manner, *([] if case.manner == _KNOWN else [case.kind])):
            count[group] += 1
            right[group] += good
    lines = [f"{right['all']} of {count['all']} answers read right ({right['all'] / count['all']:.1%})"]
    lines += [f"  {group}: {right[group]} of {number}" for group, number in count.items() if right[group] < number]
    return right["all"] / count["all"], "\n".join(lines)
