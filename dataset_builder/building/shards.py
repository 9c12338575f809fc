"""Parquet shards: rows in, files of a bounded size out, memory of two row groups: one is written while the next is read.

A row group holds 8 MiB of pictures, at most 500 rows. A reader fetches whole row groups, so this is what the first
streamed row costs; half of it gains nothing more, and the footers of 50,000 small pictures stay small. A shard ends at
256 MiB: enough of them for `num_proc` and for shuffling a stream, few enough for a commit. Picture bytes are stored as
they are, because compressing a JPEG again costs time and saves nothing; texts are compressed with zstd.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.building.features import FEATURES, table
from dataset_builder.sources.rows import Config

__all__ = ["ROW_GROUP_BYTES", "SHARD_BYTES", "ShardWriter"]

ROW_GROUP_BYTES = 8 * 2**20
ROW_GROUP_ROWS = 500
SHARD_BYTES = 256 * 2**20

_UNIQUE = ("bytes", "path", "image_id", "phenomenon", "reasoning", "caption", "completion.list.element.content")
"""Ends of the columns whose values hardly ever come twice."""


class ShardWriter:
    """Writes examples into `path-00000-of-0000N.parquet`; use it in a `with` statement.

    Args:
        path (`Path`): the shards' path without their number.
        config (`str`): the configuration whose columns are written.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.directory, self.name, self.config = path.parent, path.name, config
        self.rows = self.bytes = 0
        self.paths: list[Path] = []
        self._pending: list[dict[str, Any]] = []
        self._pending_bytes = self._shard_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        # Encoding and writing let go of the interpreter's lock; meanwhile the next pictures are read.
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, example: dict[str, Any], size: int) -> None:
        """Add an example whose pictures have `size` bytes."""
        self._pending.append(example)
        self._pending_bytes += size
        self.rows += 1
        if self._pending_bytes >= ROW_GROUP_BYTES or len(self._pending) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        rows = table(self._pending, self.config)
        self.bytes += rows.nbytes
        if self._written is not None:
            self._written.result()
        self._written = self._thread.submit(self._write_group, rows, self._pending_bytes)
        self._pending, self._pending_bytes = [], 0

    def _write_group(self, rows: pa.Table, size: int) -> None:
        if self._writer is None:
            self._open()
        assert self._writer is not None
        self._shard_bytes += size
        self._writer.write_table(rows, row_group_size=max(1, rows.num_rows))
        if self._shard_bytes >= SHARD_BYTES:
            self._close_shard()

    def _open(self) -> None:
        leaves = _leaves(FEATURES[self.config].arrow_schema)
        repeating = [leaf for leaf in leaves if not leaf.endswith(_UNIQUE)]
        path = self.directory / f"{self.name}-{len(self.paths):05d}.part"
        self._writer = pq.ParquetWriter(
            path,
            FEATURES[self.config].arrow_schema,
            compression={leaf: "none" if leaf.endswith("bytes") else "zstd" for leaf in leaves},
            # Statistics of pictures would repeat whole pictures in the footer; a dictionary of what is unique never pays.
            use_dictionary=repeating,
            write_statistics=repeating,
        )
        self.paths.append(path)

    def _close_shard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._shard_bytes = None, 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and (self._pending or not self.rows):
            self._flush()
        self._thread.shutdown()
        self._close_shard()
        if kind is None:
            if self._written is not None:
                self._written.result()
            count = len(self.paths)
            names = [f"{self.name}-{index:05d}-of-{count:05d}.parquet" for index in range(count)]
            self.paths = [path.rename(path.with_name(name)) for path, name in zip(self.paths, names, strict=True)]


def _leaves(schema: pa.Schema) -> list[str]:
    """The paths of the columns in the Parquet file."""

    def below(path: str, kind: pa.DataType) -> list[str]:
        if pa.types.is_list(kind):
            return below(f"{path}.list.element", kind.value_type)
        if pa.types.is_struct(kind):
            return [leaf for child in kind for leaf in below(f"{path}.{child.name}", child.type)]
        return [path]

    return [leaf for column in schema for leaf in below(column.name, column.type)]
