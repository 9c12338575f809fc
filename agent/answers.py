"""Reads a stage's answer: strictly where it is as asked, tolerantly where it is not, item by item.

An item that cannot be used loses none of its siblings. What is wrong is one sentence, fit to be quoted to the model.
"""

import math
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from agent.boxes import ON_GRID, Frame
from agent.stages import ANSWERS, LIST_OF, Anomalies, AnomalyItem, Findings, Group, Stage, Verdict
from dataset_builder.errors import InputError, shorten
from dataset_builder.files.strict_json import loads
from dataset_builder.textform import is_denial, last_value
from dataset_builder.textform.names import by_field

__all__ = ["Answer", "is_refusal", "read_answer"]

_MAX_ITEMS = 200
_REFUSAL = re.compile(
    r"\b(?:I['’]?\s?a?m sorry|I (?:can(?:no|['’])t|cannot|am (?:unable|not able)|won['’]t)|as an AI\b|against (?:my|our) "
    r"(?:policy|guidelines))",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """The items of an answer that can be used, what is wrong with the rest (`None`: nothing), and how many boxes were dropped."""

    items: list[Any]
    problem: str | None
    lost_boxes: int = 0


def is_refusal(text: str) -> bool:
    """Whether a text declines instead of answering."""
    return len(text) < 600 and "{" not in text and "[" not in text and _REFUSAL.search(text) is not None


def read_answer(stage: Stage, text: str, ids: Sequence[str] = (), frame: Frame = ON_GRID) -> Answer:
    """Read an answer to `stage`; `ids` are those of the findings asked about, `frame` says how the model gives boxes.

    >>> read_answer("integrate", '{"answer": {"groups": [{"ids": ["1", "2"]}]}}', ["1", "2"]).items[0].ids
    ['1', '2']
    >>> read_answer("integrate", "Both are the same.", ["1", "2"]).problem
    'it holds no JSON object with the list "groups"'
    """
    model = ANSWERS[stage]
    name, item_model = LIST_OF[model]
    values, broken = _list(text, name)
    if values is None:
        if model in (Findings, Anomalies) and is_denial(text):
            return Answer([], None)
        return Answer([], f'it holds no JSON object with the list "{name}"')
    items: list[BaseModel] = []
    problems: list[str] = [broken] if broken else []
    lost = 0
    for index, value in enumerate(values[:_MAX_ITEMS]):
        if isinstance(value, dict):
            value, outside = _placed(value, frame)
            lost += outside
        item = _item(value, item_model)
        if isinstance(item, str):
            problems.append(f"{name}[{index}]{item}")
        else:
            items.append(item)
    if len(values) > _MAX_ITEMS:
        problems.append(f"{name} has {len(values)} items, more than {_MAX_ITEMS}")
    items = [_with_ids(item, ids) for item in items]
    if item_model is Verdict:
        items, missing = _by_id(items, ids)
        problems += [f"there is no verdict on the finding {shorten(id)}" for id in missing]
    if item_model is Group:
        items = [Group(ids=[id for id in item.ids if id in ids]) for item in items if isinstance(item, Group)]
    return Answer(items, "; ".join(problems[:3]) or None, lost)


def _list(text: str, name: str) -> tuple[list[Any] | None, str | None]:
    """The list of an answer as far as it can be read, and why it is not all of it."""
    try:
        found = loads(text, "answer")
    except InputError:
        return _tolerant(text, name)
    if (items := _named(found, name)) is not None:
        return items, None
    return (found, None) if isinstance(found, list) else _tolerant(text, name)


def _named(value: Any, name: str) -> list[Any] | None:
    """The list of that name in an object, within `answer` or by itself: models leave out what says nothing."""
    if isinstance(value, dict) and isinstance(value.get("answer"), dict):
        value = value["answer"]
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else None


def _tolerant(text: str, name: str) -> tuple[list[Any] | None, str | None]:
    """The last list in a text that looks like the answer: fenced, between prose, in a tool call, cut off.

    A list that breaks off is used up to there and said to: what came after is not known.
    """

    # Empty brackets may stand anywhere in a sentence: they are an answer only where nothing else is said.
    wordless = [word[0] for word in islice(_WORD.finditer(text), 2)] in ([], ["json"])

    def fits(value: Any) -> bool:
        if isinstance(value, dict):
            return _named(value, name) is not None
        return all(isinstance(item, dict) for item in value) and (bool(value) or wordless)

    value, broken = last_value(text, fits)
    if value is None:
        return None, None
    found = _named(value, name) if isinstance(value, dict) else value
    assert found is not None  # it fits
    whole = [item for item in found if not getattr(item, "problem", None)]
    broken = broken and getattr(found, "problem", None)
    return whole, broken and f'the list "{name}": {broken}'


def _placed(value: dict[str, Any], frame: Frame) -> tuple[dict[str, Any], bool]:
    """An item with its box on the grid, and whether it had one that lies outside the picture."""
    key = next((key for key in value if key == "bbox" or by_field([(key, None)]).keys() == {"bbox"}), None)
    box = value.get(key) if key else None
    if not (isinstance(box, list) and len(box) == 4 and all(_is_number(corner) for corner in box)):
        return value, False
    on_grid = frame.on_grid(box)
    return {name: part for name, part in value.items() if name != key} | {"bbox": on_grid}, on_grid is None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _item(value: Any, model: type[BaseModel]) -> BaseModel | str:
    if not isinstance(value, dict):
        return f" is {shorten(value)}, not an object"
    fields = {key: value[key] for key in model.model_fields if key in value}
    others = by_field((key, part) for key, part in value.items() if key not in fields)
    fields |= {key: part for key, part in others.items() if key in model.model_fields and key not in fields}
    for key, blank in (("oddity", None), ("bbox", None), ("sources", [])):
        if key in model.model_fields:
            fields.setdefault(key, blank)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        shown = "" if first["type"] == "missing" else f" {shorten(first['input'])}"
        return f": {place}{shown}: {first['msg'].removeprefix('Value error, ')}"


def _with_ids(item: BaseModel, ids: Sequence[str]) -> BaseModel:
    """An item that names findings, by the names they were given: models decorate them, as `#1`, ` 1.` or `Finding 1`."""

    def meant(id: str) -> str:
        return id if id in ids else next((word for word in _WORD.findall(id) if word in ids), id)

    if isinstance(item, Verdict):
        return item.model_copy(update={"id": meant(item.id)})
    if isinstance(item, Group):
        return Group(ids=[meant(id) for id in item.ids])
    if isinstance(item, AnomalyItem):
        return item.model_copy(update={"sources": [meant(id) for id in item.sources]})
    return item


_WORD = re.compile(r"\w+")


def _by_id(items: list[BaseModel], ids: Sequence[str]) -> tuple[list[BaseModel], list[str]]:
    """The first verdict on each finding, in the findings' order, and the findings without one."""
    verdicts: dict[str, BaseModel] = {}
    for item in items:
        if isinstance(item, Verdict):
            verdicts.setdefault(item.id, item)
    return [verdicts[id] for id in ids if id in verdicts], [id for id in ids if id not in verdicts]
