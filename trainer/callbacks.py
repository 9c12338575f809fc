"""Evaluation while training: the adapter examines pictures of the evaluation split, and SemAP is logged beside the loss."""

import math
from typing import Any

from accelerate.utils import gather_object
from transformers import TrainerCallback
from trl.models.utils import unwrap_model_for_generation

from metric_semap.measurement import Options, measure
from metric_semap.similarity import BertScoreSimilarity
from trainer.examples import Sample
from trainer.predict import predict

__all__ = ["METRICS", "Examination"]

METRICS = ("SemAP_Full", "SemF1_Full", "false_alarm_rate", "parseable")
"""What an examination logs, each as `eval_…`: the metric's numbers without clean pictures, how many of those something was
reported on, and the share of answers that could be read."""


class Examination(TrainerCallback):  # type: ignore[misc]
    """Examines a sample whenever the trainer evaluates, and adds `METRICS` to what was evaluated.

    As they stand among the evaluation's own metrics, `metric_for_best_model: SemF1_Full` keeps the best adapter by them.

    Args:
        trainer: the trainer it is added to.
        sample (`Sample`): the pictures and what is wrong with them.
        encoder (`str`): the metric's; it is loaded once.

    Raises:
        `EncoderError`: if the encoder is out of reach.
    """

    def __init__(self, trainer: Any, sample: Sample, encoder: str) -> None:
        self.trainer, self.sample = trainer, sample
        self.similarity = BertScoreSimilarity(encoder)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Predict, score, log."""
        predictions = self._predict(args.per_device_eval_batch_size)
        answers = [prediction.anomalies for prediction in predictions]
        options = Options(empty="skip", bootstrap=0)
        scores = measure(answers, self.sample.references, self.similarity, options).scores
        parseable = sum(p.status != "failed" for p in predictions) / len(predictions)
        values = (scores.full.semap.value, scores.full.semf1.value, scores.counts.false_alarm_rate, parseable)
        # There is no rate of false alarms in a sample without clean pictures.
        found = {f"eval_{name}": value for name, value in zip(METRICS, values, strict=True) if not math.isnan(value)}
        metrics.update(found)
        self.trainer.log(dict(found))

    def _predict(self, batch_size: int) -> list[Any]:
        """The predictions in the sample's order; with several processes each examines its share."""
        accelerator = self.trainer.accelerator
        with (
            unwrap_model_for_generation(self.trainer.model_wrapped, accelerator) as model,
            accelerator.split_between_processes(list(range(len(self.sample.references)))) as mine,
        ):
            model.eval()
            pictures = ((str(index), self.sample.picture(index)) for index in mine)
            own = list(predict(pictures, model, self.trainer.processing_class, batch_size=batch_size))
        gathered = gather_object(own) if accelerator.num_processes > 1 else own
        return sorted(gathered, key=lambda prediction: int(prediction.image_id))
