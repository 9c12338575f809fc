"""Draws a scene: its setting, the shadows, then the things where their flaws put them."""

from collections.abc import Sequence

from PIL import Image

from dataset_builder.scenes.canvas import Canvas, Colour, shade, union
from dataset_builder.scenes.geometry import (
    HORIZON,
    TABLE_FRONT,
    TABLE_SCALE,
    TABLE_TOP,
    Extent,
    shadow_extent,
    standing,
)
from dataset_builder.scenes.sampling import SMALL
from dataset_builder.scenes.things import DRAW
from dataset_builder.scenes.world import COLOURS, SIZE, Scene, Thing

__all__ = ["draw_scene"]

_WALLS: list[Colour] = [(226, 216, 204), (204, 216, 222), (216, 222, 204), (228, 208, 210), (214, 208, 226)]
_FLOORS: list[Colour] = [(150, 124, 104), (132, 128, 126), (124, 132, 118), (146, 120, 122), (120, 118, 134)]
_SKIES: list[Colour] = [(176, 214, 238), (196, 222, 236), (238, 214, 194), (206, 208, 232), (184, 224, 222)]
_GROUNDS: list[Colour] = [(142, 178, 112), (164, 182, 120), (196, 178, 134), (150, 170, 140), (128, 170, 124)]
_WOOD: Colour = (186, 146, 106)


def draw_scene(scene: Scene) -> tuple[Image.Image, list[Extent]]:
    """Draw a scene.

    Returns:
        The RGB picture, 168 × 168, and the extent [x0, y0, x1, y1] in pixels of each thing, in the scene's order; a flaw
        that shows beside the thing (its shadow, its handle, its reflection) is inside the extent.
    """
    canvas = Canvas()
    surface = _room(canvas, scene) if scene.setting == "room" else _outdoors(canvas, scene)
    for thing in scene.things:
        if thing.kind != "clock" and thing.flaw != "sunk":
            canvas.ellipse(shadow_extent(thing, scene), shade(surface, 0.58))
    extents = []
    for index, thing in enumerate(scene.things):
        extent = DRAW[thing.kind](canvas, standing(thing, scene.setting))
        if thing.flaw == "sunk":
            _table_edge(canvas, extent[0] - 2, extent[2] + 4, surface)
        if thing.flaw == "shadow":
            extent = union(extent, shadow_extent(thing, scene))
        if thing.flaw == "mirror" and index == scene.mirror:
            extent = union(extent, _mirror_extent(thing))
        extents.append(_clip(extent))
    return canvas.reduced(), extents


def _clip(extent: Extent) -> Extent:
    x0, y0, x1, y1 = (round(min(max(v, 0), SIZE), 1) for v in extent)
    return x0, y0, x1, y1


# Settings


def _pick(colours: Sequence[Colour], palette: float, salt: int) -> Colour:
    return colours[int(palette * 1000 + salt) % len(colours)]


def _room(canvas: Canvas, scene: Scene) -> Colour:
    wall, floor = _pick(_WALLS, scene.palette, 0), _pick(_FLOORS, scene.palette, 2)
    canvas.rect((0, 0, SIZE, 128), wall)
    canvas.rect((0, 128, SIZE, SIZE), floor)
    canvas.rect((0, 126, SIZE, 129), shade(wall, 0.85))
    # The light: a bright window at one edge, its glow on the wall beside it.
    at = 0 if scene.light == "left" else SIZE
    inward = 1 if scene.light == "left" else -1
    glow = shade(wall, 1.07)
    canvas.polygon([(at, 4), (at + inward * 40, 0), (at + inward * 84, TABLE_TOP), (at, TABLE_TOP)], glow)
    left, right = sorted((at, at + inward * 9))
    canvas.rect((left, 8, right, 66), (255, 246, 196))
    canvas.rect((left, 36, right, 38), shade(wall, 0.7))
    if scene.mirror is not None:
        _mirror(canvas, scene.things[scene.mirror], wall)
    wood = shade(_WOOD, 0.9 + 0.2 * scene.palette)
    for x in (16, 144):
        canvas.rect((x, TABLE_FRONT, x + 8, 164), shade(wood, 0.6))
    canvas.polygon([(12, TABLE_TOP), (156, TABLE_TOP), (164, TABLE_FRONT), (4, TABLE_FRONT)], wood)
    _table_edge(canvas, 4, 164, wood)
    return wood


def _table_edge(canvas: Canvas, left: float, right: float, wood: Colour) -> None:
    canvas.rect((max(left, 4), TABLE_FRONT, min(right, 164), TABLE_FRONT + 5), shade(wood, 0.75))


def _outdoors(canvas: Canvas, scene: Scene) -> Colour:
    sky, ground = _pick(_SKIES, scene.palette, 1), _pick(_GROUNDS, scene.palette, 3)
    canvas.rect((0, 0, SIZE, HORIZON), sky)
    far = shade(ground, 0.88)
    hill = 30 + 100 * scene.palette
    canvas.ellipse((hill - 80, HORIZON - 16, hill + 80, HORIZON + 40), far)
    canvas.rect((0, HORIZON, SIZE, SIZE), ground)
    x = 12 if scene.light == "left" else SIZE - 12
    canvas.disc((x, 12), 24, shade(sky, 1.06))
    canvas.disc((x, 12), 15, (255, 226, 92))
    return ground


def _mirror_extent(thing: Thing) -> Extent:
    return thing.x - 23, 4, thing.x + 23, 61


def _mirror(canvas: Canvas, thing: Thing, wall: Colour) -> None:
    x0, y0, x1, y1 = _mirror_extent(thing)
    canvas.rect((x0, y0, x1, y1), (150, 112, 66), radius=3)
    canvas.rect((x0 + 3, y0 + 3, x1 - 3, y1 - 3), (206, 226, 232), radius=2)
    shown = thing
    if thing.flaw == "mirror":
        shown = _false_reflection(thing)
    elif thing.flaw:  # the mirror shows what stands there, not what is wrong with it
        shown = Thing(thing.kind, thing.colour, thing.x, thing.y, thing.height, thing.pose)
    height = min(shown.height, 40.0, 34 / (_width_share(shown)))
    DRAW[shown.kind](canvas, Thing(shown.kind, shown.colour, thing.x, y1 - 6, height, 1 - shown.pose))


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
    low, high = SMALL[kind]
    return Thing(kind, colour, thing.x, thing.y, TABLE_SCALE * (low + high) / 2, thing.pose)
