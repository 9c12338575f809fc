"""Where things are in the picture: how large a metre is, where flaws put things, where shadows fall, what is in view.

Outdoors the eye is 1.6 m above flat ground, so the horizon is that high everywhere: a metre at a base line `y` has
(y - HORIZON) / 1.6 pixels. In a room all things stand on one line of a table .76 m wide; the wall behind it is farther away.
"""

from dataclasses import replace

from dataset_builder.scenes.world import SIZE, Scene, Thing

__all__ = [
    "HORIZON",
    "TABLE_BASE",
    "TABLE_FRONT",
    "TABLE_SCALE",
    "TABLE_TOP",
    "WALL_SCALE",
    "Extent",
    "ground_scale",
    "in_view",
    "shadow_extent",
    "standing",
]

Extent = tuple[float, float, float, float]

TABLE_TOP, TABLE_BASE, TABLE_FRONT = 106, 116, 126  # far edge, where things stand, near edge
TABLE_SCALE, WALL_SCALE = 210.0, 150.0  # pixels per metre
HORIZON, EYE = 92, 1.6
LONGEST_SHADOW = 42.0
LEAST_SHADOW = 11.0  # pixels of a false shadow that must be seen
MOST_HIDDEN = 0.25  # of a thing, behind nearer ones


def ground_scale(y: float) -> float:
    """Pixels per metre for what stands outdoors on the base line `y`."""
    return (y - HORIZON) / EYE


def standing(thing: Thing, setting: str) -> Thing:
    """The thing where its flaw puts it: lifted, sunk or enlarged."""
    match thing.flaw:
        case "floating":
            return replace(thing, y=thing.y - 12 - 20 * thing.amount)
        case "sunk":
            return replace(thing, y=TABLE_FRONT + 5 + thing.height * (0.3 + 0.35 * thing.amount))
        case "giant":
            times = 2.3 + 0.9 * thing.amount if setting == "room" else 3 + thing.amount
            return replace(thing, height=times * thing.height)
    return thing


def shadow_extent(thing: Thing, scene: Scene) -> Extent:
    """The ellipse that a thing's shadow fills: beside it, on the side away from the light unless that is its flaw."""
    away = 1 if scene.light == "left" else -1
    length = min(0.85 * thing.height, LONGEST_SHADOW)
    if thing.flaw == "shadow":
        away, length = -away, length * (1 + 0.5 * thing.amount)
    foot = thing.x + away * 0.25 * thing.width
    left, right = sorted((foot - away * 0.3 * thing.width, foot + away * length + away * 0.2 * thing.width))
    half = 4.0 if scene.setting == "room" else max(0.17 * ground_scale(thing.y), 4.0)
    if scene.setting == "room":  # a shadow ends with the table
        left, right = max(left, 9), min(right, 159)
    return left, thing.y - half, right, thing.y + half


def in_view(scene: Scene) -> bool:
    """Whether everything can be seen well: no thing mostly behind nearer ones, and enough of a false shadow."""
    boxes = [_box(standing(thing, scene.setting)) for thing in scene.things]
    for index, (thing, box) in enumerate(zip(scene.things, boxes, strict=True)):
        nearer = boxes[index + 1 :]
        if sum(_common(box, other) for other in nearer) > MOST_HIDDEN * (box[2] - box[0]) * (box[3] - box[1]):
            return False
        if thing.flaw == "shadow":
            left, top, right, bottom = shadow_extent(thing, scene)
            left, right = (left, min(right, box[0])) if scene.light == "left" else (max(left, box[2]), right)
            seen = (max(left, 0), top, min(right, SIZE), bottom)
            others = boxes[:index] + nearer
            area = (seen[2] - seen[0]) * (bottom - top) - sum(_common(seen, other) for other in others)
            if seen[2] <= seen[0] or area < LEAST_SHADOW * (bottom - top):
                return False
    return True


def _box(thing: Thing) -> Extent:
    return thing.x - thing.width / 2, thing.y - thing.height, thing.x + thing.width / 2, thing.y


def _common(a: Extent, b: Extent) -> float:
    """The area that two extents share."""
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0.0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
