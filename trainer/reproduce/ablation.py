"""What each part of training contributes: LoRA, severity in the answers, and people's verification of what is trained on.

The training sets of `variants`, each trained with the same recipe and seeds, and the base, which is the model before LoRA, are
scored on the same test pictures. Differences are paired by picture; with several seeds a picture's score is the mean over
them, so that the interval is of pictures, and the spread between seeds is given with it. Without data, scenes have a family that
the tiny base has never seen, as often as all the others together.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dataset_builder import atomic
from dataset_builder.building.build import build
from dataset_builder.errors import InputError
from dataset_builder.files.regular import read_regular
from dataset_builder.predictions import read_predictions
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import SPLITS, of_config
from dataset_builder.stored import load_split
from metric_semap.anomalies import Picture
from trainer import sft
from trainer.evaluation.result import Result
from trainer.predict import predict_dataset
from trainer.reproduce import embedded
from trainer.reproduce.ablation_result import BASE, compared
from trainer.reproduce.benched import GPU_SECONDS, TINY_SECONDS, billions
from trainer.reproduce.experiment import Cost
from trainer.reproduce.variants import Anomalies, of_dataset, of_scenes, scenes, written

if TYPE_CHECKING:
    from trainer.predict import Progress

__all__ = ["PICTURES", "Ablation"]

PICTURES = 100
TRAINING_SECONDS = 0.125
"""Seconds of one core for an example of the tiny model, forward and back."""
GPU_TRAINING_SECONDS = 0.0135
"""Seconds of one GPU for an example and each billion of parameters: 10.6 examples per second with 7B (docs/training.md)."""


@dataclass(frozen=True)
class Ablation:
    """The experiment.

    Attributes:
        recipe (`str`): a recipe's name or file, as for `anomreason train`; its model decides what is measured.
        seeds (`int`): how many times each variant is trained.
        scenes (`int`): how many are rendered where no data are given; a quarter of them are for testing.
        dataset (`str`, *optional*), release (`Path`, *optional*): the data; the dataset is built from the release.
        options (`Sequence[str]`): further options of the recipe, as on the command line.
    """

    recipe: str = "tiny"
    seeds: int = 1
    scenes: int = PICTURES
    dataset: str | None = None
    release: Path | None = None
    options: Sequence[str] = ()

    name = "ablation"

    @property
    def data(self) -> str:
        """The data, in words."""
        return str(self.release or self.dataset or embedded.DATA)

    def cost(self) -> Cost:
        """What it costs to train every variant, on a GPU unless the model is the tiny one, and to ask all about the test split."""
        recipe = _read(self.recipe)
        model, epochs = str(recipe.get("model_name_or_path")), float(recipe.get("num_train_epochs", 3))
        train, test, variants = self._numbers()
        trainings = self.seeds * variants
        examples = trainings * train * epochs * len(recipe.get("tasks") or ["anomalies"])
        asked = round(test * (trainings + 1))
        if model == "tiny":
            seconds = examples * TRAINING_SECONDS + trainings * 15 + TINY_SECONDS * asked
            return Cost(asked, seconds=seconds, assumed=(f"{trainings} trainings of the tiny model",))
        hours = billions(model) * (examples * GPU_TRAINING_SECONDS + asked * GPU_SECONDS) / 3600
        assumed = (
            f"{trainings} trainings, {GPU_TRAINING_SECONDS} s of a GPU like an H100 per example and billion of parameters",
            f"{GPU_SECONDS} s per test picture and billion",
        )
        return Cost(asked, gpu_hours=hours, assumed=assumed)

    def _numbers(self) -> tuple[float, float, int]:
        """Pictures to train on and to test on, and variants to train."""
        if self.release is not None:
            rows = open_source(self.release).rows
            train, test = (len(of_config(rows, "default", split)) for split in SPLITS)
            return train, test, 3 if any(row.candidates is not None for row in rows) else 2
        if self.dataset is not None:
            train, test = (
                len(load_split(self.dataset, split, {"anomalies"}, "default")) for split in ("train", "test")
            )
            return train, test, len(of_dataset(self.dataset))
        return 0.75 * self.scenes, 0.25 * self.scenes, 4

    def run(self, out: Path, progress: "Progress") -> Result:
        """Train and examine every variant; adapters and answers that are there stay."""
        arguments = ["--config", str(_config(self.recipe)), *self.options, "--output_dir", str(out)]
        model = sft.parse(arguments)[2].model_name_or_path
        self._claim(out)
        dataset, variants = self._prepared(out, progress)
        test = load_split(dataset, "test", {"image_id", "anomalies"}, "default").select_columns(
            ["image_id", "anomalies"]
        )
        truth = {row["image_id"]: row["anomalies"] for row in test if row["anomalies"] is not None}
        answers = {BASE: [self._examined(dataset, out, BASE, model, None, progress)]}
        for variant, change in variants.items():
            place = written(dataset, out, variant, change)
            answers[variant] = [
                self._examined(
                    dataset,
                    out,
                    f"{variant} {seed}",
                    model,
                    self._trained(place, out, variant, seed, progress),
                    progress,
                )
                for seed in range(self.seeds)
            ]
        seeds = "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        data = f"Measured on {self.data}; {seeds} of the recipe {Path(self.recipe).stem}; {len(truth)} test pictures."
        simulated = self.dataset is None and self.release is None
        return compared(answers, truth, data, simulated=simulated, settings={"seeds": self.seeds})

    def _claim(self, out: Path) -> None:
        """Mark whose adapters and answers lie in `out`: those of another recipe or other data are not taken for its own.

        Raises:
            InputError: if they are another's.
        """
        recipe = hashlib.sha256(_config(self.recipe).read_bytes()).hexdigest()
        data = str(self.scenes) if self.dataset is None and self.release is None else self.data
        settings = {"recipe": recipe, "options": [*self.options], "data": data}
        path = out / "ablation.json"
        if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
            raise InputError(f"{out}: holds adapters of another recipe or other data; remove it or give another --out")
        out.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")

    def _prepared(self, out: Path, progress: "Progress") -> tuple[str, dict[str, Anomalies]]:
        """The dataset, rendered or built where need be, and the variants of its training split."""
        if self.dataset is not None:
            return self.dataset, of_dataset(self.dataset)
        dataset = str((out / "dataset").absolute())
        if self.release is not None:
            progress.step(f"build a dataset from {self.release}")
            build(self.release, out / "dataset", recipe=None)
            return dataset, of_dataset(dataset)
        progress.step(f"render {self.scenes} scenes and build a dataset")
        return dataset, of_scenes(scenes(out, self.scenes))

    def _trained(self, dataset: Path, out: Path, variant: str, seed: int, progress: "Progress") -> Path:
        adapter = out / "adapters" / f"{variant.replace(' ', '_')}_{seed}"
        if (adapter / "adapter_model.safetensors").is_file():
            return adapter
        progress.step(f"train: {variant}, seed {seed}")
        arguments = [
            "--config",
            str(_config(self.recipe)),
            *self.options,
            "--dataset_name",
            str(dataset),
            "--dataset_config",
            "default",
            "--seed",
            str(seed),
        ]
        return sft.train(*sft.parse([*arguments, "--output_dir", str(adapter), "--overwrite", "true"]))

    def _examined(
        self, dataset: str, out: Path, name: str, model: str | None, adapter: Path | None, progress: "Progress"
    ) -> dict[str, Picture]:
        progress.step(f"examine the test pictures: {name}")
        path = out / "predictions" / name.replace(" ", "_") / "preds.json"
        tuned = str(adapter) if adapter else None
        predict_dataset(dataset, "test", None, model, tuned, 16, path, progress, config="default")
        read = read_predictions(path.with_suffix(".jsonl"))
        return {
            image_id: Picture(one.anomalies, None, one.status == "failed", one.status == "unknown")
            for image_id, one in read.items()
        }


def _config(recipe: str) -> Path:
    """The recipe's file.

    Raises:
        InputError: if there is none.
    """
    named = sft.CONFIGS / f"{recipe}.yaml"
    path = named if named.is_file() else Path(recipe)
    if not path.is_file():
        raise InputError(f"--config {recipe}: no such recipe; give a YAML file or a recipe's name, as for train")
    return path


def _read(recipe: str) -> dict[str, Any]:
    """The recipe's own settings, without those of options; on any machine, as training on a GPU may be planned elsewhere.

    Raises:
        InputError: if it is not a YAML mapping.
    """
    path = _config(recipe)
    try:
        content = yaml.safe_load(read_regular(path))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: is not a YAML mapping; give a recipe, as for train")
    return content
