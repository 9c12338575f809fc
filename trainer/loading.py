"""Loads models: the shipped tiny one, a directory or a Hub id, with or without an adapter."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from dataset_builder.errors import InputError, UnavailableError, shorten
from dataset_builder.stored import load_split
from trainer.families import check_family

__all__ = [
    "TINY",
    "base_of",
    "first_line",
    "is_tiny",
    "load",
    "load_processor",
    "load_split",
    "processor_of",
    "read_config",
    "resolve",
    "tiny_edition",
    "unreachable",
]

TINY = Path(__file__).parent / "tiny" / "model"
"""The tiny Qwen2.5-VL shipped with the package; `--model tiny` means it."""


def resolve(model: str) -> str:
    """The place of a model: `tiny` is the shipped one, anything else stays as it is."""
    return str(TINY) if model == "tiny" else model


@cache
def tiny_edition() -> str:
    """Which edition of the tiny model is shipped: the first twelve digits of its weights' SHA-256.

    Its weights change with the scenes under the same name and with the same shapes.
    """
    return hashlib.sha256((TINY / "model.safetensors").read_bytes()).hexdigest()[:12]


def read_config(model: str, revision: str | None = None) -> Any:
    """A model's configuration.

    Raises:
        UnavailableError: if there is no such model, or it is out of reach.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(resolve(model), revision=revision)
    except (OSError, ValueError) as error:
        raise UnavailableError(unreachable(model, error)) from None


def load_processor(model: str) -> Any:
    """The processor of a model (`tiny`, a directory or a Hub id), padding on the left as generation needs.

    Raises:
        UnavailableError: if there is no such model, or it is out of reach.
    """
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(resolve(model), local_files_only=Path(resolve(model)).is_dir())
    except (OSError, ValueError) as error:
        raise UnavailableError(unreachable(model, error)) from None
    processor.tokenizer.padding_side = "left"
    return processor


def load(
    model: str | None = None,
    adapter: str | None = None,
    dtype: torch.dtype | None = None,
    *,
    merge: bool = True,
    device: str | None = None,
) -> tuple[Any, Any]:
    """Load a model for inference.

    Args:
        model (`str`, *optional*): `tiny`, a directory or a Hub id; unless given, the adapter's base, or `tiny`.
        adapter (`str`, *optional*): a LoRA adapter's directory or Hub id.
        dtype (`torch.dtype`, *optional*): bfloat16 on a GPU and float32 on a CPU unless given.
        merge (`bool`, defaults to `True`): add the adapter to the weights, which is faster. Otherwise it is computed separately:
            slower, and without the rounding of its product to the weights' type.
        device (`str`, *optional*): `cuda` where there is a GPU and `cpu` elsewhere unless given.

    Returns:
        The model, in evaluation mode on its device, and its processor. The model's `known` says which pictures it, or the adapter,
        knows (`trainer.known`), or is `None`.

    Raises:
        UnavailableError: if a part is out of reach.
        InputError: if the adapter was made for another base model, or what is known to it cannot be read.
    """
    from transformers import AutoModelForImageTextToText

    from trainer.known import read_known
    from trainer.tower import prepare_tower

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = model or (base_of(adapter) if adapter else "tiny")
    check_family(model, read_config(model), training=False)
    processor = processor_of(model, adapter)
    try:
        loaded = AutoModelForImageTextToText.from_pretrained(
            resolve(model), dtype=dtype or (torch.float32 if device == "cpu" else torch.bfloat16)
        )
    except (OSError, ValueError) as error:
        raise UnavailableError(unreachable(model, error)) from None
    prepare_tower(loaded)
    if adapter is not None:
        loaded = _with_adapter(loaded, model, adapter)
        if merge:
            loaded = loaded.merge_and_unload()
    loaded.known = read_known(resolve(adapter or model))
    if loaded.known is not None:
        loaded.known.check(adapter or model, loaded, processor)
    return loaded.to(device).eval(), processor


