"""Reads a shared card again. It comes from anywhere, so it is as little believed as any upload."""

import base64
import html
from typing import NamedTuple

from dataset_builder.errors import PictureError
from space.sharing import MARK, Card
from space.uploads import Upload, read_picture

__all__ = ["Restored", "is_card", "restore"]

_HEAD = 400  # characters in which a card says what it is
_PICTURE = '<img src="data:image/jpeg;base64,'


class Restored(NamedTuple):
    """What a card says, and its picture, smaller than the one that was examined."""

    card: Card
    picture: Upload


def is_card(data: bytes) -> bool:
    """Whether an upload says of itself that it is a shared card."""
    return data.lstrip()[:15].lower() == b"<!doctype html>" and MARK.encode() in data[:_HEAD]


def restore(data: bytes) -> Restored:
    """The content of a shared card; nothing else of the page is used.

    Raises:
        PictureError: if it is not a card, or a changed one that does not hold together; in words for the person who sent it.
    """
    try:
        page = data.decode()
        card = Card.model_validate_json(html.unescape(_between(page, f'name="{MARK}" content="')))
        picture = read_picture(base64.b64decode(_between(page, _PICTURE), validate=True), card.image_id)
    except ValueError:  # of UTF-8, of JSON, of what a card may say, of base64
        raise PictureError("This card is damaged or was changed; please ask for it again.") from None
    width, height = card.size
    inside = all(
        one.bbox[0] >= 0 and one.bbox[2] <= width and one.bbox[1] >= 0 and one.bbox[3] <= height
        for one in card.anomalies
        if one.bbox is not None
    )
    if not card.found.ended or min(width, height) < 1 or not inside:
        raise PictureError("This card is damaged or was changed; please ask for it again.")
    return Restored(card, picture)


def _between(page: str, start: str) -> str:
    """The attribute that begins so, up to its closing quote; the templates write none inside it."""
    return page.partition(start)[2].partition('"')[0]
