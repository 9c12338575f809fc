"""GRPO with TRL: trains an SFT adapter further, rewarded for what the metric measures.

    anomreason grpo --config anomreasonor_7b --adapter runs/anomreasonor-7b --output_dir runs/anomreasonor-7b-grpo

A picture is asked several times (`num_generations`), each answer is rewarded (`trainer.rewards`), and answers better than their
group's mean become likelier. With `eval_strategy`, pictures held out are examined, and the best adapter by them can be kept. Every
option of `trl.GRPOConfig` and `trl.ModelConfig` works in the recipe and on the command line.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import PartialState
from peft import PeftConfig, PeftModel
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer, ModelConfig

from dataset_builder.errors import InputError, UnavailableError
from dataset_builder.pictures import prepare
from dataset_builder.prompts import PROMPTS
from dataset_builder.schema import Anomaly
from trainer import loading
from trainer.base import budgeted_processor, load_base, refuse_stray_parameters
from trainer.beforehand import check_precision
from trainer.callbacks import ExaminationArguments, check_examination, examine, samples_of
from trainer.checkpoints import WholeCheckpoints, resume_point, same_base
from trainer.decoder import DecoderArguments, prepare_decoder, take_checkpointing
from trainer.examples import indexed, tasks_of, truths
from trainer.families import check_coverage, check_family
from trainer.readiness import check_training
from trainer.recipe_files import GRPO
from trainer.recipes import read_recipe, run_command
from trainer.rewards import POOL, Rewards
from trainer.running import check_data_arguments, memory_told, run, settings_told
from trainer.saving import check_push, save_adapter, take_push
from trainer.survey import refuse_failing, survey

__all__ = ["ScriptArguments", "main", "parse", "train"]


@dataclass
class ScriptArguments(ExaminationArguments, DecoderArguments):
    """What data to train on, how the layers are run, how an adapter is examined, and from which one training continues.

    Args:
        adapter (`str`): the SFT adapter to continue from, a directory or a Hub id.
        encoder (`str`, defaults to `"minilm"`): the encoder of the reward `explained`; minilm needs no Hub.
    """

    adapter: str | None = field(default=None, metadata={"help": "The SFT adapter to continue from."})
    encoder: str = field(default="minilm", metadata={"help": "The encoder of the reward SemF1_Full."})


class Trainer(WholeCheckpoints, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer, whose checkpoints are whole, and whose evaluation is the examination of pictures held out."""

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """TRL would sample answers and reward them, as every step does; greedy answers are examined instead."""
        metrics: dict[str, float] = {}
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def train(
    script: ScriptArguments,
    training: GRPOConfig,
    model_config: ModelConfig,
    callbacks: Sequence[TrainerCallback] = (),
) -> Path:
    """Train an adapter further and save it, with its card, in `training.output_dir`.

    Raises:
        InputError: for settings or data that cannot work, naming the setting and the fix.
        UnavailableError: if the base model, adapter or encoder is out of reach, or memory does not suffice.
        OutputError: if a checkpoint cannot be saved; the last one stays.
        SystemExit: with 143, after SIGTERM and a checkpoint.
    """
    base = str(model_config.model_name_or_path)
    check_training(
        script,
        training,
        model_config,
        script.encoder,
        lambda: _check(script, training, model_config),
        lambda: check_push(script, training, base),
        lambda: (
            script.adapter and resume_point(training, base, _rank(script.adapter, base), overwrite=script.overwrite)
        ),
    )
    push = take_push(script, training, base)
    assert script.adapter is not None
    check_precision(training)
    rank = _rank(script.adapter, base)
    check_family(base, loading.read_config(base, model_config.model_revision), training=True)
    checkpoint = resume_point(training, base, rank, overwrite=script.overwrite)
    take_checkpointing(script, training)
    rows, samples = samples_of(script, training)
    if "prompt" in rows.column_names:
        raise InputError(f"dataset_config: {script.dataset_config} holds conversations; choose default or deepfake")
    tasks, processor = script.tasks or ["anomalies"], budgeted_processor(base, script)
    if PartialState().is_main_process:
        looked = [
            survey(rows, tasks, processor),
            *(survey(one.rows, ["anomalies"], processor) for one in samples.values()),
        ]
        refuse_failing(f"{script.dataset_name} [{script.dataset_train_split}]", *looked)
    rewards = Rewards(script.encoder, truths(rows, POOL))
    with memory_told(script, training):
        model = load_base(model_config)
        prepare_decoder(model, checkpointed=script.checkpointed_layers, compiled=script.compile_layers)
        with settings_told():
            model = PeftModel.from_pretrained(model, script.adapter, is_trainable=True)
            # PEFT looks there for the vocabulary when it saves; on the Hub, for a name that is no place here.
            model.peft_config["default"].base_model_name_or_path = loading.resolve(base)
            trainer = Trainer(
                model=model,
                reward_funcs=rewards.functions(),
                args=training,
                train_dataset=indexed(rows, tasks, _example),
                eval_dataset=indexed(samples[""].rows, tasks, _example) if samples else None,
                processing_class=processor,
                callbacks=list(callbacks),
            )
    trainer.base, trainer.tasks = base, tasks_of(rows, tasks)
    if callbacks:
        trainer.remove_callback(PrinterCallback)  # the caller shows progress
    refuse_stray_parameters(trainer.model)
    check_coverage(trainer.model)
    if samples:
        examine(trainer, samples, script)
    run(trainer, script, training, checkpoint)
    return save_adapter(trainer, script, processor, base, push)


