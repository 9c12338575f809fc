"""Builds the dataset repository: Parquet with embedded pictures and a card.

The pictures' bytes are copied, never encoded again. `default` and `deepfake` are two views of the same files, so that a
picture is stored once for both; `candidates` and `sft`, whose columns have other types, have files of their own.
Everything is checked before anything is written, and the repository appears whole or not at all.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dataset_builder import owned
from dataset_builder.building.card import Built, Table, write_card
from dataset_builder.building.features import DESCRIPTIONS, example
from dataset_builder.building.sft import Recipe, Turns, conversation_row, sft_turns
from dataset_builder.building.shards import ShardWriter
from dataset_builder.errors import InputError
from dataset_builder.picture_header import check_structure
from dataset_builder.schema import Label
from dataset_builder.sources.findings import Finding, by_kind, of_picture
from dataset_builder.sources.opening import open_source
from dataset_builder.sources.rows import SPLITS, Config, Row, Split, of_config

__all__ = ["BuildError", "Progress", "Result", "build"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many pictures are done, and of how many."""


class BuildError(InputError):
    """A source with errors; `findings` has all of them, the message lists them one a line."""

    def __init__(self, source: Path, findings: list[Finding]) -> None:
        self.findings = findings
        lines = "\n".join(f"  {finding.kind}: {finding.message}" for finding in findings)
        kinds = ", ".join(f"{count} {kind}" for kind, count in by_kind(findings).items())
        super().__init__(
            f"{source}: nothing was written, because of {kinds}; mend them, or leave them out with --skip-invalid:\n{lines}"
        )


@dataclass(frozen=True)
class Result:
    """What `build` wrote: rows by configuration and split, and what it left out."""

    rows: dict[str, dict[str, int]]
    skipped: list[Finding]

    def __str__(self) -> str:
        return "; ".join(
            f"{config}: " + ", ".join(f"{splits[split]} {split}" for split in SPLITS if split in splits)
            for config, splits in self.rows.items()
        )


def build(
    source: Path,
    out: Path,
    *,
    label: Label | None = None,
    images: Path | None = None,
    split: Split | None = None,
    limit: int | None = None,
    skip_invalid: bool = False,
    recipe: Recipe | None = "anomaly_only",
    copies: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    command: str = "build",
    progress: Progress = lambda what, done, total: None,
) -> Result:
    """Build a dataset repository.

    Args:
        source (`Path`): a release (directory or zip archive), a run or a scenes directory.
        out (`Path`): the repository: `data/`, `README.md` and what else the card shows. It appears whole or not at all.
        label, images: see `dataset_builder.sources.opening.open_source`.
        split (`str`, *optional*): build this split alone.
        limit (`int`, *optional*): take the first pictures of each split and label only.
        skip_invalid (`bool`): leave out what has errors, into `skipped.jsonl`, instead of stopping.
        recipe, copies, seed: see `dataset_builder.building.sft.sft_turns`; without a recipe there is no configuration `sft`.
        overwrite (`bool`): write into a directory that was not built, and over files of a build that were changed.
        command (`str`): who builds; see `dataset_builder.owned`. What `quickstart` made may be built anew.
        progress (callable, *optional*): called as pictures are checked and written.

    Raises:
        BuildError: if something has errors and `skip_invalid` is not set.
        InputError: if the source is none, or a whole file of it cannot be read.
        OutputError: if `out` holds something that was not built, or cannot be written.
    """
    also = ("quickstart",) if command == "build" else ()
    owned.check(out, command, overwrite=overwrite, also=also)
    read = open_source(source, label=label, images=images)
    rows = _chosen(read.rows, split, limit)
    broken = [finding for finding in read.findings if finding.is_error]
    broken += _broken_pictures(rows, progress)
    if broken and not skip_invalid:
        raise BuildError(source, broken)
    # A bad record is left out alone; a bad picture takes its row along.
    unreadable = {finding.image_id for finding in broken if finding.index is None}
    rows = [row for row in rows if row.image_id not in unreadable]
    if not any(of_config(rows, "default", one) for one in SPLITS):
        raise InputError(f"{source}: no annotated picture is left to build from; see `anomreason validate {source}`")
    with owned.replaced(out, command, overwrite=overwrite, also=also) as work:
        tables = _write(work, rows, recipe, copies, seed, progress)
        if broken:
            lines = "".join(json.dumps(finding.row(), ensure_ascii=False) + "\n" for finding in broken)
            (work / "skipped.jsonl").write_text(lines, encoding="utf-8")
        warnings = [finding for finding in read.findings if not finding.is_error]
        write_card(work, Built(replace(read, rows=rows, findings=warnings), tables, broken))
    return Result({table.config: table.splits for table in tables}, broken)


def _chosen(rows: list[Row], split: Split | None, limit: int | None) -> list[Row]:
    if split is not None:
        rows = [
            replace(row, split=split if row.split == split else None, deepfake=split if row.deepfake == split else None)
            for row in rows
            if split in (row.split, row.deepfake)
        ]
    if limit is None:
        return rows
    seen: dict[tuple[object, ...], int] = {}
    kept = []
    for row in rows:
        key = (row.split, row.deepfake, row.label)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= limit:
            kept.append(row)
    return kept


def _broken_pictures(rows: list[Row], progress: Progress) -> list[Finding]:
    findings = []
    for done, row in enumerate(rows, 1):
        assert row.picture is not None
        try:
            check_structure(row.picture)
        except InputError as error:
            findings.append(of_picture(error, row.image_id))
        if done % 256 == 0 or done == len(rows):
            progress("check", done, len(rows))
    return findings


def _part(row: Row, *, two: bool) -> str | None:
    """The file a row goes to: rows that belong to the same splits of the same configurations share one."""
    default = row.split if row.anomalies is not None else None
    if not two or default == row.deepfake:
        return default
    if row.deepfake is None:
        return f"default-{default}"
    return f"deepfake-{row.deepfake}" if default is None else f"mixed-{default}-{row.deepfake}"


def _write(
    work: Path, rows: list[Row], recipe: Recipe | None, copies: int, seed: int, progress: Progress
) -> list[Table]:
    two = len({row.label for row in rows if row.deepfake}) == 2
    shared: Config = "deepfake" if two else "default"
    turns: dict[str, list[tuple[Split, Turns]]] = {}
    for split in SPLITS if recipe else ():
        for one in sft_turns(of_config(rows, "sft", split), recipe or "anomaly_only", copies=copies, seed=seed):
            turns.setdefault(one.row.image_id, []).append((split, one))
    writers: dict[str, ShardWriter] = {}
    with ExitStack() as stack:

        def write(name: str, config: Config, columns: dict[str, Any]) -> None:
            if name not in writers:
                writers[name] = stack.enter_context(ShardWriter(work / name, config))
            writers[name].write(columns, len(data))

        for done, row in enumerate(rows, 1):
            assert row.picture is not None
            data = row.picture.read()
            part = _part(row, two=two)
            if part:
                write(f"data/{part}", shared, example(row, shared, data))
            if row.candidates is not None and row.split:
                write(f"candidates/{row.split}", "candidates", example(row, "candidates", data))
            for split, one in turns.get(row.image_id, ()):
                write(f"sft/{split}", "sft", conversation_row(one, data))
            if done % 256 == 0 or done == len(rows):
                progress("write", done, len(rows))
    return _tables(writers, two=two)


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


_CONFIGS: tuple[Config, Config] = ("default", "deepfake")
