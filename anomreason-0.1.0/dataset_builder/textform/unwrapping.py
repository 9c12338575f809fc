"""What a model says, without what is wrapped around it.

Thoughts are never the answer, whether they stand in `<think>`, `◁think▷`, `[THINK]` or a channel of the harmony format,
whether their opening mark is missing or the end of the text cut them. Then come the layers that a transport left:
special tokens, JSON inside a JSON string, HTML entities, typographic quotes; and a JSON schema that is repeated. A text
that is JSON as it stands is taken as it stands: what looks like a mark in it is a word in a field.
"""

import html
import json
import re

from dataset_builder.fields import repair
from dataset_builder.textform.loose_json import Object, scan

__all__ = ["LONGEST", "readings"]

LONGEST = 500_000
"""Characters of an answer that are read: its end, where the last word is. No model has more to say about a picture."""

_NAMES = r"(?:think|thinking|thoughts?|seed:think|scratchpad|reflection|inner_monologue)"
_MARK = re.compile(
    rf"(?P<open><{_NAMES}(?:\s[^<>]{{0,100}})?>|◁think▷|\[THINK\]|<\|begin_of_thought\|>|<\|START_THINKING\|>|<unused94>"
    r"|<\|channel\|>\s*(?:analysis|thought)\b)"
    rf"|(?P<close></{_NAMES}>|◁/think▷|\[/THINK\]|<\|end_of_thought\|>|<\|END_THINKING\|>|<unused95>)"
    r"|(?P<turn><\|end\|>|<\|start\|>|<\|channel\|>)",
    re.IGNORECASE,
)
# Sections of prose before an answer that is marked as such: LLaVA-CoT, and models taught to reason in tags.
_SECTION = re.compile(r"\s*<(reasoning|analysis|summary|caption|critique)>.*?</\1>", re.IGNORECASE | re.DOTALL)
_ANSWER = re.compile(
    r"<(?P<tag>answer|conclusion|final_answer|final|output)>|<\|begin_of_(?:box|solution)\|>", re.IGNORECASE
)
_ANSWER_END = re.compile(
    r"</(?:answer|conclusion|final_answer|final|output)>|<\|end_of_(?:box|solution)\|>", re.IGNORECASE
)
_HEADER = re.compile(
    r"(?:<\|start\|>\s*\w{0,40}\s*)?<\|channel\|>[^<>]{0,100}(?:<\|constrain\|>[^<>]{0,40})?<\|message\|>"
)
_SPECIAL = re.compile(r"<[|｜][^<>|｜\n]{1,60}[|｜]>|</?s>")
_FENCED = re.compile(r"\s*```\w*\n(.*?)\n?```\s*\Z", re.DOTALL)

_MOST_LAYERS = 3


def readings(text: str) -> list[str]:
    r"""The texts that may be a model's answer, the surest first: what is marked as the answer, then all that it says.

    Thoughts, special tokens and the encodings around them are gone, and so is what lies more than `LONGEST` characters before
    the end. Never raises; linear in the text.

    >>> readings('<think>[] perhaps</think>"[{\\"name\\": \\"Cup\\"}]"')
    ['[{"name": "Cup"}]']
    >>> readings("It is odd. <answer>[]</answer>")
    ['[]', 'It is odd. <answer>[]</answer>']
    >>> readings('["<think>"]'), readings("no end <think> in sight")
    (['["<think>"]'], ['no end '])
    """
    text = repair(text[-LONGEST:])
    if _is_json(text):
        return [_decoded(text)]
    said = _HEADER.sub("\n", _thoughtless(text))
    part = _answer_part(said)
    return [
        _decoded(found) if _is_json(found) else _without_schemas(_straight(_decoded(found)))
        for found in (_SPECIAL.sub("\n", one) for one in (part, said) if one is not None)
    ]


