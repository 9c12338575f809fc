"""The report of a run: self-contained pages with the pictures, what was found where, and how the calls went.

A page runs no script and loads nothing: everything is inside it, texts from models and files are escaped, and filters are
style sheets. Its size is bounded whatever the run's, and so is the number of pages; what had to be left out is told at the top.
"""

import functools
import heapq
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Template
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from agent.journal_files import open_for_reading
from agent.stages import ANSWERS
from agent.timeline import busy_seconds, lanes
from dataset_builder import atomic, severity
from dataset_builder.boxes import drawn
from dataset_builder.data_url import data_url
from dataset_builder.errors import PictureError
from dataset_builder.files.strict_json import read_json, read_rows
from dataset_builder.pictures import encode, open_picture, within
from dataset_builder.schema import Candidate
from dataset_builder.templates import environment

__all__ = ["write_report"]

PICTURES = 1_000
"""Pictures shown at most, the interesting ones first."""
PAGE = 100
"""Pictures of one page."""
PICTURE_BYTES = 12_000_000
TEXT_BYTES = 12_000_000
"""Bytes of prompts and answers on a page, after which pictures are shown with their timeline only."""
SIDE = 640  # pixels of a shown picture's longer side
TEXT = 6_000  # characters of a prompt or an answer that are shown
FIELD = 1_500  # characters of a quadruplet's field, or of a reason

STATUSES = ("anomalies", "none", "partial", "failed")
_LATER: dict[str, Any] = {"stopped": None, "salvaged": None, "canaries": None, "answered_by": {}, "notes": {}}
"""What summaries of version 0.1.0 do not have."""


class _Failure(BaseModel):
    model_config = ConfigDict(extra="ignore")

    stage: str = ""
    object: str = ""
    sample: int = 0
    reason: str = ""


class _Row(BaseModel):
    """A row of `annotations.jsonl`."""

    model_config = ConfigDict(extra="ignore")

    image_id: str
    status: str
    anomalies: list[Candidate] = []
    failures: list[_Failure] = []


class _Shown(NamedTuple):
    """A picture as it is shown: a data URL and the size of the original."""

    url: str
    width: int
    height: int


def write_report(run: Path) -> Path:
    """Write `report.html` of a run directory, from `run.json`, `summary.json`, `annotations.jsonl` and the journal.

    Pictures beyond a page's come on further pages, `report-2.html` and so on.

    Returns:
        The first page's path.

    Raises:
        InputError: if the run cannot be read.
        OutputError: if a page cannot be written.
    """
    about, summary = read_json(run / "run.json"), _LATER | read_json(run / "summary.json")
    chosen, total = _choose(run / "annotations.jsonl")
    paths = _Paths(Path(about["images"]) if about.get("images") else run / "images", {row.image_id for row in chosen})
    template, card = _templates()
    db = open_for_reading(run)
    try:
        # A card is written to its page as it is made: no more than one page is held. How many there are is known beforehand.
        pages = [chosen[start : start + PAGE] for start in range(0, len(chosen), PAGE)] or [[]]
        stages = sorted(
            (dict(stage) for stage in db.execute(_STAGES)), key=lambda stage: _ORDER.get(stage["stage"], 99)
        )
        for number, rows in enumerate(pages):
            cards, silent = _cards(rows, number * PAGE, paths, db, card)
            page = template.render(
                about=about,
                summary=summary,
                cards=cards,
                clean_from=sum(row.status != "none" for row in rows),
                stages=stages,
                statuses=STATUSES,
                shown=Counter(row.status for row in rows),
                left_out=total - len(chosen),
                finished=total,
                silent=silent,
                page=number + 1,
                pages=len(pages),
            )
            atomic.write(run / _name(number), page)
    finally:
        db.close()
    for path in run.glob("report-*.html"):  # of a time when there were more
        if re.fullmatch(r"report-\d+\.html", path.name) and path.name not in map(_name, range(len(pages))):
            path.unlink()
    return run / _name(0)


