"""Supervised fine-tuning with TRL: a LoRA adapter on the language model of a Qwen-VL, the vision tower frozen.

    anomreason train --config trainer/configs/tiny.yaml --output_dir runs/adapter
    accelerate launch --config_file trainer/configs/accelerate/zero3.yaml -m trainer.sft --config anomreasonor_7b

Every option of `trl.SFTConfig` and `trl.ModelConfig` works in the recipe and on the command line.
"""

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
from accelerate import PartialState
from transformers import PrinterCallback, TrainerCallback
from trl import ModelConfig, SFTConfig, SFTTrainer

from dataset_builder.errors import InputError
from trainer.asked import sft_example
from trainer.base import LORA_MODULES, budgeted_processor, load_base, lora_config, refuse_stray_parameters
from trainer.beforehand import check_beforehand
from trainer.callbacks import ExaminationArguments, check_examination, examine, samples_of
from trainer.checkpoints import WholeCheckpoints, resume_point
from trainer.decoder import DecoderArguments, prepare_decoder, take_checkpointing
from trainer.dry_run import Material, describe
from trainer.examples import indexed, known_pictures, picture_names, tasks_of, training_examples
from trainer.families import check_coverage
from trainer.known import check_enough, fit_known
from trainer.objective import TokenMean
from trainer.order import StepOrder
from trainer.readiness import check_training
from trainer.recipe_files import CONFIGS
from trainer.recipes import read_recipe, run_command
from trainer.running import check_data_arguments, memory_told, run, settings_told
from trainer.saving import check_push, save_adapter, take_push
from trainer.survey import refuse_failing, survey

__all__ = ["CONFIGS", "LORA_MODULES", "ScriptArguments", "Trainer", "build", "main", "parse", "prepare", "train"]


@dataclass
class ScriptArguments(ExaminationArguments, DecoderArguments):
    """What data to train on, how the layers are run, and how an adapter is examined while it trains.

    Args:
        dry_run (`bool`): say what would be trained, how long its texts are and what it takes, and stop before a weight is loaded.
        knows (`bool`): save with the adapter what its training pictures look like to the model, so that pictures of another kind
            are answered with the status `unknown` (`trainer.known`).
    """

    dry_run: bool = field(default=False, metadata={"help": "Report what would be trained, without loading weights."})
    knows: bool = field(
        default=False, metadata={"help": "Have the adapter refuse pictures unlike those it was trained on."}
    )


class Trainer(WholeCheckpoints, TokenMean, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, whose checkpoints are whole and whose losses are means over answer tokens.

    `rows` are what it trains on, with their pictures.
    """

    rows: Any

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """The examples of a step by length, where it has several batches and the recipe asks for no other order."""
        args, data = self.args, self.train_dataset if train_dataset is None else train_dataset
        batches = args.gradient_accumulation_steps * args.world_size
        if batches == 1 or args.train_sampling_strategy != "random" or not isinstance(data, datasets.Dataset):
            return super()._get_train_sampler(train_dataset)
        seed = args.seed if args.data_seed is None else args.data_seed
        known = data.with_format(None)
        return StepOrder(known["row"][:], known["length"][:], args.train_batch_size * batches, seed)


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
    check_examination(script, training, "loss")


def train(
    script: ScriptArguments,
    training: SFTConfig,
    model_config: ModelConfig,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Fine-tune an adapter and save it, with its card, in `training.output_dir`.

    Raises:
        InputError: for settings or data that cannot work, naming the setting and the fix.
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
    trainer = build(script, training, model_config, callbacks)
    run(trainer, script, training, checkpoint)
    known = None
    if script.knows:  # in every process: shards of a model are gathered only if all of them look
        known = fit_known(trainer.model, trainer.processing_class, known_pictures(trainer.rows))
    return save_adapter(trainer, script, trainer.processing_class, base, push, known)


def prepare(script: ScriptArguments, training: SFTConfig, model_config: ModelConfig) -> Material:
    """What is trained on, read and looked through: everything that can fail without the model's weights has not failed then.

    Raises:
        InputError, UnavailableError: as `train`.
    """
    _check(script, training, model_config)
    take_checkpointing(script, training)
    bones = check_beforehand(script, training, model_config)
    processor = budgeted_processor(str(model_config.model_name_or_path), script)
    rows, samples = samples_of(script, training)
    if script.knows and not script.dataset_streaming:
        check_enough(len(set(picture_names(rows))))
    found = None
    if not script.dataset_streaming and PartialState().is_main_process:
        tasks = script.tasks or ["anomalies"]
        found = survey(rows, tasks, processor)
        held_out = [survey(sample.rows, ["anomalies"], processor) for sample in samples.values()]
        refuse_failing(f"{script.dataset_name} [{script.dataset_train_split}]", found, *held_out)
    return Material(bones, processor, rows, samples, found)


def build(
    script: ScriptArguments,
    training: SFTConfig,
    model_config: ModelConfig,
    callbacks: Sequence[TrainerCallback] = (),
) -> Trainer:
    """The trainer, ready for its first step: data read, base loaded, an adapter put on.

    Raises:
        InputError, UnavailableError: as `train`.
    """
    material = prepare(script, training, model_config)
    base, held_out = str(model_config.model_name_or_path), material.samples.get("")
    image_processor = material.processor.image_processor
    examples = training_examples(script, material.rows, image_processor, training.seed)
    make = functools.partial(sft_example, image_processor=image_processor)
    training.remove_unused_columns = False  # the transform reads columns that the model does not take
    with memory_told(script, training):
        model, processor = load_base(model_config), material.processor
        prepare_decoder(model, checkpointed=script.checkpointed_layers, compiled=script.compile_layers)
        with settings_told():
            trainer = Trainer(
                model=model,
                args=training,
                train_dataset=examples,
                eval_dataset=indexed(held_out.rows, script.tasks or ["anomalies"], make) if held_out else None,
                processing_class=processor,
                peft_config=lora_config(model_config),
                callbacks=list(callbacks),
            )
    trainer.base, trainer.rows, trainer.tasks = base, material.rows, tasks_of(material.rows, script.tasks)
    if callbacks:
        trainer.remove_callback(PrinterCallback)  # the caller shows progress
    refuse_stray_parameters(trainer.model)
    check_coverage(trainer.model)
    if material.samples:
        examine(trainer, material.samples, script)
    return trainer


def parse(arguments: Sequence[str]) -> tuple[ScriptArguments, SFTConfig, ModelConfig]:
    """Read a recipe (`--config`) and the options given with it, which override it, as `TrlParser` does.

    Raises:
        InputError: for a recipe that is missing, is not a YAML mapping, or has a key that no option has.
    """
    script, training, model = read_recipe((ScriptArguments, SFTConfig, ModelConfig), arguments, CONFIGS)
    return script, training, model


def main(arguments: Sequence[str] | None = None) -> Path:
    """Train from command-line options (`sys.argv` by default); returns the adapter's directory.

    Raises:
        SystemExit: with 0 after a dry run, besides what `train` raises.
    """
    script, training, model_config = parse(sys.argv[1:] if arguments is None else arguments)
    if script.dry_run:
        print(describe(prepare(script, training, model_config), script, training, model_config))
        sys.exit(0)
    return train(script, training, model_config)


if __name__ == "__main__":
    run_command(main)
