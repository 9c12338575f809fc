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

__all__ = [
    "EVAL_RESULTS",
    "Difference",
    "Kind",
    "Published",
    "check_repo_id",
    "check_token",
    "compare",
    "is_repo_id",
    "push",
    "repository_files",
    "told",
]

Kind = Literal["dataset", "model", "space"]

EVAL_RESULTS = ".eval_results"
"""The folder of a model's repository from which the Hub's leaderboards have its scores."""

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


@dataclass(frozen=True)
class Difference:
    """What a push would change on the Hub: names of files that it lacks, has with another content, and has no longer."""

    new: list[str]
    changed: list[str]
    gone: list[str]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


def is_repo_id(name: str) -> bool:
    """Whether a text has the form `ORG/NAME`."""
    return _REPO_ID.fullmatch(name) is not None


def check_repo_id(name: str, option: str = "--repo-id") -> None:
    """Raises an `InputError` unless `name` has the form `ORG/NAME`."""
    if not is_repo_id(name):
        raise InputError(f"{option} {shorten(name)}: is not a name; write ORG/NAME")


def check_token() -> str:
    """The token of the Hub. Raises an `UnavailableError` if there is none."""
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise UnavailableError("HF_TOKEN: is not set; put a token with write access into the environment")
    return token


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
        # What a user or another command left beside it, hidden, is not part of it; but there the Hub looks for scores.
        if any((part.startswith(".") and part != EVAL_RESULTS) or part == "__pycache__" for part in parts):
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
        InputError: if `repo_id` is not a name.
        UnavailableError: if there is no token, or the Hub is out of reach or refuses.
        OutputError: if the Hub has something else than what is here.
    """
    check_repo_id(repo_id)
    listed = [(name, (path / name).stat().st_size) for name in files]
    if dry_run:
        return Published(repo_id, kind, listed, "", note)
    token = check_token()

    from huggingface_hub import HfApi

    api = HfApi(token=token)
    sdk = "gradio" if kind == "space" else None
    with told(repo_id):
        url = str(api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk))
        api.upload_folder(
            repo_id=repo_id,
            repo_type=kind,
            folder_path=path,
            allow_patterns=[_literal(name) for name in files],
            delete_patterns=list(ours),
            commit_message=message,
        )
        left = compare(path, files, repo_id, kind, ours)
        wrong = [f"{name} is missing" for name in left.new]
        wrong += [f"{name} has another content" for name in left.changed]
        wrong += [f"{name} exists there but is not part of the build" for name in left.gone]
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
def told(repo_id: str) -> Iterator[None]:
    """Turns what a connection to the Hub can meet into one sentence with the fix.

    Raises:
        UnavailableError: if the Hub is out of reach or refuses.
        InputError: if it does not accept a card.
    """
    import httpx2  # the HTTP client of huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise UnavailableError(f"{repo_id}: cannot be reached, HF_HUB_OFFLINE is set; unset it to publish") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        hint = {401: "check HF_TOKEN", 403: "use a token that may write there", 404: "check --repo-id"}
        fix = hint.get(error.response.status_code if error.response is not None else 0, "try again later")
        raise UnavailableError(f"{repo_id}: the Hub refused ({status}); {fix}") from None
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"{repo_id}: the Hub cannot be reached ({type(error).__name__}); re-run later") from None
    except ValueError as error:  # huggingface_hub's answer to a card that the Hub does not accept
        if isinstance(error, InputError):
            raise
        raise InputError(f"{repo_id}: the Hub does not accept README.md ({' '.join(str(error).split())})") from None


def compare(path: Path, files: Sequence[str], repo_id: str, kind: Kind, ours: Sequence[str]) -> Difference:
    """Compare names and hashes of files with what the Hub has now; the parameters are `push`'s.

    `HfApi.verify_repo_checksums` compares a whole directory: a file on the Hub that lies here too but is left out of the
    repository, such as a checkpoint, would count as right.

    Raises:
        huggingface_hub.errors.RepositoryNotFoundError: if there is no such repository, or the token may not see it.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    tree = HfApi(token=os.environ.get("HF_TOKEN")).list_repo_tree(repo_id, repo_type=kind, recursive=True)
    there = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    changed = []
    for name in files:
        entry = there.get(name)
        if entry and not _is_same(path / name, entry):
            changed.append(name)
    strays = [name for name in there if name not in files and name != ".gitattributes"]
    return Difference(
        new=[name for name in files if name not in there],
        changed=changed,
        gone=[name for name in strays if any(fnmatch(name, pattern) for pattern in ours)],
    )


def _is_same(path: Path, entry: Any) -> bool:
    """Whether a file is the one the Hub has, by the hash kept there: SHA-256 of a large one, git's blob id of any other."""
    if entry.size != path.stat().st_size:
        return False
    with path.open("rb") as file:
        if entry.lfs:
            return bool(hashlib.file_digest(file, "sha256").hexdigest() == entry.lfs.sha256)
        data = file.read()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)
    return bool(blob.hexdigest() == entry.blob_id)
