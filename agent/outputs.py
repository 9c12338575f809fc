"""What a run leaves in addition to its journal: `run.json`, `annotations.jsonl`, `candidates.json`, `summary.json`.

`annotations.jsonl` and `candidates.json` are in the source's order and hold neither times nor paths, so two runs that got the
same answers leave the same bytes. All are written row by row under another name and appear whole.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from agent.budget import Budget, Price
from agent.canaries import Drift
from agent.fleet import Fleet
from agent.journal import Journal
from agent.plans import Annotation, Settings
from agent.runner import Progress
from dataset_builder import atomic
from dataset_builder.errors import OutputError
from dataset_builder.official import dump_annotations

__all__ = ["begin", "check_is_ours", "price_of", "write_outputs"]


def check_is_ours(run: Path) -> None:
    """Raise `OutputError` if a directory is there and holds something else than a run."""
    if run.exists() and not run.is_dir():
        raise OutputError(f"{run}: is a file, not a directory; choose another --out")
    if run.is_dir() and any(run.iterdir()) and not any((run / name).exists() for name in ("run.json", "run.lock")):
        raise OutputError(f"{run}: already exists and is not a run; choose another --out")


def begin(
    run: Path,
    settings: Settings,
    model: str,
    *,
    source: str,
    images: Path | None,
    base_url: str | None,
    others: Sequence[str] = (),
    price: Price | None = None,
) -> None:
    """Say in `run.json` what a directory is a run of. Raises `OutputError` if it cannot be written.

    A price stays known once it was given: it prices the calls that were made before, too.
    """
    known = price or price_of(run)
    content = {
        "version": 1,
        "model": model,
        "server": base_url,
        "other_servers": list(others),
        "simulated": model == "simulated",
        **settings.model_dump(),
        "source": source,
        "images": None if images is None else str(images),
        "price": None if known is None else known.model_dump(),
    }
    atomic.write(run / "run.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def price_of(run: Path) -> Price | None:
    """The price that a run was last given, if it was given one."""
    try:
        return Price.model_validate(json.loads((run / "run.json").read_text(encoding="utf-8"))["price"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_outputs(
    run: Path,
    journal: Journal,
    settings: Settings,
    model: str,
    progress: Progress,
    budget: Budget,
    stopped: str | None = None,
    drift: Drift | None = None,
    fleet: Fleet | None = None,
) -> dict[str, Any]:
    """Write the results of the pictures that are finished, in the source's order, however the run ended.

    Args:
        stopped (`str`, *optional*): why it ended early, if it did.
        drift (`Drift`, *optional*): what asking canaries came to.
        fleet (`Fleet`, *optional*): the servers that were asked.

    Returns:
        The content of `summary.json`.
    """
    fingerprint = settings.fingerprint(model)

    def rows() -> Iterator[Annotation]:
        for image_id in progress.order:
            found = journal.result(image_id, fingerprint)
            if found is not None:
                yield Annotation.model_validate_json(found[2])

    atomic.write_parts(run / "annotations.jsonl", (row.model_dump_json() + "\n" for row in rows()))
    atomic.write_parts(run / "candidates.json", _official(rows()))
    if stopped is None and progress.stopped:
        stopped = "the budget is used up; re-run with a larger one"
    summary = _summary(journal, settings, model, progress, budget, stopped)
    summary["pictures_by_server"], summary["servers_left_out"] = (
        (fleet.pictures, fleet.left_out) if fleet is not None and len(fleet.pictures) > 1 else ({}, {})
    )
    summary["canaries"] = None if drift is None else drift._asdict()
    atomic.write(run / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    return summary


def _official(rows: Iterable[Annotation]) -> Iterator[str]:
    """`dump_annotations` of all rows, a row at a time. A picture that could not be examined is not said to be clean."""
    opened = False
    for row in rows:
        if row.anomalies or row.status == "none":
            yield ",\n" if opened else "{\n"
            yield dump_annotations({row.image_id: row.anomalies}).removeprefix("{\n").removesuffix("\n}")
            opened = True
    yield "\n}" if opened else "{}"


def _summary(
    journal: Journal, settings: Settings, model: str, progress: Progress, budget: Budget, stopped: str | None
) -> dict[str, Any]:
    totals = journal.totals()
    cost = totals.cost(budget.price)
    statuses = {status: progress.statuses.get(status, 0) for status in ("anomalies", "none", "partial", "failed")}
    return {
        "model": model,
        "simulated": model == "simulated",
        **settings.model_dump(),
        "pictures": len(progress.order),
        **statuses,
        "unfinished": len(progress.unfinished),
        "stopped": stopped,
        "stopped_by_budget": progress.stopped,
        "calls": totals.calls,
        "calls_without_usable_answer": totals.failed,
        "calls_lost": totals.lost,
        "calls_with_estimated_tokens": totals.estimated,
        "calls_waiting_in_batches": totals.pending,
        "prompt_tokens": totals.prompt_tokens,
        "cached_tokens": totals.cached_tokens,
        "completion_tokens": totals.completion_tokens,
        "usd": None if cost is None else round(cost, 6),
        "limits": budget.limits._asdict(),
        "over_limits": budget.overshoot,
        "answered_by": journal.answered_by(),
        "notes": journal.notes(),
        "salvaged": None if journal.salvaged is None else str(journal.salvaged),
    }
