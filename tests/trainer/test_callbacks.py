"""Evaluation while training: what is logged is the metric's, and the best adapter by it is the one that stays."""

import html
import json
from pathlib import Path
from typing import Any

import evaluate
import pytest
from transformers import TrainerState

from dataset_builder.errors import InputError
from dataset_builder.predictions import Prediction
from dataset_builder.scenes import pair
from metric_semap import encoder
from metric_semap.errors import SemapError
from tests.training import train_tiny
from trainer import callbacks
from trainer.examined import Examined
from trainer.examples import DataArguments, Sample, evaluation_sample, training_rows
from trainer.loading import load
from trainer.predict import predict
from trainer.progress import Shown

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
    "early_stopping": 3,
    "learning_rate": 0.004,  # more, and answers lose their end
}


class Runs:
    """What a run with evaluations left, and what happened in it."""

    def __init__(self, out: Path, answers: list[list[Prediction]], encoders: int) -> None:
        self.out, self.answers, self.encoders = out, answers, encoders
        state = json.loads((out / "checkpoint-3" / "trainer_state.json").read_text())
        self.best = Path(state["best_model_checkpoint"])
        self.log = [entry for entry in state["log_history"] if "eval_parseable" in entry]
        self.of_tests = [entry for entry in state["log_history"] if "eval_tests_parseable" in entry]


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Three steps, each followed by an examination of six pictures."""
    answers: list[list[Prediction]] = []
    encoder.load_encoder.cache_clear()
    with pytest.MonkeyPatch.context() as patch:

        def recorded(self: callbacks.Examination, sample: Sample, batch_size: int) -> list[Prediction]:
            predictions = examine(self, sample, batch_size)
            if sample is self.samples[""]:
                answers.append(predictions)
            return predictions

        examine = callbacks.Examination._predict
        patch.setattr(callbacks.Examination, "_predict", recorded)
        sets = [f"tests={dataset}"]
        out = train_tiny(dataset, tmp_path_factory.mktemp("runs") / "run", **EVALUATING, eval_sets=sets)
    return Runs(out, answers, encoder.load_encoder.cache_info().misses)


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


def test_other_sets_are_examined_under_their_names(run: Runs) -> None:
    """The split `test` of the dataset that was named, at every evaluation, beside the pictures held out."""
    assert [entry["step"] for entry in run.of_tests] == [1, 2, 3]
    for entry in run.of_tests:
        assert {"eval_tests_SemAP_Full", "eval_tests_SemF1_Full", "eval_tests_false_alarm_rate"} <= set(entry)


def test_a_page_shows_pictures_with_truth_and_the_answers_at_each_evaluation(run: Runs, dataset: Path) -> None:
    """In the run's directory, complete in one file, and as data; what TensorBoard shows as text has the same."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    known = json.loads((run.out / "examined" / "answers.json").read_text())
    assert [(one["step"], one["name"]) for one in known] == [
        (step, name) for step in (1, 2, 3) for name in ("", "tests")
    ]
    held_out = [one for one in known if not one["name"]]
    for one, predictions, entry in zip(held_out, run.answers, run.log, strict=True):
        assert one["numbers"]["eval_SemF1_Full"] == entry["eval_SemF1_Full"]
        for place, answer in one["answers"].items():
            assert answer["status"] == predictions[int(place)].status
            said = [anomaly["phenomenon"] for anomaly in answer["anomalies"]]
            assert said == [anomaly.phenomenon for anomaly in predictions[int(place)].anomalies]
    page = (run.out / "examined" / "index.html").read_text()
    assert "://" not in page
    assert all(f"step {step}" in page for step in (1, 2, 3))
    script = DataArguments(dataset_name=str(dataset))
    _, sample = evaluation_sample(script, 6, training_rows(script))
    for truth in sample.references:
        assert all(html.escape(anomaly.phenomenon) in page for anomaly in truth)
    (directory,) = (run.out / "runs").iterdir()
    events = EventAccumulator(str(directory))
    events.Reload()
    for name in ("held_out", "tests"):
        assert len(events.Tensors(f"examined/{name}/text_summary")) == 3


def test_a_run_that_goes_on_continues_its_page(tmp_path: Path) -> None:
    """Answers of steps that are done again are dropped, and a new run in the same place begins with an empty page."""
    sample = Sample([{"image": pair(0, 0)[0].image}], [[]])
    prediction = Prediction(image_id="0", status="none")
    first = Examined(tmp_path, {"": sample})
    for step in (10, 20, 30):
        first.add(step, "", [prediction], {})
    again = Examined(tmp_path, {"": sample})
    again.begin(20)
    assert [one["step"] for one in again.answers] == [10, 20]
    again.begin(0)
    assert again.answers == []


def test_training_ends_where_nothing_gets_better(dataset: Path, tmp_path: Path) -> None:
    """`early_stopping` 1 with a rate that changes nothing: the second evaluation is no better, so it is the last."""
    still = EVALUATING | {
        "learning_rate": 1e-12,
        "early_stopping": 1,
        "max_steps": 6,
        "report_to": "none",
        "eval_pictures": 2,
    }
    out = train_tiny(dataset, tmp_path / "run", **still)
    assert json.loads((out / "training.json").read_text())["steps"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"early_stopping": 0}, "early_stopping: 0 would end training at once"),
        (
            {"early_stopping": 2, "load_best_model_at_end": False},
            "early_stopping: needs metric_for_best_model, and load_best",
        ),
        (
            {"eval_strategy": "no", "load_best_model_at_end": False},
            "early_stopping: nothing is evaluated; set eval_strategy",
        ),
        ({"eval_sets": ["tests"]}, "eval_sets: tests: write NAME=DATASET"),
        ({"eval_sets": ["a=x", "a=y"]}, "eval_sets: a=x: write NAME=DATASET, each name once"),
        ({"eval_sets": ["a=nowhere"]}, r"nowhere \[test\]: cannot be loaded"),
        ({"metric_for_best_model": "SemF2"}, "metric_for_best_model: SemF2 is not measured; choose one of SemAP_Full"),
        ({"eval_pictures": 0}, "eval_pictures: 0 would examine no picture"),
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


def test_the_terminal_tells_of_each_set_what_an_adapter_may_be_chosen_by(capsys: pytest.CaptureFixture[str]) -> None:
    """Losses, and SemF1 and false alarms of the pictures held out and of every other set; nothing else."""
    logs = {"loss": 0.25, "grad_norm": 3.0, "eval_SemF1_Full": 0.5, "eval_SemAP_Full": 0.4}
    logs |= {"eval_photos_SemF1_Full": 0.75, "eval_photos_false_alarm_rate": 0.125, "eval_photos_parseable": 1.0}
    state = TrainerState(global_step=3, max_steps=12, is_world_process_zero=True)
    Shown().on_log(None, state, None, logs)
    told = "loss 0.25, eval_SemF1_Full 0.5, eval_photos_SemF1_Full 0.75, eval_photos_false_alarm_rate 0.125"
    assert capsys.readouterr().err == f"step 3 of 12: {told}\n"
