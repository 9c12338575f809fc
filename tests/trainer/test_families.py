"""Families: those that are tested are trained as a whole, the others are refused before a weight is loaded."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2_5_VLConfig, Qwen3_5Config
from trl import ModelConfig

from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.scenes import pair
from tests.random_models import RANDOM, qwen3_vl_moe
from tests.training import arguments, train_tiny
from trainer import beforehand, sft
from trainer.base import lora_config
from trainer.decoding import unproven
from trainer.families import check_coverage, coverage, skeleton
from trainer.loading import load, read_config
from trainer.predict import predict
from trainer.serve import serving

LANGUAGE = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28}
LANGUAGE |= {"num_key_value_heads": 4, "vocab_size": 152064}
VISION = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}
SEVEN = Qwen2_5_VLConfig(text_config=LANGUAGE, vision_config=VISION)
"""Qwen2.5-VL-7B's shapes."""


def lora(**options: Any) -> Any:
    return lora_config(ModelConfig(model_name_or_path="a/b", lora_r=8, **options))


@pytest.mark.parametrize("family", ["tiny", *RANDOM])
def test_lora_reaches_all_linear_weights_of_the_language_model(family: str, tmp_path: Path) -> None:
    """In each family that is trained, counted on its true module names; and none of the tower."""
    place = "tiny" if family == "tiny" else str(RANDOM[family](tmp_path / family))
    bones = skeleton(read_config(place), lora())
    assert coverage(bones) == (1.0, {})
    trained = {name for name, parameter in bones.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(".language_model.layers." in name for name in trained)
    assert {parameter.device.type for parameter in bones.parameters()} == {"meta"}


def test_what_lora_leaves_out_is_named(tmp_path: Path) -> None:
    """Experts that are tensors of their own, linear attention, and targets that someone chose too few of."""
    moe = skeleton(read_config(str(qwen3_vl_moe(tmp_path / "moe"))), lora())
    with pytest.raises(InputError, match=r"reach \d+% of the language model's linear weights, and 95% .*mlp\.experts"):
        check_coverage(moe)
    with pytest.raises(InputError, match=r"left out are .*linear_attn\.in_proj"):
        check_coverage(skeleton(Qwen3_5Config(), lora()))


def test_training_stops_where_lora_would_reach_too_little(dataset: Path, tmp_path: Path) -> None:
    """Before the base is loaded, with what is left out, the largest first."""
    line = arguments(dataset, tmp_path / "out", lora_target_modules=r".*language_model.*\.[qv]_proj")
    with pytest.raises(InputError, match=r"lora_target_modules: reach \d+% .*left out are mlp\.[^;]*; leave lora_targ"):
        sft.main(line)


def config_of(kind: str, place: Path) -> str:
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"model_type": kind}))
    return str(place)


