"""Captions of real photographs: why each is credible, in a paragraph, as `authenticity_reasoning` trains on them.

One call per picture, journalled like everything else: a second run asks only for what is missing. The captions are written
in the authors' form, an object of file names and texts in a `Real_image_caption_*.json`, which a release directory may hold as
it is.
"""

import asyncio
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from agent import loops
from agent.asking import Asker, Question, Services
from agent.budget import UNLIMITED, BudgetReached, Price
from agent.direct import answer_all
from agent.outputs import check_is_ours
from agent.pictures import SentPicture
from agent.plans import Settings
from agent.run import Endpoint
from agent.sources import open_source
from dataset_builder import atomic
from dataset_builder.contestants import Limits
from dataset_builder.errors import OutputError, PictureError
from dataset_builder.fields import repair
from dataset_builder.prompts import CAPTION_PROMPT
from dataset_builder.stored import StoredPictures

__all__ = ["FILE", "Captioned", "caption"]

FILE = "Real_image_caption_annotated.json"
"""A name in the authors' form."""

SHORTEST = 40
"""Characters of a paragraph."""
_LIST = re.compile(r"\s*(?:```|[\[{]|(?:[-*•]|\d+[.)])\s)")
_REFUSAL = re.compile(r"\s*(?:i(?:'m| am) (?:sorry|unable)|i (?:can(?:'t|not)|won't)|sorry\b)", re.IGNORECASE)


class Captioned(NamedTuple):
    """What captioning came to: the file, how many pictures have a caption, those without and why, those that the budget kept from
    being asked about, and what it used over every time it was run."""

    path: Path
    captions: int
    failed: dict[str, str]
    unfinished: int
    calls: int
    tokens: int
    usd: float | None


class _Said(NamedTuple):
    image_id: str
    text: str
    problem: str


def caption(
    source: str,
    out: Path,
    endpoint: Endpoint,
    done: Callable[[int, int], None] = lambda number, total: None,
    *,
    limit: int | None = None,
    limits: Limits = UNLIMITED,
    price: Price | None = None,
) -> Captioned:
    """Ask a model for the caption of every picture of a source, and write them below `out`.

    Args:
        source (`str`): see `agent.sources.open_source`; its pictures are taken for real photographs.
        out (`Path`): where the journal and the captions go.
        endpoint (`Endpoint`): the model.
        done (callable, *optional*): called with the pictures done, and how many there are.
        limit, limits, price: as in `agent.run.annotate`.

    Raises:
        InputError, OutputError, UnavailableError: what was answered is in the journal, and is not paid for twice.
    """
    check_is_ours(out)
    if (out / "run.json").exists():
        raise OutputError(f"{out}: holds a run of annotations; choose another --out for captions")
    listed = {one.image_id: one.path for one in open_source(source, out, limit).pictures}
    pictures = StoredPictures(list(listed), lambda name: _content(listed[name]))
    said: list[_Said] = []

    def keep(one: _Said | None) -> None:
        if one is not None:
            said.append(one)
            done(len(said), len(pictures))

    one = partial(_one, content=pictures.content)
    try:
        spent = loops.run(answer_all(pictures.ids, endpoint, out, one, keep, limits, price))
    finally:  # however it ends, what was answered is written
        captions = {one.image_id: one.text for one in said if one.text}
        path = atomic.write(out / FILE, json.dumps(captions, indent=4, ensure_ascii=False) + "\n")
    failed = {one.image_id: one.problem for one in said if not one.text}
    unfinished = len(pictures) - len(said)
    return Captioned(path, len(captions), failed, unfinished, spent.calls, spent.tokens, spent.cost(price))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from None


async def _one(image_id: str, services: Services, rank: int, *, content: Callable[[str], bytes]) -> _Said | None:
    try:
        picture = await asyncio.to_thread(lambda: SentPicture.read(content(image_id), image_id))
    except PictureError as error:
        return _Said(image_id, "", str(error))
    asker = Asker(picture, services, Settings().stance, rank, None)
    turn = [{"type": "image_url", "image_url": {"url": picture.url}}, {"type": "text", "text": CAPTION_PROMPT}]
    question = Question("caption", "", 0, [{"role": "user", "content": turn}], {"temperature": 0.0}, _problem)
    try:
        attempts = await asker.put(question)
    except BudgetReached:
        return None
    last = attempts[-1]
    return _Said(image_id, "" if last.problem else _paragraph(last.answer), last.problem or "")


def _paragraph(answer: str) -> str:
    return " ".join(repair(answer).split())


def _problem(answer: str) -> str | None:
    """What keeps an answer from being a caption."""
    if _REFUSAL.match(answer):
        return "it is a refusal"
    if _LIST.match(answer):
        return "it is a list, not a paragraph"
    return "it is too short for a paragraph" if len(_paragraph(answer)) < SHORTEST else None
