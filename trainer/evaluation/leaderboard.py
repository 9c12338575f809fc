"""A benchmark's result as files: `leaderboard.json`, `.md` and `.html`; what others published is in a table of its own.

Where the dataset is one of the Hub, `.eval_results/NAME.yaml` has each model's scores as the Hub's leaderboards take them.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataset_builder import atomic
from dataset_builder.publishing.hub import is_repo_id
from dataset_builder.templates import environment
from metric_semap.hub_results import FOLDER, hub_results
from metric_semap.report import interval, number
from metric_semap.results import Comparison, Evaluation, Leaderboard
from metric_semap.scores import Estimate, flat
from trainer.evaluation.bench import Bench
from trainer.evaluation.bench_run import Result, Standing
from trainer.evaluation.names import file_name
from trainer.evaluation.published import ANOMREASON, DEEPFAKE
from trainer.evaluation.recall import recall_by_kind

__all__ = ["LEADERBOARD", "as_json", "write_leaderboard"]

LEADERBOARD = (
    "leaderboard.json",
    "leaderboard.md",
    "leaderboard.html",
    f"{FOLDER}/*.yaml",
    "every_eval_ever/*",
)
"""The files that a benchmark writes, `*` for any text. An earlier run's go, also those that this one does not write."""

EXPLAINED = ("SemF1_Full", "SemF1_Rea", "SemAP_Full", "SemAP_Rea")
_BESIDE: dict[str, Callable[[dict[str, Any]], str]] = {
    "false alarms": lambda row: f"{row['false_alarms']} of {row['clean']}" if row["clean"] else "–",
    "no verdict": lambda row: f"{row['no_verdict']} of {row['verdicts']}",
    "ranked SemAP": lambda row: f"{number(row['ranked'].get('value'), 4)} by {row['ranked_by']}",
    "located": lambda row: _located(row),
    "unreadable": lambda row: _percent(row["unreadable"]),
    "unknown kind": lambda row: _percent(row["unknown"]),
    "s/picture": lambda row: number(row["seconds_per_picture"], 2),
    "tokens/picture": lambda row: number(row["tokens_per_picture"], 0),
    "USD": lambda row: number(row["usd"], 2),
}
"""What is shown next to the scores, by the heading of its column."""
SAID = ("ranked SemAP", "located", "false alarms", "unreadable", "unknown kind", "s/picture", "tokens/picture", "USD")
JUDGED = ("accuracy", "CSemF1_Full", "CSemF1_Rea", "CSemAP_Full", "CSemAP_Rea")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{number(100 * share, 1)} %"


def _located(row: dict[str, Any]) -> str:
    """The share of matched pairs that lie in the same place, of how many."""
    return (
        f"{_percent(row['localisation']['value'])} of {row['localisation_pairs']}" if row["localisation_pairs"] else "–"
    )


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
        "order": board.order,
        "rows": _rows(result, board, scores),
        "comparisons": [_test(c) for c in board.comparisons],
        "against_baselines": [_test(c) for c in board.against],
        "groups": board.groups(),
        "findings": board.findings(),
        "published": list(published),
    }


def _test(c: Comparison) -> dict[str, Any]:
    return {
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


def _rows(result: Result, board: Leaderboard, scores: tuple[str, ...]) -> list[dict[str, Any]]:
    """Models and baselines, best first; only models have a rank, the letters of their groups, and what they have to beat."""
    letters = board.letters()
    ranks = {id(evaluation): rank for rank, evaluation in enumerate(board.evaluations, 1)}
    return [
        {
            "name": one.name,
            "baseline": one.is_baseline,
            "rank": ranks.get(id(one)),
            "group": None if one.is_baseline else letters.get(one.name),
            "not_beaten": [] if one.is_baseline else board.not_beaten(one.name),
            **_measured(one, scores),
            **_standing(None if one.is_baseline else result.standings[one.name]),
        }
        for one in board.rows
    ]


def _measured(evaluation: Evaluation, scores: tuple[str, ...]) -> dict[str, Any]:
    measured = evaluation.scores
    headlines, verdicts, counts = measured.headlines(), measured.verdicts, measured.counts
    return {
        "scores": {score: _known(headlines[score]) for score in scores},
        "ranked": _known(Estimate(measured.full.ranked)),
        "ranked_by": measured.ranked_by,
        "localisation": _known(measured.localisation.share),
        "localisation_pairs": measured.localisation.pairs,
        "pictures": counts.scored,
        "recall_by_kind": {kind: one._asdict() for kind, one in recall_by_kind(evaluation).items()},
        "verdicts": None if verdicts is None else verdicts.pictures,
        "no_verdict": None if verdicts is None else verdicts.missing,
        "missing": evaluation.coverage.missing,
        "clean": counts.clean,
        "false_alarms": counts.false_alarms,
    }


def _standing(standing: Standing | None) -> dict[str, Any]:
    """What answering took and what was lost; nothing is known of a baseline, which was not asked."""
    outcome = None if standing is None else standing.outcome
    return {
        "note": outcome.note if outcome else None,
        "unreadable": standing.failed if standing else None,
        "unknown": standing.unknown if standing else None,
        "seconds_per_picture": standing.seconds if standing else None,
        "tokens_per_picture": standing.tokens if standing else None,
        "usd": outcome.usd if outcome else None,
        "calls": outcome.calls if outcome else None,
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


def _for_the_hub(result: Result) -> dict[str, str]:
    """The files of each model for the leaderboards of the Hub, by their paths; none for a dataset that is not there."""
    dataset = result.bench.dataset
    if not is_repo_id(dataset) or Path(dataset).exists():
        return {}
    measured: dict[str, list[dict[str, Any]]] = {}
    for board in (result.explained, result.judged):
        for one in board.evaluations if board else ():
            measured.setdefault(one.name, []).append(flat(one.scores))
    return {f"{FOLDER}/{file_name(name)}.yaml": hub_results(dataset, *found) for name, found in measured.items()}


def write_leaderboard(result: Result, out: Path) -> list[Path]:
    """Write the files into `out`; each appears whole or not at all."""
    content = as_json(result)
    templates = environment(Path(__file__).parent)
    templates.filters |= {"number": number, "interval": interval, "seen": _seen}
    templates.filters["cell_of"] = lambda row, column: _BESIDE[column](row)
    boards = [content[key] for key in ("explained", "judged") if key in content]
    for board in boards:
        columns = ["no verdict"] if "accuracy" in board["scores"] else SAID
        # A column in which nothing is known would only take room.
        board["columns"] = [one for one in columns if any(_BESIDE[one](row) != "–" for row in board["rows"])]
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
        *(atomic.write(out / name, text) for name, text in _for_the_hub(result).items()),
    ]
