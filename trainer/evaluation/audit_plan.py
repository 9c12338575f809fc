"""What to audit: the YAML file, checked.

    generators:                     # two or more make a ranking
      flux:  {annotations: flux.json, images: pictures/flux}    # answers in a file or run; pictures for the contact sheet
      sdxl:  {images: pictures/sdxl}                            # pictures, to be shown to the reviewer
      sd35:  {dataset: ORG/pictures, where: {generator: sd35}, split: test}
      turbo: {annotations: {AnomReasonor: a.json, AnomAgent: b.json}}    # two reviewers, whose rankings are compared
    reviewer: {model: gpt-4o, plan: vote}                       # of `images` and `dataset`, as a model of `bench.yaml`
    budget_usd: 20                                              # of the reviewer; also budget_tokens, budget_calls
    prices: prices.yaml                                         # as in `bench.yaml`; needed by budget_usd
    clean: {annotations: clean.json}                            # pictures with nothing wrong: the reviewer's false alarms
    prompts: prompts.json                                       # {picture: prompt}; else file names tell (see `prompt_of`)

A prompt that asks for something odd is written {prompt: TEXT, wanted: [KIND or NAME, ...]}: such anomalies do not count.

Paths are relative to the file.
"""

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dataset_builder.contestants import Contestant, Limited
from dataset_builder.errors import InputError, shorten
from dataset_builder.files.regular import read_regular
from dataset_builder.files.strict_json import read_json
from dataset_builder.sources.rows import generator_of

__all__ = ["REVIEWER", "Plan", "Prompts", "Source", "files_plan", "prompt_of", "read_plan", "read_prompts"]

REVIEWER = "reviewer"
"""The name of a reviewer that the plan does not name."""

Text = Annotated[str, Field(min_length=1, max_length=500)]


class Source(BaseModel):
    """Where a generator's answers or pictures are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    annotations: Text | dict[Text, Text] | None = None
    images: Text | None = None
    dataset: Text | None = None
    where: dict[Text, Text] = Field(default_factory=dict)
    split: Text = "test"

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        given = [name for name in ("annotations", "images", "dataset") if getattr(self, name)]
        if not given:
            raise ValueError("says neither annotations, images nor dataset; write one of them")
        if "dataset" in given and len(given) > 1:
            raise ValueError(f"says {' and '.join(given)}; keep one (only images may be combined with annotations)")
        if self.where and not self.dataset:
            raise ValueError("says where without dataset; it chooses rows of one")
        return self

    @property
    def files(self) -> dict[str, str]:
        """The annotations by reviewer."""
        if self.annotations is None or isinstance(self.annotations, dict):
            return self.annotations or {}
        return {REVIEWER: self.annotations}


class Plan(Limited):
    """An audit."""

    generators: Annotated[dict[Text, Source], Field(min_length=1)]
    reviewer: Contestant = Contestant(model="tiny")
    clean: Source | None = None
    prompts: Text | None = None

    @property
    def asks(self) -> int:
        """How many sources have to be shown to the reviewer."""
        return sum(not source.files for source in (*self.generators.values(), *([self.clean] if self.clean else [])))

    def only(self, *names: str) -> "Plan":
        """The same for some of its generators.

        Raises:
            InputError: if one is not in it.
        """
        if unknown := [name for name in names if name not in self.generators]:
            raise InputError(
                f"{unknown[0]}: is not among the plan's generators; choose from {', '.join(self.generators)}"
            )
        return self.model_copy(update={"generators": {name: self.generators[name] for name in names}})

    @model_validator(mode="after")
    def _is_asked(self) -> Self:
        if self.reviewer.predictions:
            raise ValueError("reviewer.predictions: belong to pictures; give them as annotations of each generator")
        return self


def read_plan(path: Path) -> Plan:
    """Read and check a plan; its paths come back absolute.

    Raises:
        InputError: one sentence that names the file, the line or entry, the value and the fix.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); give a YAML file") from None
    try:
        content = yaml.load(text, Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InputError(f"{path}: {place}{error.problem or error.context}; fix the YAML there") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not YAML that can be read ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(content, dict) or "generators" not in content:
        raise InputError(f"{path}: has no generators; write generators: {{NAME: {{annotations: FILE}}}}")
    if isinstance(content.get("clean"), str):  # a path alone: a directory of pictures, or a file of annotations
        kind = "images" if (path.parent / content["clean"]).is_dir() else "annotations"
        content["clean"] = {kind: content["clean"]}
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_first(error)}") from None
    return _absolute(plan, path.parent)


FIXES = {
    "string_type": "is not a text; write one, a number in quotes",
    "dict_type": "is not a mapping; write {key: value}",
    "model_type": "is not a mapping; write {key: value}",
    "extra_forbidden": "is not known here; remove it or correct its name",
}


