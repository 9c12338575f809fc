"""What is checked before anything expensive: the model's family, what an adapter would reach, and the device.

Nothing here loads a weight. What only the data or the library can tell comes later (`trainer.survey`, `trainer.running`).
"""

from typing import Any

import torch
from transformers.integrations import is_deepspeed_zero3_enabled
from trl import ModelConfig

from dataset_builder.errors import InputError, UnavailableError
from trainer.base import lora_config, refuse_stray_parameters
from trainer.decoder import DecoderArguments
from trainer.expectation import device_bytes, size_of
from trainer.families import check_coverage, check_family, skeleton
from trainer.loading import read_config
from trainer.running import settings_told

__all__ = ["check_beforehand", "check_device", "check_precision", "weight_bytes"]

LARGE = 500_000_000
"""A model with more parameters is not trained on a CPU unless that is asked for."""

SHORT = (400, 100)
"""Tokens of a short example, and of its answer: what a GPU has to hold at least."""


def check_beforehand(script: DecoderArguments, training: Any, model_config: ModelConfig) -> Any:
    """Refuse what could only fail later.

    Returns:
        The model and its adapter as shapes without weights; `None` where DeepSpeed would share them out.

    Raises:
        InputError: for a family, LoRA targets or precision that cannot be.
        UnavailableError: if the model is out of reach, or the device cannot hold it.
    """
    base = str(model_config.model_name_or_path)
    check_precision(training)
    config = read_config(base, model_config.model_revision)
    check_family(base, config, training=True)
    if is_deepspeed_zero3_enabled():
        return None
    with settings_told():
        bones = skeleton(config, lora_config(model_config))
    refuse_stray_parameters(bones)
    check_coverage(bones)
    check_device(bones, base, script, training, model_config)
    return bones


def check_precision(training: Any) -> None:
    """Raise an `InputError` if a GPU is asked for bfloat16 and has none: PyTorch would emulate it, many times slower."""
    wants = training.bf16 and not training.use_cpu and torch.cuda.is_available()
    if wants and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise InputError(
            f"bf16: true, but {torch.cuda.get_device_name()} has no bfloat16; set bf16 to false, fp16 to true and dtype to float16"
        )


def check_device(bones: Any, base: str, script: DecoderArguments, training: Any, model_config: ModelConfig) -> None:
    """Raise an `UnavailableError` if a large model would train on a CPU unasked, or a GPU cannot hold one short example."""
    size = size_of(bones)
    if training.use_cpu:
        return
    if not torch.cuda.is_available():
        if size.parameters > LARGE:
            raise UnavailableError(
                f"{base}: has {size.parameters / 1e9:.1f} billion parameters, and there is no GPU here; "
                "give --use_cpu true or a GPU"
            )
        return
    tokens, answer = SHORT

    def needed(width: float, four_bits: bool) -> float:
        return device_bytes(
            size, width=width, four_bits=four_bits, tokens=tokens, answer_tokens=answer, checkpointed=None
        )

    width, four_bits = weight_bytes(model_config)
    there, least = torch.cuda.get_device_properties(0).total_memory, needed(width, four_bits)
    if least <= there or training.world_size > 1:  # several processes may share the model out
        return
    ways = [
        (
            needed(2, False),
            "dtype bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "dtype float16",
        ),
        (needed(2, True), "load_in_4bit true"),
    ]
    fit = [f"{way} (about {bytes_ / 1e9:.0f} GB)" for bytes_, way in ways if bytes_ <= there and bytes_ < least]
    raise UnavailableError(
        f"{base}: needs at least {least / 1e9:.0f} GB with these settings, and {torch.cuda.get_device_name()} has "
        f"{there / 1e9:.0f}; what fits is {' or '.join(fit) or 'a smaller base, or several GPUs with accelerate launch'}"
    )


def weight_bytes(model_config: ModelConfig) -> tuple[float, bool]:
    """Bytes of a weight, and whether the language model's are in 4 bits instead."""
    width = 1.0 if model_config.load_in_8bit else 4.0 if model_config.dtype in (None, "float32") else 2.0
    return (2.0, True) if model_config.load_in_4bit else (width, False)
