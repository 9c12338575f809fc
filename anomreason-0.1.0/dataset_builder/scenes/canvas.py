"""Pillow's drawing calls in picture pixels, on a picture three times too large that is reduced at the end, which smooths edges."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from dataset_builder.scenes.geometry import Extent
from dataset_builder.scenes.world import SIZE

__all__ = ["Canvas", "Colour", "Point", "shade", "union"]

Colour = tuple[int, int, int]
Point = tuple[float, float]

OVERSAMPLING = 3


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` darker (factor < 1) or lighter (factor > 1)."""
    r, g, b = (max(0, min(255, round(channel * factor))) for channel in colour)
    return r, g, b


class Canvas:
    """A picture to draw on; every length is in pixels of the final picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (SIZE * OVERSAMPLING, SIZE * OVERSAMPLING))
        self._draw = ImageDraw.Draw(self.image)

    def rect(self, box: Extent, fill: Colour, radius: float = 0) -> None:
        if radius:
            self._draw.rounded_rectangle([v * OVERSAMPLING for v in box], radius * OVERSAMPLING, fill)
        else:
            self._draw.rectangle([v * OVERSAMPLING for v in box], fill)

    def ellipse(self, box: Extent, fill: Colour) -> None:
        self._draw.ellipse([v * OVERSAMPLING for v in box], fill)

    def disc(self, centre: Point, radius: float, fill: Colour) -> None:
        x, y = centre
        self.ellipse((x - radius, y - radius, x + radius, y + radius), fill)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points], fill)

    def line(self, start: Point, end: Point, width: float, fill: Colour) -> None:
        (x0, y0), (x1, y1) = start, end
        s = OVERSAMPLING
        self._draw.line([x0 * s, y0 * s, x1 * s, y1 * s], fill, round(width * s))

    def limb(self, start: Point, end: Point, width: float, fill: Colour) -> None:
        """A line with round ends."""
        self.line(start, end, width, fill)
        for point in (start, end):
            self.disc(point, width / 2, fill)

    def ring(self, box: Extent, width: float, colour: Colour) -> None:
        self._draw.ellipse([v * OVERSAMPLING for v in box], outline=colour, width=round(width * OVERSAMPLING))

    def reduced(self) -> Image.Image:
        return self.image.reduce(OVERSAMPLING)


def union(a: Extent, b: Extent) -> Extent:
    """The smallest extent that holds both."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
