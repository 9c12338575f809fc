"""Pictures as they come about outside the renderer: another light, saved as JPEG, reduced, mirrored, a little turned.

Half of the training pictures stay as rendered: an earlier try, with wider ranges and three of four pictures changed, cost more
accuracy than it brought steadiness (LOG.md).
"""

import io
import math
import random
from dataclasses import replace

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from dataset_builder.scenes import Picture
from dataset_builder.scenes.geometry import Extent
from dataset_builder.scenes.world import SIZE

__all__ = ["as_jpeg", "brighter", "half_size", "mirrored", "turned", "varied"]

VARIED = 0.5  # of the pictures
EACH = 0.35  # of these, for each change by itself, but
TURNED = 0.5  # for turning, which changes most of what there is to see
BRIGHTNESS = (0.7, 1.3)
QUALITY = (35, 90)
DEGREES = 8.0


def varied(picture: Picture, rng: random.Random, turns: bool) -> Picture:
    """The picture, or the picture changed in some of five ways, its boxes and extents with it.

    Args:
        picture (`Picture`): as rendered.
        rng (`random.Random`): the only source of chance.
        turns (`bool`): whether it may be turned, which boxes with upright sides follow only roughly.
    """
    if rng.random() >= VARIED:
        return picture
    if rng.random() < EACH:
        picture = mirrored(picture)
    if turns and rng.random() < TURNED:
        picture = _turned(picture, rng.uniform(-DEGREES, DEGREES))
    image = picture.image
    if rng.random() < EACH:
        image = brighter(image, rng.uniform(*BRIGHTNESS))
    if rng.random() < EACH:
        image = half_size(image)
    if rng.random() < EACH:
        image = as_jpeg(image, rng.randint(*QUALITY))
    return picture._replace(image=image)


def brighter(image: Image.Image, factor: float) -> Image.Image:
    """Every channel times `factor`."""
    return ImageEnhance.Brightness(image).enhance(factor)


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """The picture after a JPEG file of `quality`, 1..95."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def half_size(image: Image.Image) -> Image.Image:
    """The picture reduced to half its sides and enlarged again."""
    return image.resize((image.width // 2, image.height // 2)).resize(image.size)


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """The picture turned counter-clockwise about its middle; corners are filled with the nearest pixels of its edges."""
    margin = max(image.size) // 4
    pixels = np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    whole = Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC)
    return whole.crop((margin, margin, margin + image.width, margin + image.height))


def mirrored(picture: Picture) -> Picture:
    """The picture with left and right changed; its anomalies are told from left to right again."""

    def mirrored_extent(extent: Extent) -> Extent:
        x0, y0, x1, y1 = extent
        return round(SIZE - x1, 1), y0, round(SIZE - x0, 1), y1

    scene = picture.scene
    things = tuple(replace(thing, x=SIZE - thing.x) for thing in scene.things)
    light = "right" if scene.light == "left" else "left"
    anomalies = [
        one if one.bbox is None else one.model_copy(update={"bbox": mirrored_extent(one.bbox)})
        for one in picture.row.anomalies
    ]
    return Picture(
        picture.row.model_copy(update={"anomalies": sorted(anomalies, key=lambda one: one.bbox or ())}),
        ImageOps.mirror(picture.image),
        replace(scene, things=things, light=light),
        [mirrored_extent(extent) for extent in picture.extents],
    )


def _turned(picture: Picture, degrees: float) -> Picture:
    """The picture turned, each extent moved with its middle; for labels of patches, which are larger than what that leaves out."""
    angle, middle = math.radians(degrees), SIZE / 2

    def moved(extent: Extent) -> Extent:
        x0, y0, x1, y1 = extent
        x, y = (x0 + x1) / 2 - middle, (y0 + y1) / 2 - middle
        dx = x * math.cos(angle) + y * math.sin(angle) - x
        dy = y * math.cos(angle) - x * math.sin(angle) - y
        x0, x1 = (min(max(side + dx, 0.0), SIZE) for side in (x0, x1))
        y0, y1 = (min(max(side + dy, 0.0), SIZE) for side in (y0, y1))
        return x0, y0, x1, y1

    return picture._replace(image=turned(picture.image, degrees), extents=[moved(one) for one in picture.extents])
