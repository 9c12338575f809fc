"""What each part of training contributes: LoRA, severity in the answers, and people's verification of what is trained on.

Variants of one training set, each trained with the same recipe and seeds and scored on the same test pictures:

| variant | trained on |
|---|---|
| base | nothing: the model before LoRA |
| LoRA | the true annotations |
| without severity | the same, with a severity of null in every answer |
| unverified | simulated candidates, hallucinations included |
| verified | those of them that simulated reviewers accepted |

Differences are paired by picture; with several seeds a picture's score is the mean over them, so that the interval is of
pictures, and the spread between seeds stands beside it. The scenes have a family that the tiny base has never seen, as often
as all the others together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np

from dataset_builder.building.build import build
from dataset_builder.predictions import read_predictions
from dataset_builder.scenes import HELD_OUT, TRAINED, SceneRow, read_scenes, write_scenes
from metric_semap.anomalies import Picture
from metric_semap.evaluation import score_pictures
from metric_semap.measurement import Options
from metric_semap.results import Evaluation
from metric_semap.similarity import BertScoreSimilarity
from trainer import sft
from trainer.evaluation.result import Cell, Result, Table, sure
from trainer.predict import predict_dataset
from trainer.reproduce import embedded
from trainer.reproduce.experiment import Cost
from trainer.reproduce.hitl import PEOPLE
from trainer.reproduce.measured import difference_of, score_of, told
from trainer.reproduce.simulated import Person, Rates, answer, candidates

if TYPE_CHECKING:
    from trainer.predict import Progress

__all__ = ["PICTURES", "Ablation"]

PICTURES = 100
BASE, LORA = "base", "LoRA"
VARIANTS = (LORA, "without severity", "unverified", "verified")
COMPARED = {
    "LoRA over base": (LORA, BASE),
    "severity over none": (LORA, "without severity"),
    "verified over unverified": ("verified", "unverified"),
}
CLAIM = "Severity in the answers, fine-tuning, and people's verification of the annotations each improve the model."
TRAINING_SECONDS = 0.5
"""Of one core, for a row and epoch of the tiny recipe."""

Anomalies = Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]]
"""A variant's annotations of a picture, from its name and true ones."""


@dataclass(frozen=True)
class Ablation:
    """The experiment, on scenes.

    Attributes:
        recipe (`str`): a recipe's name or file, as for `anomreason train`; its model decides what is measured.
        seeds (`int`): how many times each variant is trained.
        scenes (`int`): how many are rendered; a quarter of them are for testing.
        options (`Sequence[str]`): further options of the recipe, as on the command line.
    """

    recipe: str = "tiny"
    seeds: int = 1
    scenes: int = PICTURES
    options: Sequence[str] = ()

    name = "ablation"

    def cost(self) -> Cost:
        """Of the tiny model; another recipe's is told by `anomreason train --dry_run`."""
        rows, trainings = 0.75 * self.scenes, self.seeds * len(VARIANTS)
        seconds = trainings * (rows * 4 * TRAINING_SECONDS / 4 + 15) + 0.5 * 0.25 * self.scenes * (trainings + 1)
        assumed = f"{trainings} trainings of the tiny model; for another recipe see `anomreason train --dry_run`"
        return Cost(pictures=round(0.25 * self.scenes * (trainings + 1)), seconds=seconds, assumed=(assumed,))

    def run(self, out: Path, progress: "Progress") -> Result:
        """Train and examine every variant; adapters and answers that are there stay."""
        progress.step(f"render {self.scenes} scenes and build a dataset")
        rows = _scenes(out, self.scenes)
        model = sft.parse(["--config", _config(self.recipe), *self.options, "--output_dir", str(out)])[
            2
        ].model_name_or_path
        truth = {
            row["image_id"]: row["anomalies"]
            for row in datasets.load_dataset(str(out / "dataset"), split="test").select_columns(
                ["image_id", "anomalies"]
            )
        }
        answers = {BASE: [self._examined(out, BASE, model, None, progress)]}
        for variant, change in _variants(rows).items():
            place = _dataset(out, variant, change)
            answers[variant] = [
                self._examined(
                    out, f"{variant} {seed}", model, self._trained(place, out, variant, seed, progress), progress
                )
                for seed in range(self.seeds)
            ]
        return _result(answers, truth, self)

    def _trained(self, dataset: Path, out: Path, variant: str, seed: int, progress: "Progress") -> Path:
        adapter = out / "adapters" / f"{variant.replace(' ', '_')}_{seed}"
        if (adapter / "adapter_model.safetensors").is_file():
            return adapter
        progress.step(f"train: {variant}, seed {seed}")
        arguments = [
            "--config",
            _config(self.recipe),
            *self.options,
            "--dataset_name",
            str(dataset),
            "--seed",
            str(seed),
        ]
        return sft.train(*sft.parse([*arguments, "--output_dir", str(adapter), "--overwrite", "true"]))

    def _examined(
        self, out: Path, name: str, model: str | None, adapter: Path | None, progress: "Progress"
    ) -> dict[str, Picture]:
        progress.step(f"examine the test pictures: {name}")
        path = out / "predictions" / name.replace(" ", "_") / "preds.json"
        place = str((out / "dataset").absolute())
        predict_dataset(place, "test", None, model, str(adapter) if adapter else None, 16, path, progress)
        read = read_predictions(path.with_suffix(".jsonl"))
        return {
            image_id: Picture(one.anomalies, None, one.status == "failed", one.status == "unknown")
            for image_id, one in read.items()
        }


def _config(recipe: str) -> str:
    named = sft.CONFIGS / f"{recipe}.yaml"
    return str(named if named.is_file() else recipe)


