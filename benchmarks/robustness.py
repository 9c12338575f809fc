"""What the tiny model says when pictures are not as in its training: `python benchmarks/robustness.py`.

The same scenes and twins in every row, changed in one way each, and the photographs that scikit-image and scikit-learn carry, which
hold nothing that defies logic: every report on them is a false alarm. A picture that is refused as unknown is not reported on, so
scores and false alarms are of the others, and the share that was refused stands beside them.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import skimage.data
import sklearn.datasets
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from dataset_builder.scenes import pair
from trainer.loading import load
from trainer.predict import predict
from trainer.tiny.evaluate import score
from trainer.tiny.variation import as_jpeg, brighter, half_size, turned

__all__ = ["measured", "photographs"]

PHOTOGRAPHS = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
SEED = 31_338  # of scenes that nothing was fitted or chosen on


def _hue(degrees: float) -> Callable[[Image.Image], Image.Image]:
    def turn(image: Image.Image) -> Image.Image:
        hue, saturation, value = image.convert("HSV").split()
        hue = hue.point(lambda angle: (angle + round(degrees / 360 * 256)) % 256)
        return Image.merge("HSV", (hue, saturation, value)).convert("RGB")

    return turn


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as rendered": lambda image: image,
    "turned by 2°": lambda image: turned(image, 2),
    "turned by 5°": lambda image: turned(image, 5),
    "turned by 10°": lambda image: turned(image, 10),
    "30 % darker": lambda image: brighter(image, 0.7),
    "30 % brighter": lambda image: brighter(image, 1.3),
    "half as bright": lambda image: brighter(image, 0.5),
    "JPEG, quality 40": lambda image: as_jpeg(image, 40),
    "mirrored": ImageOps.mirror,
    "half the size and back": half_size,
    "colours turned by 15°": _hue(15),
    "colours turned by 40°": _hue(40),
}


def photographs() -> list[tuple[str, Image.Image]]:
    """The colour and grey photographs of everyday things that both libraries carry in their packages."""
    folder = Path(skimage.data.__file__).parent
    found = [(name, Image.open(folder / name).convert("RGB")) for name in PHOTOGRAPHS]
    samples = sklearn.datasets.load_sample_images()
    return found + [
        (Path(name).name, Image.fromarray(image)) for name, image in zip(samples.filenames, samples.images, strict=True)
    ]


def measured(name: str, scenes: int, seed: int) -> dict[str, Any]:
    """Scores of a model by change: those of `trainer.tiny.evaluate.score` over what was answered, and `refused` over all.

    Args:
        name (`str`): the model, as `trainer.loading.load` takes it.
        scenes, seed (`int`): how many scenes, each with its twin, of which seed.
    """
    model = load(name)
    pictures = [picture for index in range(scenes) for picture in pair(seed, index)]
    found = {}
    for change, applied in CHANGES.items():
        predictions = list(predict([(one.row.image_id, applied(one.image)) for one in pictures], *model, batch_size=32))
        answered = [
            (picture.row, prediction)
            for picture, prediction in zip(pictures, predictions, strict=True)
            if prediction.status != "unknown"
        ]
        scores = score([row for row, _ in answered], [prediction for _, prediction in answered]) if answered else {}
        found[change] = scores | {"refused": [len(pictures) - len(answered), len(pictures)]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--scenes", type=int, default=200, help="scenes; each has a clean twin beside it")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    console, table = Console(), Table(box=None, pad_edge=False)
    for column in ("pictures", "micro-F1", "right object", "false alarms", "severity error", "parseable", "refused"):
        table.add_column(column, justify="left" if column == "pictures" else "right")
    for name, found in measured(arguments.model, arguments.scenes, arguments.seed).items():
        told = (
            (
                f"{found['micro_f1']:.3f}",
                "{} of {}".format(*found["object"]),
                "{} of {}".format(*found["false_alarms"]),
                f"{found['severity_mae']:.1f}",
                f"{found['parseable']:.1%}",
            )
            if "micro_f1" in found
            else ("–",) * 5
        )
        table.add_row(name, *told, "{} of {}".format(*found["refused"]))
    console.print(table)
    told = list(predict(photographs(), *load(arguments.model)))
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
