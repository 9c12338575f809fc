"""Recipes: YAML files of options, read by TRL's parser; options on the command line override them."""

import itertools
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml
from trl import TrlParser

from dataset_builder.errors import AnomReasonError, InputError, UnavailableError
from trainer import loading
from trainer.recipe_files import find

__all__ = ["read_recipe", "run_command"]


class _Parser(TrlParser):  # type: ignore[misc]
    """TRL's parser, whose errors are raised instead of printed below four hundred lines of usage."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_recipe(kinds: Sequence[type], arguments: Sequence[str], folder: Path) -> tuple[Any, ...]:
    """Read a recipe (`--config`) and the options given with it into one dataclass of each of `kinds`.

    Args:
        arguments (`list[str]`): as on a command line; `--config` takes a YAML file, or the name of one in `folder`.
        folder (`Path`): of the shipped recipes.

    Raises:
        InputError: for a recipe that is not given or not there, is not a YAML mapping, or has a key that no option has, and for
            values that an option does not take.
        UnavailableError: for bf16 without a GPU.
    """
    arguments = [part for one in arguments for part in (one.split("=", 1) if one.startswith("--config=") else [one])]
    recipe = next((value for name, value in itertools.pairwise(arguments) if name == "--config"), None)
    file = str(find(recipe, folder))
    arguments[arguments.index("--config") + 1] = file
    try:
        with warnings.catch_warnings():
            # TRL's default sets an option that transformers calls deprecated; both names are one to `trainer.decoder`.
            warnings.filterwarnings("ignore", "`gradient_checkpointing` is deprecated", FutureWarning)
            return tuple(_Parser(kinds).parse_args_and_config(arguments))
    except (ValueError, TypeError, ImportError, yaml.YAMLError) as error:
        if "bf16/gpu" in str(error):  # transformers' words for it
            raise UnavailableError(
                f"--config {recipe}: bf16 needs a GPU that has it, and there is none here; give --use_cpu true or a GPU"
            ) from None
        near = _near(kinds, arguments)
        raise InputError(near or f"--config {recipe}: {loading.first_line(error)}") from None


def _near(kinds: Sequence[type], arguments: Sequence[str]) -> str:
    """What was meant by an option that none of `kinds` has; empty if all are known."""
    known = {field.name for kind in kinds for field in fields(kind)} | {"config"}
    for argument in arguments:
        name = argument.removeprefix("--").split("=")[0].replace("-", "_")
        # argparse takes the beginning of a name for it.
        if argument.startswith("--") and not any(option.startswith(name.removeprefix("no_")) for option in known):
            near = get_close_matches(name, known, 1)
            return f"no such option: --{name}" + (
                f"; did you mean --{near[0]}?" if near else "; --help says where all are"
            )
    return ""


def run_command(main: Callable[[], object]) -> NoReturn:
    """Run a module's `main`, as `accelerate launch -m` does, with the exit codes of the `anomreason` command."""
    try:
        main()
    except AnomReasonError as error:
        print(f"anomreason: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)
