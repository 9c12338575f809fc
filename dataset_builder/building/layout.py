"""Which file each row goes to, which shards of an earlier build stay as they are, and what is written.

Rows keep their order, and a shard whose rows are all still wanted keeps its bytes and its name. What is new or has changed
goes into shards behind it, so that who fetches the dataset again, or uploads it, moves nothing but these.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

from dataset_builder.building.card import Table
from dataset_builder.building.features import DESCRIPTIONS, example
from dataset_builder.building.sft import Recipe, Turns, check_boxes, conversation_row, sft_turns
from dataset_builder.building.shards import Shard, ShardWriter, picture_digest, read_shards, row_digest
from dataset_builder.sources.rows import SPLITS, Config, Row, Split, of_config

__all__ = ["Layout", "old_shards", "write_rows"]

_CONFIGS: tuple[Config, Config] = ("default", "deepfake")
_GROUPS = ("", *(f"{config}-" for config in _CONFIGS), *(f"mixed-{a}-" for a in SPLITS))


class Entry(NamedTuple):
    """A row of one file: the file's path without its number, the configuration whose columns it has, and the columns."""

    group: str
    config: Config
    columns: dict[str, Any]


class Layout:
    """Where the rows of a build go.

    Args:
        rows (`list[Row]`): all of them.
        recipe, copies, seed: see `dataset_builder.building.sft.sft_turns`.
    """

    def __init__(self, rows: list[Row], recipe: Recipe | None, copies: int, seed: int) -> None:
        self.two = len({row.label for row in rows if row.deepfake}) == 2
        self._shared: Config = "deepfake" if self.two else "default"
        self._turns: dict[str, list[tuple[Split, Turns]]] = {}
        check_boxes(rows, recipe or "anomaly_only")
        for split in SPLITS if recipe else ():
            for one in sft_turns(of_config(rows, "sft", split), recipe or "anomaly_only", copies=copies, seed=seed):
                self._turns.setdefault(one.row.image_id, []).append((split, one))

    def entries(self, row: Row, data: bytes = b"") -> Iterator[Entry]:
        """What is stored of a row, with `data` as its picture."""
        part = _part(row, two=self.two)
        if part:
            yield Entry(f"data/{part}", self._shared, example(row, self._shared, data))
        if row.candidates is not None and row.split:
            yield Entry(f"candidates/{row.split}", "candidates", example(row, "candidates", data))
        for split, one in self._turns.get(row.image_id, ()):
            yield Entry(f"sft/{split}", "sft", conversation_row(one, data))


def _part(row: Row, *, two: bool) -> str | None:
    """The file a row goes to: rows that belong to the same splits of the same configurations share one."""
    default = row.split if row.anomalies is not None else None
    if not two or default == row.deepfake:
        return default
    if row.deepfake is None:
        return f"default-{default}"
    return f"deepfake-{row.deepfake}" if default is None else f"mixed-{default}-{row.deepfake}"


def old_shards(out: Path) -> dict[str, list[Shard]]:
    """The shards of an earlier build that could stay, by the path of their group."""
    groups = {f"data/{group}{split}" for group in _GROUPS for split in SPLITS}
    found = {
        group: [*read_shards(out, group, "deepfake"), *read_shards(out, group, "default")] for group in sorted(groups)
    }
    for config in ("candidates", "sft"):
        found |= {f"{config}/{split}": read_shards(out, f"{config}/{split}", config) for split in SPLITS}  # type: ignore[arg-type]
    return {group: shards for group, shards in found.items() if shards}


