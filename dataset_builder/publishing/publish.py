"""Publishes what is already a repository: a built dataset, a Space, the metric's Space among them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from dataset_builder.building.leaderboards import EVAL_YAML
from dataset_builder.errors import InputError
from dataset_builder.publishing.hub import Published, push, repository_files
from dataset_builder.sources.opening import is_dataset

__all__ = ["DATASET_FILES", "is_space", "publish", "publish_space"]

DATASET_FILES = ("data/*", "candidates/*", "sft/*", "assets/*", EVAL_YAML, "skipped.jsonl", "validation.json")
"""What goes from a dataset's repository if the build lacks it: shards of an earlier one would otherwise stay and be loaded."""


def publish(path: Path, repo_id: str, *, private: bool = False, dry_run: bool = False) -> Published:
    """Push a built dataset to the Hub, or say what would be pushed; the rows are counted there afterwards.

    Args:
        path (`Path`): a built dataset.
        repo_id, private, dry_run: as in `dataset_builder.publishing.hub.push`, whose errors it raises.

    Raises:
        InputError: if `path` is not a whole dataset.
    """
    if not is_dataset(path):
        raise InputError(f"{path}: is not a dataset; build one with `anomreason build SOURCE --out {path}`")
    files = repository_files(path)
    shards = [name for name in files if name.endswith(".parquet")]
    rows = sum(_rows(path / name) for name in shards)

    def count(api: Any) -> list[str]:
        from huggingface_hub import HfFileSystem

        remote = HfFileSystem(endpoint=api.endpoint, token=api.token, use_listings_cache=False)
        counted = 0
        for name in shards:
            with remote.open(f"datasets/{repo_id}/{name}", block_size=2**20) as file:
                counted += pq.read_metadata(file).num_rows
        return [] if counted == rows else [f"{counted:,} rows instead of {rows:,}"]

    return push(
        path,
        files,
        repo_id,
        "dataset",
        message="Build of AnomReason",
        ours=DATASET_FILES,
        private=private,
        dry_run=dry_run,
        note=f"{rows:,} rows",
        check=count,
    )


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error}); build the dataset again") from None


def is_space(path: Path) -> bool:
    """Whether a directory is a Space's repository: its card names an SDK."""
    return bool(_front_matter(path / "README.md").get("sdk"))


def publish_space(path: Path, repo_id: str, *, private: bool = False, dry_run: bool = False) -> Published:
    """Push a directory that is a whole Space, such as `metric_semap`, or say what would be pushed.

    Args:
        path (`Path`): the directory; its card names the file that starts it (`app_file`).
        repo_id, private, dry_run: as in `dataset_builder.publishing.hub.push`, whose errors it raises.

    Raises:
        InputError: if that file is not there.
    """
    files = repository_files(path)
    start = _front_matter(path / "README.md").get("app_file", "app.py")
    if start not in files:
        raise InputError(f"{path}: README.md starts {start}, which is not there; name another app_file")
    return push(path, files, repo_id, "space", message=f"{path.name}", ours=["*"], private=private, dry_run=dry_run)


def _front_matter(card: Path) -> dict[str, Any]:
    try:
        parts = card.read_text(encoding="utf-8").split("---\n", 2)
        data = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        data = None
    return data if isinstance(data, dict) else {}
