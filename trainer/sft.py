"""Supervised fine-tuning with TRL: a LoRA adapter on the language model of a Qwen2.5-VL, the vision tower frozen.

    anomreason train --config trainer/configs/tiny.yaml --output_dir runs/adapter
    accelerate launch -m trainer.sft --config trainer/configs/tiny.yaml

Every option of `trl.SFTConfig` and `trl.ModelConfig` works in the recipe and on the command line.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import torch
import trl
import yaml
from transformers import AutoModelForImageTextToText, PrinterCallback, TrainerCallback
from trl import ModelConfig, SFTConfig, SFTTrainer, TrlParser, get_peft_config

from dataset_builder import atomic
from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.sft import sft_row
from trainer import loading

__all__ = ["CONFIGS", "LORA_MODULES", "ScriptArguments", "main", "parse", "train"]

CONFIGS = Path(__file__).parent / "configs"

LORA_MODULES = r".*language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
"""A full-match regex: bare names such as `gate_proj` would also hit the vision tower."""


@dataclass
class ScriptArguments(trl.ScriptArguments):
    """TRL's script arguments and two of ours.

    Args:
        limit (`int`, *optional*): use only the first examples.
        tasks (`list[str]`, defaults to `["anomalies"]`): what each example is asked; `anomalies`, `verdict` or both.
    """

    limit: int | None = field(default=None, metadata={"help": "Use only this many examples."})
    tasks: list[str] = field(default_factory=lambda: ["anomalies"], metadata={"help": "anomalies, verdict, or both."})


def _check(script: ScriptArguments, training: SFTConfig, model: ModelConfig) -> None:
    """Refuse settings that would train on nothing, on everything, or on cut pictures."""
    if not script.dataset_name:
        raise InputError("dataset_name: is not set; give a built dataset's directory or a Hub id")
    if not model.model_name_or_path:
        raise InputError("model_name_or_path: is not set; give tiny, a directory or a Hub id")
    if training.max_length is not None:
        raise InputError(
            f"max_length: {training.max_length} would cut image tokens; set it to null and lower the processor's pixels instead"
        )
    if training.packing:
        raise InputError("packing: true mixes pictures of several examples; set it to false")
    unknown = set(script.tasks) - {"anomalies", "verdict"}
    if unknown or not script.tasks:
        raise InputError(f"tasks: {', '.join(sorted(unknown)) or 'none given'}: choose anomalies, verdict or both")


def _load_rows(script: ScriptArguments) -> Any:
    columns = {"image", "label", "anomalies"}
    rows = loading.load_split(str(script.dataset_name), script.dataset_train_split, columns, script.dataset_config)
    if script.limit is not None:
        rows = rows.select(range(min(script.limit, len(rows))))
    tasks = script.tasks

    # The rows are made as they are read: a written copy would hold every picture once more for each task.
    def transform(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        examples = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        made = [sft_row(example, example.pop("task")) for example in examples]
        return {key: [row[key] for row in made] for key in made[0]}

    tasked = [rows.add_column("task", [task] * len(rows)) for task in tasks]
    return datasets.concatenate_datasets(tasked).with_transform(transform)


def train(
    script: ScriptArguments,
    training: SFTConfig,
    model_config: ModelConfig,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Fine-tune an adapter and save it, with its card, in `training.output_dir`.

    Raises:
        InputError: for settings or data that cannot work, naming the setting and the mend.
        UnavailableError: if the base model is out of reach.
    """
    _check(script, training, model_config)
    rows = _load_rows(script)
    base = str(model_config.model_name_or_path)
    processor = loading.load_processor(base)
    dtype = model_config.dtype if model_config.dtype in (None, "auto") else getattr(torch, model_config.dtype)
    try:
        model = AutoModelForImageTextToText.from_pretrained(loading.resolve(base), dtype=dtype)
    except (OSError, ValueError) as error:
        raise UnavailableError(loading.unreachable(base, error)) from None
    model_config.use_peft = True
    training.remove_unused_columns = False  # the transform reads columns that the model does not take
    if not model_config.lora_target_modules:
        model_config.lora_target_modules = LORA_MODULES  # type: ignore[assignment]  # PEFT takes a string as a regex
    try:
        trainer = SFTTrainer(
            model=model,
            args=training,
            train_dataset=rows,
            processing_class=processor,
            peft_config=get_peft_config(model_config),
            callbacks=list(callbacks),
        )
    except ValueError as error:  # TRL's and PEFT's answer to settings that cannot work together
        raise InputError(
            f"{loading.first_line(error)}; change that setting in the recipe or on the command line"
        ) from None
    if callbacks:
        trainer.remove_callback(PrinterCallback)  # the caller shows progress
    stray = [name for name, p in trainer.model.named_parameters() if p.requires_grad and ".visual." in name]
    if stray:
        raise InputError(
            f"lora_target_modules: also train the vision tower ({stray[0]}); use a regex on language_model"
        )
    trainer.train(resume_from_checkpoint=training.resume_from_checkpoint)
    out = Path(str(training.output_dir))
    if trainer.is_world_process_zero():
        _save(trainer, processor, base, out)
    return out


def _save(trainer: SFTTrainer, processor: Any, base: str, out: Path) -> None:
    """The adapter as others should find it: no pickles, no path of this machine, a card of ours."""
    trainer.save_model(str(out))
    processor.save_pretrained(str(out))
    (out / "training_args.bin").unlink(missing_ok=True)
    config = json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    atomic.write(out / "adapter_config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    last = f"{log[-1]['loss']:.3f} at step {log[-1]['step']}" if log else "not logged"
    atomic.write(out / "README.md", _CARD.format(base=base, steps=trainer.state.global_step, last=last))


_CARD = """---
base_model: {base}
library_name: peft
tags:
- anomaly-reasoning
- lora
---
# AnomReason adapter

A LoRA adapter for `{base}`, fine-tuned with TRL's `SFTTrainer` to list what defies logic in a picture.
Steps: {steps}; training loss: {last}.

```python
from trainer.loading import load

model, processor = load("{base}", adapter="THIS_DIRECTORY")
```
"""


def parse(arguments: Sequence[str]) -> tuple[ScriptArguments, SFTConfig, ModelConfig]:
    """Read a recipe (`--config`) and the options beside it, which override it, as `TrlParser` does.

    Raises:
        InputError: for a recipe that is missing, is no YAML mapping, or has a key that no option has.
    """
    arguments = list(arguments)
    if "--config" in arguments[:-1]:
        at = arguments.index("--config") + 1
        arguments[at] = str(_recipe(arguments[at]))
    try:
        parsed = TrlParser((ScriptArguments, SFTConfig, ModelConfig)).parse_args_and_config(arguments)
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"{' '.join(arguments)}: {loading.first_line(error)}") from None
    return parsed[0], parsed[1], parsed[2]


def main(arguments: Sequence[str] | None = None) -> Path:
    """Train from command-line options (`sys.argv` by default); returns the adapter's directory."""
    return train(*parse(sys.argv[1:] if arguments is None else arguments))


def _recipe(given: str) -> Path:
    """A recipe's file: the path given, or one of the shipped recipes by path or name, from any directory."""
    path = Path(given)
    for place in (path, CONFIGS / path.name, CONFIGS / f"{path.name}.yaml"):
        if place.is_file():
            return place
    shipped = ", ".join(sorted(recipe.stem for recipe in CONFIGS.glob("*.yaml")))
    raise InputError(f"{given}: no such recipe; give a YAML file or one of: {shipped}")


if __name__ == "__main__":
    main()
