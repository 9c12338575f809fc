"""The stages of AnomAgent: what each is asked and what it must answer.

The contract with any server, and so with the simulated one:

- A request is a system message and a `response_format`, the same for all stages, then one user message: the whole picture
  first, with the same bytes in every call of an image, then crops of it where a stage has any, then one text. So all calls of
  an image begin alike, wherever a server puts the schema, and what a server's prefix cache holds is read once. An answer
  that could not be read is followed by itself (assistant) and a user message that quotes the error; what is asked stays the
  same, so what is answered should depend only on the first user message, `seed` and the model.
- The text's first line is `Task: <stage>`. Then come the question, the list that is to be answered, as in `Answer {"answer":
  {"findings": [...]}}`, with an example, and, last, `Input:` and a fenced JSON object of these fields, those that a stage
  does not use left out:
  `objects` (names that are asked about), `others` (names of the remaining objects), `findings` (each with `id`,
  `object`, `name`, `phenomenon` and, but for `integrate`, `reasoning`), `drafts` (lists of objects), `descriptions` (by
  object) and `crops` (the objects that crop 1, 2, … show).
- `seed` is the number of the sample, from 0: independent samples of one question differ in nothing else.
- Boxes are of the whole picture, never of a crop, in the convention that the text names: the model's own, where its family
  is known (`agent.boxes`), else [x0, y0, x1, y1] on a grid from 0 to 1000.
- Plan `direct` sends `dataset_builder.prompts.PROMPTS["anomalies"]`, no system message and no schema; the answer is the
  text form of `dataset_builder.textform`.

| stage | agent | input | answer |
|---|---|---|---|
| `discovery_draft` | ObjectPerceiver | – | `Objects` |
| `discovery_merge` | ObjectPerceiver | `drafts` | `Objects` |
| `attributes_broad` | AttributeAnalyzer | `objects` | `Findings` |
| `attributes_verify` | AttributeAnalyzer | `findings` | `Verdicts`, one per finding |
| `relations_broad` | RelationReasoner | `objects`, `others`, `findings` known already | `Findings`, only new ones |
| `relations_verify` | RelationReasoner | `findings` | `Verdicts`, one per finding |
| `summary_object` | AnomalyIntegrator | `objects` (one), its `findings` | `Findings` |
| `summary_image` | AnomalyIntegrator | `findings` of all objects | `Findings` |
| `integrate` | AnomalyIntegrator | `findings` | `Groups`: the ids that are one and the same anomaly |
| `scan` | AnomalyIntegrator | – | `Anomalies`, with empty `sources` |
| `look` | the plan `vote` | – | `Anomalies`, with empty `sources`: each sample is asked in another wording |
| `format` | AnomalyFormatter | `findings` | `Anomalies`; `sources` are ids of findings |

An answer is `{"answer": {<list>: [...]}}`: one schema has the lists of all stages as alternatives. It holds in OpenAI's strict
mode and in vLLM: every property is required, none else is allowed, what is optional is nullable, the root has no alternatives,
and limits that a server may not know (lengths, ranges) are checked here instead.
"""

import functools
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from dataset_builder.errors import RecordError
from dataset_builder.fields import repair
from dataset_builder.severity import find as find_severity

__all__ = [
    "ANSWERS",
    "LIST_OF",
    "Anomalies",
    "AnomalyItem",
    "Finding",
    "Findings",
    "Group",
    "Groups",
    "ObjectItem",
    "Objects",
    "Reply",
    "Stage",
    "Verdict",
    "Verdicts",
    "schema",
]

Stage = Literal[
    "discovery_draft",
    "discovery_merge",
    "attributes_broad",
    "attributes_verify",
    "relations_broad",
    "relations_verify",
    "summary_object",
    "summary_image",
    "integrate",
    "scan",
    "look",
    "format",
]

MAX_TEXT = 4000
"""Characters of one field that are kept: a model in a loop writes megabytes."""


def _text(value: str) -> str:
    text = " ".join(repair(value[: 4 * MAX_TEXT]).split())[:MAX_TEXT].rstrip()
    if not text:
        raise ValueError("is empty; write at least a word")
    return text