def _scenes(out: Path, number: int) -> dict[str, SceneRow]:
    """The scenes by name, rendered and built unless they are there."""
    place = out / "scenes"
    there = (place / "scenes.jsonl").is_file() and (out / "dataset" / "README.md").is_file()
    if not there or len(read_scenes(place)) != number:
        # The family to be learned as often as all the others together, which keep the model from forgetting them.
        write_scenes(place, number, embedded.SEED + 2, (HELD_OUT[0],) * len(TRAINED) + TRAINED)
        build(place, out / "dataset", recipe=None)
    return {row.image_id: row for row in read_scenes(place)}


def _variants(rows: Mapping[str, SceneRow], people: Sequence[Person] = PEOPLE) -> dict[str, Anomalies]:
    """How each variant's annotations come from the true ones."""
    found = candidates(list(rows.values()), Rates(), 0)
    keys = ("name", "phenomenon", "reasoning", "severity")

    def proposed(image_id: str, *, verified: bool) -> list[dict[str, Any]]:
        kept = []
        for at, one in enumerate(found[image_id]):
            accepted = sum(answer(person, image_id, at, one, 0) == "accept" for person in people)
            if not verified or 2 * accepted > len(people):
                kept.append({key: getattr(one.candidate, key) for key in keys} | {"remark": None, "bbox": None})
        return kept

    return {
        LORA: lambda _, true: true,
        "without severity": lambda _, true: [one | {"severity": None} for one in true],
        "unverified": lambda image_id, _: proposed(image_id, verified=False),
        "verified": lambda image_id, _: proposed(image_id, verified=True),
    }


def _dataset(out: Path, variant: str, change: Anomalies) -> Path:
    """The training split with a variant's annotations, as `load_dataset` reads it."""
    place = out / "variants" / variant.replace(" ", "_")
    target = place / "train-00000.parquet"
    if not target.is_file():
        rows = datasets.load_dataset(str((out / "dataset").absolute()), split="train")
        rows = rows.cast_column("image", datasets.Image(decode=False))
        changed = rows.map(
            lambda row: {"anomalies": change(row["image_id"], row["anomalies"] or [])}, features=rows.features
        )
        place.mkdir(parents=True, exist_ok=True)
        partial = place / ".partial"
        changed.cast_column("image", datasets.Image()).to_parquet(str(partial))
        partial.replace(target)
    return place.absolute()


def _result(answers: Mapping[str, Sequence[dict[str, Picture]]], truth: Mapping[str, Any], of: Ablation) -> Result:
    references = {name: Picture([_Reference(**one) for one in said or []]) for name, said in truth.items()}
    similarity, options = BertScoreSimilarity("minilm"), Options(empty="skip", bootstrap=500)
    scored = {
        variant: [_evaluated(pictures, references, similarity, options) for pictures in of_seeds]
        for variant, of_seeds in answers.items()
    }
    rows: list[list[Cell]] = []
    numbers: dict[str, Cell] = {}
    for variant, evaluations in scored.items():
        means = [one.scores.full.semf1.value for one in evaluations]
        best = evaluations[0].scores
        numbers[f"{variant}: SemF1_Full"] = sure(float(np.mean(means))) if len(means) > 1 else score_of(best.full.semf1)
        numbers[f"{variant}: false alarms"] = float(
            np.mean([one.scores.counts.false_alarm_rate for one in evaluations])
        )
        numbers[f"{variant}: severity error"] = float(np.mean([one.scores.severity.error for one in evaluations]))
        spread = float(np.std(means, ddof=1)) if len(means) > 1 else math.nan
        rows.append(
            [
                variant,
                *(numbers[f"{variant}: {key}"] for key in ("SemF1_Full", "false alarms", "severity error")),
                spread,
            ]
        )
    compared: list[list[Cell]] = []
    findings = []
    for name, (better, worse) in COMPARED.items():
        first, second = (np.mean([_semf1(one) for one in scored[variant]], axis=0) for variant in (better, worse))
        found, p = difference_of(first, second, scored[better][0].measurement.clusters, seed=0)
        numbers[name] = found
        compared.append([name, found, p])
        effect = (
            "helps"
            if found.low > 0
            else "hurts"
            if found.high < 0
            else "makes no difference that these pictures could show"
        )
        findings.append(f"{name} {effect}: SemF1_Full {told(found, '+.3f')}.")
    return Result(
        experiment=of.name,
        title="What LoRA, severity and verification contribute",
        claim=CLAIM,
        data=f"{embedded.DATA.capitalize()}; {of.seeds} seeds of the recipe {Path(of.recipe).stem}; {len(truth)} test pictures.",
        simulated=True,
        findings=findings,
        tables=[
            Table("Variants", ("variant", "SemF1_Full", "false alarms", "severity error", "spread of seeds"), rows),
            Table(
                "Differences in SemF1_Full",
                ("comparison", "difference", "p"),
                compared,
                "Paired by picture, mean over seeds.",
            ),
        ],
        numbers=numbers,
        settings={"signature": scored[BASE][0].scores.signature, "seeds": of.seeds},
    )


@dataclass(frozen=True)
class _Reference:
    """A true anomaly as the dataset holds it."""

    name: str
    phenomenon: str
    reasoning: str
    severity: int
    remark: str | None = None
    bbox: Any = None
    score: float | None = None


def _evaluated(
    pictures: Mapping[str, Picture],
    references: Mapping[str, Picture],
    similarity: BertScoreSimilarity,
    options: Options,
) -> Evaluation:
    return score_pictures({"variant": pictures}, references, similarity, options).evaluations[0]


def _semf1(evaluation: Evaluation) -> np.ndarray:
    """SemF1_Full of each scored picture, in the references' order, which is the same for every variant."""
    return np.array([picture.semf1["Full"] for picture in evaluation.measurement.pictures])
