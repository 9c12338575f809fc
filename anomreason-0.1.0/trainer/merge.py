"""Merges an adapter into its base: one model, for servers that take no adapters."""

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCardData
from safetensors import SafetensorError

from dataset_builder import owned
from dataset_builder.errors import InputError, OutputError
from dataset_builder.publishing.hub import is_repo_id
from trainer.loading import base_of, first_line, load
from trainer.settings import fingerprint

__all__ = ["MERGED", "merge", "merged_from"]

MERGED = "merged.json"
"""Beside the merged weights: what adapter they were made from, by its content."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def merge(adapter: str, out: Path, *, model: str | None = None, dtype: str = "auto", overwrite: bool = False) -> Path:
    """Write the merged model with its processor into a directory, whole or not at all.

    Args:
        adapter (`str`): a directory or Hub id.
        out (`Path`): the directory; new, empty, or an earlier merged model, which is replaced.
        model (`str`, *optional*): the base, if it is not to be the one the adapter names.
        dtype (`str`, defaults to `"auto"`): float32, bfloat16 or float16; the base's own unless given. The sum is computed in
            float32 and rounded once.
        overwrite (`bool`): write into a directory that holds something else.

    Raises:
        InputError: if the adapter does not fit the base, or for an unknown dtype.
        UnavailableError: if a part is out of reach.
        OutputError: if `out` holds something or cannot be written.
    """
    if dtype not in ("auto", *_DTYPES):
        raise InputError(f"--dtype {dtype}: is not known; choose auto, {', '.join(_DTYPES)}")
    owned.check(out, "merge", overwrite=overwrite)
    base = model or base_of(adapter)
    with owned.replaced(out, "merge", overwrite=overwrite) as work:
        merged, processor = load(base, adapter, torch.float32, device="cpu")
        merged.to(_own_dtype(base) if dtype == "auto" else _DTYPES[dtype])
        try:
            merged.save_pretrained(work)
            processor.save_pretrained(work)
            if merged.known is not None:
                merged.known.write(work)
        except (OSError, SafetensorError) as error:
            raise OutputError(
                f"{out}: cannot be written ({first_line(error)}); make room there, then merge again"
            ) from None
        (work / MERGED).write_text(json.dumps(merged_from(adapter)) + "\n", encoding="utf-8")
        (work / "README.md").write_text(_card(base, adapter, merged), encoding="utf-8")
    return out


def merged_from(adapter: str) -> dict[str, str]:
    """What `MERGED` says of a model that was merged from an adapter as it is now."""
    return {"adapter": fingerprint(adapter, "adapter_config.json")["content"]}


def _own_dtype(base: str) -> torch.dtype:
    from transformers import AutoConfig

    from trainer.loading import resolve

    dtype = AutoConfig.from_pretrained(resolve(base)).dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def _card(base: str, adapter: str, merged: Any) -> str:
    names: dict[str, Any] = {"base_model": base} if is_repo_id(base) and not Path(base).is_dir() else {}
    data = ModelCardData(
        library_name="transformers", pipeline_tag="image-text-to-text", tags=["anomaly-reasoning"], **names
    )
    return f"""---
{data.to_yaml()}
---
# {Path(adapter).name}, merged

The LoRA adapter `{Path(adapter).name}` added to the weights of `{base if names else Path(base).name}`
({str(merged.dtype).removeprefix("torch.")}), by `anomreason merge`. The adapter's card says what it
was trained on and how it scores.
"""
