"""Publishes a built dataset and checks afterwards that what the Hub has is what was built.

`upload_folder` sends only what the Hub lacks, and a commit there appears whole or not at all: an interrupted push can simply be
run again. The token comes from the environment (`HF_TOKEN`) and is never printed.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.built import is_dataset
from dataset_builder.errors import InputError, OutputError, UnavailableError, shorten

__all__ = ["Published", "publish"]

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class Published:
    """What was pushed: the files with their sizes, the rows in them, and where."""

    files: list[tuple[str, int]]
    rows: int
    url: str


def publish(path: Path, repo_id: str, *, private: bool = False, dry_run: bool = False) -> Published:
    """Push a built dataset to the Hub, or say what would be pushed.

    Args:
        path (`Path`): a built dataset.
        repo_id (`str`): `ORG/NAME`; the repository is made if it is not there.
        private (`bool`): make a new repository private.
        dry_run (`bool`): check and list, without any connection.

    Raises:
        InputError: if `path` is no whole dataset or `repo_id` no name.
        UnavailableError: if there is no token, or the Hub is out of reach or refuses.
        OutputError: if the Hub has something else than what was built.
    """
    files = _files(path)
    if not _REPO_ID.fullmatch(repo_id):
        raise InputError(f"--repo-id {shorten(repo_id)}: is no name; write ORG/NAME")
    rows = sum(_rows(path / name) for name in files if name.endswith(".parquet"))
    listed = [(name, (path / name).stat().st_size) for name in files]
    if dry_run:
        return Published(listed, rows, "")
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise UnavailableError("HF_TOKEN: is not set; put a token with write access into the environment")

    import httpx2  # the HTTP client of huggingface_hub
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi(token=token)
    try:
        url = str(api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True))
        api.upload_folder(
            repo_id=repo_id,
            repo_type="dataset",
            folder_path=path,
            allow_patterns=files,
            # Shards of an earlier build that this one has no more would otherwise stay and be loaded.
            delete_patterns=["data/*", "candidates/*", "sft/*", "assets/*", "skipped.jsonl", "validation.json"],
            commit_message="Build of AnomReason",
        )
        _check(api, repo_id, path, files, rows)
    except OfflineModeIsEnabled:
        raise UnavailableError(f"{repo_id}: cannot be reached, HF_HUB_OFFLINE is set; unset it to publish") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        hint = {401: "check HF_TOKEN", 403: "the token may not write there", 404: "check --repo-id"}
        mend = hint.get(error.response.status_code if error.response is not None else 0, "try again later")
        raise UnavailableError(f"{repo_id}: the Hub refused ({status}); {mend}") from None
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"{repo_id}: the Hub is out of reach ({type(error).__name__}); run it again") from None
    return Published(listed, rows, url)


def _files(path: Path) -> list[str]:
    if not is_dataset(path):
        raise InputError(f"{path}: is no dataset; build one with `anomreason build SOURCE --out {path}`")
    files = []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_symlink():
            raise InputError(f"{file}: is a link; put the file itself there, or build the dataset again")
        # What a user or another command left beside the build, hidden, is not part of it.
        if file.is_file() and not any(part.startswith(".") for part in name.split("/")):
            files.append(name)
    return files


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error}); build the dataset again") from None


def _check(api: Any, repo_id: str, path: Path, files: list[str], rows: int) -> None:
    """Compare names, sizes, hashes and row counts with what the Hub now has."""
    from huggingface_hub import HfFileSystem
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo_id, repo_type="dataset", recursive=True, expand=False)
    there = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    wrong = []
    for name in files:
        entry = there.get(name)
        local = path / name
        if entry is None:
            wrong.append(f"{name} is missing")
        elif entry.size != local.stat().st_size:
            wrong.append(f"{name} has {entry.size:,} bytes instead of {local.stat().st_size:,}")
        elif (entry.lfs.sha256 if entry.lfs else entry.blob_id) != _hash(local, git=entry.lfs is None):
            wrong.append(f"{name} has another content")
    ours = ("data/", "candidates/", "sft/")
    wrong += [f"{name} is there and was not built" for name in there if name.startswith(ours) and name not in files]
    if not wrong:
        remote = HfFileSystem(endpoint=api.endpoint, token=api.token, use_listings_cache=False)
        counted = 0
        for name in files:
            if name.endswith(".parquet"):
                with remote.open(f"datasets/{repo_id}/{name}", block_size=2**20) as file:
                    counted += pq.read_metadata(file).num_rows
        if counted != rows:
            wrong.append(f"{counted:,} rows instead of {rows:,}")
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise OutputError(f"{repo_id}: the Hub does not have what was built: {shown}; publish again")


def _hash(path: Path, *, git: bool) -> str:
    """The hash the Hub gives a file: SHA-256 for a large one, git's blob id for any other."""
    with path.open("rb") as file:
        if not git:
            return hashlib.file_digest(file, "sha256").hexdigest()
        data = file.read()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
