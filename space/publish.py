"""Pushes the Space, with everything it imports, and checks that it arrived."""

import os
import re
import tempfile
from pathlib import Path

from dataset_builder.errors import InputError, OutputError, UnavailableError, shorten
from dataset_builder.publish import Published
from space.vendor import vendor

__all__ = ["is_space", "publish_space"]

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def is_space(path: Path) -> bool:
    """Whether a directory is this Space: its card says gradio, and its page lies beside it."""
    card = path / "README.md"
    return card.is_file() and (path / "vendor.py").is_file() and "\nsdk: gradio\n" in card.read_text(encoding="utf-8")


def publish_space(repo_id: str, *, private: bool = False, dry_run: bool = False) -> Published:
    """Push the Space, or say what would be pushed. Files there that it no longer has are deleted.

    Raises:
        InputError: if `repo_id` is no name.
        UnavailableError: if there is no token, or the Hub is out of reach or refuses.
        OutputError: if the Hub has something else than what was sent.
    """
    if not _REPO_ID.fullmatch(repo_id):
        raise InputError(f"--repo-id {shorten(repo_id)}: is no name; write ORG/NAME")
    with tempfile.TemporaryDirectory() as work:
        folder = vendor(Path(work) / "space", repo_id.split("/")[0])
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        if dry_run:
            return Published(list(files.items()), 0, "")
        token = os.environ.get("HF_TOKEN")
        if not token:
            raise UnavailableError("HF_TOKEN: is not set; put a token with write access into the environment")
        return Published(list(files.items()), 0, _push(folder, repo_id, files, private, token))


def _push(folder: Path, repo_id: str, files: dict[str, int], private: bool, token: str) -> str:
    import httpx2  # the HTTP client of huggingface_hub
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(token=token)
    try:
        url = str(api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True))
        api.upload_folder(
            repo_id=repo_id,
            repo_type="space",
            folder_path=folder,
            delete_patterns="*",
            commit_message="The Space of AnomReason",
        )
        tree = api.list_repo_tree(repo_id, repo_type="space", recursive=True, expand=False)
        there = {entry.path: entry.size for entry in tree if isinstance(entry, RepoFile)}
    except OfflineModeIsEnabled:
        raise UnavailableError(f"{repo_id}: cannot be reached, HF_HUB_OFFLINE is set; unset it to publish") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise UnavailableError(f"{repo_id}: the Hub refused ({status}); check HF_TOKEN and --repo-id") from None
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        raise UnavailableError(f"{repo_id}: the Hub is out of reach ({type(error).__name__}); run it again") from None
    wrong = [name for name, size in files.items() if there.get(name) != size]
    if wrong:
        raise OutputError(f"{repo_id}: the Hub does not have what was sent: {', '.join(wrong[:5])}; publish again")
    return url
