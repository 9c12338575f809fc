"""Labelled lines, as the release's models write them, in every variant that models make of it.

    @1. Name: Floating cup                      1. **Name**: Floating cup               ### 1. Floating cup
    Observed Phenomenon: It hovers.                - **Observed Phenomenon:** …         **What is wrong**: …
    Reasoning: Cups fall.                          - **Reasoning**: …                   **Why**: …
    Severity Score: 10/100 (severe).               - **Severity Score**: 10             **Severity**: 10/100

Only a label divides: it stands at the start of a line, behind any bullets and numbers, or in bold anywhere. A number
alone never does, so numbered steps inside a reasoning stay in it, and neither do blank lines. One regular expression
finds the labels; the time is linear in the text.
"""

import itertools
import re
from dataclasses import dataclass

from dataset_builder.fields import clean_name
from dataset_builder.textform.loose_json import CUT_OFF
from dataset_builder.textform.names import LABELS, by_field, is_release_name, role
from dataset_builder.textform.records import Found, Record

__all__ = ["read_lines"]

_MOST = 5_000  # labels; no answer has more, and the bound keeps the time small for any text

_ANY = "|".join(LABELS.values())
_LABEL = re.compile(
    rf"^[ \t>\#*_`@+\-•·–—\d.)(\[\]【]*+(?=[^\W\d_])(?P<line>{_ANY})(?:[ \t]*+[(（][^()（）\n]{{0,60}}[)）])?"
    r"(?:\*\*[ \t]*+[-–—][ \t]|[ \t*_`】\]]*+[:：][*_`]*+|[ \t]*+[】][ \t]*+|[ \t*_`]*+$)"
    rf"|\*\*(?=[^\W\d_])(?P<bold>{_ANY})(?:[ \t]*+[(（][^()（）\n]{{0,60}}[)）])?(?:[ \t]*+[:：][ \t]*+\*\*|\*\*[ \t]*+[:：])",
    re.MULTILINE | re.IGNORECASE,
)
_VALUED = re.compile(r"[:：】]|\*\*")
_MARKED = re.compile(r"[:：#】]|\*\*")
_INLINE = re.compile(
    r"(?<=[^\s;|])(?:[ \t]*+[;|])?[ \t]++(?=(?:Observed Phenomenon|Reasoning|Severity Score)[ \t]*+:|@\d{1,3}\.[ \t]*+Name[ \t]*+:)"
)
# Nothing but numbering, rules and brackets, or a counter such as "Anomaly 3:".
_DECOR = re.compile(r"[\W\d_]*+(?:(?:Anomaly|Issue|Record|Item|Entry)[ \t]*+\#?\d*+[\W_]*+)?\Z", re.IGNORECASE)
_HEADING = re.compile(r"[ \t]*+(?:\#|\*\*|@|[-•*+][ \t]|\d{1,3}[.)])")
_HEADING_MARK = re.compile(
    r"^[ \t>\#*_@+\-•·–—]*+(?:\d{1,3}[.):][ \t*_]*+)?(?:(?:Anomaly|Issue)[ \t]*+\#?\d*+[ \t]*+[:：.\-–—][ \t*_]*+)?",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_FINISHED = re.compile(r"""[.!?。！？"'”’)）\]*`][\s`*]*\Z""")
_TAG_LINE = re.compile(r"<br\s*/?>|</?(?:p|li|div|ul|ol|h[1-6])(?:\s[^<>]{0,100})?>", re.IGNORECASE)
_TAG_BOLD = re.compile(r"</?(?:b|strong)>", re.IGNORECASE)
_TWO_CELLS = re.compile(r"^[ \t]*+\|[ \t]*+([^|\n]{1,60})\|([^|\n]+)\|[ \t]*+$", re.MULTILINE)
_ITEM = r"[ \t]*+(?:\d{1,3}[.)]|[-*•])[ \t]"
_TITLED = re.compile(
    rf"^{_ITEM}[ \t]*+\*\*(?P<title>[^*\n]{{2,120}})\*\*(?P<said>[^\n]{{5,4000}}(?:\n(?!{_ITEM}|[ \t]*\n)[^\n]{{1,4000}}){{0,20}})",
    re.MULTILINE,
)
_LEVEL = re.compile(
    r"[*_(\[（]*(?:severity|严重程度|深刻度|schweregrad)[^\d\n]{0,30}?(\d{1,3}(?:[ \t]*/[ \t]*100)?)(?!\d)[*_)\]）]*\.?",
    re.IGNORECASE,
)
_LEVEL_BEHIND = re.compile(
    r"[ \t]*[(（\[][ \t]*(?:severity|严重程度|深刻度|schweregrad)[^\d\n()]{0,30}?(\d{1,3}(?:[ \t]*/[ \t]*100)?)[ \t]*[)）\]]\W*\Z",
    re.IGNORECASE,
)

_TOO_FEW = "has too few of the labels Name, Observed Phenomenon, Reasoning, Severity Score"


@dataclass
class _Label:
    key: str
    role: str
    start: int
    end: int
    opens: bool = False


def read_lines(text: str) -> Found | None:
    """The anomalies in labelled lines, complete or not, in order; `None` if the text has no labels. Never raises."""
    text = re.sub(r"\n{3,}", "\n\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    if "<" in text:
        text = _TAG_BOLD.sub("**", _TAG_LINE.sub("\n", text))
    text = _TWO_CELLS.sub(r"\1: \2", text)
    records = _records(text)
    if not any({"phenomenon", "reasoning"} & by_field(record.pairs).keys() for record in records):
        # Some models put a whole record, or all of them, on one line.
        broken = _INLINE.sub("\n", text)
        records = _records(broken) if broken != text else records
    records = records or _titled(text)
    return Found(0, len(text), records, framed=False) if records else None


def _titled(text: str) -> list[Record]:
    """Items of a list that have a title in bold and a severity in their text; without one they may be about anything."""
    records = []
    for item in itertools.islice(_TITLED.finditer(text), _MOST // 5):
        level = _LEVEL.search(item[0])
        if level:
            said = _LEVEL.sub("", item["said"]).strip(" \t\n:：–—-*_")
            pairs = [("Name", _plain("name", item["title"])), ("Observed Phenomenon", _plain("", said))]
            records.append(Record([*pairs, ("Severity Score", level[1])], item[0]))
    return records


def _records(text: str) -> list[Record]:
    labels = _dividing(_find(text))
    records: list[Record] = []
    before = text[: labels[0].start] if labels else ""
    for label, following in zip(labels, [*labels[1:], None], strict=False):
        if label.opens:
            records.append(Record([], text[label.start : label.start + 250]))
            if label.role != "name" and (heading := _heading(before)):
                records[-1].pairs.append(("Name", heading))
        record = records[-1]
        before = text[label.end : following.start if following else len(text)]
        value = _without_heading(before, following.role) if following and following.opens else before
        record.pairs.append((label.key, _plain(label.role, value)))
    for record in records:
        _take_level(record)
    records = _judged(records, text)
    if len(labels) == _MOST:
        records.append(Record([], text[labels[-1].start :][:250], "more than an answer can hold; not read"))
    return records


def _take_level(record: Record) -> None:
    """A severity in brackets behind a name is the record's, if it has no other."""
    if "severity" in by_field(record.pairs):
        return
    for place, (key, value) in enumerate(record.pairs):
        if role(key) == "name" and (level := _LEVEL_BEHIND.search(value)):
            record.pairs[place] = (key, value[: level.start()])
            record.pairs.append(("Severity Score", level[1]))
            return


def _find(text: str) -> list[_Label]:
    labels = []
    for match in itertools.islice(_LABEL.finditer(text), _MOST):
        key = match["line"] or match["bold"]
        # A label without a colon or a dash is one only as a heading or in bold, and as a heading only in the release's words.
        if _MARKED.search(match[0]) and (is_release_name(key) or _VALUED.search(match[0])):
            labels.append(_Label(key, role(key), match.start(), match.end()))
    return labels


def _dividing(labels: list[_Label]) -> list[_Label]:
    """The labels that begin a field or a record; the others are words of the field that they stand in."""
    kept: list[_Label] = []
    have: set[str] = set()
    bare_name = False  # a counter such as "Anomaly 1:", whose name is still to come
    for label, following in zip(labels, [*labels[1:], None], strict=False):
        if label.role == "name":
            inside = {"phenomenon", "reasoning"} <= have and "severity" not in have
            if inside and following and following.role == "severity":
                continue  # a line of the reasoning that happens to read "Name: …"
            label.opens = not (have == {"name"} and bare_name)
            bare_name = following is not None and following.role == "name"
        elif label.role in ("phenomenon", "perhaps"):
            described = have & {"phenomenon", "perhaps"}
            label.opens = have <= {"reasoning"} or bool(described and have & {"reasoning", "severity"})
        else:
            label.opens = not have
        if label.opens:
            have = set()
        elif label.role == "perhaps":
            if "phenomenon" in have:
                continue
        elif label.role in have and label.role != "name":
            continue
        have.add(label.role)
        kept.append(label)
    return kept


def _judged(records: list[Record], text: str) -> list[Record]:
    """The records, with the problem of those that are no anomaly: too little in them, or cut off by the end of the text.

    Labels of everyday speech ("Description:", "Analysis:") make a record only together with a name or a severity; what is
    none is prose, and left out.
    """
    kept: list[Record] = []
    for record in records:
        fields = by_field(record.pairs)
        release = any(is_release_name(key) and key != "Name" for key, _ in record.pairs)
        if len(fields) < 2 or not fields.keys() & {"phenomenon", "reasoning"}:
            record.problem = _TOO_FEW
        if release or record is records[-1] or (not record.problem and fields.keys() & {"name", "severity"}):
            kept.append(record)
    if not kept:
        return []
    last, others = kept[-1], kept[:-1]
    fields = by_field(last.pairs)
    levels = [str(by_field(record.pairs).get("severity", "")) for record in others]
    if "severity" in fields:
        # Where the others read "25/100", a number alone at the very end may be half of one.
        level = str(fields["severity"])
        if text.endswith(level) and level.isdigit() and any("/" in other for other in levels):
            last.pairs = [(key, f"{value}…" if value == level else value) for key, value in last.pairs]
    elif any(levels) or not _FINISHED.search(text[-50:]) or (last.problem and others):
        last.problem = CUT_OFF
    if last.problem == _TOO_FEW and not any(is_release_name(key) for key, _ in last.pairs):
        kept.pop()
    return kept


def _plain(of: str, value: str) -> str:
    lines = [line.strip() for line in _BOLD.sub(r"\1", value).split("\n")]
    first = next((i for i, line in enumerate(lines) if not _is_decor(line)), len(lines))
    last = next((i for i in range(len(lines) - 1, -1, -1) if not _is_decor(lines[i])), -1)
    lines = lines[first : last + 1]
    if of == "severity":
        lines = lines[:1]  # what follows is prose, or the next record's heading
    elif of == "name":
        lines = [" ".join(line for line in lines if line)]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    text = text.strip("*").strip()
    if text[:1] == text[-1:] == '"' and text.count('"') == 2:
        text = text[1:-1]  # YAML
    return clean_name(text) if of == "name" else text


def _is_decor(line: str) -> bool:
    return len(line) < 40 and not any(character.isalnum() for character in line)


def _without_heading(value: str, following: str) -> str:
    """A value without the lines at its end that belong to the next record: numbering, rules, its heading."""
    lines = value.split("\n")
    while len(lines) > 1 and _DECOR.match(lines[-1][:60]):
        lines.pop()
    if len(lines) > 1 and (_HEADING.match(lines[-1]) if following != "name" else lines[-1].lstrip()[:1] in ("#", "@")):
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
    return clean_name(line.strip(" \t*:：_#"))
