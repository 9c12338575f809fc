"""Fits which pictures the tiny model knows, only on fresh scenes, next to its weights; run it again for new weights.

`python -m trainer.tiny.known --model DIRECTORY` (a minute of one core). Scenes that are turned are unknown, too: turned by 5°,
one of ten clean scenes is reported on.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from dataset_builder.pictures import prepare
from dataset_builder.scenes import pair
from trainer.known import FILE, Known, features, fit, with_errors
from trainer.loading import TINY, load
from trainer.tiny.variation import turned

__all__ = ["fit_tiny"]

SEED = 900_000_001  # of no training, test or benchmark
SCENES, HELD_OUT = 800, 800
REFUSED = 0.003
RIGHT, WRONG = (0.0, 3.0), (4.0, 9.0)  # degrees by which a scene is turned that it answers well, and badly


def fit_tiny(directory: Path, scenes: int = SCENES, held_out: int = HELD_OUT) -> Known:
    """Fit on `scenes` scenes with their twins, and the limits on `held_out` others, and write the file next to the weights."""
    (directory / FILE).unlink(missing_ok=True)  # of earlier weights it would not let these be loaded
    model, processor = load(str(directory))
    seen, others, right, wrong = (
        features(model, processor, pictures)
        for pictures in (
            _scenes(0, scenes),
            _scenes(scenes, held_out),
            _scenes(scenes + held_out, scenes // 2, RIGHT),
            _scenes(scenes + held_out, scenes, WRONG),
        )
    )
    known = fit(model, processor, seen, others, REFUSED)
    known = with_errors(known, torch.cat([seen, right]), wrong, others, REFUSED)
    known.write(directory)
    return known


def _scenes(first: int, count: int, degrees: tuple[float, float] = (0.0, 0.0)) -> Iterator[Image.Image]:
    """Scenes and their twins, each turned by so many degrees to either side."""
    rng = random.Random(f"turned {first} {degrees}")
    for index in range(first, first + count):
        for picture in pair(SEED, index):
            angle = rng.choice((-1, 1)) * rng.uniform(*degrees)
            yield prepare(turned(picture.image, angle) if angle else picture.image).image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=TINY, help="the directory of the weights")
    known = fit_tiny(parser.parse_args().model)
    print(f"{known.pictures} pictures, threshold {known.threshold:.3f} set by {known.held_out} others")


if __name__ == "__main__":
    main()