def _first(error: ValidationError) -> str:
    """The deepest error, as entry, value and fix; `annotations` may be two things, and what was nearly one is meant."""
    detail = max(error.errors(), key=lambda one: len(one["loc"]))
    place = ".".join(str(part) for part in detail["loc"] if not re.search(r"constrained-str|\[key\]", str(part)))
    if detail["type"] == "value_error":
        reason = detail["msg"].removeprefix("Value error, ")
        return f"{place}: {reason}" if place else reason
    if detail["type"] == "extra_forbidden":
        return f"{place}: {FIXES['extra_forbidden']}"
    fix = FIXES.get(detail["type"], f"{detail['msg'][0].lower()}{detail['msg'][1:]}")
    return f"{place}: {shorten(detail['input'])}: {fix}"


def _absolute(plan: Plan, base: Path) -> Plan:
    def there(place: str) -> str:
        return str(base / Path(place).expanduser())

    def near(name: str | None) -> str | None:
        """A directory next to the file, or the name of something on the Hub or at a server."""
        return there(name) if name and (base / name).is_dir() else name

    def of(source: Source) -> Source:
        annotations = source.annotations
        if isinstance(annotations, dict):
            annotations = {name: there(place) for name, place in annotations.items()}
        elif annotations is not None:
            annotations = there(annotations)
        return source.model_copy(
            update={
                "annotations": annotations,
                "images": there(source.images) if source.images else None,
                "dataset": near(source.dataset),
            }
        )

    return plan.model_copy(
        update={
            "generators": {name: of(source) for name, source in plan.generators.items()},
            "clean": of(plan.clean) if plan.clean else None,
            "prompts": there(plan.prompts) if plan.prompts else None,
            "prices": base / plan.prices if plan.prices else None,
            "reviewer": plan.reviewer.model_copy(
                update={"model": near(plan.reviewer.model), "adapter": near(plan.reviewer.adapter)}
            ),
        }
    )


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error: PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {shorten(key.value)} appears twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class Prompts(NamedTuple):
    """The prompt of each picture, and the kinds and names of anomalies that the prompt asked for, in lower case."""

    texts: dict[str, str]
    wanted: dict[str, frozenset[str]]


def read_prompts(path: str | None) -> Prompts:
    """The prompts, from a JSON object `{picture: TEXT or {prompt: TEXT, wanted: [KIND or NAME, ...]}}`; empty without a file.

    Raises:
        InputError: naming the file, the picture and the value.
    """
    found = Prompts({}, {})
    if path is None:
        return found
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: is not a JSON object of prompts; write {{picture: prompt}}")
    for image_id, said in content.items():
        text, wanted = (said.get("prompt"), said.get("wanted", [])) if isinstance(said, dict) else (said, [])
        if not isinstance(text, str) or not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
            raise InputError(
                f'{path}: "{image_id}": {shorten(said)} is not a prompt; write a text, or {{prompt: TEXT, wanted: [KIND or NAME]}}'
            )
        found.texts[image_id] = text
        if wanted:
            found.wanted[image_id] = frozenset(one.casefold() for one in wanted)
    return found


def files_plan(*places: Path) -> Plan:
    """The plan of generators that are named only by their files: annotations, runs, or folders of pictures.

    Raises:
        InputError: if one does not exist, or two have one name.
    """
    generators: dict[str, Source] = {}
    for place in places:
        if not place.exists():
            raise InputError(f"{place}: does not exist; give a file of annotations, a run or a folder of pictures")
        name = place.stem if place.is_file() else place.name
        name = str(place) if name in generators else name
        is_pictures = place.is_dir() and not any(
            (place / file).is_file() for file in ("annotations.jsonl", "candidates.json")
        )
        there = str(place.absolute())
        generators[name] = Source(images=there) if is_pictures else Source(annotations=there)
    if len(generators) < len(places):
        raise InputError(f"{places[0]}: is given twice; compare two different versions")
    return Plan(generators=generators)


def prompt_of(image_id: str, generator: str, prompts: dict[str, str]) -> str:
    """What tells which pictures of different generators belong together.

    The prompt that `prompts` gives; else the picture's name without its ending and without `_GENERATOR`, the generator's
    name in the plan or in the release's form. Names that agree by accident do no harm: the pictures are compared as pairs,
    and pairs that have nothing in common give the same test as none.

    >>> prompt_of("0007_flux.png", "flux", {}), prompt_of("0007.png", "sdxl", {})
    ('0007', '0007')
    """
    if image_id in prompts:
        return prompts[image_id]
    stem = image_id.rsplit(".", 1)[0]
    for suffix in (generator, generator_of(image_id)):
        if suffix and stem.casefold().endswith(f"_{suffix.casefold()}"):
            return stem[: -len(suffix) - 1]
    return stem
