"""A hash that tells one directory's content from another's."""

import hashlib
from pathlib import Path

__all__ = ["content_hash"]


def content_hash(source: Path) -> str:
    """A hash of a source's files (names and bytes), which keeps a prepared copy of other content from being reused."""
    source = Path(source)
    digest = hashlib.sha256()
    for path in [source] if source.is_file() else sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            digest.update(f"{relative.as_posix()}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
