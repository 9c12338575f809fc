"""A benchmark's result as files: `leaderboard.json`, `.md` and `.html`, with the published rows beside what was measured."""

import json
import math
from pathlib import Path
from typing import Any

import jinja2

from dataset_builder import atomic
from metric_semap.evaluation import Evaluation, Leaderboard
from metric_semap.published import ANOMREASON, DEEPFAKE
from metric_semap.report import number
from trainer.benchmark.run import Result

__all__ = ["as_json", "write_leaderboard"]

EXPLAINED = ("SemAP_Full", "SemAP_Rea", "SemF1_Full", "SemF1_Rea")
JUDGED = ("accuracy", "CSemAP_Full", "CSemAP_Rea", "CSemF1_Full", "CSemF1_Rea")


def as_json(result: Result) -> dict[str, Any]:
    """All that the leaderboards show, as plain values; what is undefined is null."""
    content = {
        "bench": result.bench.model_dump(mode="json"),
        "unfinished": result.unfinished,
        "explained": _board(result, result.explained, EXPLAINED, ANOMREASON),
    }
    if result.judged is not None:
        content["judged"] = _board(result, result.judged, JUDGED, DEEPFAKE)
    return content


def _board(
    result: Result, board: Leaderboard, scores: tuple[str, ...], published: tuple[dict[str, Any], ...]
) -> dict[str, Any]:
    return {
        "signature": board.evaluations[0].numbers["signature"],
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
            }
            for c in board.comparisons
        ],
        "published": list(published),
    }


def _row(result: Result, evaluation: Evaluation, scores: tuple[str, ...]) -> dict[str, Any]:
    numbers, standing = evaluation.numbers, result.standings[evaluation.name]

    def value(key: str) -> Any:
        found = numbers.get(key)
        return None if isinstance(found, float) and math.isnan(found) else found

    return {
        "name": evaluation.name,
        "scores": {
            score: {part: value(key) for part, key in _parts(score).items() if value(key) is not None}
            for score in scores
        },
        "pictures": numbers["scored_images"],
        "missing": numbers["missing_images"],
        "clean": numbers["clean_images"],
        "false_alarms": numbers["false_alarms"],
        "unreadable": standing.failed,
        "seconds_per_picture": standing.seconds,
        "tokens_per_picture": standing.tokens,
        "usd": standing.outcome.usd,
        "calls": standing.outcome.calls,
    }


def _parts(score: str) -> dict[str, str]:
    return {"value": score, "low": f"{score}_low", "high": f"{score}_high", "chance": f"chance_{score}"}


def write_leaderboard(result: Result, out: Path) -> list[Path]:
    """Write the three files into `out`; each appears whole or not at all."""
    content = as_json(result)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name is not None and ".html" in name,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = number
    # A name is anyone's text: in a table of Markdown a bar or a newline would break the row, a bracket make a link.
    environment.filters["cell"] = lambda text: "".join(
        f"\\{c}" if c in "\\|[]<>*_`" else c for c in " ".join(text.split())
    )
    boards = [content[key] for key in ("explained", "judged") if key in content]
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
            atomic.write(
                out / f"leaderboard.{form}", environment.get_template(f"leaderboard.{form}.jinja").render(shown)
            )
            for form in ("md", "html")
        ),
    ]
