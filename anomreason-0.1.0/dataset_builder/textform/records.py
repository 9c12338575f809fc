"""Records of anomalies in values that were found: what is one, whose it is, and what was only an example.

A value may be a list, an object around a list, an object of objects keyed by name, the arguments of a tool call, or JSON
in a string; all of them come to a flat list of records.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from dataset_builder.textform.denials import says_none, says_unseen
from dataset_builder.textform.loose_json import Array, Object, scan
from dataset_builder.textform.names import field_named, is_release_name, says_enough

__all__ = ["Found", "Record", "is_placeholder", "walk"]


@dataclass
class Record:
    """An anomaly as found: the values of its keys, its source, and why it is none, if so."""

    pairs: list[tuple[str, Any]]
    text: str = ""
    problem: str | None = None
    source: Object | None = None


@dataclass
class Found:
    """A list of anomalies somewhere in a text.

    Attributes:
        start, end (`int`): its place in the text.
        records (`list[Record]`): in order, complete or not.
        problem (`str`, *optional*): why it ends before its own end.
        empty (`bool`): whether it says, as a list, that there are no anomalies.
        framed (`bool`): whether it is JSON, XML or a table, not labelled lines.
        single (`bool`): whether it is one anomaly that stands by itself.
        goes_on (`bool`): whether single anomalies after it belong to it.
    """

    start: int
    end: int
    records: list[Record] = field(default_factory=list)
    problem: str | None = None
    empty: bool = False
    framed: bool = True
    single: bool = False
    goes_on: bool = False


# What wraps a list is no name; neither is a counter.
_WRAPPER = re.compile(
    r"(?:(?:anomal\w*|abnormal\w*|issues?|items?|entry|entries|records?|findings?|problems?|objects?|results?|data|answers?|output|"
    r"response|analysis|image\w*|report|detected\w*|list|details?|final\w*|draft\w*|异常|異常|结果|結果)[\s_#.-]*)*\d*",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"anomal|abnormal|issue|inconsisten|finding|result|item|problem|defect|quadruplet|answer|异常|異常|问题|問題|不自然",
    re.IGNORECASE,
)
_ANOMALIES = re.compile(
    r"\w*(?:anomalies|abnormalities|inconsistencies)(?:_?(?:found|detected|list))?|异常|異常", re.IGNORECASE
)
_DRAFT = re.compile(
    r"draft|initial|first|prelim|candidate|example|format|schema|草稿|初步|示例|下書き|entwurf", re.IGNORECASE
)
_CALL = frozenset({"arguments", "parameters", "function", "input_schema"})
_MOST_LAYERS = 3
_SENTENCE = re.compile(r"^\s*[^\W\d_]+\s+[^\W\d_]+")
_A_TEXT = "a text in a list of anomalies"


def walk(value: Object | Array, text: str) -> tuple[list[Record], bool]:
    """The records in a value that was found in `text`, and whether an empty list of anomalies is in it."""
    if value == {} and not value.problem:
        return [], False
    return _walk(value, text, 0)


def _walk(value: Any, text: str, layers: int) -> tuple[list[Record], bool]:
    if isinstance(value, str):
        return _embedded(value, layers)
    if isinstance(value, Array):
        records = [record for item in value for record in _walk(item, text, layers)[0]]
        if records:
            records += [Record([], item, _A_TEXT) for item in value if isinstance(item, str) and _SENTENCE.search(item)]
        return records, not value and not value.problem
    if not isinstance(value, Object) or _is_schema(value):
        return [], False
    inner = {key: _walk(part, text, layers) for key, part in value.items()}
    nested = {key: records for key, (records, _) in inner.items() if records}
    if nested and not any(
        field_named(key) == "phenomenon" and is_release_name(key) for key in value.keys() - nested.keys()
    ):
        return _of_wrapper(value, nested, text), False
    nothing = {key for key, (_, empty) in inner.items() if empty and not _is_own_text(key, value[key])}
    if _is_empty(value, nothing):
        return [], True
    if _CALL & value.keys():
        return [], False
    if says_enough(key for key in value if not _holds_objects(value[key])) or (value.problem and not value):
        return [_record(list(value.items()), value, text)], False
    return [], not value and not value.problem


def _is_own_text(key: str, value: object) -> bool:
    """Whether a value is the text of a field, even if it reads `[]`, and not a list that was put into a string."""
    return isinstance(value, str) and is_release_name(key) and _LIST.search(key) is None


def _is_empty(value: Object, nothing: set[str]) -> bool:
    """Whether an object says, by an empty list or a denial in its place, that there are no anomalies."""
    said = False
    for key, part in value.items():
        listed = _LIST.search(key) is not None
        if key in nothing:
            said = said or listed or bool(part)
        elif listed and isinstance(part, Array | Object) and part:
            return False
        elif isinstance(part, str):
            if says_unseen(part):
                return False
            said = said or (_ANOMALIES.fullmatch(key) is not None and says_none(part))
        elif part is None and _ANOMALIES.fullmatch(key):
            said = True
    return said and not value.problem


def _of_wrapper(value: Object, nested: dict[str, list[Record]], text: str) -> list[Record]:
    """The records of an object around others: of two lists the one that is no draft, of a record in parts the whole."""
    own = [(key, part) for key, part in value.items() if key not in nested and field_named(key)]
    parts = [record for records in nested.values() for record in records]
    if len(parts) == 1 and any(field_named(key) == "name" for key, _ in own) and not _CALL & value.keys():
        (part,) = parts
        if not any(field_named(key) == "name" for key, _ in part.pairs):
            return [_record([*own, *part.pairs], value, text)]
    kept = {key: records for key, records in nested.items() if not _DRAFT.search(key)} or nested
    for key, records in kept.items():
        if len(records) == 1 and isinstance(value[key], Object) and not _WRAPPER.fullmatch(key.strip()):
            (record,) = records
            if not any(field_named(name) == "name" for name, _ in record.pairs):
                record.pairs.insert(0, ("name", key))
    return [record for records in kept.values() for record in records]


def _record(pairs: list[tuple[str, Any]], value: Object, text: str) -> Record:
    return Record(pairs, text[value.start : value.end], value.problem, value)


def _embedded(value: str, layers: int) -> tuple[list[Record], bool]:
    """The records of JSON that stands in a string, as in the arguments of a tool call."""
    if layers >= _MOST_LAYERS or value.lstrip()[:1] not in ("[", "{") or value.rstrip()[-1:] not in ("]", "}"):
        return [], False
    records: list[Record] = []
    empty = False
    for root in scan(value):
        found, nothing = _walk(root, value, layers + 1)
        for record in found:
            record.source = None  # its place is one in the string, not in the text
        records += found
        empty = empty or nothing
    return records, empty and not records


def _holds_objects(value: object) -> bool:
    return isinstance(value, Object) or (
        isinstance(value, Array) and any(isinstance(part, Object | Array) for part in value)
    )


def _is_schema(value: Object) -> bool:
    return isinstance(value.get("properties"), Object) or ("$schema" in value)


# The words that instructions are made of: those that only instructions speak with, and those that answers use too.
_META = (
    r"name|title|label|string|str|int|integer|number|float|value|description|describe|phenomenon|reasoning|reason|explanation|explain|"
    r"explaining|sentences?|severity|score|what|which|why|how|beschreibung|begründung|was|warum|"
    r"(?:名称|简短|的|现象|描述|原因|推理|解释|说明|为什么|不可能|异常|字符串|整数|短い|名前|現象|理由|説明|異常|文字列)+"
)
_INSTRUCTION = re.compile(
    rf"{_META}|a|an|the|of|in|is|are|it|this|that|to|be|and|or|for|your|here|as|on|e|g|eg|from|with|one|each|short|brief|concise|detailed|"
    r"clear|anomaly|anomalies|object|text|wrong|cannot|can|not|impossible|unrealistic|unnatural|odd|observed|issue|you|see|seen|visible|"
    r"kurzer|kurze|falsch|ist|es|nicht|sein|kann|des|der|die|das",
    re.IGNORECASE,
)
_METAS = re.compile(_META, re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_DOTS = re.compile(r"\W*(?:\.\.|…)\W*")


def is_placeholder(texts: list[str]) -> bool:
    """Whether the text fields of a record are those of a prompt's example: dots, or the words of an instruction.

    >>> is_placeholder(["a short name", "what is wrong", "why it cannot be"]), is_placeholder(["...", "...", "..."])
    (True, True)
    >>> is_placeholder(["Six fingers", "what is wrong", ""]), is_placeholder(["Wrong text", "The text is wrong.", ""])
    (False, False)
    """
    given = [text for text in texts if text]
    if len(given) < 2 or any(len(text) > 120 for text in given):
        return False
    meta = any(_DOTS.fullmatch(text) or any(map(_METAS.fullmatch, _WORD.findall(text))) for text in given)
    return meta and all(map(_instructs, given))


def _instructs(text: str) -> bool:
    words = _WORD.findall(text)
    return bool(_DOTS.fullmatch(text)) or (bool(words) and all(_INSTRUCTION.fullmatch(word) for word in words))
