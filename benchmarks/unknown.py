"""What the tiny model refuses as unknown: `python benchmarks/unknown.py` (a few minutes of one core; needs a Chromium).

Other pictures by kind, none of which was used to fit anything (`tests/other_pictures.py`), and fresh scenes, each share with its
exact 95 % interval (Clopper and Pearson). Prints the table of the model's card. Of scenes that are changed, `robustness.py` tells
how many are refused.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image
from playwright.sync_api import sync_playwright
from scipy.stats import binomtest

from dataset_builder.pictures import prepare
from dataset_builder.scenes import pair
from tests.chromium import LAUNCH, find_chromium
from tests.other_pictures import KINDS, pictures, screenshots
from trainer.known import Known, features
from trainer.loading import load

SEED = 60_647  # of scenes that nothing was fitted or chosen on


def distances(model: Any, processor: Any, images: Sequence[Image.Image]) -> list[float]:
    """How far each picture is from what is known: one above 1 is refused."""
    known: Known = model.known
    return known.beyond(features(model, processor, (prepare(image).image for image in images))).tolist()  # type: ignore[no-any-return]


def counted(far: Sequence[float]) -> dict[str, Any]:
    """How many were refused, with the exact 95 % interval of the share, and the nearest and farthest."""
    count, whole = sum(one > 1 for one in far), len(far)
    interval = binomtest(count, whole).proportion_ci(0.95, method="exact")
    return {
        "refused": [count, whole],
        "low": float(interval.low),
        "high": float(interval.high),
        "nearest": round(min(far), 2),
        "farthest": round(max(far), 2),
    }


def measured(name: str, each: int, scenes: int) -> dict[str, dict[str, Any]]:
    """What `counted` gives for each kind of other pictures, `each` of them, for all together, and for fresh scenes with twins."""
    model, processor = load(name)
    others: dict[str, list[Image.Image]] = {kind: [picture for _, picture in pictures(kind, each)] for kind in KINDS}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        others["screenshots"] = [picture for _, picture in screenshots(browser, each)]
        browser.close()
    far = {kind: distances(model, processor, images) for kind, images in others.items()}
    found = {kind: counted(distant) for kind, distant in far.items()}
    found["all other pictures"] = counted([one for distant in far.values() for one in distant])
    fresh = [picture.image for index in range(scenes // 2) for picture in pair(SEED, index)]
    return found | {"fresh scenes": counted(distances(model, processor, fresh))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--each", type=int, default=60, help="other pictures of each kind")
    parser.add_argument("--scenes", type=int, default=1000, help="fresh scenes, half of them clean twins")
    arguments = parser.parse_args()
    print("| pictures | refused | share | 95 % interval | distance |\n|---|---|---|---|---|")
    for name, one in measured(arguments.model, arguments.each, arguments.scenes).items():
        count, whole = one["refused"]
        share = f"{count / whole:.1%} | {one['low']:.1%} to {one['high']:.1%}"
        print(f"| {name} | {count} of {whole} | {share} | {one['nearest']:.2f} to {one['farthest']:.2f} |")


if __name__ == "__main__":
    main()
