"""Draws a scene with Pillow, three times too large and then reduced, which smooths its edges."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

from dataset_builder.scenes.world import (
    COLOURS,
    GROUND_BASE,
    HORIZON,
    SIZE,
    TABLE_BASE,
    TABLE_FRONT,
    TABLE_TOP,
    Scene,
    Thing,
)

__all__ = ["draw"]

Colour = tuple[int, int, int]
Point = tuple[float, float]
Extent = tuple[float, float, float, float]

_OVERSAMPLING = 3
_INK: Colour = (44, 40, 52)
_SKIN: Colour = (236, 188, 150)
_WALLS: list[Colour] = [(226, 216, 204), (204, 216, 222), (216, 222, 204), (228, 208, 210), (214, 208, 226)]
_FLOORS: list[Colour] = [(150, 124, 104), (132, 128, 126), (124, 132, 118), (146, 120, 122), (120, 118, 134)]
_SKIES: list[Colour] = [(176, 214, 238), (196, 222, 236), (238, 214, 194), (206, 208, 232), (184, 224, 222)]
_GROUNDS: list[Colour] = [(142, 178, 112), (164, 182, 120), (196, 178, 134), (150, 170, 140), (128, 170, 124)]
_WOOD: Colour = (186, 146, 106)


def _shade(colour: Colour, factor: float) -> Colour:
    """`colour` darker (factor < 1) or lighter (factor > 1)."""
    r, g, b = (max(0, min(255, round(channel * factor))) for channel in colour)
    return r, g, b


class _Canvas:
    """Pillow's drawing calls in picture pixels, on the enlarged picture."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (SIZE * _OVERSAMPLING, SIZE * _OVERSAMPLING))
        self._draw = ImageDraw.Draw(self.image)

    def rect(self, box: Extent, fill: Colour, radius: float = 0) -> None:
        if radius:
            self._draw.rounded_rectangle([v * _OVERSAMPLING for v in box], radius * _OVERSAMPLING, fill)
        else:
            self._draw.rectangle([v * _OVERSAMPLING for v in box], fill)

    def ellipse(self, box: Extent, fill: Colour) -> None:
        self._draw.ellipse([v * _OVERSAMPLING for v in box], fill)

    def disc(self, centre: Point, radius: float, fill: Colour) -> None:
        x, y = centre
        self.ellipse((x - radius, y - radius, x + radius, y + radius), fill)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon([(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in points], fill)

    def line(self, start: Point, end: Point, width: float, fill: Colour) -> None:
        (x0, y0), (x1, y1) = start, end
        s = _OVERSAMPLING
        self._draw.line([x0 * s, y0 * s, x1 * s, y1 * s], fill, round(width * s))

    def limb(self, start: Point, end: Point, width: float, fill: Colour) -> None:
        """A line with round ends."""
        self.line(start, end, width, fill)
        for point in (start, end):
            self.disc(point, width / 2, fill)

    def ring(self, box: Extent, width: float, colour: Colour) -> None:
        self._draw.ellipse([v * _OVERSAMPLING for v in box], outline=colour, width=round(width * _OVERSAMPLING))

    def reduced(self) -> Image.Image:
        return self.image.reduce(_OVERSAMPLING)


def draw(scene: Scene) -> tuple[Image.Image, list[Extent]]:
    """Draw a scene.

    Returns:
        The RGB picture, 168 × 168, and the extent [x0, y0, x1, y1] in pixels of each thing, in the scene's order; a flaw
        that shows beside the thing (its shadow, its handle, its reflection) is inside the extent.
    """
    canvas = _Canvas()
    surface = _room(canvas, scene) if scene.setting == "room" else _outdoors(canvas, scene)
    for thing in scene.things:
        if thing.kind != "clock":
            _shadow(canvas, thing, scene, surface)
    extents = []
    for index, thing in enumerate(scene.things):
        extent = _DRAW[thing.kind](canvas, _standing(thing))
        if thing.flaw == "shadow":
            extent = _union(extent, _shadow_extent(thing, scene))
        if thing.flaw == "mirror" and index == scene.mirror:
            extent = _union(extent, _mirror_extent(thing))
        extents.append(_clip(extent))
    return canvas.reduced(), extents


def _union(a: Extent, b: Extent) -> Extent:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _clip(extent: Extent) -> Extent:
    x0, y0, x1, y1 = (round(min(max(v, 0), SIZE), 1) for v in extent)
    return x0, y0, x1, y1


# Settings


def _pick(colours: Sequence[Colour], palette: float, salt: int) -> Colour:
    return colours[int(palette * 1000 + salt) % len(colours)]


def _room(canvas: _Canvas, scene: Scene) -> Colour:
    wall, floor = _pick(_WALLS, scene.palette, 0), _pick(_FLOORS, scene.palette, 2)
    canvas.rect((0, 0, SIZE, 128), wall)
    canvas.rect((0, 128, SIZE, SIZE), floor)
    canvas.rect((0, 126, SIZE, 129), _shade(wall, 0.85))
    # The light: a bright window at one edge, its glow on the wall beside it.
    at = 0 if scene.light == "left" else SIZE
    inward = 1 if scene.light == "left" else -1
    glow = _shade(wall, 1.07)
    canvas.polygon([(at, 4), (at + inward * 40, 0), (at + inward * 84, TABLE_TOP), (at, TABLE_TOP)], glow)
    left, right = sorted((at, at + inward * 9))
    canvas.rect((left, 8, right, 66), (255, 246, 196))
    canvas.rect((left, 36, right, 38), _shade(wall, 0.7))
    if scene.mirror is not None:
        _mirror(canvas, scene.things[scene.mirror], wall)
    wood = _shade(_WOOD, 0.9 + 0.2 * scene.palette)
    for x in (16, 144):
        canvas.rect((x, TABLE_FRONT, x + 8, 164), _shade(wood, 0.6))
    canvas.polygon([(12, TABLE_TOP), (156, TABLE_TOP), (164, TABLE_FRONT), (4, TABLE_FRONT)], wood)
    canvas.rect((4, TABLE_FRONT, 164, TABLE_FRONT + 5), _shade(wood, 0.75))
    return wood


def _outdoors(canvas: _Canvas, scene: Scene) -> Colour:
    sky, ground = _pick(_SKIES, scene.palette, 1), _pick(_GROUNDS, scene.palette, 3)
    canvas.rect((0, 0, SIZE, HORIZON), sky)
    far = _shade(ground, 0.88)
    hill = 30 + 100 * scene.palette
    canvas.ellipse((hill - 80, HORIZON - 16, hill + 80, HORIZON + 40), far)
    canvas.rect((0, HORIZON, SIZE, SIZE), ground)
    x = 12 if scene.light == "left" else SIZE - 12
    canvas.disc((x, 12), 24, _shade(sky, 1.06))
    canvas.disc((x, 12), 15, (255, 226, 92))
    return ground


def _mirror_extent(thing: Thing) -> Extent:
    return thing.x - 23, 10, thing.x + 23, 70


def _mirror(canvas: _Canvas, thing: Thing, wall: Colour) -> None:
    x0, y0, x1, y1 = _mirror_extent(thing)
    canvas.rect((x0, y0, x1, y1), (150, 112, 66), radius=3)
    canvas.rect((x0 + 3, y0 + 3, x1 - 3, y1 - 3), (206, 226, 232), radius=2)
    shown = thing
    if thing.flaw == "mirror":
        shown = _false_reflection(thing)
    elif thing.flaw:  # the mirror shows what stands there, not what is wrong with it
        shown = Thing(thing.kind, thing.colour, thing.x, thing.y, thing.height, thing.pose)
    height = min(shown.height, 40.0, 34 / (_width_share(shown)))
    _DRAW[shown.kind](canvas, Thing(shown.kind, shown.colour, thing.x, y1 - 6, height, 1 - shown.pose))


def _width_share(thing: Thing) -> float:
    return max(thing.width / thing.height, 0.5)


def _false_reflection(thing: Thing) -> Thing:
    """Another colour when mild, another kind as well when severe."""
    colours = [name for name in COLOURS if name != thing.colour]
    colour = colours[int(thing.pose * len(colours))]
    kind = thing.kind
    if thing.amount > 0.5 or kind in ("apple", "banana"):
        kinds = [name for name in ("mug", "ball", "book", "vase", "bottle") if name != kind]
        kind = kinds[int(thing.pose * 97) % len(kinds)]
    return Thing(kind, colour, thing.x, thing.y, 32, thing.pose)


# Shadows


def _shadow_extent(thing: Thing, scene: Scene) -> Extent:
    away = 1 if scene.light == "left" else -1
    length = min(0.75 * thing.height, 42.0)
    if thing.flaw == "shadow":
        away, length = -away, length * (1 + 0.5 * thing.amount)
    foot = thing.x + away * 0.25 * thing.width
    left, right = sorted((foot - away * 0.3 * thing.width, foot + away * length + away * 0.2 * thing.width))
    half = 4.0 if scene.setting == "room" else 6.0
    return left, thing.y - half, right, thing.y + half


def _shadow(canvas: _Canvas, thing: Thing, scene: Scene, surface: Colour) -> None:
    if thing.flaw == "sunk":
        return
    x0, y0, x1, y1 = _shadow_extent(thing, scene)
    if scene.setting == "room":
        x0, x1 = max(x0, 9), min(x1, 159)
    canvas.ellipse((x0, y0, x1, y1), _shade(surface, 0.58))


def _standing(thing: Thing) -> Thing:
    """The thing where its flaw puts it: lifted, sunk or enlarged."""
    y, height = thing.y, thing.height
    room = thing.y <= TABLE_BASE
    match thing.flaw:
        case "floating":
            y -= (12 if room else 14) + (22 if room else 26) * thing.amount
        case "sunk":
            y = TABLE_FRONT + 5 + height * (0.3 + 0.35 * thing.amount)
        case "giant":
            height *= (1.9 if room else 2.1) + 0.6 * thing.amount
            height = min(height, 92 / max(thing.width / thing.height, 1.0))
            y += 0 if room else GROUND_BASE - thing.y
    return Thing(thing.kind, thing.colour, thing.x, y, height, thing.pose, thing.flaw, thing.amount)


# Things: each draws itself on its base line and returns its extent.


def _mug(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width * 0.74, t.height, COLOURS[t.colour]
    side = 1 if t.pose < 0.5 else -1
    gap = 6 + 9 * t.amount if t.flaw == "handle" else -h * 0.12
    edge = t.x + side * (w / 2 + gap)
    x0, x1 = sorted((edge, edge + side * h * 0.42))
    ring = (x0, t.y - 0.78 * h, x1, t.y - 0.22 * h)
    canvas.ring(ring, h * 0.12, _shade(fill, 0.75))
    canvas.rect((t.x - w / 2, t.y - h, t.x + w / 2, t.y), fill, radius=h * 0.1)
    canvas.ellipse((t.x - w / 2, t.y - h - h * 0.08, t.x + w / 2, t.y - h + h * 0.1), _shade(fill, 0.6))
    canvas.rect((t.x - w * 0.38, t.y - 0.8 * h, t.x - w * 0.28, t.y - 0.2 * h), _shade(fill, 1.25))
    return _union((t.x - w / 2, t.y - h * 1.08, t.x + w / 2, t.y), ring)


def _ball(canvas: _Canvas, t: Thing) -> Extent:
    r, fill = t.height / 2, COLOURS[t.colour]
    box = (t.x - r, t.y - 2 * r, t.x + r, t.y)
    canvas.ellipse(box, fill)
    canvas.ellipse((t.x - r * 0.98, t.y - r * 1.28, t.x + r * 0.98, t.y - r * 0.72), _shade(fill, 0.72))
    canvas.disc((t.x - r * 0.35, t.y - r * 1.5), r * 0.2, _shade(fill, 1.35))
    return box


def _book(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    box = (t.x - w / 2, t.y - h, t.x + w / 2, t.y)
    canvas.rect((box[0] + w * 0.1, box[1] + h * 0.04, box[2] + w * 0.08, box[3] - h * 0.03), (250, 246, 232))
    canvas.rect(box, fill)
    canvas.rect((box[0], box[1], box[0] + w * 0.16, box[3]), _shade(fill, 0.65))
    canvas.rect((t.x - w * 0.18, t.y - h * 0.78, t.x + w * 0.34, t.y - h * 0.66), _shade(fill, 1.4))
    return box


def _vase(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.ellipse((t.x - w / 2, t.y - h * 0.72, t.x + w / 2, t.y - h * 0.02), fill)
    neck = [
        (t.x - w * 0.2, t.y - h * 0.6),
        (t.x + w * 0.2, t.y - h * 0.6),
        (t.x + w * 0.3, t.y - h),
        (t.x - w * 0.3, t.y - h),
    ]
    canvas.polygon(neck, fill)
    canvas.ellipse((t.x - w * 0.3, t.y - h * 1.04, t.x + w * 0.3, t.y - h * 0.95), _shade(fill, 0.6))
    canvas.rect((t.x - w * 0.28, t.y - h * 0.06, t.x + w * 0.28, t.y), _shade(fill, 0.75))
    canvas.rect((t.x - w * 0.47, t.y - h * 0.42, t.x + w * 0.47, t.y - h * 0.34), _shade(fill, 0.75))
    return t.x - w / 2, t.y - h * 1.04, t.x + w / 2, t.y


def _bottle(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.rect((t.x - w / 2, t.y - h * 0.66, t.x + w / 2, t.y), fill, radius=w * 0.2)
    canvas.polygon([(t.x - w / 2, t.y - h * 0.62), (t.x + w / 2, t.y - h * 0.62), (t.x, t.y - h * 0.9)], fill)
    canvas.rect((t.x - w * 0.16, t.y - h * 0.94, t.x + w * 0.16, t.y - h * 0.6), fill)
    canvas.rect((t.x - w * 0.2, t.y - h, t.x + w * 0.2, t.y - h * 0.92), _shade(fill, 0.55))
    canvas.rect((t.x - w / 2, t.y - h * 0.42, t.x + w / 2, t.y - h * 0.18), (248, 244, 230))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _apple(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    for dx in (-0.2, 0.2):
        canvas.ellipse((t.x + dx * w - w * 0.31, t.y - h * 0.84, t.x + dx * w + w * 0.31, t.y), fill)
    canvas.limb((t.x, t.y - h * 0.78), (t.x + w * 0.06, t.y - h), max(h * 0.07, 1.5), (96, 66, 40))
    canvas.ellipse((t.x + w * 0.06, t.y - h * 1.02, t.x + w * 0.34, t.y - h * 0.86), (74, 136, 62))
    canvas.disc((t.x - w * 0.28, t.y - h * 0.58), h * 0.08, _shade(fill, 1.35))
    return t.x - w * 0.51, t.y - h * 1.02, t.x + w * 0.51, t.y


def _banana(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    steps = [i / 10 for i in range(11)]
    outer = [(t.x + w * (s - 0.5), t.y - h * (0.9 - 0.9 * math.sin(math.pi * s))) for s in steps]
    inner = [(t.x + w * 0.94 * (s - 0.5), t.y - h * (0.98 - 0.42 * math.sin(math.pi * s))) for s in reversed(steps)]
    canvas.polygon(outer + inner, fill)
    for x in (t.x - w * 0.49, t.x + w * 0.48):
        canvas.disc((x, t.y - h * 0.93), h * 0.08, (84, 62, 40))
    canvas.line((t.x - w * 0.3, t.y - h * 0.42), (t.x + w * 0.25, t.y - h * 0.36), h * 0.05, _shade(fill, 0.75))
    return t.x - w * 0.53, t.y - h, t.x + w * 0.53, t.y


def _person(canvas: _Canvas, t: Thing) -> Extent:
    h, fill = t.height, COLOURS[t.colour]
    up = -1 if t.flaw == "upside_down" else 1
    # Heights are measured from the feet; upside down, the same figure hangs from where its feet would be.
    feet = t.y if up == 1 else t.y - h

    def at(dx: float, height: float) -> Point:
        return t.x + dx * h, feet - up * height * h

    for dx in (-0.09, 0.09):
        canvas.limb(at(dx * 0.7, 0.42), at(dx, 0.04), h * 0.085, _shade(fill, 0.62))
        canvas.limb(at(dx, 0.025), at(dx + (0.05 if dx > 0 else -0.05), 0.025), h * 0.05, _INK)
    spread = 0.25 + 0.5 * t.pose
    angles = [math.pi + spread, -spread]  # arms hang beside the body, 0 pointing right
    if t.flaw == "extra_arm":
        angles += [1.05] if t.amount < 0.5 else [1.05, math.pi - 1.05]
    reach, highest = 0.0, at(0, 1.01)[1]
    for angle in angles:
        shoulder = at(0.085 * math.copysign(1, math.cos(angle)), 0.74)
        hand = (shoulder[0] + 0.33 * h * math.cos(angle) * 0.9, shoulder[1] - up * 0.33 * h * math.sin(angle) * 0.9)
        canvas.limb(shoulder, hand, h * 0.075, _shade(fill, 0.82))
        canvas.disc(hand, h * 0.05, _SKIN)
        reach = max(reach, abs(hand[0] - t.x) + h * 0.05)
        highest = min(highest, hand[1] - h * 0.05)
    top, bottom = sorted((at(0, 0.8)[1], at(0, 0.4)[1]))
    canvas.rect((t.x - 0.12 * h, top, t.x + 0.12 * h, bottom), fill, radius=h * 0.06)
    canvas.disc(at(0, 0.9), h * 0.1, _SKIN)
    hair = at(0, 0.95)
    canvas.ellipse((t.x - 0.1 * h, hair[1] - 0.055 * h, t.x + 0.1 * h, hair[1] + 0.045 * h), (84, 58, 44))
    return t.x - reach, min(highest, t.y - h * 1.01), t.x + reach, t.y


def _house(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.rect((t.x - w * 0.42, t.y - h * 0.62, t.x + w * 0.42, t.y), fill)
    canvas.polygon([(t.x - w / 2, t.y - h * 0.6), (t.x + w / 2, t.y - h * 0.6), (t.x, t.y - h)], (120, 72, 60))
    canvas.rect((t.x - w * 0.08, t.y - h * 0.34, t.x + w * 0.12, t.y), (92, 66, 48))
    for dx in (-0.32, 0.2):
        canvas.rect((t.x + dx * w, t.y - h * 0.5, t.x + (dx + 0.14) * w, t.y - h * 0.34), (214, 232, 240))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _tree(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.rect((t.x - w * 0.1, t.y - h * 0.5, t.x + w * 0.1, t.y), (110, 78, 54))
    for dx, dy, r in ((-0.2, 0.52, 0.3), (0.2, 0.52, 0.3), (0, 0.74, 0.36)):
        canvas.disc((t.x + dx * w, t.y - dy * h), r * w, _shade(fill, 0.86 if dx else 0.96))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _car(canvas: _Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    cabin = [(-0.26, 0.6), (0.24, 0.6), (0.14, 1.0), (-0.18, 1.0)]
    canvas.polygon([(t.x + dx * w, t.y - dy * h) for dx, dy in cabin], _shade(fill, 0.85))
    glass = [(-0.19, 0.63), (0.17, 0.63), (0.1, 0.92), (-0.14, 0.92)]
    canvas.polygon([(t.x + dx * w, t.y - dy * h) for dx, dy in glass], (206, 228, 238))
    canvas.rect((t.x - w / 2, t.y - h * 0.64, t.x + w / 2, t.y - h * 0.2), fill, radius=h * 0.14)
    for dx in (-0.28, 0.28):
        canvas.disc((t.x + dx * w, t.y - h * 0.2), h * 0.2, _INK)
        canvas.disc((t.x + dx * w, t.y - h * 0.2), h * 0.08, (190, 190, 196))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _clock(canvas: _Canvas, t: Thing) -> Extent:
    r = t.height / 2
    cx, cy = t.x, t.y - r
    canvas.disc((cx, cy), r, COLOURS[t.colour])
    canvas.disc((cx, cy), r * 0.8, (250, 248, 240) if t.colour != "white" else (222, 222, 218))
    for hour in range(12):
        angle = hour * math.pi / 6
        c, s = math.cos(angle), math.sin(angle)
        canvas.line((cx + 0.68 * r * c, cy + 0.68 * r * s), (cx + 0.77 * r * c, cy + 0.77 * r * s), 1.2, _INK)
    turn = 2 * math.pi * t.pose
    hands = [(turn, 0.42, 2.6), (12 * turn % (2 * math.pi), 0.62, 1.8)]
    if t.flaw == "clock":
        count = 3 + round(3 * t.amount)
        hands += [(turn + 2 * math.pi * (i + 0.6) / (count + 0.7), 0.6, 2.0) for i in range(count)]
    for angle, length, width in hands:
        canvas.limb((cx, cy), (cx + length * r * math.cos(angle), cy + length * r * math.sin(angle)), width, _INK)
    canvas.disc((cx, cy), 2, _INK)
    return cx - r, cy - r, cx + r, cy + r


_DRAW = {
    "mug": _mug,
    "ball": _ball,
    "book": _book,
    "vase": _vase,
    "bottle": _bottle,
    "apple": _apple,
    "banana": _banana,
    "person": _person,
    "house": _house,
    "tree": _tree,
    "car": _car,
    "clock": _clock,
}
