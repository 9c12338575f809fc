"""Parquet shards: rows in, files of a bounded size out, memory of two row groups: one is written while the next is read.

A row group holds 8 MiB of pictures, at most 500 rows. A reader fetches whole row groups, so this is what the first
streamed row costs; half of it gains nothing more, and the footers of 50,000 small pictures stay small. A shard ends at
256 MiB: enough of them for `num_proc` and for shuffling a stream, few enough for a commit. Picture bytes are stored as
they are, because compressing a JPEG again costs time and saves nothing; texts are compressed with zstd. Content-defined
chunking is not used: it saved nothing for appended rows (1.8 % was uploaded with it and without), because shards that stay
as they are save all of it.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.building.features import FEATURES, table
from dataset_builder.sources.rows import Config

__all__ = ["ROW_GROUP_BYTES", "SHARD_BYTES", "Shard", "ShardWriter", "picture_digest", "read_shards", "row_digest"]

ROW_GROUP_BYTES = 8 * 2**20
ROW_GROUP_ROWS = 500
SHARD_BYTES = 256 * 2**20

_KEY = b"anomreason"
_FORM = 1
"""Raised whenever the same rows would be written as other bytes: shards of another form are written again."""
_DIGEST = 32

_UNIQUE = ("bytes", "path", "image_id", "phenomenon", "reasoning", "caption", "completion.list.element.content")
"""Ends of the columns whose values hardly ever come twice."""


@dataclass(frozen=True)
class Shard:
    """A Parquet file as written: its rows' digests in order, and their bytes in memory."""

    path: Path
    digests: list[bytes]
    memory: int


def picture_digest(data: bytes) -> bytes:
    """The first 16 bytes of a picture's SHA-256: the first half of its rows' digests."""
    return hashlib.sha256(data).digest()[:16]


def row_digest(columns: dict[str, Any], picture: bytes) -> bytes:
    """What tells a row from every other, 32 bytes: its `picture_digest`, and 16 bytes of a SHA-256 over its other columns."""
    text = json.dumps(columns, ensure_ascii=False, sort_keys=True, default=lambda picture_bytes: None)
    return picture + hashlib.sha256(text.encode()).digest()[:16]


def read_shards(directory: Path, group: str, config: Config) -> list[Shard]:
    """The shards of a group in a built dataset, by number; those of another form than is written today are left out."""
    shards = []
    for path in sorted((directory / group).parent.glob(f"{Path(group).name}-[0-9]*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                told = json.loads((file.metadata.metadata or {})[_KEY])
                packed = base64.b64decode(told["rows"])
                same = told["form"] == _FORM and file.schema_arrow.equals(FEATURES[config].arrow_schema)
                digests = [packed[at : at + _DIGEST] for at in range(0, len(packed), _DIGEST)]
                if same and len(digests) == file.metadata.num_rows:
                    shards.append(Shard(path, digests, int(told["bytes"])))
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
            continue
    return shards


class ShardWriter:
    """Writes examples into `path-00000.parquet`, `path-00001.parquet`, …; use it in a `with` statement.

    A shard's name does not tell how many there are, so that one more leaves the others as they are. Its footer holds the
    digests of its rows, by which a later build knows that it need not be written again.

    Args:
        path (`Path`): the shards' path without their number.
        config (`str`): the configuration whose columns are written.
        kept (list of `Shard`): shards that are there already; those written come after them.
    """

    def __init__(self, path: Path, config: Config, kept: Iterable[Shard] = ()) -> None:
        self.directory, self.name, self.config = path.parent, path.name, config
        self.shards: list[Shard] = list(kept)
        self._number = 1 + max((_number(shard.path) for shard in self.shards), default=-1)
        self._pending: list[dict[str, Any]] = []
        self._pending_digests: list[bytes] = []
        self._pending_bytes = self._shard_bytes = self._memory = 0
        self._digests: list[bytes] = []
        self._path: Path | None = None
        self._writer: pq.ParquetWriter | None = None
        # Encoding and writing let go of the interpreter's lock; meanwhile the next pictures are read.
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    @property
    def rows(self) -> int:
        """How many rows all shards have."""
        return sum(len(shard.digests) for shard in self.shards)

    @property
    def memory(self) -> int:
        """How many bytes their rows have in memory."""
        return sum(shard.memory for shard in self.shards)

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, example: dict[str, Any], size: int, identity: bytes) -> None:
        """Add an example whose pictures have `size` bytes and whose `row_digest` is `identity`."""
        self._pending.append(example)
        self._pending_digests.append(identity)
        self._pending_bytes += size
        if self._pending_bytes >= ROW_GROUP_BYTES or len(self._pending) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        rows = table(self._pending, self.config)
        if self._written is not None:
            self._written.result()
        self._written = self._thread.submit(self._write_group, rows, self._pending_bytes, self._pending_digests)
        self._pending, self._pending_digests, self._pending_bytes = [], [], 0

    def _write_group(self, rows: pa.Table, size: int, digests: list[bytes]) -> None:
        if self._writer is None:
            self._open()
        assert self._writer is not None
        self._shard_bytes += size
        self._memory += rows.nbytes
        self._digests += digests
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        if self._shard_bytes >= SHARD_BYTES:
            self._close_shard()

    def _open(self) -> None:
        leaves = _leaves(FEATURES[self.config].arrow_schema)
        repeating = [leaf for leaf in leaves if not leaf.endswith(_UNIQUE)]
        self._path = self.directory / f"{self.name}-{self._number:05d}.parquet"
        self._number += 1
        self._writer = pq.ParquetWriter(
            self._path,
            FEATURES[self.config].arrow_schema,
            compression={leaf: "none" if leaf.endswith("bytes") else "zstd" for leaf in leaves},
            # Statistics of pictures would repeat whole pictures in the footer; a dictionary of what is unique never pays.
            use_dictionary=repeating,
            write_statistics=repeating,
            # Readers that filter or fetch single rows find the pages they need (the dataset viewer does).
            write_page_index=True,
        )

    def _close_shard(self) -> None:
        if self._writer is None or self._path is None:
            return
        told = {"form": _FORM, "bytes": self._memory, "rows": base64.b64encode(b"".join(self._digests)).decode()}
        self._writer.add_key_value_metadata({_KEY: json.dumps(told)})
        self._writer.close()
        self.shards.append(Shard(self._path, self._digests, self._memory))
        self._writer, self._path, self._digests, self._shard_bytes, self._memory = None, None, [], 0, 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._pending or (self._written is None and not self.shards):
                    self._flush()
                if self._written is not None:
                    self._written.result()
                self._close_shard()
        finally:
            self._thread.shutdown()
            if self._writer is not None:  # the files of a build that failed are thrown away: closed as far as that goes
                with suppress(OSError, pa.ArrowException):
                    self._writer.close()


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _leaves(schema: pa.Schema) -> list[str]:
    """The paths of the columns in the Parquet file."""

    def below(path: str, kind: pa.DataType) -> list[str]:
        if pa.types.is_list(kind):
            return below(f"{path}.list.element", kind.value_type)
        if pa.types.is_struct(kind):
            return [leaf for child in kind for leaf in below(f"{path}.{child.name}", child.type)]
        return [path]

    return [leaf for column in schema for leaf in below(column.name, column.type)]
