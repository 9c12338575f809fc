"""Runs of the tiny recipe for tests: a few steps on two pictures at a time."""

import json
from pathlib import Path
from typing import Any

from trainer import sft

__all__ = ["arguments", "losses", "train_tiny"]


def arguments(dataset: Path, out: Path, *flags: str, **options: Any) -> list[str]:
    """The tiny recipe's command line; an option given as a list has several values."""
    quick = {"max_steps": 3, "per_device_train_batch_size": 2, "warmup_steps": 0, "logging_steps": 1, "disable_tqdm": True}
    line = ["--config", "tiny", "--dataset_name", str(dataset), "--output_dir", str(out)]
    for key, value in (quick | options).items():
        line += [f"--{key}", *map(str, value if isinstance(value, list) else [value])]
    return [*line, *flags]


def train_tiny(dataset: Path, out: Path, **options: Any) -> Path:
    """An adapter after a few steps."""
    return sft.main(arguments(dataset, out, **options))


def losses(checkpoint: Path) -> dict[int, float]:
    """Step → training loss, from a checkpoint's log."""
    log = json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]
    return {entry["step"]: entry["loss"] for entry in log if "loss" in entry}
