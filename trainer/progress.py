"""A training on the terminal: a bar of steps and the losses as they are logged, on stderr; in a log, lines."""

from contextlib import ExitStack
from typing import Any

import typer
from transformers import TrainerCallback

from dataset_builder.terminal import Steps

__all__ = ["Shown"]

_SHOWN = ("loss", "reward", "eval_loss")
_OF_EACH_SET = ("_SemF1_Full", "_false_alarm_rate")


class Shown(TrainerCallback):  # type: ignore[misc]
    """Shows a training's steps and numbers, in the first process only."""

    def __init__(self) -> None:
        self._bar = ExitStack()
        self._done: Any = lambda step: None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._done = self._bar.enter_context(Steps(1).bar("training steps", state.max_steps))
            self._done(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._done(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        shown = {name: number for name, number in (logs or {}).items() if name in _SHOWN or name.endswith(_OF_EACH_SET)}
        numbers = [f"{name} {float(number):.4g}" for name, number in shown.items()]
        if state.is_world_process_zero and numbers:
            typer.echo(f"step {state.global_step} of {state.max_steps}: {', '.join(numbers)}", err=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._bar.close()
