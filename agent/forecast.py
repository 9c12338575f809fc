"""What a run would cost, without one call: calls, tokens, money, time.

Pictures count as the model's family counts them. What a picture holds is not known before it is asked for: six objects are assumed
and a finding in each picture, or what the scenes hold where the model is the simulated one. Answers of real models are taken to be
twice as long as the simulated model's, whose items were measured.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from agent.boxes import GRID, boxes_of
from agent.budget import Price
from agent.picture_tokens import picture_tokens
from agent.pictures import CROP_SIDE
from agent.plans import Settings
from agent.plans.efficient import calls as efficient_calls
from agent.plans.paper import calls as paper_calls
from agent.plans.vote import ROUND, ROUNDS
from agent.plans.vote import calls as vote_calls
from agent.prompts import messages
from agent.simulated import MODEL
from agent.simulated.world import contents
from agent.sources import open_source
from agent.stages import ANSWERS, LIST_OF, AnomalyItem, Finding, ObjectItem, Stage, Verdict, schema
from dataset_builder.pictures import FORMATS, MAX_SIDE
from dataset_builder.prompts import PROMPTS
from dataset_builder.schema import Anomaly

__all__ = ["Forecast", "expected", "forecast"]

OBJECTS, FINDINGS = 6, 2
"""In a picture of which nothing is known."""
SAMPLE = 200
"""Pictures that are looked at."""
CHARACTERS = 4
ITEM_TOKENS = {ObjectItem: 31, Finding: 51, Verdict: 22, AnomalyItem: 68, Anomaly: 49}
"""Tokens of one item of an answer of the simulated model; measured. `Anomaly` is the item of the plan `direct`."""
LIST_TOKENS = 7
LONGER = 2
"""How many times longer the answers of real models are taken to be."""
CLOSE = 768
"""Pixels of a picture's longer side from which close views go along."""


class Forecast(NamedTuple):
    """What a run is expected to need; `usd` is `None` where the price is not known.

    Attributes:
        pictures, calls, prompt_tokens, completion_tokens (`int`): in all.
        seconds (`float`): at `latency` seconds per call and full concurrency.
        assumed (`str`): what the numbers rest on, in words.
    """

    pictures: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    seconds: float
    assumed: str


class _Held(NamedTuple):
    """What a picture holds: objects, findings; and how long an item of an answer about it is."""

    objects: int
    findings: int
    longer: int

    @property
    def settled(self) -> bool:
        """Whether looks are taken to agree at once: those of the simulated model, not those of real ones."""
        return self.longer == 1


def forecast(
    source: str,
    settings: Settings,
    *,
    model: str,
    limit: int | None,
    price: Price | None,
    concurrency: int,
    latency: float = 2.0,
) -> Forecast:
    """What annotating a source with a model would cost, from the sizes of up to 200 of its pictures.

    Raises:
        InputError: if the source cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="anomreason-") as away:
        opened = open_source(source, Path(away), limit)
        looked_at = [(listed.image_id, *_shown(listed.path)) for listed in islice(opened.pictures, SAMPLE)]
        pictures = opened.total if opened.total is not None else len(looked_at) + sum(1 for _ in opened.pictures)
    known = _scenes(Path(source), [image_id for image_id, *_ in looked_at]) if model == MODEL else {}
    return expected(
        {image_id: (width, height) for image_id, width, height in looked_at},
        pictures,
        settings,
        model=model,
        price=price,
        concurrency=concurrency,
        latency=latency,
        known=known,
    )


def expected(
    sizes: Mapping[str, tuple[int, int]],
    pictures: int,
    settings: Settings,
    *,
    model: str,
    price: Price | None,
    concurrency: int,
    latency: float = 2.0,
    known: Mapping[str, tuple[int, int]] | None = None,
) -> Forecast:
    """The same for `pictures` pictures like those of which `sizes` gives width and height in pixels.

    `known` has the objects and findings in each picture, where they are known.
    """
    most, sums = settings.max_objects or OBJECTS, Counter[str]()
    for image_id, (width, height) in sizes.items():
        objects, findings = (known or {}).get(image_id, (OBJECTS, FINDINGS))
        held = _Held(objects if known else min(objects, most), findings, 1 if known else LONGER)
        sums.update(_of_picture(settings, model, held, width, height))
    share = pictures / max(len(sizes), 1)
    calls, prompt, completion = (round(sums[name] * share) for name in ("calls", "prompt", "completion"))
    holds = "what the scenes hold" if known else f"{most} objects and {FINDINGS} findings per picture"
    return Forecast(
        pictures,
        calls,
        prompt,
        completion,
        None if price is None else price.of(prompt, completion),
        calls * latency / concurrency,
        f"{holds}, pictures as {model} counts them, {latency:g} s per answer, {concurrency} calls at once",
    )


def _scenes(source: Path, image_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Objects and findings of the scenes among pictures, where the source is their directory or the pictures in it."""
    place = next((one for one in (source, source.parent) if (one / "scenes.jsonl").is_file()), None)
    return {} if place is None else contents(place, image_ids)


