"""The base of an adapter: its weights, possibly quantized, and its processor with the pixel budget."""

import importlib.util
from typing import Any

import torch
from accelerate import PartialState
from transformers import AutoModelForImageTextToText
from trl import ModelConfig, get_peft_config, get_quantization_config

from dataset_builder.errors import InputError, UnavailableError
from trainer import loading
from trainer.examples import DataArguments
from trainer.tower import prepare_tower

__all__ = ["LORA_MODULES", "budgeted_processor", "load_base", "lora_config", "refuse_stray_parameters"]

LORA_MODULES = r".*language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
"""A full-match regex: bare names such as `gate_proj` would also hit the vision tower."""

KEPT_WHOLE = ["model.visual", "lm_head"]
"""What is not quantized: the vision tower stays as it is, and TRL's loss reads the head's weights directly."""


def budgeted_processor(base: str, script: DataArguments) -> Any:
    """A base's processor, whose pixel budget is `min_pixels` to `max_pixels` where these are set.

    Raises:
        InputError: for a pixel budget that cannot be.
        UnavailableError: if it is out of reach.
    """
    processor = loading.load_processor(base)
    _set_pixels(processor.image_processor, script)
    return processor


def load_base(model_config: ModelConfig) -> Any:
    """The base model, its tower prepared.

    Raises:
        UnavailableError: if it is out of reach, or quantization is asked for where it cannot run.
    """
    base = str(model_config.model_name_or_path)
    quantized = model_config.load_in_4bit or model_config.load_in_8bit
    if quantized:
        _check_quantization("load_in_4bit" if model_config.load_in_4bit else "load_in_8bit")
    dtype = model_config.dtype if model_config.dtype in (None, "auto") else getattr(torch, model_config.dtype)
    options: dict[str, Any] = {"dtype": dtype, "revision": model_config.model_revision}
    if model_config.attn_implementation:
        options["attn_implementation"] = model_config.attn_implementation
    if quantized:
        quantization = get_quantization_config(model_config)
        quantization.llm_int8_skip_modules = KEPT_WHOLE
        options |= {"quantization_config": quantization, "device_map": {"": PartialState().local_process_index}}
    try:
        model = AutoModelForImageTextToText.from_pretrained(loading.resolve(base), **options)
    except (OSError, ValueError, ImportError) as error:
        raise UnavailableError(loading.unreachable(base, error)) from None
    prepare_tower(model, attention=not model_config.attn_implementation)
    return model


def lora_config(model_config: ModelConfig) -> Any:
    """PEFT's configuration of a new adapter on the language model."""
    model_config.use_peft = True
    if not model_config.lora_target_modules:
        model_config.lora_target_modules = LORA_MODULES  # type: ignore[assignment]  # PEFT takes a string as a regex
    return get_peft_config(model_config)


def refuse_stray_parameters(model: Any) -> None:
    """Raise an `InputError` unless what trains is LoRA on the language model, and something does."""
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not trained:
        raise InputError("nothing would be trained; set lora_r above 0 and leave lora_target_modules out")
    if seen := [name for name in trained if ".visual." in name or name.startswith("visual.")]:
        raise InputError(f"lora_target_modules: also train the vision tower ({seen[0]}); use a regex on language_model")
    if whole := [name for name in trained if ".lora_" not in name]:
        raise InputError(f"{whole[0]}: would be trained whole; leave out lora_modules_to_save and chat_template_path")


def _set_pixels(image_processor: Any, script: DataArguments) -> None:
    size = image_processor.size
    least, most = script.min_pixels or size["shortest_edge"], script.max_pixels or size["longest_edge"]
    side = image_processor.patch_size * image_processor.merge_size
    if script.min_pixels is None:
        least = min(least, most)
    if most < side * side:
        raise InputError(
            f"max_pixels: {most} is less than one image token; give at least {side * side} ({side} × {side})"
        )
    if least > most:
        raise InputError(f"min_pixels: {least} is above max_pixels, {most}; lower it")
    image_processor.size = {"shortest_edge": least, "longest_edge": most}  # pixel counts, in spite of their names


def _check_quantization(setting: str) -> None:
    missing = "CUDA GPU" if not torch.cuda.is_available() else "bitsandbytes"
    if missing == "CUDA GPU" or importlib.util.find_spec("bitsandbytes") is None:
        raise UnavailableError(
            f"{setting}: needs a CUDA GPU and bitsandbytes (pip install bitsandbytes), and there is no {missing} here; "
            "set it to false, or train where there is"
        )
