"""Which model families can be asked and trained, decided from a configuration before any weights are loaded.

A family is on the list because the tests load, train and ask a small model of it with the same module names. What LoRA would not
reach is measured on a skeleton of the model, which has shapes and no weights.
"""

import re
from collections import Counter
from typing import Any

import torch
from torch import nn

from dataset_builder.errors import InputError

__all__ = ["ASKED", "LEAST_COVERED", "TRAINED", "check_coverage", "check_family", "coverage", "skeleton"]

TRAINED = {"qwen2_vl": "Qwen2-VL", "qwen2_5_vl": "Qwen2.5-VL", "qwen3_vl": "Qwen3-VL"}
"""`model_type` and name of the families that adapters are trained on."""

ASKED = {**TRAINED, "qwen3_vl_moe": "Qwen3-VL-MoE"}
"""Those whose models are asked about pictures."""

_WHY_NOT = {
    "qwen3_vl_moe": "LoRA on linear layers would leave out its experts, which are most of its weights",
    "qwen3_5": "its layers of linear attention are not among those that the recipes train",
    "qwen3_5_moe": "its layers of linear attention and its experts are not among those that the recipes train",
    "internvl": "it cuts pictures into tiles, and the recipes' pixel budget means nothing to it",
    "smolvlm": "it cuts pictures into tiles, and the recipes' pixel budget means nothing to it",
    "idefics3": "it cuts pictures into tiles, and the recipes' pixel budget means nothing to it",
}

LEAST_COVERED = 0.95
"""The share of the language model's linear weights that LoRA has to reach."""


def check_family(model: str, config: Any, *, training: bool) -> None:
    """Raise an `InputError` for a model that cannot be asked, or trained, here.

    Args:
        model (`str`): its name, for the message.
        config: its configuration, as transformers reads it.
        training (`bool`): whether it is to be trained, or only asked.
    """
    known = TRAINED if training else ASKED
    kind = str(config.model_type)
    if kind not in known:
        what = "trained" if training else "asked"
        *others, last = known.values()
        why = _WHY_NOT.get(kind, "only the families named here were tested")
        raise InputError(
            f"{model}: is of the family {kind} and cannot be {what} here: {why}; take {', '.join(others)} or {last}"
        )


def skeleton(config: Any, lora: Any) -> Any:
    """The model of a configuration with a new adapter of the configuration `lora`: shapes without weights, in a second or two."""
    from peft import get_peft_model
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        return get_peft_model(AutoModelForImageTextToText.from_config(config), lora)


def coverage(model: Any) -> tuple[float, Counter[str]]:
    """How much of the language model's linear weights LoRA reaches.

    Counted are the weights of its layers that have two dimensions or more: embeddings and the head are not in layers.

    Args:
        model: a model with an adapter.

    Returns:
        The share that LoRA reaches, 0..1, and how many weights of each module it does not, by the module's name in a layer.
    """
    reached, left = 0, Counter[str]()
    for name, module in model.get_base_model().get_decoder().layers.named_modules():
        inner = re.sub(r"^\d+\.", "", name)
        if hasattr(module, "lora_A"):
            reached += _weights(module.get_base_layer())
        elif "base_layer" not in inner and ".lora_" not in inner and (own := _weights(module)):
            left[inner] += own
    total = reached + left.total()
    return reached / total if total else 0.0, left


def _weights(module: nn.Module) -> int:
    if isinstance(module, nn.Linear):
        return module.in_features * module.out_features  # 4-bit weights are packed, so their own shape is another
    return sum(parameter.numel() for parameter in module.parameters(recurse=False) if parameter.ndim > 1)


def check_coverage(model: Any) -> None:
    """Raise an `InputError` if LoRA leaves out too much of the language model, saying what."""
    share, left = coverage(model)
    if share < LEAST_COVERED:
        names = ", ".join(name for name, _ in left.most_common(4))
        raise InputError(
            f"lora_target_modules: reach {share:.0%} of the language model's linear weights, and {LEAST_COVERED:.0%} are needed; "
            f"left out are {names}; leave lora_target_modules out"
        )
