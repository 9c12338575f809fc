"""The lists of anomalies in a text, in their order, and how they relate to one another."""

import itertools
import re
from collections.abc import Iterator

from dataset_builder.textform.denials import says_nothing
from dataset_builder.textform.labelled_lines import read_lines
from dataset_builder.textform.loose_json import CUT_OFF, MALFORMED, Object, Repairs, scan
from dataset_builder.textform.markup import read_tables, read_xml
from dataset_builder.textform.names import says_enough
from dataset_builder.textform.records import Found, Record, walk

__all__ = ["candidates", "is_revised", "stands_as_answer"]

_ANSWERED = (
    r"answer|result|output|corrected|correction|revised|revision|updated|最终|最後|最終|答案|回答|修正|结果|結果|"
    r"endgültig\w*|antwort|korrigiert\w*|ergebnis|réponse|respuesta"
)
_LAST = r"final(?:ly)?(?!\s+(?:anomal|issue|one\b|problem|thing|detail))"
_TAKEN_BACK = re.compile(
    rf"\b(?:{_LAST}|{_ANSWERED}|draft|initial|prelim\w*|tentative|(?:first|second)\s+(?:pass|list|version|answer|look|attempt|guess)|example|"
    r"format|schema|template|correct\w*|updat\w+|improv\w+|actually|re-?check\w*|double-?check\w*|wait|restat\w+|refin\w+|"
    r"closer\s+(?:look|inspection)|(?<!`)json|in\s+short|entwurf|beispiel|vorläufig\w*)\b|最终|草稿|初步|修正|更正|重新|示例|格式|下書き|例|形式|最終",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\b(?:additional\w*|further(?:more)?|moreover|in\s+addition|(?:more|another|weitere)\s+(?:anomal|issue|problem|finding)\w*)|"
    r"另外|此外|さらに",
    re.IGNORECASE,
)
_NEW_LIST = re.compile(
    r"^[ \t>#*_=\-–—]*(?:(?:my |the |here is the |this is the )?(?:final|corrected|revised|updated|improved)\b[^\n]{0,80}|"
    r"(?:correction|revision)[^\n\w]{0,10}|(?:最终|最終|修正)[^\n]{0,20}|(?:endgültige|korrigierte)\b[^\n]{0,60})[:：*#]*[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER = re.compile(rf"\b(?:final|{_ANSWERED})", re.IGNORECASE)
_INTRODUCED = re.compile(rf"(?:[:：]|\bis|\bare|\b(?:final|{_ANSWERED}))[\s*`]*(?:json)?\s*\Z", re.IGNORECASE)
_ALONE = re.compile(r"\n[ \t]*(?:```)?(?:json)?\s*\Z")
_FINE = re.compile(
    r"\b(?:fine|normal|consistent|coherent|realistic|natural|plausible|correct|in\s+order|nothing|none|no\s+(?:\w+\s+){0,2}(?:anomal|issue|"
    r"problem|inconsisten)\w*|empty)\b|正常|合理|没有|無|なし|ません",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"\b(?:impossible|unrealistic|unnatural|implausible|violat\w+|defies|extra|missing|float\w*|hover\w*|detached|deformed|distorted|"
    r"six\s+fingers|three\s+(?:arms|hands|legs)|(?:does|do)\s+not\s+(?:match|make\s+sense)|(?:is|are|looks?|seems?)\s+(?:wrong|odd|strange))\b",
    re.IGNORECASE,
)


def candidates(text: str) -> list[Found]:
    """Every list of anomalies in a text, in the order of their starts. Never raises; linear in the text."""
    framed = [*_in_json(text), *(read_xml(text) if "<" in text else []), *read_tables(text)]
    framed = _joined(text, sorted(framed, key=lambda found: found.start))
    return sorted([*framed, *_in_lines(text, framed)], key=lambda found: found.start)


def _joined(text: str, framed: list[Found]) -> list[Found]:
    """Anomalies that stand one after the other are one list; so are those where a list broke, and lists said to add to it."""
    joined: list[Found] = []
    for found in framed:
        last = joined[-1] if joined else None
        between = text[last.end : found.start] if last else ""
        follows = last and ((last.goes_on and found.single) or (len(between) < 200 and _MORE.search(between)))
        if last and follows and not _TAKEN_BACK.search(between):
            last.records += found.records
            last.end, last.problem, last.empty = found.end, found.problem, last.empty and found.empty
        else:
            joined.append(found)
    return joined


def is_revised(text: str, one: Found, answer: Found) -> bool:
    """Whether the text says that a list is a draft or an example, or that the answer replaces it."""
    if one.start > answer.start:
        return _TAKEN_BACK.search(text[max(answer.end, one.start - 200) : one.start]) is not None
    between = text[one.end : answer.start][:400] + text[one.end : answer.start][-400:]
    return _TAKEN_BACK.search(text[max(0, one.start - 80) : one.start] + between) is not None


def stands_as_answer(text: str, found: Found, *, others: bool) -> bool:
    """Whether a list that denies anomalies is the answer, not brackets in a sentence or the end of a text that names some.

    Args:
        text (`str`): the whole text.
        found (`Found`): the list, the last in the text.
        others (`bool`): whether other lists in the text hold anomalies, so that this one must take them back.
    """
    before, after = text[: found.start], text[found.end : found.end + 2_000]
    if not says_nothing(after):
        return False
    if others:
        return _ANSWER.search(before[-80:]) is not None
    if says_nothing(before):
        return True
    concluded = _INTRODUCED.search(before[-80:]) or (_ALONE.search(before[-80:]) and _FINE.search(before[-200:]))
    return concluded is not None and _TROUBLE.search(before) is None


def _in_json(text: str) -> Iterator[Found]:
    """The lists in a text's JSON; what broke in them is read once more."""
    roots = [(root, *walk(root, text)) for root in scan(text)]
    roots = [(root, records, empty) for root, records, empty in roots if records or empty]
    repairs = Repairs(longest=2_000, total=20_000)
    for at, (root, records, empty) in enumerate(roots):
        stop = roots[at + 1][0].start if at + 1 < len(roots) else len(text)
        for record in records:
            if _is_broken(record, text, stop):
                _mend(record, text, stop, repairs)
        broken = any(record.problem for record in records)
        single = isinstance(root, Object) and any(record.source is root for record in records)
        problem = root.problem if broken or root.problem != MALFORMED else None
        if problem == CUT_OFF and not broken and _CLOSED.search(text[-100:]):
            problem = None  # what is missing is a bracket around the list
        goes_on = single or root.problem == MALFORMED
        yield Found(root.start, root.end, records, problem, empty, single=single, goes_on=goes_on)


def _is_broken(record: Record, text: str, stop: int) -> bool:
    """Whether a record broke for another reason than the end of the text."""
    if record.problem == MALFORMED:
        return True
    return record.problem == CUT_OFF and stop == len(text) and _CLOSED.search(text[-100:]) is not None


_CLOSED = re.compile(r"\}\s*\]\s*\}?[\s`]*\Z")
_OBJECT_END = re.compile(r"\}(?=\s*(?:[,\]}]|```|\n|\Z))")


def _mend(record: Record, text: str, stop: int, repairs: Repairs) -> None:
    """Reads a broken record once more, from its bracket to where it ends or the next begins."""
    if record.source is None:
        return
    start = record.source.start
    # The last brace before the next record is its end: one before may stand in a string.
    ends = [match.end() for match in _OBJECT_END.finditer(text, start, min(stop, start + repairs.longest))]
    if not ends and stop == len(text):
        return
    piece = text[start : ends[-1] if ends else stop].rstrip(" \t\r\n,[")
    mended = repairs.read(piece)
    if isinstance(mended, dict) and says_enough(mended):
        record.pairs, record.text, record.problem = list(mended.items()), piece, None


def _in_lines(text: str, framed: list[Found]) -> Iterator[Found]:
    """The lists in labelled lines, looked for between the others, so that JSON's own keys are no labels."""
    breaks = [(found.start, found.end) for found in framed]
    breaks += [match.span() for match in itertools.islice(_NEW_LIST.finditer(text), 100)]
    position = 0
    for start, end in [*sorted(breaks), (len(text), len(text))]:
        if start > position and (found := read_lines(text[position:start])):
            found.start, found.end = position, start
            yield found
        position = max(position, end)
