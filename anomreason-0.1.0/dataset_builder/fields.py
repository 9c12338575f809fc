"""The quadruplet's fields under every name they go by.

Ours are `name`, `phenomenon`, `reasoning`, `severity`. The release's files write `Name`, `Observed Phenomenon`,
`Reasoning`, `Severity Score`; its tools and the models add spellings of their own (`observed_phenomenon`,
`Explanation`, `@1. Name`, …).
"""

import re
from typing import Literal

__all__ = ["OFFICIAL_KEYS", "TEXT_FIELDS", "Field", "clean_name", "clean_text", "field_of", "repair"]

Field = Literal["name", "phenomenon", "reasoning", "severity", "remark", "bbox", "score"]

TEXT_FIELDS: tuple[Literal["name"], Literal["phenomenon"], Literal["reasoning"]] = ("name", "phenomenon", "reasoning")

OFFICIAL_KEYS: dict[str, str] = {
    "name": "Name",
    "phenomenon": "Observed Phenomenon",
    "reasoning": "Reasoning",
    "severity": "Severity Score",
}
"""The release's key for each of the four fields, in the release's order."""

_SPELLINGS: dict[Field, tuple[str, ...]] = {
    "name": ("name", "anomalyname", "objectname", "abnormalphenomenonname", "anomaly"),
    "phenomenon": ("phenomenon", "observedphenomenon", "observedissue", "abnormalphenomenon"),
    "reasoning": ("reasoning", "reason", "explanation"),
    "severity": ("severity", "severityscore", "severitylevel", "severityrating"),
    "remark": ("remark", "severityremark"),
    "bbox": ("bbox", "box", "boundingbox", "bbox2d"),
    "score": ("score", "confidence"),
}
_FIELD_OF: dict[str, Field] = {spelling: field for field, spellings in _SPELLINGS.items() for spelling in spellings}

_NUMBERING = re.compile(r"\s*[@#]*\s*\d{1,4}\s*[.):]\s*")
_NAME_PREFIX = re.compile(r"\s*+@?\s*+\d{1,4}\s*+[.)]\s*+(?:Name\s*+:\s*+)?|\s*+Name\s*+:\s*+", re.IGNORECASE)
_RESIDUE = re.compile(r"(?:\r?\n[ \t]*[-*•]*[ \t]*)+\Z")


def field_of(key: str) -> Field | None:
    """Which field a key names, whatever its case, spacing and numbering; `None` if none of ours.

    >>> field_of("Observed Phenomenon"), field_of("@1. Name"), field_of("severity_score"), field_of("entry")
    ('phenomenon', 'name', 'severity', None)
    """
    if len(key) > 60:
        return None
    plain = _NUMBERING.sub("", key, count=1) if key.lstrip()[:1] in tuple("@#0123456789") else key
    return _FIELD_OF.get(re.sub(r"[\s_*-]+", "", plain).casefold())


def clean_text(text: str) -> str:
    """Without the newline and hyphen that the release's V1 tools leave at the end of a value (nothing else is touched)."""
    tail = text[-200:]
    residue = _RESIDUE.search(tail) if "\n" in tail else None
    return text[: len(text) - len(tail) + residue.start()] if residue else text


def clean_name(text: str) -> str:
    """Without the numbering that older predictions keep in front of a name.

    >>> clean_name("@1. Name: Floating Book"), clean_name("2) Name: Cup"), clean_name("3. Cup"), clean_name("3D print")
    ('Floating Book', 'Cup', 'Cup', '3D print')
    """
    text = clean_text(text)
    # Twice, because a numbered name that was numbered again reads "@1. Name: @1. Name: Floating Book".
    for _ in range(2):
        match = _NAME_PREFIX.match(text)
        if not match:
            break
        text = text[match.end() :]
    return text


def repair(text: str) -> str:
    """The same text as valid Unicode: halves of surrogate pairs are joined, single ones become U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