def _check(script: ScriptArguments, training: GRPOConfig, model: ModelConfig) -> None:
    """Refuse what cannot be rewarded."""
    check_data_arguments(script, training, model)
    if "grounded" in (script.tasks or ()):
        raise InputError("tasks: grounded: no reward looks at boxes; choose anomalies, verdict or both")
    if not script.adapter:
        raise InputError("adapter: is not set; give the SFT adapter to continue from, a directory or a Hub id")
    if script.dataset_streaming:
        raise InputError(
            "dataset_streaming: true does not work here, a picture is asked several times; set it to false"
        )
    check_examination(script, training)


def _rank(adapter: str, base: str) -> int:
    """The rank of an adapter that belongs to `base`."""
    try:
        config = PeftConfig.from_pretrained(adapter)
    except (OSError, ValueError, TypeError) as error:
        raise UnavailableError(
            f"{adapter}: the adapter cannot be loaded ({loading.first_line(error)}); "
            "give a directory with adapter_config.json or a Hub id that can be reached"
        ) from None
    same_base(adapter, str(config.base_model_name_or_path), base)
    return int(config.r)


def _example(row: Mapping[str, Any], task: str) -> dict[str, Any]:
    return {
        "image": prepare(row["image"]).image,
        "prompt": [{"role": "user", "content": PROMPTS[task]}],  # type: ignore[index]
        "task": task,
        "references": [Anomaly(**anomaly).model_dump(exclude={"remark", "bbox"}) for anomaly in row["anomalies"] or []],
        "label": "fake" if row["label"] in (1, "fake") else "real",
    }


def parse(arguments: Sequence[str]) -> tuple[ScriptArguments, GRPOConfig, ModelConfig]:
    """Read a recipe (`--config`: a file, or a name in `trainer/configs/grpo`) and the options given with it.

    Raises:
        InputError: for a recipe that is missing, is not a YAML mapping, or has a key that no option has.
    """
    kinds = (ScriptArguments, GRPOConfig, ModelConfig)
    script, training, model = read_recipe(kinds, arguments, GRPO)
    return script, training, model


def main(arguments: Sequence[str] | None = None) -> Path:
    """Train from command-line options (`sys.argv` by default); returns the adapter's directory."""
    return train(*parse(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    run_command(main)