def _severity(value: int) -> int:
    if not 0 <= value <= 100:
        raise ValueError("is outside 0..100 (0 completely irrational, 100 completely realistic)")
    return value


def _read_severity(value: Any) -> Any:
    """Also in the forms in which models write it, such as `25/100 (remark).`."""
    if isinstance(value, str):
        try:
            return find_severity(value)[0]
        except RecordError as error:
            raise ValueError(error.problem) from None
    return value


def _grid_box(value: Any) -> Any:
    """A box that is none is left out: a bad box is no reason to lose what it belongs to."""
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if any(isinstance(corner, bool) or not isinstance(corner, int | float) for corner in value):
        return None
    x0, y0, x1, y1 = (round(min(max(corner, 0), 1000)) for corner in value)
    return [x0, y0, x1, y1] if x0 < x1 and y0 < y1 else None


def _read_id(value: Any) -> Any:
    """Also as a number: ids are numerals in texts, and models write what they see."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[str, BeforeValidator(_read_id)]
Words = Annotated[str, AfterValidator(_text)]
Severity = Annotated[int, BeforeValidator(_read_severity), AfterValidator(_severity)]
GridBox = Annotated[
    list[int] | None,
    BeforeValidator(_grid_box),
    # Numbers, because some models give fractions; which convention they keep to is read by `agent.boxes`.
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}]}),
]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ObjectItem(_Answer):
    """A thing, person or body part in the picture; `oddity` is what looks wrong about it at first sight."""

    name: Words
    description: Words
    oddity: str | None
    bbox: GridBox


class Finding(_Answer):
    """Something that looks impossible about an object."""

    object: Words
    name: Words
    phenomenon: Words
    reasoning: Words


class Verdict(_Answer):
    """Whether the picture shows a finding; the evidence comes before the verdict so that it can inform it."""

    id: Id
    evidence: Words
    holds: bool
    severity: Severity


class Group(_Answer):
    """Findings that are one and the same anomaly."""

    ids: list[Id]


class AnomalyItem(_Answer):
    """A quadruplet with its evidence."""

    sources: list[Id]
    object: Words
    name: Words
    phenomenon: Words
    reasoning: Words
    severity: Severity
    bbox: GridBox


class Objects(_Answer):
    objects: list[ObjectItem]


class Findings(_Answer):
    findings: list[Finding]


class Verdicts(_Answer):
    verdicts: list[Verdict]


class Groups(_Answer):
    groups: list[Group]


class Anomalies(_Answer):
    anomalies: list[AnomalyItem]


class Reply(_Answer):
    """What a model writes, whatever the stage."""

    answer: Objects | Findings | Verdicts | Groups | Anomalies


ANSWERS: dict[Stage, type[BaseModel]] = {
    "discovery_draft": Objects,
    "discovery_merge": Objects,
    "attributes_broad": Findings,
    "attributes_verify": Verdicts,
    "relations_broad": Findings,
    "relations_verify": Verdicts,
    "summary_object": Findings,
    "summary_image": Findings,
    "integrate": Groups,
    "scan": Anomalies,
    "look": Anomalies,
    "format": Anomalies,
}
"""The answer of each stage: an object with one list."""

LIST_OF: dict[type[BaseModel], tuple[str, type[BaseModel]]] = {
    answer: (name, get_args(field.annotation)[0])
    for answer in set(ANSWERS.values())
    for name, field in answer.model_fields.items()
}
"""The name of the one list of an answer, and the kind of its items."""


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON schema of all answers, valid in OpenAI's strict mode; made once, so not to be changed.

    >>> schema()["required"], schema()["additionalProperties"], len(schema()["properties"]["answer"]["anyOf"])
    (['answer'], False, 5)
    """
    written = _bare(Reply.model_json_schema())
    assert isinstance(written, dict)
    return written


def _bare(value: Any) -> Any:
    """Without titles and docstrings, which only cost tokens."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_schema = "type" in value or "anyOf" in value or "$ref" in value
    dropped = {"title"} | ({"description"} if value.get("type") == "object" else set()) if is_schema else set()
    return {key: _bare(item) for key, item in value.items() if key not in dropped or isinstance(item, dict)}
