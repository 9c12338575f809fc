"""What models, data and the metric's encoder need, looked at before the first expensive step; nothing large is loaded."""

from pathlib import Path
from typing import Any

from dataset_builder import owned
from dataset_builder.errors import UnavailableError
from dataset_builder.preflight import Check, check_room, look
from dataset_builder.stored import load_split, open_split
from metric_semap.errors import SemapError

__all__ = [
    "ROOM",
    "check_encoder",
    "check_model",
    "check_prediction",
    "check_training",
    "split_check",
]

ROOM = 100_000_000
"""Bytes: predictions, reports, an adapter and its checkpoints of the tiny model fit in less."""


def check_model(model: str | None, adapter: str | None = None) -> None:
    """Raise an `UnavailableError` or `InputError` if a model or adapter is out of reach, without loading its weights."""
    from transformers import AutoConfig

    from trainer.loading import base_of, resolve, unreachable

    named = base_of(adapter) if adapter is not None else "tiny"
    base = model or named
    try:
        AutoConfig.from_pretrained(resolve(base), local_files_only=Path(resolve(base)).is_dir())
    except (OSError, ValueError) as error:
        raise UnavailableError(unreachable(base, error)) from None


def check_encoder(encoder: str | None) -> None:
    """Raise a `SemapError` if the metric's encoder is out of reach."""
    from metric_semap.similarity import BertScoreSimilarity

    files = BertScoreSimilarity(encoder).files
    if not Path(files.source).is_dir():
        from metric_semap.encoder import load_encoder

        load_encoder(files, "cpu", "float32")  # of a Hub id, fetching it is the only way to know


def check_prediction(dataset: str, split: str, model: str | None, adapter: str | None, out: Path) -> None:
    """Look at what predicting a split with a model on this machine needs.

    Raises:
        InputError: listing everything that is not ready.
    """
    look(
        lambda: owned.check(out.parent, "predict", ()),
        lambda: check_room(out.parent, ROOM),
        lambda: split_check(dataset, split),
        lambda: check_model(model, adapter),
    )


def split_check(dataset: str, split: str, config: str | None = None) -> None:
    """Raise an `InputError` if a dataset has no such split, or no pictures."""
    open_split(dataset, split, config)


def check_training(script: Any, training: Any, model: Any, encoder: str | None, *others: Check) -> None:
    """Look at all that a training needs, so that nothing is missed only after an hour.

    Args:
        script, training, model: the parsed arguments.
        encoder (`str`, *optional*): the metric's encoder, where it will be used.
        others (callables): what else to look at.

    Raises:
        InputError: listing everything that is not ready.
    """
    checks = [*others, lambda: check_room(Path(str(training.output_dir)), ROOM)]
    if model.model_name_or_path:
        checks.append(lambda: check_model(str(model.model_name_or_path)))
    if script.dataset_name:
        place = script.dataset_name, script.dataset_train_split, set[str](), script.dataset_config
        checks.append(lambda: load_split(*place, streaming=script.dataset_streaming))
    if encoder is not None:
        checks.append(lambda: check_encoder(encoder))
    look(*checks, expected=(SemapError,))
