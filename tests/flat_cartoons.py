"""Flat illustrations near the scenes, of other things: a double of the renderer that shares no code, colour or thing with it.

Plain colours, a horizon or a wall, a sun at the top, a few simple things on the ground, smooth edges: what comes nearest to a scene
without being one. The things are boats, fish, rockets, cacti, mountains, birds, flowers, cats, lamps, sofas, ladders, snowmen.
"""

import math
import random
from typing import Any

from PIL import Image, ImageDraw

__all__ = ["THINGS", "cartoon"]

SIDE = 504  # drawn large and reduced, which smooths edges

Colour = tuple[int, int, int]


def cartoon(rng: random.Random) -> Image.Image:
    """One illustration, a landscape, sea, night or room with one to four things, of 168 × 168 pixels."""
    picture = Image.new("RGB", (SIDE, SIDE))
    draw = ImageDraw.Draw(picture)
    floor = rng.choice((_landscape, _sea, _night, _room))(draw, rng)
    count = rng.randint(1, 4)
    for place in range(count):
        x = SIDE * (place + 0.5 + rng.uniform(-0.2, 0.2)) / count
        size = rng.uniform(0.2, 0.42) * SIDE
        rng.choice(THINGS)(draw, x, floor + rng.uniform(0, 0.8) * (SIDE - floor) * 0.8, size, rng)
    return picture.resize((168, 168), Image.Resampling.LANCZOS)


def _tone(rng: random.Random, low: int = 40, high: int = 235) -> Colour:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def _landscape(draw: Any, rng: random.Random) -> float:
    horizon = rng.uniform(0.45, 0.7) * SIDE
    draw.rectangle((0, 0, SIDE, SIDE), (rng.randint(120, 220), rng.randint(170, 230), 245))
    x, radius = rng.uniform(0.1, 0.9) * SIDE, rng.uniform(0.05, 0.1) * SIDE
    draw.ellipse((x - radius, 40, x + radius, 40 + 2 * radius), (255, 220, 90))
    for _ in range(rng.randint(0, 3)):
        _cloud(draw, rng.uniform(0, SIDE), rng.uniform(40, 160), rng.uniform(50, 100))
    draw.rectangle((0, horizon, SIDE, SIDE), (rng.randint(90, 170), rng.randint(150, 200), rng.randint(70, 120)))
    return horizon


def _sea(draw: Any, rng: random.Random) -> float:
    horizon = rng.uniform(0.4, 0.6) * SIDE
    draw.rectangle((0, 0, SIDE, SIDE), (250, rng.randint(190, 230), rng.randint(170, 220)))
    draw.rectangle((0, horizon, SIDE, SIDE), (40, rng.randint(110, 160), rng.randint(150, 210)))
    for row in range(6):
        y = horizon + (row + 1) * (SIDE - horizon) / 7
        for x in range(0, SIDE, 56):
            draw.arc((x, y, x + 50, y + 18), 200, 340, (190, 225, 240), 4)
    return horizon


def _night(draw: Any, rng: random.Random) -> float:
    draw.rectangle((0, 0, SIDE, SIDE), (rng.randint(15, 45), rng.randint(15, 50), rng.randint(60, 110)))
    for _ in range(rng.randint(8, 30)):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, 0.6 * SIDE)
        draw.ellipse((x, y, x + 6, y + 6), (250, 245, 200))
    draw.ellipse((360, 40, 440, 120), (245, 240, 210))
    draw.rectangle((0, 0.72 * SIDE, SIDE, SIDE), (30, rng.randint(45, 80), 50))
    return 0.72 * SIDE


def _room(draw: Any, rng: random.Random) -> float:
    floor = rng.uniform(0.6, 0.75) * SIDE
    draw.rectangle((0, 0, SIDE, SIDE), _tone(rng, 190, 240))
    draw.rectangle((0, floor, SIDE, SIDE), _tone(rng, 110, 180))
    if rng.random() < 0.6:
        x = rng.uniform(0.1, 0.6) * SIDE
        draw.rectangle((x, 60, x + 130, 190), (170, 215, 240), (250, 250, 250), 12)
    if rng.random() < 0.5:
        draw.ellipse((60, floor + 20, SIDE - 60, SIDE - 20), _tone(rng, 120, 220))
    return floor


def _cloud(draw: Any, x: float, y: float, size: float) -> None:
    for shift, radius in ((-0.5, 0.3), (0, 0.42), (0.5, 0.28)):
        cx = x + shift * size
        draw.ellipse((cx - radius * size, y - radius * size, cx + radius * size, y + radius * size), (255, 255, 255))


