"""Checks a release, a run, scenes or a built dataset: decodes every picture, reads every text, compares the splits."""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dataset_builder import atomic
from dataset_builder.building.build import Progress
from dataset_builder.building.read_back import read_built
from dataset_builder.checks.decoding import decode
from dataset_builder.checks.leakage import Print, leaks
from dataset_builder.checks.texts import Reading, Texts, read_texts
from dataset_builder.errors import InputError
from dataset_builder.picture_header import check_structure
from dataset_builder.schema import Label
from dataset_builder.sources.findings import ERRORS, Finding, by_kind
from dataset_builder.sources.opening import Kind, is_dataset, open_source
from dataset_builder.sources.rows import Row
from dataset_builder.stored import stream

__all__ = ["Report", "validate"]


@dataclass(frozen=True)
class Report:
    """What `validate` found.

    Attributes:
        path (`Path`): what was checked; `kind` says what it is.
        pictures (`int`): how many pictures there are, and `anomalies` how many accepted anomalies.
        findings (`list[Finding]`): all problems found.
        diversity (`dict`): per split; see `dataset_builder.checks.texts.Texts.diversity`.
        overlap (`float`, *optional*): the share of test anomalies whose words also occur in train; `None` without both splits.
    """

    path: Path
    kind: str
    pictures: int
    anomalies: int
    findings: list[Finding]
    diversity: dict[str, dict[str, Any]]
    overlap: float | None

    @property
    def has_errors(self) -> bool:
        return any(finding.is_error for finding in self.findings)

    def table(self) -> list[tuple[str, str, int, str]]:
        """Level, kind, how many, and the first one; errors first."""
        first: dict[str, str] = {}
        for finding in self.findings:
            # The messages of errors begin with their place; those of some warnings go without it.
            named = finding.message if finding.place in finding.message else f"{finding.place}: {finding.message}"
            first.setdefault(finding.kind, named)
        counts = by_kind(self.findings)
        return [("error" if kind in ERRORS else "warning", kind, count, first[kind]) for kind, count in counts.items()]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        counts = by_kind(self.findings)
        return {
            "path": self.path.name,
            "kind": self.kind,
            "pictures": self.pictures,
            "anomalies": self.anomalies,
            "errors": {kind: count for kind, count in counts.items() if kind in ERRORS},
            "warnings": {kind: count for kind, count in counts.items() if kind not in ERRORS},
            "diversity": self.diversity,
            "test_texts_also_in_train": self.overlap,
            "findings": [finding.row() for finding in self.findings],
        }

    def write(self, path: Path) -> Path:
        """Write everything as JSON."""
        return atomic.write(path, json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")


def validate(
    path: Path,
    *,
    kind: Kind | None = None,
    label: Label | None = None,
    images: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Check a source or a built dataset.

    Args:
        path (`Path`): a release (directory or zip archive), a run, scenes or a built dataset.
        kind, label, images: see `dataset_builder.sources.opening.open_source`.
        progress (callable, *optional*): called as pictures are decoded.

    Raises:
        InputError: if it is none of these, or a whole file of it cannot be read.
    """
    if is_dataset(path):
        what, (rows, findings) = "dataset", read_built(path)
        pictures: Iterator[tuple[Row, Callable[[Row], _Examined]]]
        by_name = {row.image_id: row for row in rows}
        pictures = ((by_name.pop(name), partial(_examine, data)) for name, data in stream(str(path)) if name in by_name)
    else:
        source = open_source(path, kind=kind, label=label, images=images)
        what, rows, findings = source.kind, source.rows, list(source.findings)
        pictures = ((row, _read_and_examine) for row in rows)
    prints: list[Print] = []
    texts = Texts()
    for done, one in enumerate(_examined(pictures), 1):
        findings += one.findings
        texts.add(one.texts)
        if one.print is not None:
            prints.append(one.print)
        if done % 64 == 0 or done == len(rows):
            progress("decode", done, len(rows))
    findings += [*texts.shared(), *leaks(prints)]
    anomalies = sum(len(row.anomalies or []) for row in rows)
    return Report(path, what, len(rows), anomalies, findings, texts.diversity(), texts.overlap())


class _Examined(NamedTuple):
    """What is known of a row once its picture was decoded and its texts were read."""

    findings: list[Finding]
    print: Print | None
    texts: Reading


def _read_and_examine(row: Row) -> _Examined:
    assert row.picture is not None
    try:
        data = row.picture.read()
        check_structure(row.picture, data)
    except InputError as error:
        texts = read_texts(row)
        return _Examined([Finding.of(error, row.image_id), *texts.findings], None, texts)
    return _examine(data, row)


def _examine(data: bytes, row: Row) -> _Examined:
    found, bits, size = decode(data, row.image_id)
    found = found + _boxes_outside(row, size)
    # In the thread that decodes: one more thread of Python code would keep all decoders waiting for the lock.
    texts = read_texts(row)
    split = row.split or row.deepfake or ""
    seen = None if bits is None else Print(row.image_id, split, hashlib.sha256(data).digest(), bits)
    return _Examined(found + texts.findings, seen, texts)


def _boxes_outside(row: Row, size: tuple[int, int] | None) -> list[Finding]:
    """A finding for each box that reaches beyond the upright picture by more than a rounding."""
    found = []
    for index, anomaly in enumerate(row.anomalies or []):
        if anomaly.bbox is None or size is None:
            continue
        x0, y0, x1, y1 = anomaly.bbox
        if min(x0, y0) < -1 or x1 > size[0] + 1 or y1 > size[1] + 1:
            place = f"{row.image_id}[{index}]"
            box = ", ".join(f"{corner:g}" for corner in anomaly.bbox)
            message = f"{place}: the box [{box}] reaches beyond the upright picture of {size[0]} × {size[1]} pixels"
            found.append(Finding("box outside the picture", place, message, row.image_id, index))
    return found


def _examined(pictures: Iterator[tuple[Row, Callable[[Row], _Examined]]]) -> Iterator[_Examined]:
    """In order, on all cores: decoders release the interpreter's lock. A few pictures wait, never all of them."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Examined]] = deque()
        for row, examine in pictures:
            waiting.append(pool.submit(examine, row))
            if len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
