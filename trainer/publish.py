"""Publishes an adapter: with the Hub id of its base, its processor and a generated card, and without anything that runs code.

What is pushed is a copy. The adapter here keeps the name of the base it was trained on, the copy gets the one others can load.
"""

import json
import shutil
import tempfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

from dataset_builder.errors import InputError
from dataset_builder.publishing.hub import EVAL_RESULTS, Published, check_repo_id, is_repo_id, push, repository_files
from trainer.adapter_card import METRICS, RESULTS, check_card, write_card
from trainer.checkpoints import name_base
from trainer.examined import FOLDER
from trainer.known import FILE
from trainer.loading import base_of, first_line, resolve

__all__ = ["ADAPTER_FILES", "BASE_FILES", "assemble", "publish_adapter"]

ADAPTER_FILES = ("adapter_*", "assets/*", METRICS, RESULTS, FILE)
"""What goes from an adapter's repository if the adapter lacks it."""

BASE_FILES = ("*.safetensors", FILE)
"""The same of a base model."""

# What training leaves beside the adapter for itself: checkpoints, logs of TensorBoard, pictures of the dataset, the run's state.
# Scores for leaderboards are always written from the metrics.
_OF_TRAINING = (
    "checkpoint-*",
    "runs",
    EVAL_RESULTS,
    FOLDER,
    "trainer_state.json",
    "all_results.json",
    "train_results.json",
    "training_args.bin",
)
_NEEDED = ("adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "chat_template.jinja")


def publish_adapter(
    path: Path,
    repo_id: str,
    *,
    base_id: str | None = None,
    with_base: bool = False,
    metrics: Path | None = None,
    private: bool = False,
    dry_run: bool = False,
) -> list[Published]:
    """Push an adapter to the Hub, or say what would be pushed.

    Args:
        path (`Path`): the adapter, as training left it.
        repo_id (`str`): `ORG/NAME`.
        base_id (`str`, *optional*): the base's id on the Hub; needed where the adapter names a base that is not there.
        with_base (`bool`): publish that base as well, as `base_id` or next to the adapter as `ORG/NAME-base`.
        metrics (`Path`, *optional*): the `metrics.json` that `anomreason score` wrote for its predictions; a `metrics.json` in
            the adapter's directory is found by itself.
        private, dry_run: as in `dataset_builder.publishing.hub.push`, whose errors it raises.

    Returns:
        The repositories: the base's, if it goes too, then the adapter's.

    Raises:
        InputError: if something is missing, is a pickle or cannot be read, or the base has no id on the Hub.
    """
    check_repo_id(repo_id)
    base = base_of(str(path))
    if base_id is None:
        base_id = f"{repo_id}-base" if with_base else base
    if base_id == base:
        _check_on_hub(path, base)
    check_repo_id(base_id, "--base-id")
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / path.absolute().name
        assemble(path, copy, repo_id, base_id, metrics)
        published = []
        if with_base:
            published.append(_publish_base(base, base_id, private, dry_run))
        published.append(
            push(
                copy,
                repository_files(copy),
                repo_id,
                "model",
                message="Adapter",
                ours=ADAPTER_FILES,
                private=private,
                dry_run=dry_run,
                note=f"base {base_id}",
            )
        )
    return published


def assemble(path: Path, out: Path, repo_id: str, base_id: str, metrics: Path | None = None) -> None:
    """Copy an adapter into the directory that is to be its repository, with its base's name on the Hub and its card.

    Args:
        path (`Path`): the adapter, as training left it; it stays as it is.
        out (`Path`): the directory.
        repo_id, base_id, metrics: as in `publish_adapter`.

    Raises:
        InputError: if something is missing, is a pickle or cannot be read.
    """
    for name in _files(path):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path / name, out / name)
    name_base(out, base_id)
    if metrics is not None:
        _copy_metrics(metrics, out)
    write_card(out, repo_id=repo_id)
    check_card(out)


def _check_on_hub(path: Path, base: str) -> None:
    if not is_repo_id(base) or Path(base).is_dir():
        raise InputError(
            f"{path}: its base, {base}, is only on this machine; give --base-id ORG/NAME, or --with-base to publish it too"
        )


def _files(path: Path) -> list[str]:
    files = repository_files(path, _OF_TRAINING)
    for name in _NEEDED:
        if name not in files:
            raise InputError(f"{path}: lacks {name}, without which nobody can use it; train it with `anomreason train`")
    try:
        with safe_open(path / "adapter_model.safetensors", framework="pt") as weights:
            if not weights.keys():
                raise InputError(f"{path}/adapter_model.safetensors: holds no weights; train the adapter again")
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}/adapter_model.safetensors: cannot be read ({first_line(error)}); train it again"
        ) from None
    return files


def _copy_metrics(metrics: Path, copy: Path) -> None:
    try:
        json.loads(metrics.read_text(encoding="utf-8"))
        shutil.copyfile(metrics, copy / METRICS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{metrics}: cannot be read ({first_line(error)}); give what `anomreason score` wrote"
        ) from None


def _publish_base(base: str, base_id: str, private: bool, dry_run: bool) -> Published:
    directory = Path(resolve(base))
    if not directory.is_dir():
        raise InputError(
            f"--with-base: {base} is not a directory here; leave it out, or give only the base's --base-id"
        )
    files = repository_files(directory)
    return push(
        directory,
        files,
        base_id,
        "model",
        message="Base model",
        ours=BASE_FILES,
        private=private,
        dry_run=dry_run,
    )
