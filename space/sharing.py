"""What a visitor can download: the answer as a page to share, and as JSON."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dataset_builder.data_url import data_url
from dataset_builder.official import dump_annotations
from dataset_builder.schema import Anomaly, Text
from space.cards import TEMPLATES, boxes, ordered
from space.examination import Examination, Status, VerdictAnswer
from space.uploads import Upload

__all__ = ["MARK", "Card", "card_of", "downloads", "share_card"]

MARK = "anomreason-card"
"""The name of the element of a card that holds its content as JSON."""


class CardVerdict(BaseModel):
    """`space.examination.VerdictAnswer`, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Literal["real", "fake"]
    p_fake: float | None = Field(ge=0, le=1)


class Card(BaseModel):
    """What a shared card says, as it is embedded in it.

    Attributes:
        image_id, status, verdict, anomalies, problem: as in `space.examination.Examination`.
        size (`tuple`): width and height of the picture in whose pixels the boxes are.
        model (`str`): who looked.
        warning (`str`): what is known against the model's answers; empty for most.
        date (`str`): the day, in UTC.
        sha256 (`str`): of the picture's file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: Text = Field(max_length=200)
    status: Status
    verdict: CardVerdict | None
    anomalies: list[Anomaly] = Field(max_length=1_000)
    problem: Text = Field("", max_length=1_000)
    size: tuple[int, int]
    model: Text = Field(max_length=200)
    warning: Text = Field("", max_length=1_000)
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def found(self) -> Examination:
        verdict: VerdictAnswer | None = None
        if self.verdict is not None:
            verdict = {"label": self.verdict.label, "p_fake": self.verdict.p_fake}
        return Examination(self.image_id, self.status, self.anomalies, verdict, problem=self.problem)


def card_of(found: Examination, picture: Upload, model: str, warning: str = "") -> Card:
    """The card of an examination that has ended."""
    return Card(
        image_id=found.image_id,
        status=found.status,
        verdict=None if found.verdict is None else CardVerdict(**found.verdict),
        anomalies=found.anomalies,
        problem=found.problem,
        size=picture.size,
        model=model,
        warning=warning,
        date=datetime.now(UTC).date().isoformat(),
        sha256=picture.sha256,
    )


def share_card(card: Card, picture: Upload) -> str:
    """A page that needs nothing else: the picture, its boxes and the cards. It holds no script and fetches nothing."""
    return TEMPLATES.get_template("share.html.jinja").render(
        card=card,
        found=card.found,
        anomalies=ordered(card.found),
        picture=picture.jpeg().uri,
        boxes=boxes(card.found, card.size),
        mark=MARK,
    )


def downloads(card: Card, picture: Upload) -> list[dict[str, str]]:
    """The files of an answer, as `space.cards.results` takes them."""
    stem = Path(card.image_id).stem or "picture"
    answer = json.dumps(card.found.answer(), indent=2, ensure_ascii=False)
    official = dump_annotations({card.image_id: card.anomalies})
    files = [
        (
            "Card",
            "A page to share; drop it here to see it again",
            "html",
            "text/html",
            share_card(card, picture),
        ),
        ("JSON", "For programs", "json", "application/json", answer),
        ("Official JSON", "In the form of the AnomReason dataset", "official.json", "application/json", official),
    ]
    return [
        {
            "label": label,
            "about": about,
            "name": f"{stem}.{ending}",
            "address": data_url(text.encode("utf-8", "replace"), f"{kind};charset=utf-8"),
        }
        for label, about, ending, kind, text in files
    ]
