"""Pushes a directory to the Hub and checks afterwards that what the Hub has is what was pushed.

`upload_folder` sends only what the Hub lacks, and a commit there appears whole or not at all: an interrupted push can simply be
run again. The token comes from the environment (`HF_TOKEN`) and is never printed.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from dataset_builder.errors import InputError, OutputError, UnavailableError, shorten

__all__ = ["Kind", "Published", "check_repo_id", "is_repo_id", "push", "repository_files"]

Kind = Literal["dataset", "model", "space"]

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")


@dataclass(frozen=True)
class Published:
    """What was pushed, or would be: the files with their sizes, where to, and what else is to be told."""

    repo_id: str
    kind: Kind
    files: list[tuple[str, int]]
    url: str
    note: str = ""


def is_repo_id(name: str) -> bool:
    """Whether a text has the form `ORG/NAME`."""
    return _REPO_ID.fullmatch(name) is not None


def check_repo_id(name: str, option: str = "--repo-id") -> None:
    """Raises an `InputError` unless `name` has the form `ORG/NAME`."""
    if not is_repo_id(name):
        raise InputError(f"{option} {shorten(name)}: is no name; write ORG/NAME")


def repository_files(path: Path, leave_out: Sequence[str] = ()) -> list[str]:
    """The files of a directory that belong into its repository: nothing hidden, no bytecode, no pickles.

    Args:
        path (`Path`): the directory.
        leave_out (sequence of `str`): patterns of names of files and directories that stay here.

    Raises:
        InputError: for a link or a pickle, which runs code on the machine of whoever loads it.
    """
    files = []
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        # What a user or another command left beside it, hidden, is not part of it.
        if any(part.startswith(".") or part == "__pycache__" for part in parts):
            continue
        if any(fnmatch(part, pattern) for part in parts for pattern in leave_out):
            continue
        if file.is_symlink():
            raise InputError(f"{file}: is a link; put the file itself there, or make the directory again")
        if file.suffix.lower() in _PICKLES:
            raise InputError(f"{file}: may be a pickle, which runs code when it is loaded; save it as safetensors")
        if file.is_file():
            files.append("/".join(parts))
    return files


def push(
    path: Path,
    files: Sequence[str],
    repo_id: str,
    kind: Kind,
    *,
    message: str,
    ours: Sequence[str],
    private: bool = False,
    dry_run: bool = False,
    note: str = "",
    check: Callable[[Any], list[str]] | None = None,
) -> Published:
    """Push files of a directory as one commit, or say what would be pushed.

    Args:
        path (`Path`): the directory.
        files (sequence of `str`): the files below it.
        repo_id (`str`): `ORG/NAME`; the repository is made if it is not there.
        kind (`str`): `dataset`, `model` or `space`.
        message (`str`): the commit's.
        ours (sequence of `str`): patterns of files that go from the repository if `files` lacks them.
        private (`bool`): make a new repository private.
        dry_run (`bool`): check and list, without any connection.
        note (`str`): goes into the result.
        check (callable, *optional*): looks at what the Hub has (through the `HfApi` it is given) and returns what is wrong.

    Raises:
        InputError: if `repo_id` is no name.
        UnavailableError: if there is no token, or the Hub is out of reach or refuses.
        OutputError: if the Hub has something else than what is here.
    """
    check_repo_id(repo_id)
    listed = [(name, (path / name).stat().st_size) for name in files]
    if dry_run:
        return Published(repo_id, kind, listed, "", note)
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise UnavailableError("HF_TOKEN: is not set; put a token with write access into the environment")

    from huggingface_hub import HfApi

    api = HfApi(token=token)
    sdk = "gradio" if kind == "space" else None
    with _told(repo_id):
        url = str(api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk))
        api.upload_folder(
            repo_id=repo_id,
            repo_type=kind,
            folder_path=path,
            allow_patterns=[_literal(name) for name in files],
            delete_patterns=list(ours),
            commit_message=message,
        )
        wrong = _differences(api, repo_id, kind, path, files, ours)
        if check is not None and not wrong:
            wrong = check(api)
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise OutputError(f"{repo_id}: the Hub does not have what was built: {shown}; publish again")
    return Published(repo_id, kind, listed, url, note)


def _literal(name: str) -> str:
    """A pattern that matches one name, whatever signs are in it."""
    return re.sub(r"([\[*?])", r"[\1]", name)


@contextmanager
def _told(repo_id: str) -> Iterator[None]:
    """Turns what a push can meet into one sentence with the mend."""
    import httpx2  # the HTTP client of huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise UnavailableError(f"{repo_id}: cannot be reached, HF_HUB_OFFLINE is set; unset it to publish") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        hint = {401: "check HF_TOKEN", 403: "the token may not write there", 404: "check --repo-id"}
        mend = hint.get(error.response.status_code if error.response is not None else 0, "try again later")
        raise UnavailableError(f"{repo_id}: the Hub refused ({status}); {mend}") from None
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"{repo_id}: the Hub is out of reach ({type(error).__name__}); run it again") from None
    except ValueError as error:  # huggingface_hub's answer to a card that the Hub does not accept
        if isinstance(error, InputError):
            raise
        raise InputError(f"{repo_id}: the Hub does not accept README.md ({' '.join(str(error).split())})") from None


def _differences(
    api: Any, repo_id: str, kind: Kind, path: Path, files: Sequence[str], ours: Sequence[str]
) -> list[str]:
    """Compare names, sizes and hashes with what the Hub now has."""
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo_id, repo_type=kind, recursive=True, expand=False)
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
    strays = [name for name in there if name not in files and name != ".gitattributes"]
    stale = [name for name in strays if any(fnmatch(name, pattern) for pattern in ours)]
    return wrong + [f"{name} is there and was not built" for name in stale]


def _hash(path: Path, *, git: bool) -> str:
    """The hash the Hub gives a file: SHA-256 for a large one, git's blob id for any other."""
    with path.open("rb") as file:
        if not git:
            return hashlib.file_digest(file, "sha256").hexdigest()
        data = file.read()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