def _of_picture(settings: Settings, model: str, held: _Held, width: int, height: int) -> dict[str, int]:
    """Calls and tokens for one picture."""
    picture = picture_tokens(model, width, height)
    if settings.plan == "direct":
        answer = 1 + held.findings * ITEM_TOKENS[Anomaly] * held.longer
        return {"calls": 1, "prompt": picture + len(PROMPTS["anomalies"]) // CHARACTERS, "completion": answer}
    if settings.plan == "paper":
        stages = paper_calls(settings, held.objects)
    elif settings.plan == "vote":
        stages = vote_calls(held.findings, settled=held.settled)
    else:
        stages = efficient_calls(settings, held.objects, held.findings)
    boxes = boxes_of(model, GRID.unit, settings.boxes)
    schemas = len(str(schema())) // CHARACTERS if held.longer > 1 else 0  # servers that take a schema count it too
    prompt = completion = 0
    for stage, count in stages.items():
        given, told = _items(stage, settings, held)
        view = 0
        if stage == "relations_verify" and settings.plan != "paper" and max(width, height) >= CLOSE:
            view = picture_tokens(model, CROP_SIDE // 2, CROP_SIDE // 2) * min(held.findings, held.objects)
        system, user = messages(stage, settings.stance, [], texts=settings.texts, boxes=boxes)
        text = (len(system["content"]) + len(user["content"][0]["text"])) // CHARACTERS
        prompt += count * (schemas + picture + view + text + given)
        completion += count * (LIST_TOKENS + told)
    return {"calls": sum(stages.values()), "prompt": prompt, "completion": completion}


def _items(stage: Stage, settings: Settings, held: _Held) -> tuple[int, int]:
    """The tokens of a call's input, and of its answer's items."""
    item = {kind: tokens * held.longer for kind, tokens in ITEM_TOKENS.items()}
    objects, findings = held.objects, held.findings
    each = findings / max(objects, 1)  # of one object, in the plan `paper`
    one = settings.plan == "paper"
    if stage == "discovery_draft":
        return 0, round(objects * item[ObjectItem])
    if stage == "discovery_merge":
        return round(settings.drafts * objects * item[ObjectItem]), round(objects * item[ObjectItem])
    if stage in ("attributes_broad", "relations_broad"):
        about = 1 if one else min(objects, 4)
        known = each if one else findings / 2
        given = about * item[ObjectItem] / 2 + (known * item[Finding] if stage == "relations_broad" else 0)
        return round(given), round((each if one else findings) / 2 * item[Finding])
    if stage in ("attributes_verify", "relations_verify"):
        number = each / 2 if one else findings
        return round(number * item[Finding]), round(number * item[Verdict])
    if stage in ("scan", "look"):
        return 0, round(findings * item[AnomalyItem])
    if stage == "format":
        number = 2 * settings.samples * findings if one else findings
        return round(number * item[Finding]), round(findings * item[AnomalyItem])
    if stage == "integrate" and settings.plan == "vote":
        # Three of five findings come in words of their own, and are shown without their reasoning.
        shown = 0.6 * findings * (ROUND if held.settled else ROUND * ROUNDS)
        return round(shown * item[Finding] * 2 / 3), 8
    number = each if stage == "summary_object" else findings
    return round(number * item[Finding]), round(
        number * item[LIST_OF[ANSWERS[stage]][1]]
    ) if stage != "integrate" else 8


def _shown(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path, formats=FORMATS) as picture:
            scale = min(1.0, MAX_SIDE / max(picture.size))
            return round(picture.width * scale), round(picture.height * scale)
    except Exception:  # a picture that cannot be read costs next to nothing; the run will say which
        return 1, 1