def write_rows(
    work: Path,
    rows: list[Row],
    layout: Layout,
    old: dict[str, list[Shard]],
    pictures: dict[str, bytes],
    progress: Callable[[str, int, int], None],
) -> list[Table]:
    """Write the rows, and put the old shards whose rows are all among them next to what is written.

    Args:
        work (`Path`): the directory to fill.
        rows, layout: what to write, and where it goes.
        old (`dict`): shards of an earlier build; see `old_shards`.
        pictures (`dict`): the `picture_digest` of each row's picture, where there are old shards.
        progress (callable): called as rows are written.
    """
    kept = _kept(rows, layout, old, pictures) if old else {}
    stays = {group: Counter(one for shard in shards for one in shard.digests) for group, shards in kept.items()}
    writers: dict[str, ShardWriter] = {}
    with ExitStack() as stack:
        for group, shards in kept.items():
            config: Config = "deepfake" if layout.two else "default"
            if not group.startswith("data/"):
                config = "sft" if group.startswith("sft/") else "candidates"
            writers[group] = stack.enter_context(ShardWriter(work / group, config, _linked(shards, work / group)))
        for done, row in enumerate(rows, 1):
            assert row.picture is not None
            new = [not _stays(entry, pictures.get(row.image_id), stays) for entry in layout.entries(row)]
            if any(new):
                data = row.picture.read()
                picture = picture_digest(data)
                for entry in compress(layout.entries(row, data), new):
                    if entry.group not in writers:
                        writers[entry.group] = stack.enter_context(ShardWriter(work / entry.group, entry.config))
                    writers[entry.group].write(entry.columns, len(data), row_digest(entry.columns, picture))
            if done % 256 == 0 or done == len(rows):
                progress("write", done, len(rows))
    return _tables(writers, two=layout.two)


def _stays(entry: Entry, picture: bytes | None, stays: dict[str, Counter[bytes]]) -> bool:
    """Whether a row is in a shard that stays; each row of such a shard is told once."""
    if picture is None or entry.group not in stays:
        return False
    identity = row_digest(entry.columns, picture)
    there = stays[entry.group][identity] > 0
    stays[entry.group][identity] -= there
    return there


def _kept(
    rows: list[Row], layout: Layout, old: dict[str, list[Shard]], pictures: dict[str, bytes]
) -> dict[str, list[Shard]]:
    """The old shards all of whose rows are wanted, each row by one shard."""
    wanted: dict[str, Counter[bytes]] = {}
    for row in rows:
        for entry in layout.entries(row):
            identity = row_digest(entry.columns, pictures[row.image_id])
            wanted.setdefault(entry.group, Counter())[identity] += 1
    kept: dict[str, list[Shard]] = {}
    for group, shards in old.items():
        there = wanted.get(group, Counter())
        for shard in shards:
            needed = Counter(shard.digests)
            if shard.digests and all(there[one] >= count for one, count in needed.items()):
                there -= needed
                kept.setdefault(group, []).append(shard)
    return kept


def _linked(shards: list[Shard], group: Path) -> list[Shard]:
    """The shards under their names in the new place: the same files where the file system can do that, else copies."""
    group.parent.mkdir(parents=True, exist_ok=True)
    moved = []
    for shard in shards:
        path = group.parent / shard.path.name
        try:
            os.link(shard.path, path)
        except OSError:
            shutil.copy2(shard.path, path)
        moved.append(Shard(path, shard.digests, shard.memory))
    return moved


def _tables(writers: dict[str, ShardWriter], *, two: bool) -> list[Table]:
    """Which files make up which configuration's splits."""
    tables: dict[str, Table] = {}
    for name, writer in writers.items():
        folder, _, part = name.partition("/")
        kind, _, splits = part.rpartition("-") if folder == "data" else ("", "", part)
        homes: list[tuple[Config, str]]
        if folder != "data":
            homes = [("candidates" if folder == "candidates" else "sft", part)]
        elif part.startswith("mixed-"):
            _, default, deepfake = part.split("-")
            homes = [("default", default), ("deepfake", deepfake)]
        else:
            homes = [(config, splits) for config in _CONFIGS if kind in ("", config)]
        for config, split in homes:
            if config != "deepfake" or two:
                tables.setdefault(config, Table(config, narrow=two and config == "default")).add(split, name, writer)
    return [tables[config] for config in DESCRIPTIONS if config in tables]
