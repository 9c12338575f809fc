"""Evaluation while training: what is logged is the metric's, and the best adapter by it is the one that stays."""

import json
from pathlib import Path
from typing import Any

import evaluate
import pytest

from dataset_builder.errors import InputError
from dataset_builder.predictions import Prediction
from metric_semap import similarity
from metric_semap.errors import SemapError
from tests.training import train_tiny
from trainer import callbacks
from trainer.examples import DataArguments, evaluation_sample, training_rows
from trainer.loading import load
from trainer.predict import predict

EVALUATING: dict[str, Any] = {
    "eval_strategy": "steps",
    "eval_steps": 1,
    "eval_pictures": 6,
    "save_strategy": "steps",
    "save_steps": 1,
    "max_steps": 3,
    "load_best_model_at_end": True,
    "metric_for_best_model": "SemF1_Full",
    "report_to": "tensorboard",
    "learning_rate": 0.004,  # more, and answers lose their end
}


class Runs:
    """What a run with evaluations left, and what happened in it."""

    def __init__(self, out: Path, answers: list[list[Prediction]], encoders: int) -> None:
        self.out, self.answers, self.encoders = out, answers, encoders
        state = json.loads((out / "checkpoint-3" / "trainer_state.json").read_text())
        self.best = Path(state["best_model_checkpoint"])
        self.log = [entry for entry in state["log_history"] if "eval_parseable" in entry]


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Three steps, each followed by an examination of six pictures."""
    answers: list[list[Prediction]] = []
    similarity.load_encoder.cache_clear()
    with pytest.MonkeyPatch.context() as patch:

        def recorded(self: callbacks.Examination, batch_size: int) -> list[Prediction]:
            answers.append(examine(self, batch_size))
            return answers[-1]

        examine = callbacks.Examination._predict
        patch.setattr(callbacks.Examination, "_predict", recorded)
        out = train_tiny(dataset, tmp_path_factory.mktemp("runs") / "run", **EVALUATING)
    return Runs(out, answers, similarity.load_encoder.cache_info().misses)


def test_the_numbers_logged_are_the_metric_s_own(run: Runs, dataset: Path) -> None:
    """SemAP, SemF1 and false alarms as `evaluate` gives them with empty="skip", and the share of answers that could be read."""
    script = DataArguments(dataset_name=str(dataset))
    _, sample = evaluation_sample(script, 6, training_rows(script))
    references = [[anomaly.model_dump() for anomaly in truth] for truth in sample.references]
    metric = evaluate.load("metric_semap/semap.py")
    assert [entry["step"] for entry in run.log] == [1, 2, 3]
    for entry, predictions in zip(run.log, run.answers, strict=True):
        said = [[anomaly.model_dump() for anomaly in prediction.anomalies] for prediction in predictions]
        expected = metric.compute(predictions=said, references=references, encoder="minilm", empty="skip", bootstrap=0)
        for name in ("SemAP_Full", "SemF1_Full", "false_alarm_rate"):
            assert entry[f"eval_{name}"] == pytest.approx(expected[name])
        assert entry["eval_parseable"] == sum(p.status != "failed" for p in predictions) / 6


def test_the_answers_are_those_of_the_adapter_at_that_step(run: Runs, dataset: Path) -> None:
    """What the callback generated in training, plain prediction with that checkpoint generates again."""
    script = DataArguments(dataset_name=str(dataset))
    _, sample = evaluation_sample(script, 6, training_rows(script))
    model, processor = load("tiny", adapter=str(run.out / "checkpoint-2"))
    pictures = [(str(index), sample.picture(index)) for index in range(6)]
    again = [prediction.raw for prediction in predict(pictures, model, processor, batch_size=8)]
    assert again == [prediction.raw for prediction in run.answers[1]]


def test_the_best_adapter_by_the_metric_is_kept(run: Runs) -> None:
    """The adapter saved in the end is, byte for byte, the checkpoint with the highest SemF1."""
    scores = {entry["step"]: entry["eval_SemF1_Full"] for entry in run.log}
    assert run.best == run.out / f"checkpoint-{max(scores, key=lambda step: scores[step])}"
    name = "adapter_model.safetensors"
    assert (run.out / name).read_bytes() == (run.best / name).read_bytes()


def test_the_encoder_is_loaded_once(run: Runs) -> None:
    """However often is evaluated."""
    assert len(run.log) > 1
    assert run.encoders == 1


def test_tensorboard_has_the_curves(run: Runs) -> None:
    """Loss and examination, as `report_to: tensorboard` writes them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (directory,) = (run.out / "runs").iterdir()
    events = EventAccumulator(str(directory))
    events.Reload()
    assert {"train/loss", "eval/loss", "eval/SemAP_Full", "eval/SemF1_Full", "eval/parseable"} <= set(
        events.Tags()["scalars"]
    )
    logged = [event.value for event in events.Scalars("eval/SemF1_Full")]
    assert logged == pytest.approx([entry["eval_SemF1_Full"] for entry in run.log])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric_for_best_model": "SemF2"}, "metric_for_best_model: SemF2 is not measured; choose one of SemAP_Full"),
        ({"eval_pictures": 0}, "eval_pictures: 0 examines nothing"),
        ({"eval_pictures": 999}, "eval_pictures: 999 holds out every picture; lower it"),
        (
            {"dataset_test_split": "train"},
            "dataset_test_split: train: .* trained on as well",
        ),
        ({"dataset_streaming": True}, "no picture can be held out of a stream; name another split"),
    ],
)
def test_an_examination_that_cannot_work_is_refused(
    options: dict[str, Any], message: str, dataset: Path, tmp_path: Path
) -> None:
    """Before the model is loaded."""
    with pytest.raises(InputError, match=message):
        train_tiny(dataset, tmp_path / "out", **(EVALUATING | options))


def test_an_encoder_out_of_reach_is_told_before_the_first_step(dataset: Path, tmp_path: Path) -> None:
    """Not after hours of training."""
    with pytest.raises(SemapError, match="no-such-encoder"):
        train_tiny(dataset, tmp_path / "out", **(EVALUATING | {"eval_encoder": "no-such-encoder"}))