def _thoughtless(text: str) -> str:
    """The text without the model's thoughts; one whose opening mark is missing begins with the text."""
    if "<" not in text and "◁" not in text and "[" not in text:
        return text
    kept: list[str] = []
    start: int | None = 0  # where what is said began; None inside a thought
    channel = False
    for mark in _MARK.finditer(text):
        if mark["open"]:
            if start is not None:
                kept.append(text[start : mark.start()])
                start, channel = None, mark["open"].startswith("<|channel")
        elif mark["close"]:
            if start is not None:
                kept.clear()  # all before was thought
            if start is not None or not channel:
                start = mark.end()
        elif channel and start is None:
            start, channel = mark.start(), False
    if start is not None:
        kept.append(text[start:])
    said = "".join(kept)
    end = 0
    while section := _SECTION.match(said, end):
        end = section.end()
    return said[end:] if said[end:].strip() else said


def _answer_part(text: str) -> str | None:
    """What stands in the last tag that marks the answer, such as `<answer>` or `<|begin_of_box|>`; `None` without one."""
    start = None
    for mark in _ANSWER.finditer(text):
        start = mark.end()
    if start is None:
        return None
    end = _ANSWER_END.search(text, start)
    return text[start : end.start() if end else len(text)].strip()


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("[", "{", '"'):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _decoded(text: str) -> str:
    """JSON inside a JSON string, once for each time that it was encoded."""
    for _ in range(_MOST_LAYERS):
        fenced = _FENCED.match(text)
        inner = fenced[1] if fenced else text
        if inner.lstrip()[:1] not in ('"', "'"):
            break
        try:
            value = json.loads(inner)
        except (ValueError, RecursionError):
            break
        if not isinstance(value, str):
            break
        text = value
    return text


def _without_schemas(text: str) -> str:
    """The text without JSON schemas before its answer: models repeat the form they were asked for."""
    if not _SCHEMA_KEY.search(text):
        return text
    kept, position = [], 0
    for root in scan(text):
        if isinstance(root, Object) and root.problem is None and _is_schema(root):
            kept.append(text[position : root.start])
            position = root.end
    return "".join([*kept, text[position:]]) if text[position:].strip(" \n`") else text


_SCHEMA_KEY = re.compile(r'"(?:properties|items|\$schema|json_schema)"\s*:')


def _is_schema(value: object, depth: int = 0) -> bool:
    if not isinstance(value, dict):
        return False
    if "$schema" in value or (value.get("type") in ("array", "object") and ("items" in value or "properties" in value)):
        return True
    return depth < 2 and any(_is_schema(value.get(name), depth + 1) for name in ("json_schema", "schema"))


_ENTITIES = re.compile(r"[\[{]\s*&(?:quot|#0?34|#x22|apos|#0?39);|&lt;/[a-z_]+&gt;", re.IGNORECASE)
_ESCAPED = re.compile(r'[\[{]\s*(?:\\n\s*)*\\"')
_TYPOGRAPHIC = re.compile(r"\{\s*[“”„‟″«»「『](?=[^{}\n]{1,60}[:：])")
_TICKED = re.compile(r"\{\s*`[^`\n]{1,60}`\s*:")
_DOUBLE = str.maketrans(dict.fromkeys("“”„‟″«»「」『』", '"'))


def _straight(text: str) -> str:
    """The frame of JSON or XML as it should be, where entities, escapes or typographic quotes stand in for it."""
    if "&" in text and _ENTITIES.search(text):
        text = html.unescape(text)
    if _ESCAPED.search(text):
        text = text.replace("\\n", "\n").replace('\\"', '"')
    if _TYPOGRAPHIC.search(text):
        text = text.translate(_DOUBLE)
    if _TICKED.search(text):
        text = re.sub("(?<!`)`(?!`)", '"', text)
    if "\\n" in text and "\n" not in text.strip() and "{" not in text:
        text = text.replace("\\n", "\n")  # lines that were printed as one string
    return text
