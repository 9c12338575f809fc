"""Pictures in a request, for servers that take fewer of them, other formats, or smaller files than they were sent."""

import base64
import functools
import io
from collections.abc import Callable
from typing import Any

from PIL import Image

__all__ = ["as_jpeg", "only_first"]

Messages = list[dict[str, Any]]


def only_first(messages: Messages) -> Messages:
    """The messages with the first picture alone: close views are left out."""
    seen = 0

    def keep(part: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal seen
        seen += part["type"] == "image_url"
        return None if part["type"] == "image_url" and seen > 1 else part

    return _changed(messages, keep)


def as_jpeg(messages: Messages, quality: int) -> Messages:
    """The messages with all pictures as JPEG of a quality (1 to 95), in as many pixels: boxes stay where they are."""

    def encode(part: dict[str, Any]) -> dict[str, Any]:
        if part["type"] != "image_url" or not part["image_url"]["url"].startswith("data:"):
            return part
        return {**part, "image_url": {**part["image_url"], "url": _encoded(part["image_url"]["url"], quality)}}

    return _changed(messages, encode)


def _changed(messages: Messages, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Messages:
    return [
        message
        if isinstance(message["content"], str)
        else {**message, "content": [new for part in message["content"] if (new := change(part)) is not None]}
        for message in messages
    ]


@functools.lru_cache(maxsize=64)
def _encoded(url: str, quality: int) -> str:
    data = base64.b64decode(url.partition(",")[2])
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
