"""GRPO with TRL: goes on training an SFT adapter, rewarded for what the metric measures.

    anomreason grpo --config anomreasonor_7b --adapter runs/anomreasonor-7b --output_dir runs/anomreasonor-7b-grpo

A picture is asked several times (`num_generations`), each answer gets three rewards (`trainer.rewards`), and answers better
than their group's mean become likelier. Every option of `trl.GRPOConfig` and `trl.ModelConfig` works in the recipe and on
the command line.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer, ModelConfig

from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.prompts import PROMPTS
from dataset_builder.schema import Anomaly
from trainer import loading
from trainer.base import load_base, refuse_stray_parameters
from trainer.checkpoints import WholeCheckpoints, resume_point, same_base
from trainer.examples import DataArguments, indexed, training_rows
from trainer.recipes import CONFIGS, read_recipe, run_command
from trainer.rewards import Rewards
from trainer.running import check_data_arguments, memory_told, run, settings_told
from trainer.saving import save_adapter, take_push

__all__ = ["CONFIGS", "ScriptArguments", "main", "parse", "train"]


@dataclass
class ScriptArguments(DataArguments):
    """What data to train on, and from which adapter.

    Args:
        adapter (`str`): the SFT adapter to go on from, a directory or a Hub id.
        encoder (`str`, defaults to `"minilm"`): the encoder of the reward SemF1_Full; minilm needs no Hub.
    """

    adapter: str | None = field(default=None, metadata={"help": "The SFT adapter to go on from."})
    encoder: str = field(default="minilm", metadata={"help": "The encoder of the reward SemF1_Full."})


class Trainer(WholeCheckpoints, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer, whose checkpoints are whole."""


def train(
    script: ScriptArguments,
    training: GRPOConfig,
    model_config: ModelConfig,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Train an adapter further and save it, with its card, in `training.output_dir`.

    Raises:
        InputError: for settings or data that cannot work, naming the setting and the mend.
        UnavailableError: if the base model, adapter or encoder is out of reach, or memory does not suffice.
        OutputError: if a checkpoint cannot be saved; the last one stays.
        SystemExit: with 143, after SIGTERM and a checkpoint.
    """
    check_data_arguments(script, training, model_config)
    if not script.adapter:
        raise InputError("adapter: is not set; give the SFT adapter to go on from, a directory or a Hub id")
    if script.dataset_streaming:
        raise InputError(
            "dataset_streaming: true does not work here, a picture is asked several times; set it to false"
        )
    if training.eval_strategy != "no":
        raise InputError("eval_strategy: the rewards are logged at every step; set it to no")
    base = str(model_config.model_name_or_path)
    push = take_push(script, training, base)
    rank = _rank(script.adapter, base)
    checkpoint = resume_point(training, base, rank)
    rows = training_rows(script)
    if "prompt" in rows.column_names:
        raise InputError(f"dataset_config: {script.dataset_config} holds conversations; choose default or deepfake")
    examples = indexed(rows, script.tasks or ["anomalies"], _example)
    rewards = Rewards(script.encoder)
    with memory_told(script, training):
        model, processor = load_base(model_config, script)
        with settings_told():
            model = PeftModel.from_pretrained(model, script.adapter, is_trainable=True)
            # PEFT looks there for the vocabulary when it saves; on the Hub, for a name that is no place here.
            model.peft_config["default"].base_model_name_or_path = loading.resolve(base)
            trainer = Trainer(
                model=model,
                reward_funcs=rewards.functions(),
                args=training,
                train_dataset=examples,
                processing_class=processor,
                callbacks=list(callbacks),
            )
    trainer.base = base
    refuse_stray_parameters(trainer.model)
    run(trainer, script, training, checkpoint)
    return save_adapter(trainer, script, processor, base, push)


def _rank(adapter: str, base: str) -> int:
    """The rank of an adapter that belongs to `base`."""
    try:
        config = PeftConfig.from_pretrained(adapter)
    except (OSError, ValueError, TypeError) as error:
        raise UnavailableError(
            f"{adapter}: no adapter can be loaded from here ({loading.first_line(error)}); "
            "give a directory with adapter_config.json or a Hub id in reach"
        ) from None
    same_base(adapter, str(config.base_model_name_or_path), base)
    return int(config.r)


def _example(row: Mapping[str, Any], task: str) -> dict[str, Any]:
    return {
        "image": row["image"],
        "prompt": [{"role": "user", "content": PROMPTS[task]}],  # type: ignore[index]
        "task": task,
        "references": [Anomaly(**anomaly).model_dump(exclude={"remark", "bbox"}) for anomaly in row["anomalies"] or []],
        "label": "fake" if row["label"] in (1, "fake") else "real",
    }


def parse(arguments: Sequence[str]) -> tuple[ScriptArguments, GRPOConfig, ModelConfig]:
    """Read a recipe (`--config`: a file, or a name in `trainer/configs/grpo`) and the options beside it.

    Raises:
        InputError: for a recipe that is missing, is no YAML mapping, or has a key that no option has.
    """
    kinds = (ScriptArguments, GRPOConfig, ModelConfig)
    script, training, model = read_recipe(kinds, arguments, CONFIGS / "grpo")
    return script, training, model


def main(arguments: Sequence[str] | None = None) -> Path:
    """Train from command-line options (`sys.argv` by default); returns the adapter's directory."""
    return train(*parse(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    run_command(main)
