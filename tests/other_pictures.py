"""Pictures that are not scenes, by kind, to test what the tiny model refuses. None of them is used to fit anything.

Photographs, textures and scans are crops of pictures that scikit-image, scikit-learn, matplotlib and gradio carry in their packages
(`SOURCES` has their licences); the rest is drawn here from a seed, by code that shares nothing with the renderer of scenes.
"""

import io
import math
import random
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from tests.flat_cartoons import cartoon

__all__ = ["KINDS", "SOURCES", "pictures", "screenshots"]

SOURCES = {
    "photographs": {
        # Public domain (NASA), CC0 (the cat) and CC-BY, by scikit-image's and scikit-learn's own notes.
        "skimage/data": (
            "astronaut.png",
            "camera.png",
            "chelsea.png",
            "clock_motion.png",
            "coffee.png",
            "motorcycle_left.png",
            "motorcycle_right.png",
            "rocket.jpg",
        ),
        "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
        "matplotlib/mpl-data/sample_data": ("grace_hopper.jpg",),  # public domain, US Navy
        "gradio/media_assets/images": ("cheetah.jpg", "cheetah1.jpg", "lion.jpg", "tower.jpg"),  # gradio: Apache-2.0
    },
    "textures and scans": {
        "skimage/data": (
            "brick.png",
            "cell.png",
            "coins.png",
            "grass.png",
            "gravel.png",
            "hubble_deep_field.jpg",
            "ihc.png",
            "moon.png",
            "page.png",
            "retina.jpg",
            "text.png",
        )
    },
}
"""Where the pictures of a kind lie in installed packages: public domain, CC0, CC-BY or the package's own open licence."""


def _files(kind: str) -> list[Path]:
    found = []
    for folder, names in SOURCES[kind].items():
        package, _, rest = folder.partition("/")
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        found += [Path(next(iter(spec.submodule_search_locations))) / rest / name for name in names]
    return found


def _crops(kind: str, count: int, rng: random.Random) -> Iterator[Image.Image]:
    """The whole pictures first, then crops of a third to nine tenths of their sides, some of them mirrored."""
    whole = [Image.open(path).convert("RGB") for path in _files(kind)]
    for index in range(count):
        picture = whole[index % len(whole)]
        if index >= len(whole):
            width, height = (round(side * rng.uniform(0.33, 0.9)) for side in picture.size)
            x, y = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
            picture = picture.crop((x, y, x + width, y + height))
            picture = ImageOps.mirror(picture) if rng.random() < 0.5 else picture
        yield picture


def _photographs(count: int, rng: random.Random) -> Iterator[Image.Image]:
    return _crops("photographs", count, rng)


def _scans(count: int, rng: random.Random) -> Iterator[Image.Image]:
    return _crops("textures and scans", count, rng)


