"""Runs a TRL trainer: what both trainings do around it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate.utils.memory import should_reduce_batch_size
from trl import ModelConfig

from dataset_builder import owned
from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.prompts import PROMPTS
from trainer import loading
from trainer.checkpoints import Termination
from trainer.decoder import DecoderArguments
from trainer.examples import DataArguments

__all__ = ["check_data_arguments", "memory_told", "run", "settings_told"]


def check_data_arguments(script: DataArguments, training: Any, model: ModelConfig) -> None:
    """Refuse what neither training can do."""
    if not script.dataset_name:
        raise InputError("dataset_name: is not set; give a built dataset's directory or a Hub id")
    if not model.model_name_or_path:
        raise InputError("model_name_or_path: is not set; give tiny, a directory or a Hub id")
    unknown = set(script.tasks or ()) - PROMPTS.keys()
    if unknown or script.tasks == []:
        raise InputError(
            f"tasks: {', '.join(sorted(unknown)) or 'none given'}: choose anomalies, grounded or verdict, or several"
        )
    for name in ("limit", "min_pixels", "max_pixels"):
        value = getattr(script, name)
        if value is not None and value < 1:
            raise InputError(f"{name}: {value} leaves nothing; give a number from 1, or leave it out")
    for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
        if getattr(training, name) < 1:
            raise InputError(f"{name}: {getattr(training, name)} leaves nothing; give a number from 1")
    if training.learning_rate <= 0:
        raise InputError(f"learning_rate: {training.learning_rate} trains nothing; give a number above 0")
    if training.num_train_epochs <= 0 and training.max_steps <= 0:
        raise InputError(f"num_train_epochs: {training.num_train_epochs} trains nothing; give a number above 0")
    if script.dataset_streaming and training.max_steps <= 0:
        raise InputError("max_steps: is not set, and a stream has no length; set it to the number of steps to train")
    if "trackio" in training.report_to and find_spec("trackio") is None:
        raise UnavailableError("report_to: trackio needs a package that is not installed; run pip install trackio")


@contextmanager
def settings_told() -> Iterator[None]:
    """Turns TRL's and PEFT's answer to settings that cannot work together into an `InputError`."""
    try:
        yield
    except (ValueError, ImportError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{loading.first_line(error)}; change that setting in the recipe or on the command line"
        ) from None


@contextmanager
def memory_told(script: DecoderArguments, training: Any) -> Iterator[None]:
    """Turns running out of memory into an error that says which setting to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not should_reduce_batch_size(error):
            raise
        size, pixels = training.per_device_train_batch_size, script.max_pixels or "the model's own"
        mends = [] if script.checkpointed_layers is None else ["set activation_checkpointing to true"]
        if script.checkpointed_layers:
            mends = [f"raise checkpointed_layers ({script.checkpointed_layers})"]
        if size > 1:
            mends.append(f"lower per_device_train_batch_size ({size}) and raise gradient_accumulation_steps as much")
        mends += [f"lower max_pixels ({pixels})", "set load_in_4bit to true"]
        raise UnavailableError(f"out of memory: {'; or '.join(mends)}; `anomreason probe` measures what fits") from None


def run(trainer: Any, script: DecoderArguments, training: Any, checkpoint: str | None) -> None:
    """Train, from a checkpoint if one is given. After SIGTERM, exits with 143 once a checkpoint is saved."""
    if training.process_index == 0:
        out = Path(str(training.output_dir))
        if script.overwrite and checkpoint is None:
            owned.clear(out)
        owned.begin(out, "train", overwrite=script.overwrite)
    with Termination() as termination, memory_told(script, training):
        trainer.add_callback(termination)
        trainer.train(resume_from_checkpoint=checkpoint)
    if termination.came:
        step = trainer.state.global_step
        print(f"stopped after step {step}; resume with --resume_from_checkpoint true", file=sys.stderr)
        raise SystemExit(143)
