"""From verdicts to files that a dataset is built from: `reviewed.jsonl`, `accepted.json`, and what the filter did."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.review.agreement import measure
from agent.review.decision import Rule, decide, votes_of
from agent.review.items import read_rows_of
from agent.review.report import Kept, write_report
from agent.review.store import FILE, Standing, Store
from dataset_builder import atomic
from dataset_builder.errors import InputError
from dataset_builder.official import write_annotations
from dataset_builder.schema import Anomaly

__all__ = ["Exported", "export", "open_store"]


@dataclass(frozen=True)
class Exported:
    """What was written, and how many candidates came to which verdict; `open` ones have fewer answers than asked for."""

    files: list[Path]
    candidates: int
    accepted: int
    rejected: int
    unsure: int
    unanswered: int
    open: int


def open_store(run: Path) -> Store:
    """The verdicts of a run.

    Raises:
        InputError: if nobody has begun to review it.
    """
    path = run / FILE
    if not path.is_file():
        raise InputError(f"{path}: does not exist; begin with `anomreason review {run}`")
    return Store(path)


def export(run: Path, rule: Rule) -> Exported:
    """Write `reviewed.jsonl`, `accepted.json`, `review.html` and `severity.png` into a run.

    `reviewed.jsonl` has the rows of `annotations.jsonl`, each candidate with `verdict` (null without answers), `votes`, and
    where there are any `edits` and `notes`. `accepted.json` has the accepted candidates as the agent wrote them, in the
    release's form. A verdict of fewer people than asked for counts all the same.

    Raises:
        InputError: if the run or its verdicts cannot be read, or there are no verdicts on it.
        OutputError: if a file cannot be written.
    """
    store = open_store(run)
    try:
        standing, items, overlap = store.standing(), store.items(), store.overlap
    finally:
        store.close()
    rows = read_rows_of(run)
    votes = votes_of(standing)
    if not any(key in votes for row in rows for key, _ in row.candidates):
        raise InputError(f"{run}: has no verdicts on its candidates yet; begin with `anomreason review {run}`")
    said: dict[str, list[Standing]] = defaultdict(list)
    for one in standing:
        said[one.item].append(one)
    lines, accepted, kept, waiting = [], {}, [], 0
    for row in rows:
        records = []
        chosen: list[Anomaly] = []
        for record, (key, candidate) in zip(row.row["anomalies"], row.candidates, strict=True):
            verdict = decide(votes.get(key, {}), rule)
            records.append(record | {"verdict": verdict, "votes": votes.get(key, {})} | _beside(said[key]))
            kept.append(Kept(row.image_id, candidate, verdict))
            waiting += sum(votes.get(key, {}).values()) < overlap
            if verdict == "accept":
                chosen.append(candidate)
        lines.append(json.dumps(row.row | {"anomalies": records}, ensure_ascii=False))
        # A picture whose calls failed was not found clean, and one that is partial was not looked at wholly.
        if row.candidates or row.row.get("status") not in ("failed", "partial"):
            accepted[row.image_id] = chosen
    files = [
        atomic.write(run / "reviewed.jsonl", "\n".join(lines) + "\n"),
        write_annotations(run / "accepted.json", accepted),
        *write_report(run, kept, len(accepted), measure(items, standing), rule),
    ]
    counted = [one.verdict for one in kept]
    return Exported(
        files=files,
        candidates=len(kept),
        accepted=counted.count("accept"),
        rejected=counted.count("reject"),
        unsure=counted.count("unsure"),
        unanswered=counted.count(None),
        open=waiting,
    )


def _beside(said: list[Standing]) -> dict[str, Any]:
    """What reviewers wrote beside their verdicts, if anything."""
    edits = [{"reviewer": one.reviewer, **one.edit} for one in said if one.edit]
    notes = [{"reviewer": one.reviewer, "note": one.note} for one in said if one.note]
    return {key: listed for key, listed in (("edits", edits), ("notes", notes)) if listed}
