"""Evaluation while training: pictures held out are examined, SemAP is logged with the loss, and some answers are shown."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from transformers import EarlyStoppingCallback, TrainerCallback
from trl.models.utils import unwrap_model_for_generation

from dataset_builder.errors import InputError
from dataset_builder.predictions import Prediction
from dataset_builder.prompts import Task
from metric_semap.measurement import Options, measure
from metric_semap.similarity import BertScoreSimilarity
from trainer.examined import Examined
from trainer.examples import Sample, evaluation_sample, named_samples, training_rows
from trainer.predict import predict

__all__ = ["METRICS", "Examination", "ExaminationArguments", "check_examination", "examine", "samples_of"]

METRICS = ("SemAP_Full", "SemF1_Full", "false_alarm_rate", "parseable")
"""What an examination logs, each as `eval_…`: the metric's numbers without clean pictures, how many of those something was
reported on, and the share of answers that could be read. Of a named set they are `eval_NAME_…`."""


@dataclass
class ExaminationArguments:
    """How an adapter is examined while it trains.

    Args:
        eval_pictures (`int`, defaults to 64): pictures of each set that are examined whenever the trainer evaluates
            (`eval_strategy`).
        eval_encoder (`str`, defaults to `"minilm"`): the metric's encoder; minilm needs no Hub.
        eval_sets (`list[str]`, *optional*): other datasets to examine as well, each as NAME=DATASET, NAME=DATASET:CONFIG or
            NAME=DATASET:CONFIG:SPLIT; the configuration of the training and the split `test` unless given.
        early_stopping (`int`, *optional*): end training after so many evaluations in a row without a better
            `metric_for_best_model`.
    """

    eval_pictures: int = field(default=64, metadata={"help": "Number of pictures examined at each evaluation."})
    eval_encoder: str = field(default="minilm", metadata={"help": "The encoder that the metric uses in evaluations."})
    eval_sets: list[str] | None = field(
        default=None, metadata={"help": "Other datasets to examine: NAME=DATASET[:CONFIG[:SPLIT]], …"}
    )
    early_stopping: int | None = field(
        default=None, metadata={"help": "Stop training after this many evaluations without improvement."}
    )


def check_examination(script: ExaminationArguments, training: Any, *measured: str) -> None:
    """Raise an `InputError` for an examination that cannot work.

    Args:
        script, training: the options.
        measured (`str`): what the trainer measures besides `METRICS`.
    """
    names = [one.partition("=")[0] for one in script.eval_sets or ()]
    if training.eval_strategy == "no":
        for name in ("eval_sets", "early_stopping"):
            if getattr(script, name):
                raise InputError(f"{name}: nothing is evaluated; set eval_strategy to steps or epoch")
        return
    if script.eval_pictures < 1:
        raise InputError(f"eval_pictures: {script.eval_pictures} would examine no picture; give a number from 1")
    for given, name in zip(script.eval_sets or (), names, strict=True):
        if "=" not in given or not name.isidentifier() or names.count(name) > 1:
            raise InputError(f"eval_sets: {given}: write NAME=DATASET, each name once, in letters, digits and _")
    known = {*measured, *METRICS, *(f"{name}_{metric}" for name in names for metric in METRICS)}
    chosen = training.metric_for_best_model
    if chosen is not None and chosen.removeprefix("eval_") not in known:
        raise InputError(f"metric_for_best_model: {chosen} is not measured; choose one of {', '.join(sorted(known))}")
    if script.early_stopping is not None:
        if script.early_stopping < 1:
            raise InputError(
                f"early_stopping: {script.early_stopping} would end training at once; give a number from 1"
            )
        if chosen is None or not training.load_best_model_at_end:
            raise InputError(
                "early_stopping: needs metric_for_best_model, and load_best_model_at_end set to true; "
                "SemF1_Full is the usual one"
            )


def samples_of(script: Any, training: Any) -> tuple[Any, dict[str, Sample]]:
    """The rows to train on, and what is examined, by name: "" is held out of them, or the split `dataset_test_split`.

    Args:
        script: data and examination arguments.
        training: the options of the training.

    Raises:
        InputError: if the data cannot be used so.
    """
    rows = training_rows(script)
    if training.eval_strategy == "no":
        return rows, {}
    rows, held_out = evaluation_sample(script, script.eval_pictures, rows)
    return rows, {"": held_out, **named_samples(script, script.eval_sets or (), script.eval_pictures)}


def examine(trainer: Any, samples: Mapping[str, Sample], script: ExaminationArguments) -> None:
    """Have a trainer examine `samples` at each evaluation, and stop early if `script` says so.

    Args:
        samples (mapping): by name; the one that is held out has the name "".
    """
    trainer.add_callback(Examination(trainer, samples, script.eval_encoder))
    if script.early_stopping is not None:  # after the examination, whose numbers it looks at
        trainer.add_callback(EarlyStoppingCallback(script.early_stopping))


class Examination(TrainerCallback):  # type: ignore[misc]
    """Examines samples whenever the trainer evaluates, and adds `METRICS` to what was evaluated.

    As they are among the evaluation's own metrics, `metric_for_best_model: SemF1_Full` keeps the best adapter by them. A few
    pictures with their truth and the answers at each evaluation go into the run's directory (`trainer.examined`).

    Args:
        trainer: the trainer it is added to.
        samples (mapping of `str` to `Sample`): the pictures and what is wrong with them, by name.
        encoder (`str`): the metric's; it is loaded once.

    An adapter that is taught the task `grounded` and not `anomalies` (`trainer.tasks`) is asked as it is taught.

    Raises:
        `EncoderError`: if the encoder is out of reach.
    """

    def __init__(self, trainer: Any, samples: Mapping[str, Sample], encoder: str) -> None:
        self.trainer, self.samples = trainer, dict(samples)
        self.similarity = BertScoreSimilarity(encoder)
        self.examined = Examined(Path(str(trainer.args.output_dir)), self.samples)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A resumed run continues its page, a new one begins it."""
        self.examined.begin(state.global_step)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Predict, score, log, show."""
        for name, sample in self.samples.items():
            predictions = self._predict(sample, args.per_device_eval_batch_size)
            found = {
                f"eval_{name}_{key}" if name else f"eval_{key}": value
                for key, value in self._scores(sample, predictions)
            }
            metrics.update(found)
            self.trainer.log(dict(found))
            if self.trainer.is_world_process_zero():
                shown = self.examined.add(state.global_step, name, predictions, found)
                self._tell_tensorboard(f"examined/{name or 'held_out'}", shown, state.global_step)

    def _scores(self, sample: Sample, predictions: list[Prediction]) -> list[tuple[str, float]]:
        answers = [prediction.anomalies for prediction in predictions]
        scores = measure(answers, sample.references, self.similarity, Options(empty="skip", bootstrap=0)).scores
        parseable = sum(p.status != "failed" for p in predictions) / len(predictions)
        values = (scores.full.semap.value, scores.full.semf1.value, scores.counts.false_alarm_rate, parseable)
        # There is no rate of false alarms in a sample without clean pictures.
        return [(key, value) for key, value in zip(METRICS, values, strict=True) if not math.isnan(value)]

    def _predict(self, sample: Sample, batch_size: int) -> list[Prediction]:
        """The predictions in the sample's order; with several processes each examines its share."""
        accelerator = self.trainer.accelerator
        with (
            # TRL's: it asks for checkpointing's old name.
            warnings.catch_warnings(action="ignore", category=FutureWarning),
            unwrap_model_for_generation(self.trainer.model_wrapped, accelerator) as model,
            accelerator.split_between_processes(list(range(len(sample.references)))) as mine,
        ):
            model.eval()
            pictures = ((str(index), sample.picture(index)) for index in mine)
            task = self._task()
            own = list(predict(pictures, model, self.trainer.processing_class, task, batch_size=batch_size))
        gathered = gather_object(own) if accelerator.num_processes > 1 else own
        return sorted(gathered, key=lambda prediction: int(prediction.image_id))

    def _task(self) -> Task:
        taught = self.trainer.tasks
        return "grounded" if "grounded" in taught and "anomalies" not in taught else "anomalies"

    def _tell_tensorboard(self, tag: str, text: str, step: int) -> None:
        for callback in self.trainer.callback_handler.callbacks:
            if (writer := getattr(callback, "tb_writer", None)) is not None:
                writer.add_text(tag, text, step)