def _colour(rng: random.Random, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def _drawings(count: int, rng: random.Random) -> Iterator[Image.Image]:
    """Lines on paper: outlines of photographs, hatching, loose strokes, figures, geometric compositions."""
    photographs = [Image.open(path).convert("L") for path in _files("photographs")]
    for index in range(count):
        side = rng.choice((168, 240, 400, 640))
        paper = _colour(rng, 225, 255)
        picture = Image.new("RGB", (side, side), paper)
        draw = ImageDraw.Draw(picture)
        ink, width = _colour(rng, 0, 110), max(1, side // 120)
        match index % 5:
            case 0:
                edges = rng.choice(photographs).resize((side, side)).filter(ImageFilter.FIND_EDGES)
                picture = ImageOps.colorize(ImageOps.invert(ImageOps.autocontrast(edges)), ink, paper)
            case 1:
                for _ in range(rng.randint(40, 160)):
                    x, y, length = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(0.05, 0.25) * side
                    angle = rng.gauss(0.8, 0.2)
                    draw.line((x, y, x + length * math.cos(angle), y + length * math.sin(angle)), ink, width)
            case 2:
                for _ in range(rng.randint(3, 9)):
                    draw.line(_curve(side, rng), _colour(rng, 0, 160), width * rng.randint(1, 3), joint="curve")
            case 3:
                for _ in range(rng.randint(1, 5)):
                    _stick_figure(draw, side, ink, width * 2, rng)
            case _:
                for _ in range(rng.randint(5, 14)):
                    x, y, far = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(0.1, 0.5) * side
                    fill = _colour(rng) if rng.random() < 0.6 else None
                    shape = rng.choice((draw.rectangle, draw.ellipse))
                    shape((x, y, x + far, y + far * rng.uniform(0.5, 1)), fill, ink, width * 2)
        yield picture


def _curve(side: int, rng: random.Random) -> list[tuple[float, float]]:
    """A Bézier curve through the picture."""
    points = np.array([[rng.uniform(0, side), rng.uniform(0, side)] for _ in range(4)])
    t = np.linspace(0, 1, 60)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    return [tuple(point) for point in weights @ points]


def _stick_figure(draw: Any, side: int, ink: tuple[int, int, int], width: int, rng: random.Random) -> None:
    x, y, tall = rng.uniform(0.2, 0.8) * side, rng.uniform(0.1, 0.4) * side, rng.uniform(0.3, 0.5) * side
    head = tall * 0.12
    draw.ellipse((x - head, y, x + head, y + 2 * head), outline=ink, width=width)
    hip = y + 0.6 * tall
    draw.line((x, y + 2 * head, x, hip), ink, width)
    for away in (-1, 1):
        draw.line((x, hip, x + away * 0.2 * tall, y + tall), ink, width)
        draw.line((x, y + 0.35 * tall, x + away * 0.25 * tall, y + rng.uniform(0.2, 0.6) * tall), ink, width)


def _charts(count: int, rng: random.Random) -> Iterator[Image.Image]:
    """Matplotlib's kinds of plots in several of its styles."""
    from matplotlib import style
    from matplotlib.figure import Figure

    styles = ("default", "ggplot", "seaborn-v0_8", "dark_background", "bmh", "Solarize_Light2")
    for index in range(count):
        numbers = np.random.default_rng(rng.randrange(2**32))
        with style.context(rng.choice(styles)):
            figure = Figure(figsize=(rng.uniform(3, 6), rng.uniform(3, 5)), dpi=72)
            axes = figure.subplots()
            match index % 8:
                case 0:
                    axes.bar(range(6), numbers.random(6))
                case 1:
                    axes.plot(numbers.normal(size=(60, 3)).cumsum(0))
                case 2:
                    axes.pie(numbers.random(5) + 0.1, labels=list("ABCDE"))
                case 3:
                    axes.scatter(*numbers.normal(size=(2, 120)), c=numbers.random(120))
                case 4:
                    axes.imshow(numbers.random((8, 8)), cmap=rng.choice(("viridis", "magma", "Blues")))
                case 5:
                    axes.hist(numbers.normal(size=300), bins=20)
                case 6:
                    axes.boxplot(numbers.normal(size=(40, 5)))
                case _:
                    axes.stackplot(range(20), numbers.random((3, 20)))
            axes.set_title(rng.choice(("Share of pictures", "Loss", "Sales in 2026", "")))
            out = io.BytesIO()
            figure.savefig(out, format="png")
        yield Image.open(out).convert("RGB")


def _noise(count: int, rng: random.Random) -> Iterator[Image.Image]:
    """Noise of several grains, gradients, stripes, and one colour alone."""
    for index in range(count):
        numbers = np.random.default_rng(rng.randrange(2**32))
        side = rng.choice((120, 168, 256))
        match index % 6:
            case 0:
                values = numbers.integers(0, 256, (side, side, 3))
            case 1:
                values = numbers.normal(128, rng.uniform(10, 60), (side, side, 1)).repeat(3, 2)
            case 2:
                coarse = Image.fromarray(numbers.integers(0, 256, (6, 6, 3), dtype=np.uint8))
                values = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
            case 3:
                slope = np.linspace(0, 1, side)[:, None, None]
                start, end = (np.array(_colour(rng)) for _ in range(2))
                values = (start + slope * (end - start)) * np.ones((1, side, 1))
                values = values.swapaxes(0, 1) if rng.random() < 0.5 else values
            case 4:
                waves = np.sin(np.linspace(0, rng.uniform(10, 120), side))[None, :, None]
                values = (128 + 100 * waves) * np.ones((side, 1, 3))
            case _:
                values = np.ones((side, side, 1)) * np.array(_colour(rng))
        yield Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _cartoons(count: int, rng: random.Random) -> Iterator[Image.Image]:
    return (cartoon(rng) for _ in range(count))


KINDS: dict[str, Callable[[int, random.Random], Iterator[Image.Image]]] = {
    "photographs": _photographs,
    "textures and scans": _scans,
    "drawings": _drawings,
    "charts": _charts,
    "noise and plain colours": _noise,
    "flat cartoons of other things": _cartoons,
}
"""The kinds that need no browser; screenshots are taken by `screenshots`."""


def pictures(kind: str, count: int, seed: int = 0) -> list[tuple[str, Image.Image]]:
    """`count` pictures of a kind, named; the same ones for the same seed."""
    rng = random.Random(f"{kind}:{seed}")
    return [(f"{kind} {index}", picture) for index, picture in enumerate(KINDS[kind](count, rng))]


def screenshots(browser: Any, count: int, seed: int = 0) -> list[tuple[str, Image.Image]]:
    """Pages of several looks, as a Playwright browser shows them: forms, tables, articles, dialogues, code, tiles."""
    rng = random.Random(f"screenshots:{seed}")
    page = browser.new_page()
    found = []
    for index in range(count):
        page.set_viewport_size({"width": rng.choice((360, 640, 900)), "height": rng.choice((480, 640, 800))})
        page.set_content(_html(index, rng))
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        found.append((f"screenshot {index}", shot))
    page.close()
    return found


_WORDS = [
    "a",
    "picture",
    "shows",
    "what",
    "nobody",
    "expected",
    "of",
    "the",
    "table",
    "in",
    "that",
    "room",
    "and",
    "why",
]


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(words)).capitalize() + "."


def _html(index: int, rng: random.Random) -> str:
    dark = rng.random() < 0.4
    ground, ink = ("#15171c", "#e6e6e6") if dark else (rng.choice(("#fff", "#fafafa", "#f4efe6", "#eef3f8")), "#222")
    accent = "#{:02x}{:02x}{:02x}".format(*_colour(rng, 30, 210))
    parts = {
        0: "".join(f"<p><label>{_text(rng, 2)} <input value='{_text(rng, 2)}'></label></p>" for _ in range(7))
        + "<button>Send</button>",
        1: "<table border=1 cellpadding=6>"
        + "".join("<tr>" + "".join(f"<td>{rng.randint(1, 9999)}</td>" for _ in range(6)) + "</tr>" for _ in range(14))
        + "</table>",
        2: "".join(f"<h2>{_text(rng, 4)}</h2><p>{_text(rng, 60)}</p>" for _ in range(3)),
        3: "".join(
            f"<div style='margin:8px {'0 8px 30%' if turn % 2 else '30% 8px 0'};padding:12px;border-radius:14px;"
            f"background:{accent if turn % 2 else '#8884'}'>{_text(rng, rng.randint(4, 20))}</div>"
            for turn in range(8)
        ),
        4: "<pre style='background:#0004;padding:14px'>"
        + "\n".join("  " * rng.randint(0, 4) + _text(rng, rng.randint(2, 8)) for _ in range(28))
        + "</pre>",
        5: "<div style='display:grid;grid-template-columns:repeat(3,1fr);gap:12px'>"
        + "".join(
            f"<div style='background:{accent};opacity:{rng.uniform(0.3, 1):.2f};height:110px;border-radius:10px;"
            f"padding:10px'>{_text(rng, 3)}</div>"
            for _ in range(12)
        )
        + "</div>",
    }
    bar = f"<nav style='background:{accent};color:#fff;padding:14px 20px;font-weight:bold'>{_text(rng, 3)}</nav>"
    family = rng.choice(("sans-serif", "serif", "monospace"))
    style = f"margin:0;background:{ground};color:{ink};font:{rng.choice((14, 16, 18))}px/1.5 {family}"
    return (
        f"<body style='{style}'>{bar if rng.random() < 0.7 else ''}<main style='padding:20px'>{parts[index % 6]}</main>"
    )
