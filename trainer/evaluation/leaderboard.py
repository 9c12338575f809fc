"""A benchmark's result as files: `leaderboard.json`, `.md` and `.html`, with the published rows beside what was measured."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataset_builder import atomic
from dataset_builder.templates import environment
from metric_semap.report import number
from metric_semap.results import Evaluation, Leaderboard
from metric_semap.scores import Estimate
from trainer.evaluation.bench import Bench
from trainer.evaluation.bench_run import Result
from trainer.evaluation.published import ANOMREASON, DEEPFAKE
from trainer.evaluation.recall import recall_by_kind

__all__ = ["LEADERBOARD", "as_json", "write_leaderboard"]

LEADERBOARD = ("leaderboard.json", "leaderboard.md", "leaderboard.html")
"""The files that a benchmark writes."""

EXPLAINED = ("SemAP_Full", "SemAP_Rea", "SemF1_Full", "SemF1_Rea")
_BESIDE: dict[str, Callable[[dict[str, Any]], str]] = {
    "false alarms": lambda row: f"{row['false_alarms']} of {row['clean']}" if row["clean"] else "–",
    "no verdict": lambda row: f"{row['no_verdict']} of {row['verdicts']}",
    "unreadable": lambda row: f"{number(100 * row['unreadable'], 1)} %",
    "unknown kind": lambda row: f"{number(100 * row['unknown'], 1)} %",
    "s/picture": lambda row: number(row["seconds_per_picture"], 2),
    "tokens/picture": lambda row: number(row["tokens_per_picture"], 0),
    "USD": lambda row: number(row["usd"], 2),
}
"""What stands beside the scores, by the heading of its column."""
SAID = ("false alarms", "unreadable", "unknown kind", "s/picture", "tokens/picture", "USD")
JUDGED = ("accuracy", "CSemAP_Full", "CSemAP_Rea", "CSemF1_Full", "CSemF1_Rea")


def as_json(result: Result) -> dict[str, Any]:
    """All that the leaderboards show, as plain values; what is undefined is null."""
    content = {
        "bench": _bench(result.bench),
        "unfinished": result.unfinished,
        "explained": _board(result, result.explained, EXPLAINED, ANOMREASON),
    }
    if result.judged is not None:
        content["judged"] = _board(result, result.judged, JUDGED, DEEPFAKE)
    return content


def _bench(bench: Bench) -> dict[str, Any]:
    """What was compared, without addresses of servers, which may hold keys, and folders of this machine."""
    content = bench.model_dump(mode="json", include={"dataset", "config", "split", "limit", "bootstrap", "seed"})
    models = {
        name: one.model_dump(mode="json", include={"model", "adapter", "plan"}, exclude_none=True)
        | ({"plan": "direct"} if one.is_remote and one.plan is None else {})
        | ({"predictions": one.predictions.name} if one.predictions else {})
        for name, one in bench.models.items()
    }
    return content | {"models": models}


def _board(
    result: Result, board: Leaderboard, scores: tuple[str, ...], published: tuple[dict[str, Any], ...]
) -> dict[str, Any]:
    return {
        "signature": board.evaluations[0].scores.signature,
        "scores": list(scores),
        "rows": [_row(result, evaluation, scores) for evaluation in board.evaluations],
        "comparisons": [
            {
                "first": c.first,
                "second": c.second,
                "score": c.score,
                "pictures": c.pictures,
                "difference": c.test.difference,
                "low": c.test.low,
                "high": c.test.high,
                "p": c.test.p,
                "told_apart": c.told_apart,
                "pictures_needed": c.test.needed,
            }
            for c in board.comparisons
        ],
        "published": list(published),
    }


def _row(result: Result, evaluation: Evaluation, scores: tuple[str, ...]) -> dict[str, Any]:
    measured, standing = evaluation.scores, result.standings[evaluation.name]
    headlines, verdicts, counts = measured.headlines(), measured.verdicts, measured.counts
    return {
        "name": evaluation.name,
        "note": standing.outcome.note,
        "scores": {score: _known(headlines[score]) for score in scores},
        "pictures": counts.scored,
        "recall_by_kind": {kind: one._asdict() for kind, one in recall_by_kind(evaluation).items()},
        "verdicts": None if verdicts is None else verdicts.pictures,
        "no_verdict": None if verdicts is None else verdicts.missing,
        "missing": evaluation.coverage.missing,
        "clean": counts.clean,
        "false_alarms": counts.false_alarms,
        "unreadable": standing.failed,
        "unknown": standing.unknown,
        "seconds_per_picture": standing.seconds,
        "tokens_per_picture": standing.tokens,
        "usd": standing.outcome.usd,
        "calls": standing.outcome.calls,
    }


def _known(estimate: Estimate) -> dict[str, float]:
    """The parts of an estimate that are defined."""
    parts = {"value": estimate.value, "low": estimate.low, "high": estimate.high, "chance": estimate.chance}
    return {part: value for part, value in parts.items() if value is not None and not math.isnan(value)}


def _seen(row: dict[str, Any]) -> str:
    """What a row's scores are means over."""
    seen = f"{row['pictures']} pictures with anomalies"
    if row["verdicts"] is not None:
        seen = f"{row['verdicts']} verdicts; {row['pictures']} generated pictures"
    missing = f", {row['missing']} missing" if row["missing"] else ""
    return seen + missing + (f"; {row['note']}" if row["note"] else "")


def write_leaderboard(result: Result, out: Path) -> list[Path]:
    """Write the three files into `out`; each appears whole or not at all."""
    content = as_json(result)
    templates = environment(Path(__file__).parent)
    templates.filters["number"] = number
    templates.filters["seen"] = _seen
    templates.filters["cell_of"] = lambda row, column: _BESIDE[column](row)
    boards = [content[key] for key in ("explained", "judged") if key in content]
    for board in boards:
        board["columns"] = ("no verdict",) if "accuracy" in board["scores"] else SAID
    titles = ["What is said of the pictures", "Verdicts, and what is said where they are right"]
    shown = {
        "boards": list(zip(titles, boards, strict=False)),
        "bench": content["bench"],
        "unfinished": result.unfinished,
    }
    return [
        atomic.write(
            out / "leaderboard.json", json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        ),
        *(
            atomic.write(out / f"leaderboard.{form}", templates.get_template(f"leaderboard.{form}.jinja").render(shown))
            for form in ("md", "html")
        ),
    ]
