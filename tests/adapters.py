"""Adapters for tests, made without training: small random LoRA matrices, saved as training saves them."""

import json
import re
from pathlib import Path
from typing import Any

import torch

from trainer import adapter_card, loading
from trainer.base import LORA_MODULES

__all__ = ["RECORD", "make_adapter"]

RECORD: dict[str, Any] = {
    "dataset": {"id": "anomreason", "name": "AnomReason (rendered scenes)", "config": None, "split": "train"},
    "tiny_edition": loading.tiny_edition(),
    "tasks": ["anomalies"],
    "epochs": 1.0,
    "settings": {"learning_rate": "0.002", "seed": "0"},
    "steps": 3,
    "seconds": 1.5,
    "device": "CPU",
    "versions": {"torch": "2"},
    "log": [{"step": 1, "loss": 0.9}, {"step": 2, "loss": 0.5}, {"step": 2, "eval_SemF1_Full": 0.25}],
}
"""What training notes."""


def make_adapter(out: Path, base: str = "tiny") -> Path:
    """An adapter of the tiny model that changes its answers a little, the same at every call."""
    from peft import LoraConfig, get_peft_model

    model, processor = loading.load("tiny")
    torch.manual_seed(0)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=LORA_MODULES, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    for name, matrix in adapted.named_parameters():
        if re.search(r"lora_B", name):
            torch.nn.init.normal_(matrix, std=0.02)
    adapted.save_pretrained(out)
    processor.save_pretrained(out)
    path = out / "adapter_config.json"
    content = json.loads(path.read_text()) | {"base_model_name_or_path": base}
    path.write_text(json.dumps(content))
    adapter_card.write_card(out, RECORD)
    return out
