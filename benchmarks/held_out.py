"""What a LoRA adapter learns of a family the tiny model has never seen, and what it forgets: `python benchmarks/held_out.py`.

For each held-out family: the recipe `tiny` over pictures that show it or a trained family, hits on the test split, false alarms on
their clean twins, and micro-F1 on fresh scenes of the trained families before and after. Further options go to the trainer and
override those below: `--max_steps 300`.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import torch

from dataset_builder.building.build import build
from dataset_builder.predictions import Prediction
from dataset_builder.scenes import HELD_OUT, TRAINED, family_of, pair, read_scenes, write_scenes
from dataset_builder.sources.opening import split_of
from trainer import sft
from trainer.loading import load
from trainer.predict import predict
from trainer.tiny.evaluate import score

# Of which families pictures are drawn, evenly, and the trainer's options. The more often the new one, the sooner it is found and
# the more is forgotten; those it is taken for are drawn twice. A colour that cannot be is found late, in more and longer steps.
RECIPES = {
    "upside_down": (
        ("upside_down",) * 3 + TRAINED + ("floating", "extra_arm"),
        ["--max_steps", "400", "--learning_rate", "1e-3"],
    ),
    "wrong_colour": (("wrong_colour",) * 3 + TRAINED, ["--max_steps", "960", "--learning_rate", "4e-3"]),
}


def _names(prediction: Prediction, family: str) -> bool:
    return any(family_of(anomaly.name) == family for anomaly in prediction.anomalies)


def run(
    family: str, model: str, seed: int, pictures: int, fresh: int, options: list[str], root: Path
) -> dict[str, Any]:
    """Teach one family; `hits` and `false_alarms` ([count, of]), `before` and `after` (micro-F1), `minutes` and `threads`."""
    drawn, recipe = RECIPES[family]
    write_scenes(root / "scenes", pictures, seed, drawn)
    build(root / "scenes", root / "dataset", recipe=None)
    started = time.monotonic()
    given = ["--config", "tiny", "--dataset_name", str(root / "dataset"), "--model_name_or_path", model]
    given += ["--output_dir", str(root / "adapter"), *recipe, *options]
    adapter = sft.train(*sft.parse(given))
    minutes = (time.monotonic() - started) / 60
    test = [row for row in read_scenes(root / "scenes") if split_of(row) == "test"]
    true = [row.image_id for row in test if any(anomaly.family == family for anomaly in row.anomalies)]
    twins = [row.image_id for row in test if row.twin_id in true]
    split = datasets.load_dataset(str(root / "dataset"), split="test")
    tuned = load(model, str(adapter))
    told = {
        one.image_id: one for one in predict(((row["image_id"], row["image"]) for row in split), *tuned, batch_size=32)
    }
    unseen = [picture for index in range(fresh) for picture in pair(seed + 1, index)]
    named = [(picture.row.image_id, picture.image) for picture in unseen]
    rows = [picture.row for picture in unseen]
    before, after = (score(rows, list(predict(named, *loaded, batch_size=32))) for loaded in (load(model), tuned))
    return {
        "family": family,
        "seed": seed,
        "hits": [sum(_names(told[name], family) for name in true), len(true)],
        "false_alarms": [sum(_names(told[name], family) for name in twins), len(twins)],
        "before": round(before["micro_f1"], 4),
        "after": round(after["micro_f1"], 4),
        "minutes": round(minutes, 1),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--family", choices=HELD_OUT, help="both unless given")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=5600, help="rendered, twins and test split included")
    parser.add_argument("--fresh", type=int, default=500, help="scenes of the trained families; each has a clean twin")
    arguments, options = parser.parse_known_args()
    for family in [arguments.family] if arguments.family else HELD_OUT:
        with tempfile.TemporaryDirectory() as root:
            print(
                run(family, arguments.model, arguments.seed, arguments.pictures, arguments.fresh, options, Path(root)),
                flush=True,
            )


if __name__ == "__main__":
    main()
