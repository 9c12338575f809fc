"""What a picture counts as, in tokens of the prompt, with common families of models.

From the makers' documentation as of 2026: OpenAI's tiles and patches ("Images and vision", detail `high`), Gemini's tiles, Claude's
area, and the patches of open models. Qwen2.5-VL's 28 × 28 pixels serve where a model is not known.
"""

import math
import re
from collections.abc import Callable

__all__ = ["picture_tokens"]

Count = Callable[[int, int], int]


def _patches(side: int, most: int | None = None, factor: float = 1.0, longest: int | None = None) -> Count:
    """A token per square patch, of a picture scaled down to at most so many, times a factor."""

    def count(width: int, height: int) -> int:
        if longest is not None:
            scale = min(1.0, longest / max(width, height))
            width, height = round(width * scale), round(height * scale)
        found = math.ceil(width / side) * math.ceil(height / side)
        return math.ceil((found if most is None else min(found, most)) * factor)

    return count


def _tiles(base: int, tile: int) -> Count:
    """OpenAI's tiles of 512 pixels, after scaling to at most 2,048 and a shorter side of at most 768 pixels."""

    def count(width: int, height: int) -> int:
        scale = min(1.0, 2048 / max(width, height), 768 / min(width, height))
        return base + tile * math.ceil(width * scale / 512 - 1e-9) * math.ceil(height * scale / 512 - 1e-9)

    return count


def _gemini(width: int, height: int) -> int:
    """258 for a small picture, else for each tile of 256 to 768 pixels."""
    if max(width, height) <= 384:
        return 258
    tile = min(max(math.floor(min(width, height) / 1.5), 256), 768)
    return 258 * math.ceil(width / tile) * math.ceil(height / tile)


def _claude(width: int, height: int) -> int:
    """A token for 750 pixels, after scaling to 1,568 pixels and about 1,600 tokens."""
    scale = min(1.0, 1568 / max(width, height))
    return min(math.ceil(width * height * scale * scale / 750), 1600)


def _flat(tokens: int) -> Count:
    return lambda width, height: tokens


def _internvl(width: int, height: int) -> int:
    """256 for each tile of 448 pixels, twelve at most, and as many for a small copy of the whole."""
    tiles = min(max(round(width / 448), 1) * max(round(height / 448), 1), 12)
    return 256 * (tiles + (tiles > 1))


_FAMILIES: tuple[tuple[str, Count], ...] = (
    (r"gpt-4o-mini", _tiles(2833, 5667)),
    (r"gpt-4\.1-mini|gpt-5[\w.]*-mini", _patches(32, 1536, 1.62)),
    (r"gpt-4\.1-nano|gpt-5[\w.]*-nano", _patches(32, 1536, 2.46)),
    (r"o4-mini", _patches(32, 1536, 1.72)),
    (r"gpt-5", _tiles(70, 140)),
    (r"\bo[13]\b", _tiles(75, 150)),
    (r"gpt-4|chatgpt", _tiles(85, 170)),
    (r"gemini-3", _flat(1120)),
    (r"gemini", _gemini),
    (r"claude", _claude),
    (r"gemma-?3", _flat(256)),
    (r"qwen-?3[\w.]*-?vl", _patches(32)),
    (r"pixtral|mistral", _patches(16, longest=1024)),
    (r"internvl", _internvl),
    (r"llava", _flat(576)),
)
"""Patterns of model names, and how they count; the first that is found counts."""

_OTHERS = _patches(28)


def picture_tokens(model: str, width: int, height: int) -> int:
    """The tokens that a picture of `width` × `height` pixels adds to a prompt, as `model` counts it.

    >>> picture_tokens("gpt-4o", 1024, 1024), picture_tokens("Qwen/Qwen2.5-VL-7B-Instruct", 280, 280)
    (765, 100)
    """
    name = model.lower()
    return next((count for pattern, count in _FAMILIES if re.search(pattern, name)), _OTHERS)(width, height)
