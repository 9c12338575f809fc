"""The report of a run: self-contained pages with the pictures, what was found where, and how the calls went.

A page runs no script and loads nothing: everything is inside it, texts from models and files are escaped, and filters are
style sheets. Its size is bounded whatever the run's, and so is the number of pages; what had to be left out is told at the top.
"""

import functools
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
from agent.timeline import lanes
from dataset_builder import atomic, severity
from dataset_builder.data_url import data_url
from dataset_builder.errors import PictureError
from dataset_builder.files.strict_json import read_json, read_rows
from dataset_builder.pictures import encode, open_picture, within
from dataset_builder.schema import Candidate
from dataset_builder.templates import environment

__all__ = ["write_report"]

PICTURES = 1_000
"""Pictures shown at most: those with a finding or a failure before clean ones."""
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
_SHOWN_FIRST = ("failed", "partial", "anomalies", "none")


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


class _Box(NamedTuple):
    """An anomaly's place, in per cent of the picture."""

    number: int
    left: float
    top: float
    width: float
    height: float
    colour: str


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
    template = _template()
    db = open_for_reading(run)
    try:
        # A card is written to its page as it is made: no more than one page is held. How many there are is known beforehand.
        pages = [chosen[start : start + PAGE] for start in range(0, len(chosen), PAGE)] or [[]]
        stages = sorted(
            (dict(stage) for stage in db.execute(_STAGES)), key=lambda stage: _ORDER.get(stage["stage"], 99)
        )
        for number, rows in enumerate(pages):
            card = template.module.card  # type: ignore[attr-defined]
            cards, silent = _cards(rows, number * PAGE, paths, db, card)
            page = template.render(
                about=about,
                summary=summary,
                cards=cards,
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
def _template() -> Template:
    templates = environment(Path(__file__).parent)
    templates.finalize = _visible
    templates.globals |= {"severity": severity, "FIELD": FIELD, "TEXT": TEXT}
    return templates.get_template("report.html.jinja")


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
            boxes=_boxes(row, shown),
            lanes=lanes(calls),
            calls=calls if told else [],
            silent=0 if told else len(calls),
        )
        pictures += len(shown.url) if shown else 0
        texts += len(written) - (len(shown.url) if shown else 0)
        silent += not told
        cards.append(written)
    return cards, silent


def _choose(path: Path) -> tuple[list[_Row], int]:
    """The rows to show, in the run's order, and how many there are."""
    kept: dict[str, list[tuple[int, _Row]]] = {status: [] for status in _SHOWN_FIRST}
    total = 0
    for total, (_, content) in enumerate(read_rows(path), 1):
        row = _Row.model_validate(content)
        if len(kept[row.status]) < PICTURES:
            kept[row.status].append((total, row))
    first = [numbered for status in _SHOWN_FIRST for numbered in kept[status]][:PICTURES]
    return [row for _, row in sorted(first, key=lambda numbered: numbered[0])], total


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
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in value)


def _boxes(row: _Row, shown: _Shown | None) -> Iterator[_Box]:
    for number, anomaly in enumerate(row.anomalies, 1):
        if anomaly.bbox is None or shown is None:
            continue
        spans = zip(anomaly.bbox, (shown.width, shown.height) * 2, strict=True)
        x0, y0, x1, y1 = (min(100.0, max(0.0, 100 * corner / side)) for corner, side in spans)
        colour = severity.colour(50 if anomaly.severity is None else anomaly.severity)
        yield _Box(number, round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2), colour)


_STAGES = """SELECT stage, count(*) AS calls, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion,
    sum(seconds) / count(*) AS seconds, sum(problem IS NOT NULL) AS problems FROM calls GROUP BY stage ORDER BY min(id)"""
_ORDER = {stage: number for number, stage in enumerate(ANSWERS)}


def _calls(db: sqlite3.Connection, image_id: str) -> list[dict[str, Any]]:
    query = f"""SELECT stage, object, sample, substr(request, 1, {TEXT}) AS request, length(request) AS asked,
        substr(answer, 1, {TEXT}) AS answer, length(answer) AS answered, problem, gave_up, finish_reason, prompt_tokens,
        completion_tokens, seconds, created FROM calls WHERE image_id = ? ORDER BY id"""
    return [dict(call) for call in db.execute(query, (image_id,))]
