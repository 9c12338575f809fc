"""Sends a folder to the Hub and checks afterwards that what the Hub has is what was sent.

`upload_folder` sends only what the Hub lacks, and a commit there appears whole or not at all: an interrupted push can simply be
run again. The token comes from the environment (`HF_TOKEN`) and is never printed.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from dataset_builder.errors import OutputError, UnavailableError

__all__ = ["Kind", "differences", "push"]

Kind = Literal["dataset", "model", "space"]


def push(
    path: Path,
    files: list[str],
    repo_id: str,
    kind: Kind,
    *,
    private: bool = False,
    stale: Callable[[str], bool] = lambda name: False,
    message: str,
) -> str:
    """Push files of a folder as one commit; the repository is made if it is not there.

    Args:
        path (`Path`): the folder; `files` are relative to it.
        repo_id (`str`), kind (`str`): `ORG/NAME`, and what it is.
        private (`bool`): make a new repository private.
        stale (callable, *optional*): whether a file that only the Hub has is a left-over of an earlier push, and goes.
        message (`str`): the commit's message.

    Returns:
        The repository's address.

    Raises:
        UnavailableError: if there is no token, or the Hub is out of reach or refuses.
        OutputError: if the Hub has something else afterwards than what was sent.
    """
    with _hub(repo_id) as api:
        space = {"space_sdk": "gradio"} if kind == "space" else {}
        url = str(api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True, **space))
        left = [name for name in _there(api, repo_id, kind) if name not in files and stale(name)]
        api.upload_folder(
            repo_id=repo_id,
            repo_type=kind,
            folder_path=path,
            allow_patterns=[_literal(name) for name in files],
            delete_patterns=[_literal(name) for name in left] or None,
            commit_message=message,
        )
        _check(api, repo_id, kind, path, files, stale)
    return url


def differences(path: Path, files: list[str], repo_id: str, kind: Kind) -> dict[str, str]:
    """What a push would change: file → `new`, `changed` or `same`; all are new if there is no such repository.

    Raises:
        UnavailableError: as `push`.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    with _hub(repo_id) as api:
        try:
            there = _there(api, repo_id, kind)
        except RepositoryNotFoundError:
            there = {}
        return {
            name: "new" if name not in there else "same" if _same(path / name, there[name]) else "changed"
            for name in files
        }


@contextmanager
def _hub(repo_id: str) -> Iterator[Any]:
    """The Hub's API; its errors become one sentence with the mend."""
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise UnavailableError("HF_TOKEN: is not set; put a token with write access into the environment")
    import httpx2  # the HTTP client of huggingface_hub
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield HfApi(token=token)
    except OfflineModeIsEnabled:
        raise UnavailableError(f"{repo_id}: cannot be reached, HF_HUB_OFFLINE is set; unset it to publish") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        hint = {401: "check HF_TOKEN", 403: "the token may not write there", 404: "check --repo-id"}
        mend = hint.get(status, "try again later")
        raise UnavailableError(f"{repo_id}: the Hub refused ({status or 'no answer'}); {mend}") from None
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"{repo_id}: the Hub is out of reach ({type(error).__name__}); run it again") from None


def _literal(name: str) -> str:
    """A file's name as a pattern that means this file alone."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _there(api: Any, repo_id: str, kind: Kind) -> dict[str, Any]:
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo_id, repo_type=kind, recursive=True, expand=False)
    return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}


def _check(api: Any, repo_id: str, kind: Kind, path: Path, files: list[str], stale: Callable[[str], bool]) -> None:
    """Compare names, sizes, hashes and row counts with what the Hub now has."""
    there = _there(api, repo_id, kind)
    wrong = []
    for name in files:
        entry, size = there.get(name), (path / name).stat().st_size
        if entry is None:
            wrong.append(f"{name} is missing")
        elif entry.size != size:
            wrong.append(f"{name} has {entry.size:,} bytes instead of {size:,}")
        elif not _same(path / name, entry):
            wrong.append(f"{name} has another content")
    wrong += [f"{name} is there and was not built" for name in there if name not in files and stale(name)]
    wrong = wrong or _miscounted(api, repo_id, kind, path, [name for name in files if name.endswith(".parquet")])
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise OutputError(f"{repo_id}: the Hub does not have what was built: {shown}; publish again")


def _miscounted(api: Any, repo_id: str, kind: Kind, path: Path, shards: list[str]) -> list[str]:
    """Row counts as a reader of the Hub sees them."""
    from huggingface_hub import HfFileSystem

    remote = HfFileSystem(endpoint=api.endpoint, token=api.token, use_listings_cache=False)
    wrong = []
    for name in shards:
        rows = pq.read_metadata(path / name).num_rows
        with remote.open(f"{kind}s/{repo_id}/{name}", block_size=2**20) as file:
            counted = pq.read_metadata(file).num_rows
        if counted != rows:
            wrong.append(f"{name} has {counted:,} rows instead of {rows:,}")
    return wrong


def _same(path: Path, entry: Any) -> bool:
    return bool((entry.lfs.sha256 if entry.lfs else entry.blob_id) == _hash(path, git=entry.lfs is None))


def _hash(path: Path, *, git: bool) -> str:
    """The hash the Hub gives a file: SHA-256 for a large one, git's blob id for any other."""
    with path.open("rb") as file:
        if not git:
            return hashlib.file_digest(file, "sha256").hexdigest()
        data = file.read()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
