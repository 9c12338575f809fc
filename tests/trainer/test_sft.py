"""Fine-tuning: the adapter learns on the language model alone, and settings that cannot work are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dataset_builder.errors import InputError, UnavailableError
from trainer import loading, sft


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter after three steps of the tiny recipe."""
    out = tmp_path_factory.mktemp("adapter") / "tiny"
    options = {
        "dataset_name": dataset,
        "output_dir": out,
        "max_steps": 3,
        "per_device_train_batch_size": 2,
        "warmup_steps": 0,
    }
    arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    # Both tasks, so that the verdict's path is run as well.
    sft.main(["--config", "tiny", *arguments, "--tasks", "anomalies", "verdict", "--disable_tqdm", "true"])
    return out


def test_every_lora_parameter_moved_and_no_other_did(trained: Path) -> None:
    """The adapter holds only LoRA matrices of the language model, and each B matrix has left its zero start."""
    from safetensors.torch import load_file

    weights = load_file(trained / "adapter_model.safetensors")
    base, _ = loading.load("tiny")
    layers = base.config.text_config.num_hidden_layers
    assert len(weights) == layers * 7 * 2  # q, k, v, o, gate, up, down; A and B each
    assert all(".language_model.layers." in name and ".lora_" in name for name in weights)
    # B starts at zero; A moves as soon as B has.
    assert all(tensor.abs().max() > 0 for tensor in weights.values())


def test_training_moves_lora_and_nothing_else(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared parameter by parameter before and after: every LoRA matrix changed, every other tensor is bit for bit the same."""
    before: dict[str, torch.Tensor] = {}
    after: dict[str, torch.Tensor] = {}

    class Watch(sft.SFTTrainer):  # type: ignore[misc,name-defined]
        def train(self, *args: Any, **kwargs: Any) -> Any:
            before.update({name: p.detach().clone() for name, p in self.model.named_parameters()})
            result = super().train(*args, **kwargs)
            after.update({name: p.detach().clone() for name, p in self.model.named_parameters()})
            return result

    monkeypatch.setattr(sft, "SFTTrainer", Watch)
    options = [
        "--dataset_name",
        str(dataset),
        "--output_dir",
        str(tmp_path / "out"),
        "--max_steps",
        "3",
        "--warmup_steps",
        "0",
    ]
    sft.main(["--config", "tiny", *options, "--per_device_train_batch_size", "2", "--disable_tqdm", "true"])
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if ".lora_" in name}
    assert moved


def test_the_adapter_names_its_base_and_no_path_of_this_machine(trained: Path) -> None:
    """adapter_config.json says `tiny`, there is no pickle, and the card says what it was made from."""
    config = json.loads((trained / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert not list(trained.glob("*.bin"))
    assert "base_model: tiny" in (trained / "README.md").read_text()


def test_the_adapter_loads_with_plain_peft(trained: Path) -> None:
    """`PeftModel.from_pretrained` needs nothing of ours."""
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    base = AutoModelForImageTextToText.from_pretrained(loading.TINY, dtype=torch.float32)
    assert PeftModel.from_pretrained(base, trained).peft_config["default"].r == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max_length", "1024"], r"max_length: 1024 would cut image tokens"),
        (["--packing", "true"], r"packing: true"),
        (["--tasks", "poem"], r"tasks: poem: choose anomalies"),
        (["--lora_target_modules", "gate_proj", "up_proj"], r"vision tower .*use a regex on language_model"),
        (["--lora_target_modules", "no_such_proj"], r"Target modules no_such_proj not found .*; change that setting"),
    ],
)
def test_settings_that_train_nothing_or_everything_are_refused(
    options: list[str], message: str, dataset: Path, tmp_path: Path
) -> None:
    """Each is named with its value and the setting that mends it, before anything is written."""
    with pytest.raises(InputError, match=message):
        sft.main(["--config", "tiny", "--dataset_name", str(dataset), "--output_dir", str(tmp_path / "out"), *options])
    assert not (tmp_path / "out" / "adapter_config.json").exists()


def test_a_recipe_s_unknown_key_is_named(tmp_path: Path) -> None:
    """A misspelt key is told instead of being passed over."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model_name_or_path: tiny\nlearning_rat: 1.0e-3\nbf16: false\n")
    with pytest.raises(InputError, match="learning_rat"):
        sft.parse(["--config", str(recipe)])
    with pytest.raises(InputError, match="no such recipe; give a YAML file or one of: tiny"):
        sft.parse(["--config", "huge"])


def test_shipped_recipes_are_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`trainer/configs/tiny.yaml` and `tiny` mean the shipped recipe wherever the command is run."""
    monkeypatch.chdir(tmp_path)
    for name in ("trainer/configs/tiny.yaml", "tiny"):
        script, training, model = sft.parse(["--config", name, "--learning_rate", "0.5"])
        assert (script.dataset_name, training.learning_rate, model.model_name_or_path) == ("anomreason", 0.5, "tiny")


def test_a_base_model_or_dataset_out_of_reach_is_named(dataset: Path, tmp_path: Path) -> None:
    """The message names what was asked for and what can be given instead."""
    with pytest.raises(UnavailableError, match="nobody/nothing"):
        sft.main(
            [
                "--config",
                "tiny",
                "--dataset_name",
                str(dataset),
                "--model_name_or_path",
                "nobody/nothing",
                "--output_dir",
                str(tmp_path),
            ]
        )
    with pytest.raises(InputError, match="not-there"):
        sft.main(["--config", "tiny", "--dataset_name", str(tmp_path / "not-there"), "--output_dir", str(tmp_path)])
