"""Anomalies in XML and in tables, as models write them: unclosed, with attributes, with bold headings."""

import html
import itertools
import re
from dataclasses import dataclass, field

from dataset_builder.textform.loose_json import CUT_OFF
from dataset_builder.textform.names import field_named, says_enough
from dataset_builder.textform.records import Found, Record

__all__ = ["read_tables", "read_xml"]

_MOST = 3_000  # tags or rows; no answer has more, and the bound keeps the time small for any text

_TAG = re.compile(r"<(?P<close>/?)(?P<name>[^\W\d][\w.:-]{0,40})(?P<attributes>(?:\s[^<>]{0,400})?)(?P<empty>/?)>")
_ATTRIBUTE = re.compile(r"""([^\W\d][\w.:-]{0,40})\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_INLINE = frozenset(
    {"b", "i", "u", "em", "strong", "br", "p", "span", "code", "sup", "sub", "ul", "ol", "li", "div", "font", "mark"}
)
_MARKS = frozenset(
    {"image", "img", "video", "ref", "box", "point", "quad", "table", "thead", "tbody", "tr", "td", "th"}
)  # placeholders that nothing closes
_CDATA = re.compile(r"\A<!\[CDATA\[(.*)\]\]>\Z", re.DOTALL)


@dataclass
class _Open:
    name: str
    start: int
    inside: int
    attributes: list[tuple[str, str]]
    pairs: list[tuple[str, str]] = field(default_factory=list)

    @property
    def record(self) -> list[tuple[str, str]]:
        """What it says of an anomaly, if it is one: at least two fields, of which an attribute alone is none."""
        pairs = [*self.pairs, *self.attributes]
        fields = {field_named(key) for key, _ in pairs} - {None}
        return pairs if len(fields) >= 2 and says_enough(key for key, _ in pairs) else []


def read_xml(text: str) -> list[Found]:
    """The lists of anomalies in XML: what one outermost element holds, and such records in a row. Never raises."""
    found: list[Found] = []
    stack: list[_Open] = []
    records: list[Record] = []
    for tag in itertools.islice(_TAG.finditer(text), _MOST):
        name = tag["name"].casefold()
        if name in _INLINE:
            continue
        if tag["close"]:
            depth = next(
                (at for at in range(len(stack) - 1, max(-1, len(stack) - 20), -1) if stack[at].name == name), None
            )
            if depth is None:
                continue
            # An element that was never closed holds nothing of its own; what it had goes to the one around it.
            for lost in stack[depth + 1 :]:
                stack[depth].pairs += lost.pairs
            element = stack[depth]
            del stack[depth:]
            if element.record:
                records.append(Record(element.record, text[element.start : tag.end()]))
            elif stack and not element.pairs and field_named(element.name):
                stack[-1].pairs.append((element.name, _content(text[element.inside : tag.start()])))
            if not stack and records:
                single = bool(element.record)
                found.append(Found(element.start, tag.end(), records, single=single, goes_on=single))
                records = []
        elif not tag["empty"] and name not in _MARKS:
            attributes = [
                (key, html.unescape(double or single)) for key, double, single in _ATTRIBUTE.findall(tag["attributes"])
            ]
            stack.append(_Open(name, tag.start(), tag.end(), attributes))
    if stack and (records or any(element.pairs for element in stack)):
        last = max(stack, key=lambda element: len(element.pairs))
        if last.pairs:
            records.append(Record(list(last.pairs), text[last.start :], CUT_OFF))
        found.append(Found(stack[0].start, len(text), records, CUT_OFF))
    return found


def _content(text: str) -> str:
    text = text.strip()
    if data := _CDATA.match(text):
        return data[1].strip()
    text = re.sub(r"<br\s*/?>", "\n", text, flags=re.IGNORECASE)
    return html.unescape(re.sub(r"</?[a-z]{1,6}>", "", text, flags=re.IGNORECASE)).strip()


_WIDEST = 8_000  # characters of a row
_ROW = re.compile(
    rf"^[^\n|]{{0,{_WIDEST}}}\|[^\n]{{0,{_WIDEST}}}$|<tr\b[^<>]{{0,100}}>(?:[^<]|<(?!/?tr\b))*+(?:</tr>)?",
    re.MULTILINE | re.IGNORECASE,
)
_CELL = re.compile(r"<t[hd]\b[^<>]{0,100}>((?:[^<]|<(?!/?t[hdr]\b))*+)", re.IGNORECASE)
_CELL_END = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s|:+=-]+")
_BETWEEN = re.compile(r"(?:\s|</?(?:table|thead|tbody)[^<>]{0,100}>)*")
_BOLD = re.compile(r"\*\*|__|(?<!\w)\*|\*(?!\w)|`")


def read_tables(text: str) -> list[Found]:
    """The lists of anomalies in tables whose heading names at least two of an anomaly's fields. Never raises."""
    found: list[Found] = []
    if "|" not in text and "<tr" not in text:
        return found
    table: Found | None = None
    keys: list[str] = []
    closed = ""  # how a whole row ends
    end = len(text.rstrip())
    for match in itertools.islice(_ROW.finditer(text), _MOST):
        start, line = match.start(), match[0].rstrip()
        if table and not _BETWEEN.fullmatch(text, table.end, start):
            table = None
        if _RULE.fullmatch(line):
            if table:
                table.end = match.end()
            continue
        cells = _cells(line)
        if _is_heading(cells):
            table, keys, closed = Found(start, match.end(), []), cells, line[-1]
            found.append(table)
        elif table:
            cut = match.end() >= end and (len(cells) < len(keys) or (closed in "|>" and not line.endswith(closed)))
            problem = CUT_OFF if cut else None
            table.end, table.problem = match.end(), problem
            table.records.append(Record(list(zip(keys, cells, strict=False)), line, problem))
    return [table for table in found if table.records]


def _cells(line: str) -> list[str]:
    if line.startswith("<"):
        return [_content(cell[1]) for cell in itertools.islice(_CELL.finditer(line), 40)]
    line = line.strip().removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    return [_content(_BOLD.sub("", cell).replace("\\|", "|")) for cell in _CELL_END.split(line, 40)[:40]]


def _is_heading(cells: list[str]) -> bool:
    fields = {named for cell in cells if (named := field_named(cell))}
    return len(fields & {"name", "phenomenon", "reasoning", "severity"}) >= 2 and bool(fields & {"name", "phenomenon"})
