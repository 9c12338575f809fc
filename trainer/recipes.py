"""Recipes: YAML files of options, read by TRL's parser; what stands on the command line overrides them."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml
from trl import TrlParser

from dataset_builder.errors import AnomReasonError, InputError
from trainer import loading

__all__ = ["CONFIGS", "read_recipe", "run_command"]

CONFIGS = Path(__file__).parent / "configs"


class _Parser(TrlParser):  # type: ignore[misc]
    """TRL's parser, whose errors are raised instead of printed below four hundred lines of usage."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_recipe(kinds: Sequence[type], arguments: Sequence[str], folder: Path = CONFIGS) -> tuple[Any, ...]:
    """Read a recipe (`--config`) and the options beside it into one dataclass of each of `kinds`.

    Args:
        arguments (`list[str]`): as on a command line; `--config` takes a YAML file, or the name of one in `folder`.

    Raises:
        InputError: for a recipe that is missing, is no YAML mapping, or has a key that no option has, and for values that an
            option does not take.
    """
    arguments = [part for one in arguments for part in (one.split("=", 1) if one.startswith("--config=") else [one])]
    if "--config" in arguments[:-1]:
        at = arguments.index("--config") + 1
        arguments[at] = str(_find(arguments[at], folder))
    try:
        return tuple(_Parser(kinds).parse_args_and_config(arguments))
    except (ValueError, TypeError, ImportError, yaml.YAMLError) as error:
        raise InputError(_near(kinds, arguments) or f"{' '.join(arguments)}: {loading.first_line(error)}") from None


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


def _find(given: str, folder: Path) -> Path:
    """A recipe's file: the path given, or one of the shipped recipes by path or name, from any directory."""
    path = Path(given)
    for place in (path, folder / path.name, folder / f"{path.name}.yaml"):
        if place.is_file():
            return place
    shipped = ", ".join(sorted(recipe.stem for recipe in folder.glob("*.yaml")))
    raise InputError(f"{given}: no such recipe; give a YAML file or one of: {shipped}")


def run_command(main: Callable[[], object]) -> NoReturn:
    """Run a module's `main`, as `accelerate launch -m` does, with the exit codes of the `anomreason` command."""
    try:
        main()
    except AnomReasonError as error:
        print(f"anomreason: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)
