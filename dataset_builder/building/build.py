"""Builds the dataset repository: Parquet with embedded pictures and a card.

The pictures' bytes are copied, never encoded again. `default` and `deepfake` are two views of the same files, so that a
picture is stored once for both; `candidates` and `sft`, whose columns have other types, have files of their own.
Everything is checked before anything is written, and the repository appears whole or not at all. Built again into the same
place, pictures that are there already are not checked again, and shards whose rows are the same stay as they are (`layout`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from dataset_builder import owned
from dataset_builder.building.card import Built, write_card
from dataset_builder.building.croissant import croissant
from dataset_builder.building.layout import Layout, old_shards, write_rows
from dataset_builder.building.leaderboards import EVAL_YAML, eval_yaml
from dataset_builder.building.sft import Recipe
from dataset_builder.building.shards import picture_digest
from dataset_builder.errors import InputError
from dataset_builder.picture_header import check_structure
from dataset_builder.schema import Label
from dataset_builder.sources.findings import Finding, by_kind, errors
from dataset_builder.sources.opening import Kind, open_source
from dataset_builder.sources.rows import SPLITS, Row, Split, of_config

__all__ = ["BuildError", "Progress", "Result", "build", "stop_for_errors"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many pictures are done, and of how many."""


class BuildError(InputError):
    """A source with errors; `findings` has all of them, the message counts them by kind and lists them one per line."""

    def __init__(self, source: Path, findings: list[Finding]) -> None:
        self.findings = findings
        lines = "\n".join(f"  {finding.kind}: {finding.message}" for finding in findings)
        kinds = ", ".join(f"{count} {kind}" for kind, count in by_kind(findings).items())
        fix = "correct them, or leave them out with --skip-invalid"
        if any(finding.concerns_all for finding in findings):
            whole = " and ".join(by_kind(finding for finding in findings if finding.concerns_all))
            fix = f"correct them (--skip-invalid does not help against {whole})"
        super().__init__(f"{source}: nothing was written, because of {kinds}; {fix}:\n{lines}")


def stop_for_errors(source: Path, findings: Iterable[Finding], skip_invalid: bool) -> list[Finding]:
    """The errors among the findings, if they may be left out.

    Raises:
        BuildError: if there are some and `skip_invalid` is not set, or one concerns the whole source.
    """
    broken = errors(findings)
    if (broken and not skip_invalid) or any(finding.concerns_all for finding in broken):
        raise BuildError(source, broken)
    return broken


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
    kind: Kind | None = None,
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
        source (`Path`): a release, a run, scenes or what is imported; see `dataset_builder.sources.opening.open_source`.
        out (`Path`): the repository: `data/`, `README.md` and what else the card shows. It appears whole or not at all.
        kind, label, images: see `dataset_builder.sources.opening.open_source`.
        split (`str`, *optional*): build only this split.
        limit (`int`, *optional*): use only the first pictures of each split and label.
        skip_invalid (`bool`): leave out what has errors, into `skipped.jsonl`, instead of stopping.
        recipe, copies, seed: see `dataset_builder.building.sft.sft_turns`; without a recipe there is no configuration `sft`.
        overwrite (`bool`): write into a directory that was not built, and over files of a build that were changed.
        command (`str`): who builds; see `dataset_builder.owned`. What `quickstart` made may be built again.
        progress (callable, *optional*): called as pictures are checked and written.

    Raises:
        BuildError: if something has errors and `skip_invalid` is not set.
        InputError: if the source is not one, or a whole file of it cannot be read.
        OutputError: if `out` holds something that was not built, or cannot be written.
    """
    also = ("quickstart",) if command == "build" else ()
    owned.check(out, command, overwrite=overwrite, also=also)
    with owned.alone(out):
        read = open_source(source, kind=kind, label=label, images=images)
        rows = _chosen(read.rows, split, limit)
        # Files that somebody changed are written again whole.
        old = {} if overwrite else old_shards(out)
        known = {identity[:16] for shards in old.values() for shard in shards for identity in shard.digests}
        pictures, damaged = _checked(rows, known, progress)
        broken = stop_for_errors(source, [*read.findings, *damaged], skip_invalid)
        # A bad record is left out alone; a bad picture takes its row along.
        unreadable = {finding.image_id for finding in broken if finding.index is None}
        rows = [row for row in rows if row.image_id not in unreadable]
        two = len({row.label for row in rows if row.deepfake}) == 2
        if not two and not any(of_config(rows, "default", one) for one in SPLITS):
            raise InputError(
                f"{source}: no annotated picture is left to build from; see `anomreason validate {source}`"
            )
        with owned.replaced(out, command, overwrite=overwrite, also=also) as work:
            tables = write_rows(work, rows, Layout(rows, recipe, copies, seed), old, pictures, progress)
            if broken:
                lines = "".join(json.dumps(finding.row(), ensure_ascii=False) + "\n" for finding in broken)
                (work / "skipped.jsonl").write_text(lines, encoding="utf-8")
            warnings = [finding for finding in read.findings if not finding.is_error]
            built = replace(read, rows=rows, findings=warnings)
            metadata = json.dumps(croissant(work, built, tables), indent=1, ensure_ascii=False)
            (work / "croissant.json").write_text(metadata + "\n", encoding="utf-8")
            if (benchmark := eval_yaml(built, tables)) is not None:
                (work / EVAL_YAML).write_text(benchmark, encoding="utf-8")
            write_card(work, Built(built, tables, broken))
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


def _checked(rows: list[Row], known: set[bytes], progress: Progress) -> tuple[dict[str, bytes], list[Finding]]:
    """The digest of each picture, if any are `known` from an earlier build, and what is wrong with those that are not known."""
    digests: dict[str, bytes] = {}
    findings = []
    for done, row in enumerate(rows, 1):
        assert row.picture is not None
        try:
            data = row.picture.read() if known else None
            if data is not None:
                digests[row.image_id] = picture_digest(data)
            if digests.get(row.image_id) not in known:
                check_structure(row.picture, data)
        except InputError as error:
            findings.append(Finding.of(error, row.image_id))
        if done % 256 == 0 or done == len(rows):
            progress("check", done, len(rows))
    return digests, findings