def processor_of(model: str, adapter: str | None) -> Any:
    """The adapter's own, as pictures must come in as many pixels as in its training; else the model's."""
    if adapter is not None:
        try:
            return load_processor(adapter)
        except UnavailableError:
            pass
    return load_processor(model)


def _with_adapter(model: Any, name: str, adapter: str) -> Any:
    from peft import PeftModel, get_peft_model_state_dict, load_peft_weights

    _adapter_config(adapter)
    _check_edition(name, adapter)
    try:
        adapted = PeftModel.from_pretrained(model, adapter)
        # PEFT passes over what has no counterpart: an adapter of a deeper model would be used in part.
        strays = set(load_peft_weights(adapter, device="cpu")) ^ set(
            get_peft_model_state_dict(adapted, save_embedding_layers=False)
        )
    except (
        RuntimeError,
        ValueError,
    ) as error:  # PEFT's answers to weights of other shapes and to modules that are not there
        raise InputError(_misfit(adapter, name, first_line(error))) from None
    except OSError as error:
        raise UnavailableError(_no_adapter(adapter, error)) from None
    if strays:
        raise InputError(_misfit(adapter, name, f"{min(strays)} is in only one of the two"))
    return adapted


def _check_edition(name: str, adapter: str) -> None:
    """An adapter of another edition of the tiny model would load, and answer nothing that can be read."""
    record = Path(adapter) / "training.json"
    if resolve(name) != str(TINY) or not record.is_file():
        return
    try:
        edition = json.loads(record.read_text(encoding="utf-8")).get("tiny_edition", "that of version 0.1.0")
    except (OSError, ValueError, AttributeError):
        return  # the card tells what is wrong with it
    if edition != tiny_edition():
        raise InputError(
            f"{adapter}: was trained on another edition of the tiny model ({shorten(str(edition))}) than this one "
            f"({tiny_edition()}); train it again"
        )


def _misfit(adapter: str, model: str, detail: str) -> str:
    return f"{adapter}: does not fit {model}; give the base model it was trained on, {base_of(adapter)} ({detail})"


def _no_adapter(adapter: str, error: Exception) -> str:
    if "gated repo" in str(error):
        return unreachable(adapter, error)
    return (
        f"{adapter}: the adapter cannot be loaded ({first_line(error)}); "
        "give a directory with adapter_config.json or a Hub id that can be reached"
    )


def base_of(adapter: str) -> str:
    """The base model that an adapter's `adapter_config.json` names.

    Raises:
        UnavailableError: if there is no such adapter, or it is out of reach.
        InputError: if its configuration names none.
    """
    base = _adapter_config(adapter).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise InputError(f"{adapter}/adapter_config.json: names no base model; give it with --model")
    return base


def _adapter_config(adapter: str) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        path = Path(adapter)
        file = path / "adapter_config.json" if path.is_dir() else Path(hf_hub_download(adapter, "adapter_config.json"))
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, HFValidationError) as error:
        raise UnavailableError(_no_adapter(adapter, error)) from None
    except ValueError as error:
        raise InputError(f"{adapter}/adapter_config.json: is not JSON ({first_line(error)}); train it again") from None
    if not isinstance(config, dict):
        raise InputError(f"{adapter}/adapter_config.json: is not a JSON object; train it again")
    return config


def is_tiny(model: Any) -> bool:
    """Whether a loaded model is the shipped tiny one, or one of its size: such a model knows only rendered scenes."""
    text = json.loads((TINY / "config.json").read_text(encoding="utf-8"))["text_config"]
    return all(getattr(model.config.text_config, key) == text[key] for key in ("hidden_size", "vocab_size"))


def unreachable(model: str, error: Exception) -> str:
    if "gated repo" in str(error):
        return f"{model}: is gated; accept its conditions on its page, then log in with `hf auth login` or set HF_TOKEN"
    return (
        f"{model}: the model cannot be loaded ({first_line(error)}); "
        "give a model's directory, a Hub id that can be reached, or tiny"
    )


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
