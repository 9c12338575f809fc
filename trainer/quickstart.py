"""The whole loop with embedded defaults: render, build, install, examine, fine-tune, examine again, score, report.

Everything runs on a CPU with what the package ships: the renderer, the tiny model, the offline encoder.
"""

import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import transformers
from trl import ModelConfig, SFTConfig

from dataset_builder import atomic, owned
from dataset_builder.building.build import build
from dataset_builder.building.install import install_dataset, install_metric
from dataset_builder.official import write_annotations
from dataset_builder.predictions import Prediction, read_predictions
from dataset_builder.scenes import HELD_OUT, TRAINED, SceneRow, read_scenes, write_scenes
from dataset_builder.schema import Anomaly
from dataset_builder.sources.opening import split_of
from metric_semap.measurement import Options, measure
from metric_semap.scores import Scores
from metric_semap.similarity import BertScoreSimilarity
from trainer import sft
from trainer.known import LEAST
from trainer.predict import Progress, predict_dataset
from trainer.report import in_order, named, write_report

__all__ = ["FAMILY", "quickstart"]

FAMILY = HELD_OUT[0]
"""The family the demo teaches; fixed before the first model was trained."""

PICTURES = 800
SEED = 7


def quickstart(
    progress: Progress,
    dataset: Path = Path("anomreason"),
    out: Path = Path("demo"),
    pictures: int = PICTURES,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Run the loop over `pictures` scenes into `dataset` and `out`, and return what is also written to `out/metrics.json`.

    Raises:
        OutputError: if `dataset` or `out` is there and was not made by quickstart, and `overwrite` is not set.
    """
    owned.check(dataset, "quickstart", overwrite=overwrite)
    owned.begin(out, "quickstart", overwrite=overwrite)
    # The libraries' own bars and notices would draw over the progress shown here.
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    datasets.logging.set_verbosity_error()
    warnings.simplefilter("ignore", FutureWarning)
    started = time.monotonic()

    progress.step(f"render {pictures} scenes and build ./{dataset}")
    # The family to be learned is drawn as often as all the others together; these keep the model from forgetting them.
    write_scenes(out / "scenes", pictures, SEED, (FAMILY,) * len(TRAINED) + TRAINED, overwrite=overwrite)
    # The trainer makes its rows from `default`.
    build(out / "scenes", dataset, recipe=None, command="quickstart", overwrite=overwrite)

    progress.step("put the plain names in place")
    install_dataset(dataset)
    install_metric("metric_semap.semap", "SemAP")
    truth = [row for row in read_scenes(out / "scenes") if split_of(row) == "test"]

    progress.step(f"examine {len(truth)} test pictures with the tiny base")
    base = _examine(progress, dataset, out / "preds_base.json", None)

    progress.step(f"fine-tune a LoRA adapter on the family it has never seen: {FAMILY.replace('_', ' ')}")
    owned.check(out / "adapter", "train", overwrite=overwrite)
    adapter = _fine_tune(progress, dataset, out / "adapter")

    progress.step("examine the test pictures again, with the adapter")
    tuned = _examine(progress, dataset, out / "preds_tuned.json", adapter)

    progress.step("score both with the offline encoder")
    metrics = _score(truth, base, tuned)
    write_annotations(out / "truth.json", {row.image_id: row.anomalies for row in truth})
    metrics["seconds"] = round(time.monotonic() - started)
    atomic.write(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    write_report(out / "report.html", out / "scenes" / "images", truth, base, tuned, metrics)
    owned.record(out, "quickstart", [file for file in out.iterdir() if file.suffix in (".json", ".jsonl", ".html")])
    return metrics


def _examine(progress: Progress, dataset: Path, path: Path, adapter: Path | None) -> dict[str, Prediction]:
    tuned = str(adapter) if adapter else None
    predict_dataset(str(dataset.absolute()), "test", None, "tiny", tuned, 32, path, progress, restart=True)
    return read_predictions(path.with_suffix(".jsonl"))


class _Bar(transformers.TrainerCallback):  # type: ignore[misc]
    def __init__(self, done: Callable[[int], None]) -> None:
        self.done = done

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.done(state.global_step)


def _fine_tune(progress: Progress, dataset: Path, out: Path) -> Path:
    recipe = ["--config", str(sft.CONFIGS / "tiny.yaml"), "--dataset_name", str(dataset.absolute())]
    rows = datasets.load_dataset_builder(str(dataset.absolute())).info.splits["train"].num_examples
    knows = str(rows >= LEAST).lower()
    script, training, model = sft.parse([*recipe, "--output_dir", str(out), "--overwrite", "true", "--knows", knows])
    assert isinstance(training, SFTConfig)
    assert isinstance(model, ModelConfig)
    steps = -(-rows // training.per_device_train_batch_size) * int(training.num_train_epochs)
    with progress.bar("steps", steps) as done:
        return sft.train(script, training, model, callbacks=[_Bar(done)])


def _score(truth: list[SceneRow], base: dict[str, Prediction], tuned: dict[str, Prediction]) -> dict[str, Any]:
    similarity, options = BertScoreSimilarity("minilm"), Options(empty="skip", bootstrap=200)
    references = [row.anomalies for row in truth]

    def scores(predictions: Sequence[Sequence[Anomaly]]) -> Scores:
        return measure(predictions, references, similarity, options).scores

    def answers(predictions: dict[str, Prediction]) -> list[list[Anomaly]]:
        return [predictions[row.image_id].anomalies for row in truth]

    # What saying the same thing about every picture would earn: the commonest truth, word for word.
    constant = next(a for row in truth for a in row.anomalies if a.family == FAMILY)
    scenes = [row for row in truth if any(anomaly.family == FAMILY for anomaly in row.anomalies)]
    twins = [row for row in truth if any(row.twin_id == scene.image_id for scene in scenes)]

    def count(rows: list[SceneRow], predictions: dict[str, Prediction]) -> list[int]:
        return [sum(named(predictions[row.image_id], FAMILY) for row in rows), len(rows)]

    of_base, of_tuned, of_constant = scores(answers(base)), scores(answers(tuned)), scores([[constant]] * len(truth))
    return {
        "family": FAMILY,
        "base": _kept(of_base) | {"hits": count(scenes, base), "false_alarms": count(twins, base)},
        "tuned": _kept(of_tuned) | {"hits": count(scenes, tuned), "false_alarms": count(twins, tuned)},
        "constant": _kept(of_constant) | {"hits": [len(scenes)] * 2, "false_alarms": [len(twins)] * 2},
        "chance": {name: estimate.chance for name, estimate in of_tuned.explained().items()},
        "hits": count(scenes, tuned),
        "false_alarms": count(twins, tuned),
        "signature": of_tuned.signature,
        "example": in_order(truth, tuned, FAMILY)[0].row.image_id,
    }


def _kept(scores: Scores) -> dict[str, float]:
    """What `metrics.json` keeps of a model's scores, by their flat names."""
    kept = {name: estimate.value for name, estimate in scores.explained().items()}
    for name, estimate in scores.explained().items():
        kept |= estimate.interval(name)
    kept |= {f"SemAP_ranked_{name}": view.ranked for name, view in scores.views.items()}
    return kept | {"false_alarm_rate": scores.counts.false_alarm_rate}
