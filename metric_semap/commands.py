"""The command that scores: `score`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

if TYPE_CHECKING:
    from .results import Leaderboard
    from .scores import Estimate, Scores

app = typer.Typer()

RESULTS = ("metrics.json", "matched_results.json", "report.html")
"""The files that scoring writes; each further predictor has a `matched_results_NAME.json`."""


class Handed(Protocol):
    """What the `anomreason` command hands in as the context's object, because the metric imports nothing of its packages."""

    owned: Any
    """`dataset_builder.owned`: only files that were written by a command are replaced."""
    require: Callable[..., None]
    """`dataset_builder.extras.require`."""


@app.command()
def score(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="PRED… GT", help="Prediction files, then the ground truth.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Where metrics.json, matched_results.json and report.html go.")] = Path(
        "scores"
    ),
    deepfake: Annotated[bool, typer.Option("--deepfake", help="Score verdicts too: CSemAP, CSemF1, accuracy.")] = False,
    missing: Annotated[
        str, typer.Option(help="count: a missing picture is an empty prediction; ignore: the official way.")
    ] = "count",
    subset: Annotated[Path | None, typer.Option(help="A file that lists the pictures to score.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="A Hub id, minilm (offline) or a directory with --num-layers.")
    ] = None,
    num_layers: Annotated[int | None, typer.Option(min=1)] = None,
    thresholds: Annotated[str, typer.Option(help="Comma-separated, 0..1.")] = "0.7,0.8,0.9",
    alpha: Annotated[float, typer.Option(help="Weight of the phenomenon in the view Full.")] = 0.5,
    matching: Annotated[str, typer.Option(help="greedy or optimal.")] = "greedy",
    empty: Annotated[
        str, typer.Option(help="zero: clean pictures score 0, the official way; skip: left out.")
    ] = "zero",
    rescale_with_baseline: Annotated[bool, typer.Option("--rescale-with-baseline")] = False,
    dtype: Annotated[
        str, typer.Option(help="float32 (exact), or bfloat16 or float16: faster on a GPU, and scores move a little.")
    ] = "float32",
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Keep the ground truth's embeddings on disk for the next models."),
    ] = True,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Bootstrap seed.")] = 0,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace results there that anomreason did not write or somebody changed."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score predictions against the ground truth; several prediction files make a leaderboard."""
    handed: Handed = context.obj
    handed.require("score", "metric")
    from .errors import OptionError
    from .evaluation import score_files, write_results
    from .results import metrics

    if len(files) < 2:
        raise OptionError("score: one file given; name at least one prediction file and then the ground truth")
    try:
        limits = [float(limit) for limit in thresholds.split(",")]
    except ValueError:
        raise OptionError(
            f"--thresholds {thresholds!r}: is not a list of numbers; write for example 0.7,0.8,0.9"
        ) from None
    handed.owned.check(out, "score", RESULTS, overwrite=overwrite)
    board = score_files(
        files[:-1],
        files[-1],
        configuration="deepfake" if deepfake else "default",
        missing=missing,
        subset=subset,
        encoder=encoder,
        num_layers=num_layers,
        thresholds=limits,
        alpha=alpha,
        matching=matching,
        empty=empty,
        rescale_with_baseline=rescale_with_baseline,
        dtype=dtype,
        cache=cache,
        bootstrap=bootstrap,
        seed=seed,
    )
    if as_json:
        typer.echo(json.dumps(metrics(board), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print_board(board)
    with handed.owned.added(out, "score", overwrite=overwrite) as work:
        names = [path.name for path in write_results(board, work)]
    for name in names:
        typer.echo(out / name, err=as_json)


def _print_board(board: "Leaderboard") -> None:
    from rich.console import Console
    from rich.table import Table

    table, c = Table(box=None, pad_edge=False), board.prefix
    for column in ("", "view", f"{c}SemAP", "95 %", "chance", f"{c}SemF1", "95 %", "chance"):
        table.add_column(column, justify="left" if column in ("", "view") else "right")
    for evaluation in board.evaluations:
        for name in ("Full", "Phe", "Rea"):
            view = evaluation.scores.views[name]
            first = _printable(evaluation.name) if name == "Full" else ""
            table.add_row(first, name, *_cells(view.semap), *_cells(view.semf1))
    console = Console()
    console.print(table)
    lines = [f"{one.name}: {_calibrated(one.scores)}" for one in board.evaluations if one.scores.calibrated]
    for evaluation in board.evaluations:
        verdicts, counts = evaluation.scores.verdicts, evaluation.scores.counts
        line = f"{evaluation.name}: {len(evaluation.images)} pictures"
        if verdicts is not None:
            line += f", accuracy {verdicts.accuracy.value:.4f}"
        if counts.clean:
            line += f", something reported on {counts.false_alarms} of {counts.clean} clean ones"
        lines.append(line)
    best = board.evaluations[0].scores
    for line in (*lines, *map(str, board.comparisons), *(f"note: {warning}" for warning in best.warnings)):
        console.print(_printable(line), markup=False, soft_wrap=True)
    console.print(best.signature, style="dim", markup=False, soft_wrap=True)


def _calibrated(scores: "Scores") -> str:
    """The calibrated headline in words."""
    found, c = scores.calibrated["Full"], scores.prefix
    cells = {f"{c}SemF1C": _cells(found.semf1), f"{c}SemAPC": _cells(found.semap)}
    return ", ".join(
        f"{name} {value} ({interval}; chance {chance})" for name, (value, interval, chance) in cells.items()
    )


def _cells(estimate: "Estimate") -> tuple[str, str, str]:
    interval = "–" if estimate.low is None else f"{estimate.low:.3f}–{estimate.high:.3f}"
    return f"{estimate.value:.4f}", interval, f"{estimate.chance:.4f}"


# The same line as in `dataset_builder.terminal`, from which the metric may not import.
def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
