"""What the tiny model refuses as unknown: `python benchmarks/unknown.py` (a few minutes of one core; needs a Chromium).

Other pictures by kind, none of which was used to fit anything (`tests/other_pictures.py`), and fresh scenes, each share with its
exact 95 % interval (Clopper and Pearson); then scenes that are changed in one way each. Prints the tables of the model's card.
"""

import argparse
import io
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image, ImageEnhance, ImageOps
from playwright.sync_api import sync_playwright
from scipy.stats import binomtest

from dataset_builder.pictures import prepare
from dataset_builder.scenes import pair
from tests.chromium import LAUNCH, find_chromium
from tests.other_pictures import KINDS, pictures, screenshots
from trainer.known import Known, features
from trainer.loading import load

SEED = 60_646  # of scenes that nothing was fitted or chosen on


def _jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


def _turned(degrees: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "turned by 2°": _turned(2),
    "turned by 5°": _turned(5),
    "30 % darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "30 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "JPEG, quality 40": _jpeg,
    "mirrored": ImageOps.mirror,
    "half the size": lambda image: image.reduce(2),
}


def distances(model: Any, processor: Any, images: Sequence[Image.Image]) -> list[float]:
    """How far each picture is, as a multiple of the threshold: one above 1 is refused."""
    known: Known = model.known
    seen = features(model, processor, (prepare(image).image for image in images))
    return (known.distances(seen) / known.threshold).tolist()  # type: ignore[no-any-return]


def told(name: str, far: Sequence[float]) -> str:
    """A row of the card's table."""
    count, whole = sum(one > 1 for one in far), len(far)
    interval = binomtest(count, whole).proportion_ci(0.95, method="exact")
    share = f"{count / whole:.1%} | {interval.low:.1%} to {interval.high:.1%}"
    return f"| {name} | {count} of {whole} | {share} | {min(far):.2f} to {max(far):.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--each", type=int, default=60, help="other pictures of each kind")
    parser.add_argument("--scenes", type=int, default=1000, help="fresh scenes, half of them clean twins")
    parser.add_argument("--changed", type=int, default=200, help="scenes that are changed, in each way")
    arguments = parser.parse_args()
    model, processor = load(arguments.model)
    print("| pictures | refused | share | 95 % interval | distance |\n|---|---|---|---|---|")
    others: dict[str, list[Image.Image]] = {
        kind: [picture for _, picture in pictures(kind, arguments.each)] for kind in KINDS
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        others["screenshots"] = [picture for _, picture in screenshots(browser, arguments.each)]
        browser.close()
    far = {kind: distances(model, processor, images) for kind, images in others.items()}
    for kind, found in far.items():
        print(told(kind, found))
    print(told("all other pictures", [one for found in far.values() for one in found]))
    scenes = [picture.image for index in range(arguments.scenes // 2) for picture in pair(SEED, index)]
    started = time.process_time()
    print(told("fresh scenes", distances(model, processor, scenes)))
    print(f"{1000 * (time.process_time() - started) / len(scenes):.1f} ms of processor time per picture")
    print("\n| scenes, changed | refused |\n|---|---|")
    sample = random.Random(0).sample(scenes, min(arguments.changed, len(scenes)))
    for name, change in CHANGES.items():
        found = distances(model, processor, [change(image) for image in sample])
        print(f"| {name} | {sum(one > 1 for one in found)} of {len(found)} |")


if __name__ == "__main__":
    main()
