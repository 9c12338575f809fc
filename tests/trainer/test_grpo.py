"""GRPO: rewards that are the metric's, each logged, and steps that move LoRA alone."""

import json
from pathlib import Path
from typing import Any

import evaluate
import pytest
import torch
from transformers import TrainerCallback

from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.scenes import read_scenes, write_scenes
from dataset_builder.schema import Anomaly
from dataset_builder.textform import write_answer
from metric_semap import encoder
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


def anomalies(*records: dict[str, Any]) -> list[Anomaly]:
    return [Anomaly(**record) for record in records]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What is wrong with thirty rendered pictures, none of them clean: texts that are as alike as a dataset's are."""
    rows = read_scenes(write_scenes(tmp_path_factory.mktemp("rewards") / "scenes", 60, seed=5))
    keys = {"name", "phenomenon", "reasoning", "severity"}
    return [[anomaly.model_dump(include=keys) for anomaly in row.anomalies] for row in rows if row.anomalies]


@pytest.fixture(scope="module")
def rewards(rendered: list[list[dict[str, Any]]]) -> Rewards:
    """The rewards, with these pictures as the others."""
    return Rewards("minilm", [anomalies(*records) for records in rendered])


def test_without_other_pictures_and_with_true_severities_the_reward_is_the_metric_s_semf1() -> None:
    """Picture by picture, as `evaluate` gives it."""

    def rated(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [record | {"severity": 40} for record in records]

    pairs = [
        ([CUP], [CUP]),
        ([ARM, CUP], [CUP]),
        ([HAND], [ARM]),
        ([HAND, CUP], [ARM, CUP]),
        ([], [ARM]),
        ([CUP], [ARM]),
    ]
    rows = [(listing(*rated(said)), "anomalies", rated(truth), "fake") for said, truth in pairs]
    earned = Rewards("minilm", []).explained(**columns(*rows))
    metric = evaluate.load("metric_semap/semap.py")
    for reward, (said, truth) in zip(earned, pairs, strict=True):
        scores = metric.compute(predictions=[said], references=[truth], encoder="minilm", empty="skip", bootstrap=0)
        assert reward == pytest.approx(scores["SemF1_Full"])
    assert 0 < earned[2] < 1  # type: ignore[operator]


def test_a_wrong_severity_costs_up_to_half() -> None:
    """Half of a matched pair is its text, the other half falls with the distance of its severity from the true one."""
    rows = [(listing(CUP | {"severity": severity}), "anomalies", [CUP], "fake") for severity in (10, 20, 60, 100)]
    assert Rewards("minilm", []).explained(**columns(*rows)) == pytest.approx([1, 0.95, 0.75, 0.55])


GENERIC = {
    "name": "Anomaly",
    "phenomenon": "Something in this picture breaks common sense.",
    "reasoning": "It contradicts what everybody knows about the world.",
    "severity": 25,
}


@pytest.mark.parametrize(
    ("way", "least", "most"),
    [
        ("truth", 1, 1),
        ("empty", 0, 0),
        ("constant", -1, 0.05),
        ("generic", -1, 0.05),
        ("everything", -1, 0.05),
        ("another picture's", -1, 0.05),
        ("doubled truth", 0.4, 0.75),
        ("severity 100", 0.4, 0.75),
    ],
)
def test_only_what_is_seen_is_rewarded(
    way: str, least: float, most: float, rendered: list[list[dict[str, Any]]], rewards: Rewards
) -> None:
    """The mean over all pictures of all rewards together: nothing that can be said without looking earns anything."""
    everything = [record for truth in rendered for record in truth]

    def said(place: int) -> list[dict[str, Any]]:
        truth = rendered[place]
        ways = {
            "truth": truth,
            "empty": [],
            "constant": rendered[3],
            "generic": [GENERIC],
            "everything": everything[:16],
            "another picture's": rendered[(place + 1) % len(rendered)],
            # The same list twice is read as one, so each anomaly is said again under another name.
            "doubled truth": [*truth, *(record | {"name": f"{record['name']}, again"} for record in truth)],
            "severity 100": [record | {"severity": 100} for record in truth],
        }
        return ways[way]

    rows = [(listing(*said(place)), "anomalies", truth, "fake") for place, truth in enumerate(rendered)]
    given = columns(*rows)
    earned = [[value for value in function(**given) if value is not None] for function in rewards.functions()]
    mean = sum(map(sum, earned)) / len(rendered)
    assert least - 1e-6 <= mean <= most + 1e-6, mean


def test_the_best_constant_answer_earns_little(rendered: list[list[dict[str, Any]]], rewards: Rewards) -> None:
    """Whichever true list is repeated about every picture, a twentieth of the truth's reward at most."""
    for constant in rendered[:5]:
        rows = [(listing(*constant), "anomalies", truth, "fake") for truth in rendered if truth != constant]
        earned = rewards.explained(**columns(*rows))
        assert sum(earned) / len(earned) <= 0.05  # type: ignore[arg-type]


@pytest.mark.parametrize(("said", "most"), [("[]", 0.5), (listing(GENERIC), 0.05), (listing(CUP, ARM, HAND), 0.05)])
def test_among_clean_pictures_silence_earns_their_share(
    said: str, most: float, rendered: list[list[dict[str, Any]]], rewards: Rewards
) -> None:
    """Of pictures half of which are clean, an empty list about all of them is right half of the time; no other constant is."""
    truths = [truth for odd in rendered for truth in (odd, [])]
    rows = [(said, "anomalies", truth, "fake" if truth else "real") for truth in truths]
    earned = rewards.explained(**columns(*rows))
    assert sum(earned) / len(earned) <= most  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "share"), [("Yes", 0.25), ("No", 0.75), (listing(GENERIC), 0.0), ("Yes and no", 0.25)]
)
def test_a_constant_verdict_earns_the_share_of_its_label_and_no_list_adds_to_it(said: str, share: float) -> None:
    """Of four pictures one is generated."""
    rows = [(said, "verdict", [CUP] if label == "fake" else [], label) for label in ("fake", "real", "real", "real")]
    given, rewards = columns(*rows), Rewards("minilm", [])
    assert rewards.explained(**given) == [None] * 4
    assert sum(rewards.verdict(**given)) / 4 == share  # type: ignore[arg-type]


