"""GRPO: rewards that are the metric's, each logged, and steps that move LoRA alone."""

import json
from pathlib import Path
from typing import Any

import evaluate
import pytest
import torch
from transformers import TrainerCallback

from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.textform import write_answer
from metric_semap import similarity
from tests.training import train_tiny
from trainer import grpo
from trainer.rewards import Rewards

CUP = {
    "name": "Floating cup",
    "phenomenon": "A red cup hovers over the table.",
    "reasoning": "Cups fall.",
    "severity": 10,
}
ARM = {
    "name": "Third arm",
    "phenomenon": "The man has three arms.",
    "reasoning": "People have two arms.",
    "severity": 5,
}
HAND = {
    "name": "Odd hand",
    "phenomenon": "A man with three arms waves.",
    "reasoning": "People have two.",
    "severity": 30,
}


def said(text: str) -> list[dict[str, str]]:
    """An answer as TRL hands it to a reward function."""
    return [{"role": "assistant", "content": text}]


def columns(*rows: tuple[str, str, list[dict[str, Any]], str]) -> dict[str, Any]:
    """Answers with their task, references and label, as a reward function's arguments."""
    answers, task, references, label = zip(*rows, strict=True)
    return {"completions": list(map(said, answers)), "task": task, "references": references, "label": label}


def listing(*anomalies: dict[str, Any]) -> str:
    """The anomalies in the form a model should write."""
    return json.dumps(anomalies)


def test_the_reward_for_explaining_is_the_metric_s_semf1() -> None:
    """Picture by picture, as `evaluate` gives it; where the metric has no number, there is no reward."""
    pairs = [
        ([CUP], [CUP]),
        ([ARM, CUP], [CUP]),
        ([HAND], [ARM]),
        ([HAND, CUP], [ARM, CUP]),
        ([], [ARM]),
        ([CUP], [ARM]),
    ]
    rows = [(listing(*answer), "anomalies", truth, "fake") for answer, truth in pairs]
    rows += [
        ("no list at all", "anomalies", [CUP], "fake"),
        ("[]", "anomalies", [], "real"),
        ("Yes", "verdict", [CUP], "fake"),
    ]
    rewards = Rewards("minilm").semf1_full(**columns(*rows))
    metric = evaluate.load("metric_semap/semap.py")
    for reward, (answer, truth) in zip(rewards, pairs, strict=False):
        scores = metric.compute(predictions=[answer], references=[truth], encoder="minilm", empty="skip", bootstrap=0)
        assert reward == pytest.approx(scores["SemF1_Full"])
    assert rewards[0] == 1
    assert 0 < rewards[2] < 1  # type: ignore[operator]
    assert rewards[6:] == [0, None, None]


def test_form_and_verdict_are_rewards_of_their_own() -> None:
    """A list that can be read, a yes or no; and a verdict that is right, which for a list is whether it names anything."""
    rows = [
        (listing(CUP), "anomalies", [ARM], "fake"),  # wrong anomaly, right that there is one
        ("[]", "anomalies", [], "real"),
        (listing(CUP), "anomalies", [], "real"),  # a false alarm
        ("[]", "anomalies", [CUP], "fake"),  # a miss
        ("It looks fine to", "anomalies", [], "real"),  # unreadable: neither form nor verdict
        ("Yes", "verdict", [], "fake"),
        ("No.", "verdict", [], "fake"),
        ("Perhaps", "verdict", [], "real"),
    ]
    rewards = Rewards("minilm")
    assert rewards.parseable(**columns(*rows)) == [1, 1, 1, 1, 0, 1, 1, 0]
    assert rewards.verdict(**columns(*rows)) == [1, 1, 0, 0, 0, 1, 0, 0]


def test_the_answer_a_model_is_taught_earns_everything() -> None:
    """What SFT trains to write gets the full reward here."""
    from dataset_builder.schema import Anomaly

    answer = write_answer([Anomaly(**CUP), Anomaly(**ARM)])
    rewards = [reward(**columns((answer, "anomalies", [CUP, ARM], "fake"))) for reward in Rewards("minilm").functions()]
    assert rewards == [[pytest.approx(1)], [1], [1]]


class Watch(TrainerCallback):
    """Keeps every parameter as it was before the first step and after the last, and what was logged."""

    def on_train_begin(self, *_: Any, model: Any, **__: Any) -> None:
        self.before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

    def on_train_end(self, _: Any, state: Any, *__: Any, model: Any, **___: Any) -> None:
        self.moved = {name for name, p in model.named_parameters() if not torch.equal(self.before[name], p)}
        self.log = [entry for entry in state.log_history if "reward" in entry]


@pytest.fixture(scope="module")
def adapter(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SFT adapter after one step."""
    return train_tiny(dataset, tmp_path_factory.mktemp("sft") / "adapter", max_steps=1)


def options(dataset: Path, adapter: Path, out: Path, *more: str) -> list[str]:
    line = ["--config", "tiny", "--dataset_name", str(dataset), "--adapter", str(adapter), "--output_dir", str(out)]
    line += ["--max_steps", "2", "--per_device_train_batch_size", "8", "--num_generations", "4", "--temperature", "3"]
    return [*line, "--max_completion_length", "64", "--disable_tqdm", "true", *more]


def test_a_step_moves_lora_alone_and_each_reward_is_logged(dataset: Path, adapter: Path, tmp_path: Path) -> None:
    """From an SFT adapter, both tasks; and the encoder is loaded once, the one the metric uses."""
    watch = Watch()
    similarity.load_encoder.cache_clear()
    line = options(dataset, adapter, tmp_path / "out", "--tasks", "anomalies", "verdict", "--seed", "1")
    out = grpo.train(*grpo.parse(line), callbacks=[watch])
    assert watch.moved == {name for name in watch.before if ".lora_" in name}
    assert watch.moved
    assert len(watch.log) == 2
    for entry in watch.log:
        assert {f"rewards/{name}/mean" for name in ("semf1_full", "parseable", "verdict")} <= set(entry)
    Rewards("minilm").semf1_full(**columns((listing(CUP), "anomalies", [CUP], "fake")))
    assert similarity.load_encoder.cache_info().misses == 1
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"
    assert not list(out.glob("*.bin"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--adapter", "nowhere"], r"nowhere: no adapter can be loaded from here"),
        (["--model_name_or_path", "Qwen/Qwen2.5-VL-7B-Instruct"], r"was trained on tiny, not on Qwen/Qwen2.5-VL-7B"),
        (["--dataset_config", "sft"], r"dataset_config: sft holds conversations; choose default or deepfake"),
        (["--dataset_streaming", "true"], r"dataset_streaming: true does not work here"),
        (["--eval_strategy", "steps"], r"eval_strategy: the rewards are logged at every step"),
        (["--num_generations", "3"], r"num_generations"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    more: list[str], message: str, dataset: Path, adapter: Path, tmp_path: Path
) -> None:
    """Each with what to change."""
    with pytest.raises((InputError, UnavailableError), match=message):
        grpo.main(options(dataset, adapter, tmp_path / "out", *more))


def test_grpo_needs_an_adapter_to_go_on_from(dataset: Path, tmp_path: Path) -> None:
    """And the recipe for 7B names one."""
    with pytest.raises(InputError, match="adapter: is not set; give the SFT adapter"):
        grpo.main(["--config", "tiny", "--dataset_name", str(dataset), "--output_dir", str(tmp_path)])
    script, training, model = grpo.parse(["--config", "anomreasonor_7b", "--use_cpu", "true"])
    assert script.adapter == "runs/anomreasonor-7b"
    assert model.model_name_or_path == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert training.num_generations == 8
