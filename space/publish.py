"""Pushes the Space, with everything it imports, and checks that it arrived."""

import tempfile
from pathlib import Path

from dataset_builder.publishing.hub import Published, check_repo_id, push, repository_files
from space.vendor import vendor

__all__ = ["is_demo", "publish_demo"]


def is_demo(path: Path) -> bool:
    """Whether a directory is this Space's source, which needs its packages next to it to run by itself."""
    return (path / "README.md").is_file() and (path / "vendor.py").is_file()


def publish_demo(repo_id: str, *, private: bool = False, dry_run: bool = False) -> Published:
    """Push the Space, or say what would be pushed. Files there that it no longer has are deleted.

    Raises:
        InputError, UnavailableError, OutputError: as `dataset_builder.publishing.hub.push`.
    """
    check_repo_id(repo_id)
    with tempfile.TemporaryDirectory() as work:
        folder = vendor(Path(work) / "space", repo_id)
        return push(
            folder,
            repository_files(folder),
            repo_id,
            "space",
            message="The Space of AnomReason",
            ours=["*"],
            private=private,
            dry_run=dry_run,
        )
