"""Checkpoints that are saved whole or not at all, resuming from them, and stopping when told to."""

import json
import os
import shutil
import signal
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint, rotate_checkpoints

from dataset_builder import atomic, owned
from dataset_builder.errors import InputError, OutputError
from trainer import loading

__all__ = ["Termination", "WholeCheckpoints", "name_base", "resume_point", "same_base"]

SAVING = ".saving"
STATE = "trainer_state.json"


class WholeCheckpoints:
    """Goes before a TRL trainer among a class's bases: a checkpoint is written aside and appears by rename.

    `base` is the base model's name, which a checkpoint's `adapter_config.json` then holds.
    """

    base: str
    _saving: Path | None = None

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._saving or super()._get_output_dir(trial))  # type: ignore[misc]

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """TRL would write a card for a text model at every checkpoint; ours comes with the adapter, at the end."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self_: Any = self
        args, state = self_.args, self_.state
        run = Path(args.output_dir)
        final = run / f"checkpoint-{state.global_step}"
        self._saving = run / SAVING
        try:
            if args.should_save:
                shutil.rmtree(self._saving, ignore_errors=True)  # a process that was killed left it
            self_.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            self_.accelerator.wait_for_everyone()
            written = self._saving / final.name
            if state.best_model_checkpoint == str(written):  # every process loads the best from there in the end
                state.best_model_checkpoint = str(final)
            if args.should_save:
                state.save_to_json(str(written / STATE))
                self._publish(written, final)
        except (OSError, RuntimeError, SafetensorError) as error:  # the same full disk, told by three libraries
            last = get_last_checkpoint(str(run)) if run.is_dir() else None
            fix = f"resume with --resume_from_checkpoint {last}" if last else "start again"
            raise OutputError(
                f"{final}: cannot be saved ({loading.first_line(error)}); make room there, then {fix}"
            ) from None
        finally:
            if args.should_save:
                shutil.rmtree(self._saving, ignore_errors=True)
            self._saving = None
        self_.accelerator.wait_for_everyone()
        if args.should_save:
            rotate_checkpoints(str(run), args.save_total_limit, state.best_model_checkpoint, use_mtime=True)

    def _publish(self, written: Path, final: Path) -> None:
        name_base(written, self.base)
        for file in written.rglob("*"):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        if final.exists():
            final.rename(written.parent / "replaced")
        written.rename(final)
        owned.record(final.parent, "train", (file for file in final.rglob("*") if file.is_file()))


def name_base(adapter: Path, base: str) -> None:
    """Put the base's name into an adapter's configuration, where PEFT writes the path it was loaded from."""
    path = adapter / "adapter_config.json"
    if path.is_file():
        config = json.loads(path.read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = base
        atomic.write(path, json.dumps(config, indent=2, sort_keys=True) + "\n")


def resume_point(training: Any, base: str, rank: int, *, overwrite: bool = False) -> str | None:
    """The checkpoint to resume from, if `resume_from_checkpoint` is set: a path, or `true` for the run's last one.

    Args:
        base (`str`), rank (`int`): what is to be trained now.
        overwrite (`bool`): train into a directory that holds another run, an adapter or something else.

    Raises:
        InputError: if there is no such checkpoint, if it belongs to another base or rank, or if the run's directory holds
            checkpoints or an adapter and nothing is to be resumed.
        OutputError: if it holds something that no training wrote, or files of a training that were changed.
    """
    run, given = Path(str(training.output_dir)), training.resume_from_checkpoint
    last = get_last_checkpoint(str(run)) if run.is_dir() else None
    if given in (None, False) or str(given).lower() == "false":
        held = "the checkpoints of a run" if last else "an adapter" if (run / "adapter_config.json").is_file() else ""
        if held and not overwrite:
            raise InputError(
                f"output_dir: {run} holds {held}; continue with --resume_from_checkpoint true, give another directory, "
                "or replace it with --overwrite"
            )
        owned.check(run, "train", overwrite=overwrite)
        return None
    if str(given).lower() == "true":
        if last is None:
            raise InputError(f"resume_from_checkpoint: {run} holds no checkpoint; leave it out to start")
        given = last
    place = Path(str(given))
    if not (place / STATE).is_file():
        raise InputError(f"resume_from_checkpoint: {place} is not a checkpoint; give a checkpoint-N directory, or true")
    try:
        config = json.loads((place / "adapter_config.json").read_text(encoding="utf-8"))
        trained_on, of = str(config["base_model_name_or_path"]), config["r"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"resume_from_checkpoint: {place} holds no adapter ({loading.first_line(error)}); give another"
        ) from None
    same_base(place, trained_on, base)
    if of != rank:
        raise InputError(f"lora_r: {rank}, but {place} holds an adapter of rank {of}; set lora_r to that")
    owned.check(run, "train", overwrite=overwrite)
    return str(place)


def same_base(adapter: object, trained_on: str, base: str) -> None:
    """Raise an `InputError` if an adapter belongs to another base than `base`."""
    if not _same(trained_on, base):
        raise InputError(
            f"{adapter}: was trained on {trained_on}, not on {base}; set model_name_or_path to {trained_on}"
        )


def _same(one: str, other: str) -> bool:
    places = Path(loading.resolve(one)), Path(loading.resolve(other))
    return one == other or (all(map(Path.is_dir, places)) and places[0].resolve() == places[1].resolve())


class Termination(TrainerCallback):  # type: ignore[misc]
    """Ends training after the step in which SIGTERM came, with a checkpoint; use it as a context around training.

    Attributes:
        came (`bool`): whether training ended so.
    """

    def __init__(self) -> None:
        self.came = self._signalled = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)

    def _note(self, *_: Any) -> None:
        self._signalled = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Every process stops at the same step, whichever was told."""
        self.came = self._signalled
        if args.world_size > 1:
            told = torch.tensor(int(self._signalled), device=args.device)
            torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX)
            self.came = bool(told.item())
        if self.came:
            control.should_save = control.should_training_stop = True
