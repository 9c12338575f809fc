"""References' embeddings on disk: a second model on the same truth need not have it encoded again.

A file holds one picture's references. Its name is a hash of the texts and of everything their vectors depend on: the encoder's
files, its layer, device and precision, and the libraries' versions. So a file is never stale, and one that is damaged, foreign
or half there is the same as none. Files appear whole; several processes may use one directory. Its size is bounded: files
that were not used for longest go first, and what this run has used stays, so a truth larger than the bound keeps its first
pictures.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np

from .encoder import EncoderFiles, fingerprint
from .encoding import Encoded

__all__ = ["LIMIT", "EmbeddingCache", "cache_directory", "embedding_cache"]

LIMIT = 2 << 30  # bytes: about 2,700 pictures of six references with MiniLM
SUFFIX = ".semap.npz"


def cache_directory() -> Path:
    """Where embeddings are kept: the variable `SEMAP_CACHE`, else `semap` in the user's cache directory."""
    chosen = os.environ.get("SEMAP_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "semap"


@contextlib.contextmanager
def embedding_cache(files: EncoderFiles, lasting: bool) -> Iterator["EmbeddingCache | None"]:
    """The cache for an encoder: on disk for later runs, or, unless it is `lasting`, for this run only.

    There is none (`None`) for an encoder whose files are not on this machine yet, nor where nothing can be written.
    """
    found = fingerprint(files)
    if found is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            directory = cache_directory() if lasting else Path(stack.enter_context(tempfile.TemporaryDirectory()))
            directory.mkdir(parents=True, exist_ok=True)
            cache = EmbeddingCache(directory, found.content)
        except OSError:
            yield None
            return
        yield cache


class EmbeddingCache:
    """Embeddings of pictures' references, by content, in a directory.

    Args:
        directory (`Path`): exists; other files in it are left alone.
        encoder (`str`): a hash of the encoder's files.
        limit (`int`): the bytes that all files together may have.
    """

    def __init__(self, directory: Path, encoder: str, limit: int = LIMIT) -> None:
        self.directory, self.limit = directory, limit
        self._encoder = [encoder, *(f"{name} {version(name)}" for name in ("torch", "transformers", "tokenizers"))]
        self._used: set[str] = set()
        self._size = sum(size for _, size, _ in self._files())

    def get(self, key: Sequence[str]) -> list[Encoded] | None:
        """What was put under the key; `None` if nothing was, or it is damaged."""
        path = self._path(key)
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as arrays:  # its CRC-32 finds damage
                vectors, counts, lengths, sentences = (
                    arrays[name] for name in ("vectors", "counts", "lengths", "sentences")
                )
            ends = np.cumsum(lengths)[:-1]
            rows = zip(np.split(vectors, ends), np.split(counts, ends), sentences, strict=True)
            kept = [Encoded(*row) for row in rows]
            os.utime(path)
        except (
            Exception
        ):  # damage raises whatever the zip, npy and zlib readers make of it; all of it is a file that is not there
            return None
        self._used.add(path.name)
        return kept

    def put(self, key: Sequence[str], embeddings: Sequence[Encoded]) -> None:
        """Keep embeddings, unless they do not fit with what this run has used or nothing can be written."""
        if not embeddings:
            return
        content = BytesIO()
        np.savez(
            content,
            vectors=np.concatenate([one.vectors for one in embeddings]),
            counts=np.concatenate([one.counts for one in embeddings]),
            lengths=np.array([len(one.counts) for one in embeddings]),
            sentences=np.stack([one.sentence for one in embeddings]),
        )
        data, path = content.getvalue(), self._path(key)
        try:
            if self._size + len(data) > self.limit and not self._make_room(len(data)):
                return
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            partial.write_bytes(data)
            partial.replace(path)
        except OSError:
            return  # a full or read-only disk: scores do not depend on what is kept
        self._used.add(path.name)
        self._size += len(data)

    def _path(self, key: Sequence[str]) -> Path:
        digest = hashlib.sha256(json.dumps([self._encoder, list(key)]).encode()).hexdigest()
        return self.directory / f"{digest}{SUFFIX}"

    def _files(self) -> list[tuple[float, int, Path]]:
        """Last use, size and path of each file of ours, and of what a killed process left."""
        found = []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) or f"{SUFFIX}." in entry.name:
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime, status.st_size, Path(entry.path)))
        return found

    def _make_room(self, wanted: int) -> bool:
        """Remove what was not used for longest, but nothing of this run; whether there is room now."""
        files = sorted(self._files())
        self._size = sum(size for _, size, _ in files)
        for used, size, path in files:
            if self._size + wanted <= self.limit:
                break
            being_written = not path.name.endswith(SUFFIX) and time.time() - used < 60
            if path.name not in self._used and not being_written:
                with contextlib.suppress(OSError):
                    path.unlink()
                self._size -= size
        return self._size + wanted <= self.limit
