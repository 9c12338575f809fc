"""What a run would cost, without one call: calls, tokens, money, time."""

import tempfile
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from agent.budget import Price
from agent.pictures import image_tokens
from agent.plans import Settings
from agent.plans.efficient import calls as efficient_calls
from agent.plans.paper import calls as paper_calls
from agent.prompts import Stance, messages
from agent.sources import open_source
from agent.stages import Stage
from dataset_builder.pictures import FORMATS, MAX_SIDE
from dataset_builder.prompts import PROMPTS

__all__ = ["Forecast", "forecast"]

OBJECTS = 6
ANSWER_TOKENS = 250
INPUT_TOKENS = 200
SAMPLE = 200
CHARACTERS = 4


class Forecast(NamedTuple):
    """What a run is expected to need; `usd` is `None` where the price is not known.

    Attributes:
        pictures, calls, prompt_tokens, completion_tokens (`int`): in all.
        seconds (`float`): at `latency` seconds a call and full concurrency.
        assumed (`str`): what the numbers rest on, in words.
    """

    pictures: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    seconds: float
    assumed: str


def forecast(
    source: str, settings: Settings, *, limit: int | None, price: Price | None, concurrency: int, latency: float = 2.0
) -> Forecast:
    """What annotating a source would cost, from the sizes of up to 200 of its pictures.

    The number of objects in a picture is not known before it is asked for: 6 are assumed, or `max_objects` if that is
    fewer, and for `efficient` that something is found in every picture.

    Raises:
        InputError: if the source cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="anomreason-") as away:
        opened = open_source(source, Path(away), limit)
        tokens = [_tokens(listed.path) for listed in islice(opened.pictures, SAMPLE)]
        pictures = opened.total if opened.total is not None else len(tokens) + sum(1 for _ in opened.pictures)
    objects = min(OBJECTS, settings.max_objects or OBJECTS)
    picture = round(sum(tokens) / max(len(tokens), 1))
    if settings.plan == "direct":
        calls, text = 1, len(PROMPTS["anomalies"]) // CHARACTERS
    else:
        stages = (paper_calls if settings.plan == "paper" else efficient_calls)(settings, objects)
        calls = sum(stages.values())
        text = sum(count * _text_tokens(stage, settings.stance) for stage, count in stages.items())
    prompt = pictures * (calls * picture + text)
    completion = pictures * calls * ANSWER_TOKENS
    return Forecast(
        pictures,
        pictures * calls,
        prompt,
        completion,
        None if price is None else price.of(prompt, completion),
        pictures * calls * latency / concurrency,
        f"{objects} objects a picture, {ANSWER_TOKENS} tokens and {latency:g} s an answer, a token for 28 × 28 pixels, "
        f"{concurrency} calls at once",
    )


def _text_tokens(stage: Stage, stance: Stance) -> int:
    system, user = messages(stage, stance, [])
    written = len(system["content"]) + len(user["content"][0]["text"])
    return written // CHARACTERS + (0 if stage in ("discovery_draft", "scan") else INPUT_TOKENS)


def _tokens(path: Path) -> int:
    try:
        with Image.open(path, formats=FORMATS) as picture:
            scale = min(1.0, MAX_SIDE / max(picture.size))
            return image_tokens(round(picture.width * scale), round(picture.height * scale))
    except Exception:  # a picture that cannot be read costs nothing; the run will say which
        return 0
