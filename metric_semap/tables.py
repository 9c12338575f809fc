"""The scores of a leaderboard as tables: rows for pandas, and text for a terminal, a paper or another program.

A row per predictor and score (or per picture) holds numbers as they were measured; the shown table has a line per
predictor and view.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import OptionError
from .results import Evaluation, Leaderboard, metrics
from .scores import VIEWS, Estimate, plain

if TYPE_CHECKING:
    import pandas

__all__ = ["FORMATS", "formatted", "picture_frame", "score_frame", "shown"]


def _score_rows(board: Leaderboard) -> list[dict[str, Any]]:
    rows = []
    for evaluation in board.rows:
        scores = evaluation.scores
        for name, of in (scores.headlines() | (scores.calibrated_estimates() if scores.calibrated else {})).items():
            row = {"predictor": evaluation.name, "score": name, "value": of.value, "low": of.low, "high": of.high}
            rows.append(row | {"chance": of.chance, "pictures": scores.counts.scored, "signature": scores.signature})
    return [plain(row) for row in rows]


def score_frame(board: Leaderboard) -> "pandas.DataFrame":
    """The scores with a row per predictor and score: value, interval, chance, how many pictures, and the signature."""
    import pandas

    return pandas.DataFrame(_score_rows(board))


def picture_frame(evaluation: Evaluation) -> "pandas.DataFrame":
    """The pictures of one predictor with a row each: its scores by view, its cluster, and how much was matched."""
    import pandas

    rows = []
    prefix = evaluation.scores.prefix
    for picture, cluster in zip(evaluation.measurement.pictures, evaluation.measurement.clusters, strict=True):
        row: dict[str, Any] = {"image": evaluation.images[picture.index], "cluster": cluster}
        for view in VIEWS:
            row |= {f"{prefix}SemAP_{view}": picture.semap[view], f"{prefix}SemF1_{view}": picture.semf1[view]}
        row["matched"] = len(picture.pairs)
        row["unmatched_predictions"] = len(picture.unmatched_predictions)
        rows.append(row | {"unmatched_references": len(picture.unmatched_references)})
    return pandas.DataFrame(rows)


def shown(board: Leaderboard, wide: bool = True) -> list[list[str]]:
    """The table that people see: a heading, and a line per predictor and view, baselines among them.

    A dash is what is undefined or not given. A terminal is too narrow for the calibrated scores, which are there only if it is
    `wide` and the encoder is calibrated.
    """
    c, calibrated = board.prefix, wide and all(evaluation.scores.calibrated for evaluation in board.rows)
    lines = [["", "view", f"{c}SemAP", "95 %", "chance", f"{c}SemF1", "95 %", "chance"]]
    lines[0] += [f"{c}SemF1C", "95 %", "chance"] if calibrated else []
    for evaluation in board.rows:
        for name in ("Full", "Phe", "Rea"):
            view = evaluation.scores.views[name]
            lines.append([evaluation.name if name == "Full" else "", name, *_cells(view.semap), *_cells(view.semf1)])
            if calibrated:
                lines[-1] += _cells(evaluation.scores.calibrated[name].semf1)
    return lines


def _cells(estimate: Estimate) -> list[str]:
    interval = "–" if estimate.low is None else f"{estimate.low:.3f}–{estimate.high:.3f}"
    return [_number(estimate.value), interval, _number(estimate.chance)]


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _as_json(board: Leaderboard) -> str:
    return json.dumps(metrics(board), indent=2, ensure_ascii=False, allow_nan=False)


def _as_csv(board: Leaderboard) -> str:
    rows, text = _score_rows(board), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _signatures(board: Leaderboard) -> list[str]:
    return list(dict.fromkeys(evaluation.scores.signature for evaluation in board.rows))


def _as_markdown(board: Leaderboard) -> str:
    head, *lines = [[_escaped(cell) for cell in line] for line in shown(board)]
    rows = [head, ["---", "---", *["---:"] * (len(head) - 2)], *lines]
    table = "\n".join(f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in rows)
    findings = [f"{_escaped(' '.join(finding.split()))}." for finding in board.findings()]
    return "\n\n".join([table, *findings, *(f"`{signature}`" for signature in _signatures(board))])


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)


LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
}


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))


def _as_latex(board: Leaderboard) -> str:
    head, *lines = [" & ".join(map(_latex, line)) + r" \\" for line in shown(board)]
    notes = [f"% {signature}" for signature in _signatures(board)]
    columns = "ll" + "r" * (len(shown(board)[0]) - 2)
    top = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", head, r"\hline"]
    return "\n".join([*notes, *top, *lines, r"\hline", r"\end{tabular}"])


FORMATS: dict[str, Callable[[Leaderboard], str]] = {
    "json": _as_json,
    "csv": _as_csv,
    "markdown": _as_markdown,
    "latex": _as_latex,
}


def formatted(board: Leaderboard, form: str) -> str:
    """The scores as `json` (all of `metrics.json`), `csv` (a row per predictor and score), `markdown` or `latex`."""
    if form not in FORMATS:
        raise OptionError(f"--format {form!r}: is unknown; choose one of {', '.join(FORMATS)}")
    return FORMATS[form](board)
