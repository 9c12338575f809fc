"""Pictures in a request, for servers that take fewer of them, other formats, or smaller files than they were sent."""

import base64
import functools
import io
from collections.abc import Callable, Collection
from typing import Any

from PIL import Image

__all__ = ["as_jpeg", "kinds", "only_first"]

Messages = list[dict[str, Any]]


def kinds(messages: Messages) -> list[str]:
    """The media type of each picture."""
    return [
        part["image_url"]["url"].partition(";")[0].removeprefix("data:")
        for message in messages
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]


def only_first(messages: Messages, count: int = 1) -> Messages:
    """The messages with only the first pictures: the last close views are left out."""
    seen = 0

    def keep(part: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal seen
        seen += part["type"] == "image_url"
        return None if part["type"] == "image_url" and seen > count else part

    return _changed(messages, keep)


def as_jpeg(messages: Messages, quality: int, types: Collection[str] | None = None) -> Messages:
    """The messages with all pictures, or those of some media types, as JPEG of a quality (1 to 95), in as many pixels: boxes stay
    where they are."""

    def encode(part: dict[str, Any]) -> dict[str, Any]:
        url = part["image_url"]["url"] if part["type"] == "image_url" else ""
        if not url.startswith("data:") or (
            types is not None and url.partition(";")[0].removeprefix("data:") not in types
        ):
            return part
        return {**part, "image_url": {**part["image_url"], "url": _encoded(url, quality)}}

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
