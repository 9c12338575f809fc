"""Loads models: the shipped tiny one, a directory or a Hub id, with or without an adapter."""

from pathlib import Path
from typing import Any

import torch

from dataset_builder.errors import InputError, UnavailableError

__all__ = ["TINY", "first_line", "load", "load_processor", "load_split", "resolve", "unreachable"]

TINY = Path(__file__).parent / "tiny" / "model"
"""The tiny Qwen2.5-VL shipped with the package; `--model tiny` means it."""


def resolve(model: str) -> str:
    """The place of a model: `tiny` is the shipped one, anything else stays as it is."""
    return str(TINY) if model == "tiny" else model


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


def load(model: str = "tiny", adapter: str | None = None, dtype: torch.dtype | None = None) -> tuple[Any, Any]:
    """Load a model for inference.

    Args:
        model (`str`, defaults to `"tiny"`): `tiny`, a directory or a Hub id.
        adapter (`str`, *optional*): a LoRA adapter's directory or Hub id, merged into the weights.
        dtype (`torch.dtype`, *optional*): bfloat16 on a GPU and float32 on a CPU unless given.

    Returns:
        The model, in evaluation mode on the best device, and its processor.

    Raises:
        UnavailableError: if a part is out of reach.
        InputError: if the adapter was made for another base model.
    """
    from transformers import AutoModelForImageTextToText

    cuda = torch.cuda.is_available()
    processor = load_processor(model)
    try:
        loaded = AutoModelForImageTextToText.from_pretrained(
            resolve(model), dtype=dtype or (torch.bfloat16 if cuda else torch.float32)
        )
    except (OSError, ValueError) as error:
        raise UnavailableError(unreachable(model, error)) from None
    if adapter is not None:
        loaded = _with_adapter(loaded, model, adapter)
    return loaded.to("cuda" if cuda else "cpu").eval(), processor


def _with_adapter(model: Any, name: str, adapter: str) -> Any:
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except RuntimeError as error:  # PEFT's answer to weights of other shapes
        raise InputError(
            f"{adapter}: does not fit {name}; give the base model it was trained on ({first_line(error)})"
        ) from None
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"{adapter}: no adapter can be loaded from here ({first_line(error)}); "
            "give a directory with adapter_config.json or a Hub id in reach"
        ) from None


def load_split(
    dataset: str, split: str, columns: set[str], config: str | None = None, *, streaming: bool = False
) -> Any:
    """A split of a built dataset's directory or a Hub id; with `streaming`, an iterable dataset.

    Raises:
        InputError: if it cannot be loaded, has no such split, or lacks one of `columns`.
    """
    import datasets

    try:
        rows = datasets.load_dataset(dataset, config, split=split, streaming=streaming)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"{dataset} [{split}]: cannot be loaded ({first_line(error)}); give a built dataset's directory or a Hub id in reach"
        ) from None
    missing = columns and columns - set(rows.column_names)
    if missing:
        raise InputError(f"{dataset}: lacks the columns {', '.join(sorted(missing))}; build it with `anomreason build`")
    return rows


def unreachable(model: str, error: Exception) -> str:
    if "gated repo" in str(error):
        return f"{model}: is gated; accept its conditions on its page, then log in with `hf auth login` or set HF_TOKEN"
    return f"{model}: no model can be loaded from here ({first_line(error)}); give a model's directory, a Hub id in reach, or tiny"


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