@pytest.mark.parametrize("kind", ["qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "internvl", "smolvlm", "idefics3"])
def test_a_family_that_is_not_tested_is_refused_by_its_configuration(kind: str, dataset: Path, tmp_path: Path) -> None:
    """There are no weights here to load: one sentence with the reason and what to take instead."""
    model = config_of(kind, tmp_path / "model")
    instead = r"take Qwen2-VL, Qwen2\.5-VL or Qwen3-VL$"
    with pytest.raises(InputError, match=rf"model: is of the family {kind} and cannot be trained here: .*; {instead}"):
        sft.main(arguments(dataset, tmp_path / "out", model_name_or_path=model))
    if kind != "qwen3_vl_moe":
        instead = r"take Qwen2-VL, Qwen2\.5-VL, Qwen3-VL or Qwen3-VL-MoE$"
        for ask in (load, lambda place: serving(model=place)):
            with pytest.raises(InputError, match=rf"family {kind} and cannot be asked here: .*; {instead}"):
                ask(model)


def test_a_mixture_of_experts_is_asked_by_plain_generation(tmp_path: Path) -> None:
    """Qwen3-VL-MoE answers; nothing of ours is proven for it."""
    model, processor = load(str(qwen3_vl_moe(tmp_path / "moe")))
    assert unproven(model) == "model_type qwen3_vl_moe"
    answers = list(predict([("a.png", pair(1, 0)[0].image)], model, processor, max_new_tokens=5))
    assert answers[0].tokens


def test_dora_is_trained_loaded_and_merged(dataset: Path, tmp_path: Path) -> None:
    """`use_dora` trains magnitudes beside LoRA's matrices, on the language model alone."""
    from safetensors.torch import load_file

    out = train_tiny(dataset, tmp_path / "dora", use_dora=True, max_steps=2)
    names = set(load_file(out / "adapter_model.safetensors"))
    assert {name.rsplit(".", 1)[-1] for name in names if "magnitude" in name}
    assert all(".language_model.layers." in name for name in names)
    pictures = [(str(index), pair(5, index)[0].image) for index in range(3)]
    merged, beside = (
        [answer.raw for answer in predict(pictures, *load(None, str(out), merge=merge))] for merge in (True, False)
    )
    assert merged == beside


@pytest.mark.parametrize(
    ("name", "memory", "bf16", "options", "message"),
    [
        (
            "Tesla V100",
            32,
            False,
            {"bf16": True},
            r"bf16: true, but Tesla V100 has no bfloat16; set bf16 to false, fp16",
        ),
        (
            "A10",
            12,
            True,
            {},
            r"a/b: needs at least 1\d GB .* and A10 has 12; what fits is load_in_4bit true \(about \d GB",
        ),
        ("T4", 16, False, {"dtype": "float32"}, r"needs at least 3\d GB .*T4 has 16; what fits is load_in_4bit true"),
        ("GPU", 2, True, {}, r"what fits is a smaller base, or several GPUs with accelerate launch"),
        ("H100", 80, True, {"bf16": True}, None),
        (
            None,
            0,
            False,
            {},
            r"a/b: has 8\.\d billion parameters, and there is no GPU here; give --use_cpu true or a GPU",
        ),
        (None, 0, False, {"use_cpu": True}, None),
    ],
)
def test_a_device_that_cannot_train_a_model_says_what_can(
    name: str | None, memory: int, bf16: bool, options: dict[str, Any], message: str | None, monkeypatch: Any
) -> None:
    """Qwen2.5-VL-7B's true shapes against devices that are told to be there, before a weight is loaded."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name is not None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
    properties = type("Properties", (), {"total_memory": memory * 1e9})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(beforehand, "read_config", lambda *_: SEVEN)
    training = type("Training", (), {"bf16": False, "use_cpu": False, "world_size": 1} | options)
    script = type("Script", (), {"checkpointed_layers": None})
    model = ModelConfig(model_name_or_path="a/b", lora_r=8, dtype=options.get("dtype", "bfloat16"))
    if message is None:
        assert beforehand.check_beforehand(script, training, model) is not None  # type: ignore[arg-type]
    else:
        with pytest.raises((InputError, UnavailableError), match=message):
            beforehand.check_beforehand(script, training, model)  # type: ignore[arg-type]


def test_a_recipe_for_a_gpu_without_one_is_one_sentence(dataset: Path, tmp_path: Path) -> None:
    """And `train` without a recipe says which there are."""
    with pytest.raises(
        UnavailableError, match=r"--config anomreasonor_7b: bf16 needs a GPU .*; give --use_cpu true or a GPU"
    ):
        sft.parse(["--config", "anomreasonor_7b"])
    with pytest.raises(InputError, match="--config: is not given; give a YAML file or one of: anomreasonor_3b, "):
        sft.main(["--dataset_name", str(dataset), "--output_dir", str(tmp_path)])


WITHOUT_A_RECIPE = """
import sys
from typer.testing import CliRunner
import anomreason
for line in (["train"], ["train", "--dataset", "x", "--lora_r", "8"], ["grpo"], ["train", "--config", "tinny"]):
    print(CliRunner().invoke(anomreason.app, line).exception)
print(sorted({"torch", "transformers", "trl", "datasets"} & set(sys.modules)))
"""


def test_a_recipe_that_is_not_there_is_told_before_anything_is_imported() -> None:
    """What takes ten seconds to import is not needed to say which recipes there are."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_A_RECIPE], capture_output=True, text=True, check=True)
    told = "give a YAML file or one of: anomreasonor_3b, anomreasonor_7b, qwen3vl_8b, tiny"
    assert done.stdout.splitlines() == [
        f"--config: is not given; {told}",
        f"--config: is not given; {told}",
        "--config: is not given; give a YAML file or one of: anomreasonor_7b, tiny",
        f"tinny: no such recipe; {told}",
        "[]",
    ]
