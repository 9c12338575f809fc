"""The severity histogram of a dataset as a PNG: drawn with Pillow, the same bytes for the same numbers."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from dataset_builder import severity

__all__ = ["severity_histogram"]

_BINS, _WIDTH, _HEIGHT = 20, 720, 260
_LEFT, _TOP, _BOTTOM = 60, 28, 44


def severity_histogram(counts: Sequence[int]) -> bytes:
    """Bars of how often each severity occurs, in bins of five, coloured as everywhere else; 100 falls into the last.

    Args:
        counts (sequence of `int`): how often each severity from 0 to 100 occurs.
    """
    bins = [sum(counts[at : at + 5]) for at in range(0, 100, 5)]
    bins[-1] += counts[100]
    picture = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    top, ground = max(bins) or 1, _HEIGHT - _BOTTOM
    step = (_WIDTH - _LEFT - 16) / _BINS
    for index, count in enumerate(bins):
        left = _LEFT + index * step
        height = round((ground - _TOP) * count / top)
        if count:
            pen.rectangle((left + 2, ground - max(height, 1), left + step - 2, ground), fill=severity.colour(index * 5))
    pen.line((_LEFT, ground, _WIDTH - 16, ground), fill="#444444")
    for mark in range(0, 101, 20):
        pen.text((_LEFT + mark / 5 * step, ground + 4), str(mark), fill="#222222", font=font, anchor="ma")
    pen.text((_LEFT - 6, _TOP), f"{max(bins):,}", fill="#222222", font=font, anchor="rm")
    pen.text((_LEFT - 6, ground), "0", fill="#222222", font=font, anchor="rm")
    pen.text((_LEFT, 6), "anomalies per severity", fill="#222222", font=font)
    caption = "0 completely irrational  ...  100 completely realistic: low is severe"
    pen.text((_LEFT, _HEIGHT - 18), caption, fill="#222222", font=font)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
