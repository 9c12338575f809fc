"""Supervised fine-tuning with TRL: a LoRA adapter on the language model of a Qwen-VL, the vision tower frozen.

    anomreason train --config trainer/configs/tiny.yaml --output_dir runs/adapter
    accelerate launch --config_file trainer/configs/accelerate/zero3.yaml -m trainer.sft --config anomreasonor_7b

Every option of `trl.SFTConfig` and `trl.ModelConfig` works in the recipe and on the command line.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PrinterCallback, TrainerCallback
from trl import ModelConfig, SFTConfig, SFTTrainer

from dataset_builder.errors import InputError
from trainer.base import LORA_MODULES, load_base, lora_config, refuse_stray_parameters
from trainer.callbacks import METRICS, Examination
from trainer.checkpoints import WholeCheckpoints, resume_point
from trainer.examples import DataArguments, evaluation_sample, indexed, sft_example, training_examples, training_rows
from trainer.readiness import check_training
from trainer.recipes import CONFIGS, read_recipe, run_command
from trainer.running import check_data_arguments, memory_told, run, settings_told
from trainer.saving import check_push, save_adapter, take_push

__all__ = ["CONFIGS", "LORA_MODULES", "ScriptArguments", "main", "parse", "train"]


@dataclass
class ScriptArguments(DataArguments):
    """What data to train on, and how an adapter is examined while it trains.

    Args:
        eval_pictures (`int`, defaults to 64): pictures that are examined whenever the trainer evaluates (`eval_strategy`).
        eval_encoder (`str`, defaults to `"minilm"`): the metric's encoder; minilm needs no Hub.
    """

    eval_pictures: int = field(default=64, metadata={"help": "Pictures examined at each evaluation."})
    eval_encoder: str = field(default="minilm", metadata={"help": "The metric's encoder in evaluations."})


class Trainer(WholeCheckpoints, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, whose checkpoints are whole."""


def _check(script: ScriptArguments, training: SFTConfig, model: ModelConfig) -> None:
    """Refuse settings that would train on nothing, on everything, or on cut pictures."""
    check_data_arguments(script, training, model)
    if training.max_length is not None:
        raise InputError(
            f"max_length: {training.max_length} would cut image tokens; set it to null and lower max_pixels instead"
        )
    if training.packing:
        raise InputError("packing: true mixes pictures of several examples; set it to false")
    if training.padding_free:
        raise InputError("padding_free: true does not work with pictures; set it to false")
    if training.completion_only_loss is False:
        raise InputError(
            "completion_only_loss: false trains on the question and the picture's places too; leave it out"
        )
    if training.assistant_only_loss:
        raise InputError("assistant_only_loss: true finds no answers in prompt and completion; leave it out")
    if training.eval_strategy != "no":
        if script.eval_pictures < 1:
            raise InputError(f"eval_pictures: {script.eval_pictures} examines nothing; give a number from 1")
        known = {"loss", *METRICS}
        chosen = training.metric_for_best_model
        if chosen is not None and chosen.removeprefix("eval_") not in known:
            raise InputError(
                f"metric_for_best_model: {chosen} is not measured; choose one of {', '.join(sorted(known))}"
            )


def train(
    script: ScriptArguments,
    training: SFTConfig,
    model_config: ModelConfig,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Fine-tune an adapter and save it, with its card, in `training.output_dir`.

    Raises:
        InputError: for settings or data that cannot work, naming the setting and the mend.
        UnavailableError: if the base model is out of reach, or memory does not suffice.
        OutputError: if a checkpoint cannot be saved; the last one stays.
        SystemExit: with 143, after SIGTERM and a checkpoint.
    """
    base = str(model_config.model_name_or_path)
    check_training(
        script,
        training,
        model_config,
        script.eval_encoder if training.eval_strategy != "no" else None,
        lambda: _check(script, training, model_config),
        lambda: check_push(script, training, base),
        lambda: resume_point(training, base, model_config.lora_r, overwrite=script.overwrite),
    )
    push = take_push(script, training, base)
    checkpoint = resume_point(training, base, model_config.lora_r, overwrite=script.overwrite)
    rows = training_rows(script)
    sample = None
    if training.eval_strategy != "no":
        rows, sample = evaluation_sample(script, script.eval_pictures, rows)
    examples = training_examples(script, rows, training.seed)
    training.remove_unused_columns = False  # the transform reads columns that the model does not take
    with memory_told(script, training):
        model, processor = load_base(model_config, script)
        with settings_told():
            trainer = Trainer(
                model=model,
                args=training,
                train_dataset=examples,
                eval_dataset=indexed(sample.rows, script.tasks or ["anomalies"], sft_example) if sample else None,
                processing_class=processor,
                peft_config=lora_config(model_config),
                callbacks=list(callbacks),
            )
    trainer.base = base
    if callbacks:
        trainer.remove_callback(PrinterCallback)  # the caller shows progress
    refuse_stray_parameters(trainer.model)
    if sample:
        trainer.add_callback(Examination(trainer, sample, script.eval_encoder))
    run(trainer, script, training, checkpoint)
    return save_adapter(trainer, script, processor, base, push)


def parse(arguments: Sequence[str]) -> tuple[ScriptArguments, SFTConfig, ModelConfig]:
    """Read a recipe (`--config`) and the options beside it, which override it, as `TrlParser` does.

    Raises:
        InputError: for a recipe that is missing, is no YAML mapping, or has a key that no option has.
    """
    script, training, model = read_recipe((ScriptArguments, SFTConfig, ModelConfig), arguments)
    return script, training, model


def main(arguments: Sequence[str] | None = None) -> Path:
    """Train from command-line options (`sys.argv` by default); returns the adapter's directory."""
    return train(*parse(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    run_command(main)
