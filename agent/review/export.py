"""From verdicts to files that a dataset is built from: `reviewed.jsonl`, `accepted.json`, and what the filter did.

The same verdicts give the same bytes, whoever answered first; the report tells when it was made.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.review.agreement import measure
from agent.review.answers import REASONS, Reason
from agent.review.decision import Rule, decide, votes_of
from agent.review.items import Item, read_rows_of
from agent.review.ratings import rated, ratings_of, table
from agent.review.recall import recall
from agent.review.report import Kept, write_report
from agent.review.store import FILE, Standing, Store
from dataset_builder import atomic
from dataset_builder.errors import InputError
from dataset_builder.official import write_annotations

__all__ = ["Exported", "export", "open_store"]


@dataclass(frozen=True)
class Exported:
    """What was written, and how many candidates came to which verdict, the `added` ones of people among them; of `open` items more
    answers are wanted."""

    files: list[Path]
    candidates: int
    accepted: int
    rejected: int
    unsure: int
    unanswered: int
    open: int
    added: int


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
    """Write `reviewed.jsonl`, `accepted.json`, `review.html` and `severity.png` into a run, and `ratings.csv` if severities were
    rated.

    `reviewed.jsonl` has the rows of `annotations.jsonl`, each candidate with `verdict` (null without answers), `votes`, and where
    there are any `reasons` of rejects, `edits`, `notes` and `ratings`. What people added is in the row's own list `added`, in
    the same form with `added_by`. `accepted.json` has what was accepted, as the agent or the person wrote it, in the release's
    form. A verdict of fewer people than asked for counts all the same.

    Raises:
        InputError: if the run or its verdicts cannot be read, or there are no verdicts on it.
        OutputError: if a file cannot be written.
    """
    store = open_store(run)
    try:
        standing, items, done = store.standing(), store.items(), store.finished()
    finally:
        store.close()
    rows = read_rows_of(run)
    votes = votes_of(standing)
    asked = {key for row in rows for key, _ in row.candidates} | {item.key for item in items if item.gold is None}
    if not asked & votes.keys():
        raise InputError(f"{run}: has no verdicts on its candidates yet; begin with `anomreason review {run}`")
    said: dict[str, list[Standing]] = defaultdict(list)
    for one in standing:
        said[one.item].append(one)
    added: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.added_by is not None:
            added[item.picture].append(item)
    lines, accepted, kept = [], {}, []
    for row in rows:
        own = len(row.candidates)
        entries = [(record, *known) for record, known in zip(row.row["anomalies"], row.candidates, strict=True)]
        entries += [(_record(item), item.key, item.candidate) for item in added[row.picture]]
        records, chosen = [], []
        for at, (record, key, candidate) in enumerate(entries):
            verdict, reasons = decide(votes.get(key, {}), rule), _reasons(said[key])
            records.append(record | {"verdict": verdict, "votes": votes.get(key, {})} | _beside(said[key], reasons))
            kept.append(Kept(row.image_id, candidate, verdict, reasons, added=at >= own))
            if verdict == "accept":
                chosen.append(candidate)
        line = row.row | {"anomalies": records[:own]} | ({"added": records[own:]} if records[own:] else {})
        lines.append(json.dumps(line, ensure_ascii=False))
        # A picture whose calls failed was not found clean, and one that is partial was not looked at wholly.
        if entries or row.row.get("status") not in ("failed", "partial"):
            accepted[row.image_id] = chosen
    ratings = ratings_of(items, standing)
    review, agents = measure(items, standing), recall(items, standing, rule)
    files = [
        atomic.write(run / "reviewed.jsonl", "\n".join(lines) + "\n"),
        write_annotations(run / "accepted.json", accepted),
        *write_report(run, kept, len(accepted), review, agents, rated(ratings), rule),
    ]
    if ratings:
        files.append(atomic.write(run / "ratings.csv", table(ratings)))
    counted = [one.verdict for one in kept]
    return Exported(
        files=files,
        candidates=len(kept),
        accepted=counted.count("accept"),
        rejected=counted.count("reject"),
        unsure=counted.count("unsure"),
        unanswered=counted.count(None),
        open=done.total - done.items + len(asked - {item.key for item in items}),
        added=sum(map(len, added.values())),
    )


def _record(item: Item) -> dict[str, Any]:
    """What somebody added, as a record of `reviewed.jsonl`."""
    return item.candidate.model_dump(mode="json", exclude={"votes", "verdict"}) | {"added_by": item.added_by}


def _reasons(said: list[Standing]) -> dict[Reason, int]:
    counts = Counter(one.reason for one in said if one.reason)
    return {reason: counts[reason] for reason in REASONS if counts[reason]}


def _beside(said: list[Standing], reasons: dict[Reason, int]) -> dict[str, Any]:
    """What reviewers said in addition to their verdicts, if anything."""
    edits = [{"reviewer": one.reviewer, **one.edit} for one in said if one.edit]
    notes = [{"reviewer": one.reviewer, "note": one.note} for one in said if one.note]
    ratings = [{"reviewer": one.reviewer, "severity": one.rating} for one in said if one.rating is not None]
    beside = {"reasons": reasons, "edits": edits, "notes": notes, "ratings": ratings}
    return {key: listed for key, listed in beside.items() if listed}
