"""Fits which pictures the tiny model knows, on fresh scenes alone, beside its weights; run it again for new weights.

`python -m trainer.tiny.known --model DIRECTORY` (half a minute of one core, most of it for drawing).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from dataset_builder.pictures import prepare
from dataset_builder.scenes import pair
from trainer.known import FILE, Known, features, fit
from trainer.loading import TINY, load

__all__ = ["fit_tiny"]

SEED = 900_000_001  # of no training, test or benchmark
SCENES, HELD_OUT = 800, 800
REFUSED = 0.003


def fit_tiny(directory: Path, scenes: int = SCENES, held_out: int = HELD_OUT) -> Known:
    """Fit on `scenes` scenes with their twins, and the threshold on `held_out` others, and write the file beside the weights."""
    (directory / FILE).unlink(missing_ok=True)  # of earlier weights it would not let these be loaded
    model, processor = load(str(directory))
    seen, others = (
        features(model, processor, _scenes(first, count)) for first, count in ((0, scenes), (scenes, held_out))
    )
    known = fit(model, processor, seen, others, REFUSED)
    known.write(directory)
    return known


def _scenes(first: int, count: int) -> Iterator[Image.Image]:
    for index in range(first, first + count):
        for picture in pair(SEED, index):
            yield prepare(picture.image).image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=TINY, help="the directory of the weights")
    known = fit_tiny(parser.parse_args().model)
    print(f"{known.pictures} pictures, threshold {known.threshold:.3f} set by {known.held_out} others")


if __name__ == "__main__":
    main()
