"""Labelled lines, as the release's models write them, in every variant that models make of it.

    @1. Name: Floating cup                      1. **Name**: Floating cup               ### 1. Floating cup
    Observed Phenomenon: It hovers.                - **Observed Phenomenon:** …         **Observed Phenomenon**: …
    Reasoning: Cups fall.                          - **Reasoning**: …                   **Reasoning**: …
    Severity Score: 10/100 (severe).               - **Severity Score**: 10             **Severity Score**: 10/100

Only a label divides: it stands at the start of a line, behind any bullets and numbers, or in bold anywhere. A number
alone never does, so numbered steps inside a reasoning stay in it, and neither do blank lines. One regular expression
finds the labels; the time is linear in the text.
"""

import itertools
import re
from dataclasses import dataclass, field

from dataset_builder.fields import Field, clean_name

__all__ = ["CUT_OFF", "Block", "read_blocks"]

CUT_OFF = "cut off before it was complete"

_MOST = 10_000  # labels; no answer has more, and the bound keeps the time small for any text

_LABELS: dict[Field, str] = {
    "name": r"(?:Abnormal[ \t]+Phenomenon[ \t]+|Object[ \t]+|Anomaly[ \t]+)?Name|Anomaly(?:[ \t]*+\#?\d{1,3})?",
    "phenomenon": r"(?:Observed[ \t]+|Abnormal[ \t]+)?Phenomenon|Observed[ \t]+Issue",
    "reasoning": r"Reasoning|Explanation",
    # A bare "Score" is a label only in front of a severity; scores are things that reasonings speak of.
    "severity": r"Severity(?:[ \t_]*+(?:Score|Level|Rating))?|Score(?=[ \t*]*+[::][ \t*]*+\d{1,3}[ \t]*+/[ \t]*+100)",
}
_ANY = "|".join(f"(?P<{field}>{pattern})" for field, pattern in _LABELS.items())
_AGAIN = "|".join(f"(?P<{field}_>{pattern})" for field, pattern in _LABELS.items())
_LABELLED: dict[str, Field] = {group: field for field in _LABELS for group in (field, f"{field}_")}
_LABEL = re.compile(
    rf"^[ \t>\#*_`@+\-•·–—\d.)(\[\]]*+(?:{_ANY})(?:[ \t]*+\([^()\n]{{0,60}}\))?"
    r"(?:\*\*[ \t]*+[-–—][ \t]|[ \t*_`]*+[::][*_`]*+|[ \t*_`]*+$)"
    rf"|\*\*(?:{_AGAIN})(?:[ \t]*+[::][ \t]*+\*\*|\*\*[ \t]*+[::])",
    re.MULTILINE | re.IGNORECASE,
)
_MARKED = re.compile(r"[::#]|\*\*")
_INLINE = re.compile(
    r"(?<=\S)[ \t]+(?=(?:Observed Phenomenon|Reasoning|Severity Score)[ \t]*+:|@\d{1,3}\.[ \t]*+Name[ \t]*+:)"
)
# Nothing but numbering, rules and brackets, or a counter such as "Anomaly 3:".
_DECOR = re.compile(r"[\W\d_]*+(?:(?:Anomaly|Issue|Record|Item|Entry)[ \t]*+\#?\d*+[\W_]*+)?\Z", re.IGNORECASE)
_HEADING = re.compile(r"[ \t]*+(?:\#|\*\*|@|[-•][ \t]|\d{1,3}[.)])")
_HEADING_MARK = re.compile(
    r"^[ \t>\#*_@+\-•·–—]*+(?:\d{1,3}[.):][ \t*_]*+)?(?:(?:Anomaly|Issue)[ \t]*+\#?\d*+[ \t]*+[::.\-–—][ \t*_]*+)?",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_FINISHED = re.compile(r"""[.!?。"'”’)\]*`][\s`*]*\Z""")


@dataclass
class Block:
    """One anomaly as found: the values of its labels as plain text, its source (cut), and why it is none, if so."""

    text: str = ""
    fields: dict[Field, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass
class _Label:
    field: Field
    start: int
    end: int
    opens: bool = False


def read_blocks(text: str) -> list[Block]:
    """The anomalies in labelled lines, complete or not, in order; none if the text has no labels. Never raises."""
    lowered = text.lower()
    if not any(word in lowered for word in ("phenomenon", "issue", "reasoning", "explanation")):
        return []
    text = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    blocks = _blocks(text)
    if any("phenomenon" in block.fields or "reasoning" in block.fields for block in blocks):
        return blocks
    # Some models put a whole record, or all of them, on one line.
    broken = _INLINE.sub("\n", text)
    return _blocks(broken) if broken != text else blocks


def _blocks(text: str) -> list[Block]:
    labels = _dividing(_find(text))
    blocks: list[Block] = []
    before = text[: labels[0].start] if labels else ""
    for label, following in zip(labels, [*labels[1:], None], strict=False):
        if label.opens:
            blocks.append(Block(text[label.start : label.start + 250]))
            if label.field != "name" and (heading := _heading(before)):
                blocks[-1].fields["name"] = heading
        block = blocks[-1]
        before = text[label.end : following.start if following else len(text)]
        value = _without_heading(before, following.field) if following and following.opens else before
        block.fields[label.field] = _plain(label.field, value)
    _judge(blocks, text)
    if len(labels) == _MOST:
        blocks.append(Block(text[labels[-1].start :][:250], problem="more than an answer can hold; not read"))
    return blocks


def _find(text: str) -> list[_Label]:
    return [
        _Label(_LABELLED[match.lastgroup or ""], match.start(), match.end())
        for match in itertools.islice(_LABEL.finditer(text), _MOST)
        if _MARKED.search(match[0])  # a label without a colon or a dash is one only as a heading or in bold
    ]


def _dividing(labels: list[_Label]) -> list[_Label]:
    """The labels that begin a field or a record; the others are words of the field that they stand in."""
    kept: list[_Label] = []
    have: set[str] = set()
    bare_name = False  # a counter such as "Anomaly 1:", whose name is still to come
    for label, following in zip(labels, [*labels[1:], None], strict=False):
        if label.field == "name":
            inside = {"phenomenon", "reasoning"} <= have and "severity" not in have
            if inside and following and following.field == "severity":
                continue  # a line of the reasoning that happens to read "Name: …"
            label.opens = not (have == {"name"} and bare_name)
            bare_name = following is not None and following.field == "name"
        elif label.field == "phenomenon":
            label.opens = not have or ("phenomenon" in have and ("reasoning" in have or "severity" in have))
        else:
            label.opens = not have
        if label.opens:
            have = set()
        elif label.field in have and label.field != "name":
            continue
        have.add(label.field)
        kept.append(label)
    return kept


def _judge(blocks: list[Block], text: str) -> None:
    """Names the problem of blocks that are no anomaly: too little in them, or cut off by the end of the text."""
    for block in blocks:
        if len(block.fields) < 2 or not ("phenomenon" in block.fields or "reasoning" in block.fields):
            block.problem = "has too few of the labels Name, Observed Phenomenon, Reasoning, Severity Score"
    if not blocks:
        return
    last, others = blocks[-1], blocks[:-1]
    if "severity" in last.fields:
        # Where the others read "25/100", a number alone at the very end may be half of one.
        level = last.fields["severity"]
        if (
            text.endswith(level)
            and level.isdigit()
            and any("/" in block.fields.get("severity", "") for block in others)
        ):
            last.fields["severity"] = level + "…"
    elif (
        any("severity" in block.fields for block in others)
        or not _FINISHED.search(text[-50:])
        or (last.problem and others)
    ):
        last.problem = CUT_OFF


def _plain(name: Field, value: str) -> str:
    lines = [line.strip() for line in _BOLD.sub(r"\1", value).split("\n")]
    first = next((i for i, line in enumerate(lines) if not _is_decor(line)), len(lines))
    last = next((i for i in range(len(lines) - 1, -1, -1) if not _is_decor(lines[i])), -1)
    lines = lines[first : last + 1]
    if name == "severity":
        lines = lines[:1]  # what follows is prose, or the next record's heading
    elif name == "name":
        lines = [" ".join(line for line in lines if line)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    text = text.strip("*").strip()
    return clean_name(text) if name == "name" else text


def _is_decor(line: str) -> bool:
    return len(line) < 40 and not any(character.isalnum() for character in line)


def _without_heading(value: str, field: Field) -> str:
    """A value without the lines at its end that belong to the next record: numbering, rules, its heading."""
    lines = value.split("\n")
    while len(lines) > 1 and _DECOR.match(lines[-1][:60]):
        lines.pop()
    if len(lines) > 1 and (_HEADING.match(lines[-1]) if field != "name" else lines[-1].lstrip()[:1] in ("#", "@")):
        lines.pop()
    return "\n".join(lines)


def _heading(before: str) -> str:
    """The heading at the end of the text before a record without a Name label; empty if there is none."""
    lines = before[-1000:].split("\n")
    while lines and _DECOR.match(lines[-1][:60]):
        lines.pop()
    if not lines or len(lines[-1]) > 200 or not _HEADING.match(lines[-1]):
        return ""
    line = _HEADING_MARK.sub("", _BOLD.sub(r"\1", lines[-1]), count=1)
    return clean_name(line.strip(" \t*:_#"))
