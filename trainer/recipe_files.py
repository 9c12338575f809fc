"""Where recipes lie and what they are called; nothing heavy is imported to find out that one is not there."""

from pathlib import Path

from dataset_builder.errors import InputError

__all__ = ["CONFIGS", "GRPO", "find", "names"]

CONFIGS = Path(__file__).parent / "configs"
"""The shipped recipes of `anomreason train`."""

GRPO = CONFIGS / "grpo"
"""Those of `anomreason grpo`."""


def names(folder: Path) -> str:
    """The recipes in a folder, as they are told to people."""
    return ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))


def find(given: str | None, folder: Path) -> Path:
    """A recipe's file: the path given, or one of the shipped recipes by path or name, from any directory.

    Raises:
        InputError: if none is given, or it is not there.
    """
    if given is None:
        raise InputError(f"--config: is not given; give a YAML file or one of: {names(folder)}")
    path = Path(given)
    for place in (path, folder / path.name, folder / f"{path.name}.yaml"):
        if place.is_file():
            return place
    raise InputError(f"{given}: no such recipe; give a YAML file or one of: {names(folder)}")
