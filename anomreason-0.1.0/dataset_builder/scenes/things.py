"""The things of a scene: each draws itself on its base line and returns its extent."""

import math
from collections.abc import Callable

from dataset_builder.scenes.canvas import Canvas, Colour, Point, shade, union
from dataset_builder.scenes.geometry import Extent
from dataset_builder.scenes.world import COLOURS, Thing

__all__ = ["DRAW"]

INK: Colour = (44, 40, 52)
SKIN: Colour = (236, 188, 150)


def _mug(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width * 0.74, t.height, COLOURS[t.colour]
    side = 1 if t.pose < 0.5 else -1
    gap = 6 + 9 * t.amount if t.flaw == "handle" else -h * 0.12
    edge = t.x + side * (w / 2 + gap)
    x0, x1 = sorted((edge, edge + side * h * 0.42))
    ring = (x0, t.y - 0.78 * h, x1, t.y - 0.22 * h)
    canvas.ring(ring, h * 0.12, shade(fill, 0.75))
    canvas.rect((t.x - w / 2, t.y - h, t.x + w / 2, t.y), fill, radius=h * 0.1)
    canvas.ellipse((t.x - w / 2, t.y - h - h * 0.08, t.x + w / 2, t.y - h + h * 0.1), shade(fill, 0.6))
    canvas.rect((t.x - w * 0.38, t.y - 0.8 * h, t.x - w * 0.28, t.y - 0.2 * h), shade(fill, 1.25))
    return union((t.x - w / 2, t.y - h * 1.08, t.x + w / 2, t.y), ring)


def _ball(canvas: Canvas, t: Thing) -> Extent:
    r, fill = t.height / 2, COLOURS[t.colour]
    box = (t.x - r, t.y - 2 * r, t.x + r, t.y)
    canvas.ellipse(box, fill)
    canvas.ellipse((t.x - r * 0.98, t.y - r * 1.28, t.x + r * 0.98, t.y - r * 0.72), shade(fill, 0.72))
    canvas.disc((t.x - r * 0.35, t.y - r * 1.5), r * 0.2, shade(fill, 1.35))
    return box


def _book(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    box = (t.x - w / 2, t.y - h, t.x + w / 2, t.y)
    canvas.rect((box[0] + w * 0.1, box[1] + h * 0.04, box[2] + w * 0.08, box[3] - h * 0.03), (250, 246, 232))
    canvas.rect(box, fill)
    canvas.rect((box[0], box[1], box[0] + w * 0.16, box[3]), shade(fill, 0.65))
    canvas.rect((t.x - w * 0.18, t.y - h * 0.78, t.x + w * 0.34, t.y - h * 0.66), shade(fill, 1.4))
    return box


def _vase(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.ellipse((t.x - w / 2, t.y - h * 0.72, t.x + w / 2, t.y - h * 0.02), fill)
    neck = [
        (t.x - w * 0.2, t.y - h * 0.6),
        (t.x + w * 0.2, t.y - h * 0.6),
        (t.x + w * 0.3, t.y - h),
        (t.x - w * 0.3, t.y - h),
    ]
    canvas.polygon(neck, fill)
    canvas.ellipse((t.x - w * 0.3, t.y - h * 1.04, t.x + w * 0.3, t.y - h * 0.95), shade(fill, 0.6))
    canvas.rect((t.x - w * 0.28, t.y - h * 0.06, t.x + w * 0.28, t.y), shade(fill, 0.75))
    canvas.rect((t.x - w * 0.47, t.y - h * 0.42, t.x + w * 0.47, t.y - h * 0.34), shade(fill, 0.75))
    return t.x - w / 2, t.y - h * 1.04, t.x + w / 2, t.y


def _bottle(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.rect((t.x - w / 2, t.y - h * 0.66, t.x + w / 2, t.y), fill, radius=w * 0.2)
    canvas.polygon([(t.x - w / 2, t.y - h * 0.62), (t.x + w / 2, t.y - h * 0.62), (t.x, t.y - h * 0.9)], fill)
    canvas.rect((t.x - w * 0.16, t.y - h * 0.94, t.x + w * 0.16, t.y - h * 0.6), fill)
    canvas.rect((t.x - w * 0.2, t.y - h, t.x + w * 0.2, t.y - h * 0.92), shade(fill, 0.55))
    canvas.rect((t.x - w / 2, t.y - h * 0.42, t.x + w / 2, t.y - h * 0.18), (248, 244, 230))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _apple(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    for dx in (-0.2, 0.2):
        canvas.ellipse((t.x + dx * w - w * 0.31, t.y - h * 0.84, t.x + dx * w + w * 0.31, t.y), fill)
    canvas.limb((t.x, t.y - h * 0.78), (t.x + w * 0.06, t.y - h), max(h * 0.07, 1.5), (96, 66, 40))
    canvas.ellipse((t.x + w * 0.06, t.y - h * 1.02, t.x + w * 0.34, t.y - h * 0.86), (74, 136, 62))
    canvas.disc((t.x - w * 0.28, t.y - h * 0.58), h * 0.08, shade(fill, 1.35))
    return t.x - w * 0.51, t.y - h * 1.02, t.x + w * 0.51, t.y


def _banana(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    steps = [i / 10 for i in range(11)]
    outer = [(t.x + w * (s - 0.5), t.y - h * (0.9 - 0.9 * math.sin(math.pi * s))) for s in steps]
    inner = [(t.x + w * 0.94 * (s - 0.5), t.y - h * (0.98 - 0.42 * math.sin(math.pi * s))) for s in reversed(steps)]
    canvas.polygon(outer + inner, fill)
    for x in (t.x - w * 0.49, t.x + w * 0.48):
        canvas.disc((x, t.y - h * 0.93), h * 0.08, (84, 62, 40))
    canvas.line((t.x - w * 0.3, t.y - h * 0.42), (t.x + w * 0.25, t.y - h * 0.36), h * 0.05, shade(fill, 0.75))
    return t.x - w * 0.53, t.y - h, t.x + w * 0.53, t.y


def _person(canvas: Canvas, t: Thing) -> Extent:
    h, fill = t.height, COLOURS[t.colour]
    up = -1 if t.flaw == "upside_down" else 1
    # Heights are measured from the feet; upside down, the same figure hangs from where its feet would be.
    feet = t.y if up == 1 else t.y - h

    def at(dx: float, height: float) -> Point:
        return t.x + dx * h, feet - up * height * h

    for dx in (-0.09, 0.09):
        canvas.limb(at(dx * 0.7, 0.42), at(dx, 0.04), h * 0.085, shade(fill, 0.62))
        canvas.limb(at(dx, 0.025), at(dx + (0.05 if dx > 0 else -0.05), 0.025), h * 0.05, INK)
    spread = 0.25 + 0.5 * t.pose
    angles = [math.pi + spread, -spread]  # arms hang beside the body, 0 pointing right
    if t.flaw == "extra_arm":
        angles += [1.05] if t.amount < 0.5 else [1.05, math.pi - 1.05]
    reach, highest = 0.0, at(0, 1.01)[1]
    for angle in angles:
        shoulder = at(0.085 * math.copysign(1, math.cos(angle)), 0.74)
        hand = (shoulder[0] + 0.33 * h * math.cos(angle) * 0.9, shoulder[1] - up * 0.33 * h * math.sin(angle) * 0.9)
        canvas.limb(shoulder, hand, h * 0.1, shade(fill, 0.82))
        canvas.disc(hand, h * 0.06, SKIN)
        reach = max(reach, abs(hand[0] - t.x) + h * 0.06)
        highest = min(highest, hand[1] - h * 0.06)
    top, bottom = sorted((at(0, 0.8)[1], at(0, 0.4)[1]))
    canvas.rect((t.x - 0.12 * h, top, t.x + 0.12 * h, bottom), fill, radius=h * 0.06)
    canvas.disc(at(0, 0.9), h * 0.1, SKIN)
    hair = at(0, 0.95)
    canvas.ellipse((t.x - 0.1 * h, hair[1] - 0.055 * h, t.x + 0.1 * h, hair[1] + 0.045 * h), (84, 58, 44))
    return t.x - reach, min(highest, t.y - h * 1.01), t.x + reach, t.y


def _house(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.rect((t.x - w * 0.42, t.y - h * 0.62, t.x + w * 0.42, t.y), fill)
    canvas.polygon([(t.x - w / 2, t.y - h * 0.6), (t.x + w / 2, t.y - h * 0.6), (t.x, t.y - h)], (120, 72, 60))
    canvas.rect((t.x - w * 0.08, t.y - h * 0.34, t.x + w * 0.12, t.y), (92, 66, 48))
    for dx in (-0.32, 0.2):
        canvas.rect((t.x + dx * w, t.y - h * 0.5, t.x + (dx + 0.14) * w, t.y - h * 0.34), (214, 232, 240))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _tree(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    canvas.rect((t.x - w * 0.1, t.y - h * 0.5, t.x + w * 0.1, t.y), (110, 78, 54))
    for dx, dy, r in ((-0.2, 0.52, 0.3), (0.2, 0.52, 0.3), (0, 0.74, 0.36)):
        canvas.disc((t.x + dx * w, t.y - dy * h), r * w, shade(fill, 0.86 if dx else 0.96))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _car(canvas: Canvas, t: Thing) -> Extent:
    w, h, fill = t.width, t.height, COLOURS[t.colour]
    cabin = [(-0.26, 0.6), (0.24, 0.6), (0.14, 1.0), (-0.18, 1.0)]
    canvas.polygon([(t.x + dx * w, t.y - dy * h) for dx, dy in cabin], shade(fill, 0.85))
    glass = [(-0.19, 0.63), (0.17, 0.63), (0.1, 0.92), (-0.14, 0.92)]
    canvas.polygon([(t.x + dx * w, t.y - dy * h) for dx, dy in glass], (206, 228, 238))
    canvas.rect((t.x - w / 2, t.y - h * 0.64, t.x + w / 2, t.y - h * 0.2), fill, radius=h * 0.14)
    for dx in (-0.28, 0.28):
        canvas.disc((t.x + dx * w, t.y - h * 0.2), h * 0.2, INK)
        canvas.disc((t.x + dx * w, t.y - h * 0.2), h * 0.08, (190, 190, 196))
    return t.x - w / 2, t.y - h, t.x + w / 2, t.y


def _clock(canvas: Canvas, t: Thing) -> Extent:
    r = t.height / 2
    cx, cy = t.x, t.y - r
    canvas.disc((cx, cy), r, COLOURS[t.colour])
    canvas.disc((cx, cy), r * 0.8, (250, 248, 240) if t.colour != "white" else (222, 222, 218))
    for hour in range(12):
        angle = hour * math.pi / 6
        c, s = math.cos(angle), math.sin(angle)
        canvas.line((cx + 0.68 * r * c, cy + 0.68 * r * s), (cx + 0.77 * r * c, cy + 0.77 * r * s), 1.2, INK)
    turn = 2 * math.pi * t.pose
    hands = [(turn, 0.42, 2.6), (12 * turn % (2 * math.pi), 0.62, 1.8)]
    if t.flaw == "clock":
        count = 3 + round(3 * t.amount)
        hands += [(turn + 2 * math.pi * (i + 0.6) / (count + 0.7), 0.6, 2.0) for i in range(count)]
    for angle, length, width in hands:
        canvas.limb((cx, cy), (cx + length * r * math.cos(angle), cy + length * r * math.sin(angle)), width, INK)
    canvas.disc((cx, cy), 2, INK)
    return cx - r, cy - r, cx + r, cy + r


DRAW: dict[str, Callable[[Canvas, Thing], Extent]] = {
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
