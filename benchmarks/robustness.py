"""What the tiny model says when pictures are not as in its training: `python benchmarks/robustness.py`.

The same scenes and twins in every row, changed in one way each, and the photographs that scikit-image and scikit-learn carry, which
hold nothing that defies logic: every report on them is a false alarm.
"""

import argparse
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import skimage.data
import sklearn.datasets
from PIL import Image, ImageEnhance
from rich.console import Console
from rich.table import Table

from dataset_builder.scenes import SceneRow, pair
from trainer.loading import load
from trainer.predict import predict
from trainer.tiny.evaluate import score

PHOTOGRAPHS = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
BACKGROUND = (128, 128, 128)


def _brightness(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def _jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def encode(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return encode


def _rotated(degrees: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=BACKGROUND)


def _hue(degrees: float) -> Callable[[Image.Image], Image.Image]:
    def turn(image: Image.Image) -> Image.Image:
        hue, saturation, value = image.convert("HSV").split()
        hue = hue.point(lambda angle: (angle + round(degrees / 360 * 256)) % 256)
        return Image.merge("HSV", (hue, saturation, value)).convert("RGB")

    return turn


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as rendered": lambda image: image,
    "half as bright": _brightness(0.5),
    "half as bright again": _brightness(1.5),
    "JPEG, quality 75": _jpeg(75),
    "JPEG, quality 30": _jpeg(30),
    "turned by 2°": _rotated(2),
    "turned by 5°": _rotated(5),
    "colours turned by 15°": _hue(15),
    "colours turned by 40°": _hue(40),
    "half the size and back": lambda image: image.resize((84, 84)).resize(image.size),
}


def photographs() -> list[tuple[str, Image.Image]]:
    """The colour and grey photographs of everyday things that both libraries carry in their packages."""
    folder = Path(skimage.data.__file__).parent
    found = [(name, Image.open(folder / name).convert("RGB")) for name in PHOTOGRAPHS]
    samples = sklearn.datasets.load_sample_images()
    return found + [
        (Path(name).name, Image.fromarray(image)) for name, image in zip(samples.filenames, samples.images, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--scenes", type=int, default=200, help="scenes; each has a clean twin beside it")
    parser.add_argument("--seed", type=int, default=31337)
    arguments = parser.parse_args()
    model = load(arguments.model)
    pictures = [picture for index in range(arguments.scenes) for picture in pair(arguments.seed, index)]
    rows: list[SceneRow] = [picture.row for picture in pictures]
    console, table = Console(), Table(box=None, pad_edge=False)
    for column in ("pictures", "micro-F1", "right object", "false alarms", "severity error", "parseable", "refused"):
        table.add_column(column, justify="left" if column == "pictures" else "right")
    for name, change in CHANGES.items():
        changed = [(picture.row.image_id, change(picture.image)) for picture in pictures]
        found = score(rows, list(predict(changed, *model, batch_size=32)))
        table.add_row(
            name,
            f"{found['micro_f1']:.3f}",
            "{} of {}".format(*found["object"]),
            "{} of {}".format(*found["false_alarms"]),
            f"{found['severity_mae']:.1f}",
            f"{found['parseable']:.1%}",
            "{} of {}".format(*found["refused"]),
        )
    console.print(table)
    told = list(predict(photographs(), *model))
    names = Counter(anomaly.name for prediction in told for anomaly in prediction.anomalies)
    alarms, unread = sum(bool(one.anomalies) for one in told), sum(one.status == "failed" for one in told)
    unknown = sum(one.status == "unknown" for one in told)
    console.print(
        f"photographs: {alarms} of {len(told)} reported on, {unread} unreadable, {unknown} refused; "
        f"{dict(names.most_common())}"
    )
    for prediction in told:
        said = "; ".join(anomaly.phenomenon for anomaly in prediction.anomalies) or prediction.status
        console.print(f"  {prediction.image_id}: {said}", markup=False)


if __name__ == "__main__":
    main()