def test_a_clean_picture_is_to_be_left_alone_and_a_verdict_to_be_right() -> None:
    """An empty list earns 1 where nothing is wrong; a yes or no is rewarded where it was asked for, and only there."""
    rows = [
        ("[]", "anomalies", [], "real"),
        (listing(CUP), "anomalies", [], "real"),  # a false alarm
        ("It looks fine to", "anomalies", [], "real"),
        ("Yes", "verdict", [CUP], "fake"),
        ("No.", "verdict", [], "fake"),
        ("Perhaps", "verdict", [], "real"),
    ]
    rewards = Rewards("minilm", [])
    assert rewards.explained(**columns(*rows)) == [1, 0, 0, None, None, None]
    assert rewards.verdict(**columns(*rows)) == [None, None, None, 1, 0, 0]


def test_form_earns_nothing_and_costs_where_it_is_wrong() -> None:
    """A list that can be read is no achievement; one that cannot is worse than none."""
    rows = [
        (listing(CUP), "anomalies", [ARM], "fake"),
        ("[]", "anomalies", [CUP], "fake"),
        (listing(CUP)[:-1] + ', {"name": "Third"', "anomalies", [CUP], "fake"),
        ("It looks fine to", "anomalies", [CUP], "fake"),
        ("No.", "verdict", [], "real"),
        ("Perhaps", "verdict", [], "real"),
    ]
    assert Rewards("minilm", []).readable(**columns(*rows)) == [0, 0, -0.5, -1, 0, -1]


def test_the_answer_a_model_is_taught_earns_everything(rewards: Rewards) -> None:
    """What SFT trains to write gets the full reward here, whatever other pictures hold."""
    answer = write_answer(anomalies(CUP, ARM))
    given = columns((answer, "anomalies", [CUP, ARM], "fake"))
    assert [function(**given) for function in rewards.functions()] == [[pytest.approx(1)], [0], [None]]


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
    encoder.load_encoder.cache_clear()
    line = options(dataset, adapter, tmp_path / "out", "--tasks", "anomalies", "verdict", "--seed", "1")
    out = grpo.train(*grpo.parse(line), callbacks=[watch])
    assert watch.moved == {name for name in watch.before if ".lora_" in name}
    assert watch.moved
    assert len(watch.log) == 2
    for entry in watch.log:
        assert {f"rewards/{name}/mean" for name in ("explained", "readable", "verdict")} <= set(entry)
    Rewards("minilm", []).explained(**columns((listing(CUP), "anomalies", [CUP], "fake")))
    assert encoder.load_encoder.cache_info().misses == 1
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny"
    assert not list(out.glob("*.bin"))


def test_the_best_adapter_on_pictures_held_out_is_kept(dataset: Path, adapter: Path, tmp_path: Path) -> None:
    """Each evaluation is an examination, of pictures that are not trained on; the adapter saved is the best checkpoint's."""
    more = [
        "--eval_strategy",
        "steps",
        "--eval_steps",
        "1",
        "--save_strategy",
        "steps",
        "--save_steps",
        "1",
        "--eval_pictures",
        "4",
    ]
    more += ["--load_best_model_at_end", "true", "--metric_for_best_model", "SemF1_Full", "--learning_rate", "0.004"]
    out = grpo.main(options(dataset, adapter, tmp_path / "out", *more))
    state = json.loads((out / "checkpoint-2" / "trainer_state.json").read_text())
    scores = {entry["step"]: entry["eval_SemF1_Full"] for entry in state["log_history"] if "eval_SemF1_Full" in entry}
    assert set(scores) == {1, 2}
    assert not [entry for entry in state["log_history"] if "eval_reward" in entry]
    best = out / f"checkpoint-{max(scores, key=lambda step: scores[step])}"
    assert Path(state["best_model_checkpoint"]) == best
    name = "adapter_model.safetensors"
    assert (out / name).read_bytes() == (best / name).read_bytes()
    assert (out / "examined" / "index.html").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--adapter", "nowhere"], r"nowhere: the adapter cannot be loaded"),
        (["--model_name_or_path", "Qwen/Qwen2.5-VL-7B-Instruct"], r"was trained on tiny, not on Qwen/Qwen2.5-VL-7B"),
        (["--dataset_config", "sft"], r"dataset_config: sft holds conversations; choose default or deepfake"),
        (["--dataset_streaming", "true"], r"dataset_streaming: true does not work here"),
        (
            ["--eval_strategy", "steps", "--metric_for_best_model", "loss"],
            r"metric_for_best_model: loss is not measured",
        ),
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