def _boat(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    half = size / 2
    draw.polygon(
        [(x - half, y - 0.3 * size), (x + half, y - 0.3 * size), (x + 0.3 * size, y), (x - 0.3 * size, y)], _tone(rng)
    )
    draw.line((x, y - 0.3 * size, x, y - size), (90, 70, 60), 8)
    draw.polygon([(x + 6, y - size), (x + half, y - 0.4 * size), (x + 6, y - 0.4 * size)], (250, 250, 245))


def _fish(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    colour = _tone(rng)
    draw.ellipse((x - 0.5 * size, y - 0.55 * size, x + 0.3 * size, y), colour)
    draw.polygon([(x + 0.2 * size, y - 0.27 * size), (x + 0.55 * size, y - 0.55 * size), (x + 0.55 * size, y)], colour)
    draw.ellipse((x - 0.38 * size, y - 0.4 * size, x - 0.3 * size, y - 0.32 * size), (20, 20, 20))


def _rocket(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    draw.polygon([(x - 0.3 * size, y), (x, y - 0.4 * size), (x + 0.3 * size, y)], _tone(rng))
    draw.ellipse((x - 0.17 * size, y - size, x + 0.17 * size, y - 0.05 * size), (235, 235, 240))
    draw.ellipse((x - 0.08 * size, y - 0.7 * size, x + 0.08 * size, y - 0.54 * size), (90, 160, 210))


def _cactus(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    green, thick = (rng.randint(30, 90), rng.randint(120, 170), 80), 0.16 * size
    draw.rounded_rectangle((x - thick / 2, y - size, x + thick / 2, y), thick / 2, green)
    for away, top in ((-1, 0.75), (1, 0.6)):
        arm = x + away * 0.28 * size
        draw.line((x, y - 0.35 * size, arm, y - 0.35 * size), green, round(0.7 * thick))
        draw.rounded_rectangle(
            (arm - thick / 2.5, y - top * size, arm + thick / 2.5, y - 0.3 * size), thick / 2.5, green
        )


def _mountain(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    draw.polygon([(x - 0.7 * size, y), (x, y - size), (x + 0.7 * size, y)], _tone(rng, 80, 150))
    draw.polygon([(x - 0.21 * size, y - 0.7 * size), (x, y - size), (x + 0.21 * size, y - 0.7 * size)], (250, 250, 255))


def _flower(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    colour, cy = _tone(rng), y - 0.75 * size
    draw.line((x, y, x, cy), (60, 140, 70), 10)
    for petal in range(6):
        px, py = x + 0.17 * size * math.cos(petal * math.pi / 3), cy + 0.17 * size * math.sin(petal * math.pi / 3)
        draw.ellipse((px - 0.12 * size, py - 0.12 * size, px + 0.12 * size, py + 0.12 * size), colour)
    draw.ellipse((x - 0.09 * size, cy - 0.09 * size, x + 0.09 * size, cy + 0.09 * size), (250, 210, 70))


def _cat(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    fur = _tone(rng, 40, 200)
    draw.ellipse((x - 0.28 * size, y - 0.6 * size, x + 0.28 * size, y), fur)
    draw.ellipse((x - 0.22 * size, y - size, x + 0.22 * size, y - 0.56 * size), fur)
    for away in (-1, 1):
        ear = x + away * 0.15 * size
        draw.polygon(
            [(ear - 0.09 * size, y - 0.9 * size), (ear, y - 1.1 * size), (ear + 0.09 * size, y - 0.9 * size)], fur
        )
        draw.ellipse((ear - 0.09 * size, y - 0.83 * size, ear - 0.01 * size, y - 0.75 * size), (240, 240, 120))
    draw.arc((x + 0.1 * size, y - 0.5 * size, x + 0.6 * size, y), 270, 90, fur, 14)


def _lamp(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    draw.line((x, y, x, y - 0.7 * size), (70, 70, 75), 9)
    draw.ellipse((x - 0.18 * size, y - 0.07 * size, x + 0.18 * size, y + 0.03 * size), (70, 70, 75))
    shade = [(x - 0.28 * size, y - 0.62 * size), (x + 0.28 * size, y - 0.62 * size), (x + 0.16 * size, y - size)]
    draw.polygon([*shade, (x - 0.16 * size, y - size)], _tone(rng, 150, 250))


def _sofa(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    cloth = _tone(rng)
    draw.rounded_rectangle((x - 0.6 * size, y - 0.6 * size, x + 0.6 * size, y - 0.08 * size), 24, cloth)
    darker = tuple(round(0.8 * channel) for channel in cloth)
    for left in (-0.68, 0.5):
        draw.rounded_rectangle((x + left * size, y - 0.42 * size, x + (left + 0.18) * size, y), 18, darker)
    draw.rectangle((x - 0.5 * size, y - 0.28 * size, x + 0.5 * size, y - 0.06 * size), darker)


def _ladder(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    wood = _tone(rng, 90, 190)
    for away in (-1, 1):
        draw.line((x + away * 0.2 * size, y, x + away * 0.12 * size, y - size), wood, 12)
    for rung in range(1, 6):
        draw.line((x - 0.17 * size, y - rung * size / 6, x + 0.17 * size, y - rung * size / 6), wood, 8)


def _snowman(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    for radius, middle in ((0.26, 0.24), (0.19, 0.6), (0.13, 0.88)):
        r, cy = radius * size, y - middle * size
        draw.ellipse((x - r, cy - r, x + r, cy + r), (246, 248, 252))
    draw.polygon([(x, y - 0.9 * size), (x + 0.2 * size, y - 0.86 * size), (x, y - 0.84 * size)], (240, 130, 40))
    draw.rectangle((x - 0.12 * size, y - 1.12 * size, x + 0.12 * size, y - 0.99 * size), _tone(rng, 20, 120))


def _bird(draw: Any, x: float, y: float, size: float, rng: random.Random) -> None:
    plumage = _tone(rng)
    draw.ellipse((x - 0.35 * size, y - 0.55 * size, x + 0.25 * size, y - 0.12 * size), plumage)
    draw.ellipse((x + 0.08 * size, y - 0.75 * size, x + 0.36 * size, y - 0.45 * size), plumage)
    draw.polygon(
        [(x + 0.33 * size, y - 0.64 * size), (x + 0.5 * size, y - 0.58 * size), (x + 0.33 * size, y - 0.54 * size)],
        (245, 170, 50),
    )
    for away in (-0.1, 0.06):
        draw.line((x + away * size, y - 0.16 * size, x + away * size, y), (220, 150, 60), 7)


THINGS = (_boat, _fish, _rocket, _cactus, _mountain, _flower, _cat, _lamp, _sofa, _ladder, _snowman, _bird)