@functools.cache
def _templates() -> tuple[Template, Callable[..., Markup]]:
    """The page, and what writes the card of a picture."""
    templates = environment(Path(__file__).parent)
    templates.finalize = _visible
    templates.globals |= {"severity": severity, "FIELD": FIELD, "TEXT": TEXT}
    card = templates.get_template("picture.html.jinja").module.card  # type: ignore[attr-defined]
    return templates.get_template("report.html.jinja"), card


def _name(number: int) -> str:
    return f"report-{number + 1}.html" if number else "report.html"


def _cards(
    rows: list[_Row], first: int, paths: "_Paths", db: sqlite3.Connection, card: Callable[..., Markup]
) -> tuple[list[Markup], int]:
    """The cards of one page, and how many of them come without their texts."""
    cards: list[Markup] = []
    pictures = texts = silent = 0
    for row in rows:
        shown = _shown(paths.find(row.image_id)) if pictures < PICTURE_BYTES else None
        calls = _calls(db, row.image_id)
        told = texts < TEXT_BYTES
        written = card(
            row=row,
            number=first + len(cards),
            shown=shown,
            boxes=drawn(row.anomalies, (shown.width, shown.height)) if shown else [],
            lanes=lanes(calls),
            busy=busy_seconds(calls),
            calls=calls if told else [],
            silent=0 if told else len(calls),
        )
        pictures += len(shown.url) if shown else 0
        texts += len(written) - (len(shown.url) if shown else 0)
        silent += not told
        cards.append(written)
    return cards, silent


def _choose(path: Path) -> tuple[list[_Row], int]:
    """The rows to show, the interesting ones first, and how many rows there are."""
    total = 0

    def numbered() -> Iterator[tuple[tuple[int, int], int, _Row]]:
        nonlocal total
        for _, content in read_rows(path):
            total += 1
            row = _Row.model_validate(content)
            yield _interest(row), total, row

    first = heapq.nsmallest(PICTURES, numbered(), key=lambda ranked: ranked[:2])
    return [row for _, _, row in first], total


def _interest(row: _Row) -> tuple[int, int]:
    """The smaller, the sooner it is shown: with anomalies, the most severe first; then what failed; then clean ones."""
    if row.anomalies:
        return 0, min(101 if one.severity is None else one.severity for one in row.anomalies)
    return (2 if row.status == "none" else 1), 0


class _Paths:
    """Where pictures are, below a directory that is walked only if one is not directly in it."""

    def __init__(self, images: Path, wanted: set[str]) -> None:
        self.images, self._wanted = images, wanted
        self._below: dict[str, Path] | None = None

    def find(self, image_id: str) -> Path | None:
        if (self.images / image_id).is_file():
            return self.images / image_id
        if self._below is None:
            walked = ((place, name) for place, _, names in os.walk(self.images) for name in names)
            self._below = {name: Path(place, name) for place, name in walked if name in self._wanted}
        return self._below.get(image_id)


def _shown(path: Path | None) -> _Shown | None:
    """A picture small enough for the page; `None` for one that is gone or cannot be decoded."""
    if path is None:
        return None
    try:
        picture = open_picture(path)
    except PictureError:
        return None
    return _Shown(data_url(*encode(within(picture, SIDE), quality=82)), *picture.size)


def _visible(value: Any) -> Any:
    """Texts without characters that a page or a reader would obey: control codes, and those that turn writing around."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if value.replace("\n", "").replace("\t", "").isprintable():  # nearly all texts, and told ten times as fast
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in value)


_STAGES = """SELECT stage, count(*) AS calls, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion,
    sum(seconds) / count(*) AS seconds, sum(problem IS NOT NULL) AS problems FROM calls GROUP BY stage ORDER BY min(id)"""
_ORDER = {stage: number for number, stage in enumerate(ANSWERS)}


def _calls(db: sqlite3.Connection, image_id: str) -> list[dict[str, Any]]:
    query = f"""SELECT stage, object, sample, substr(request, 1, {TEXT}) AS request, length(request) AS asked,
        substr(answer, 1, {TEXT}) AS answer, length(answer) AS answered, problem, gave_up, finish_reason, prompt_tokens,
        completion_tokens, seconds, created FROM calls WHERE image_id = ? ORDER BY id"""
    return [dict(call) for call in db.execute(query, (image_id,))]
