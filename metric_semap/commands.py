"""The command that scores: `score`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

if TYPE_CHECKING:
    from .results import Leaderboard
    from .scores import Estimate, Scores

app = typer.Typer()

RESULTS = (
    "metrics.json",
    "matched_results.json",
    "matched_results_*.json",
    "judged_pairs.jsonl",
    ".eval_results/*.yaml",
    "report.html",
)
"""The files that scoring writes, `*` for a predictor's name. An earlier run's go, also those that this one does not write."""
JUDGE_RUN = "judge"
"""The folder below --out with the judge's journal: what it was asked before is not asked again."""


class Handed(Protocol):
    """What the `anomreason` command hands in as the context's object, because the metric imports nothing of its packages."""

    owned: Any
    """`dataset_builder.owned`: only files that were written by a command are replaced."""
    require: Callable[..., None]
    """`dataset_builder.extras.require`."""
    served: Any
    """`agent.served`, which asks endpoints."""
    typed: Callable[[], str]
    """`dataset_builder.templates.typed`: the command line, which the report tells."""


@app.command()
def score(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PRED… GT",
            help="One or more prediction files, and the ground truth as the last file.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, matched_results.json and report.html.")] = Path(
        "scores"
    ),
    deepfake: Annotated[
        bool, typer.Option("--deepfake", help="Also score verdicts (real or fake): CSemAP, CSemF1, accuracy.")
    ] = False,
    missing: Annotated[
        str,
        typer.Option(
            help="count: a missing picture counts as an empty prediction; ignore: it is left out, as in the official code."
        ),
    ] = "count",
    clusters: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns picture,cluster that says which pictures belong together and so are not "
            "independent evidence. By default file names decide."
        ),
    ] = None,
    subset: Annotated[
        Path | None,
        typer.Option(help="File that lists the pictures to score: a JSON list, or one name per line. By default all."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Encoder that compares texts: a Hub id, minilm (offline; extra demo), or a directory with --num-layers. By "
            "default distilbert-base-uncased, as in the official code."
        ),
    ] = None,
    num_layers: Annotated[
        int | None, typer.Option(min=1, help="Layer of the encoder whose output is compared; by default bert-score's.")
    ] = None,
    thresholds: Annotated[
        str, typer.Option(help="Similarity thresholds from 0 to 1, separated by commas.")
    ] = "0.7,0.8,0.9",
    alpha: Annotated[
        float, typer.Option(help="Weight of the phenomenon in the Full scores, from 0 to 1; the rest is the reasoning.")
    ] = 0.5,
    matching: Annotated[
        str, typer.Option(help="How predictions are matched with references: greedy or optimal.")
    ] = "greedy",
    empty: Annotated[
        str,
        typer.Option(
            help="zero: pictures without references score 0, as in the official code; skip: they are left out."
        ),
    ] = "zero",
    rescale_with_baseline: Annotated[
        bool,
        typer.Option("--rescale-with-baseline", help="Rescale similarities by bert-score's baseline for the encoder."),
    ] = False,
    dtype: Annotated[
        str,
        typer.Option(help="float32 (exact); bfloat16 or float16 (faster on a GPU, with slightly different scores)."),
    ] = "float32",
    cache: Annotated[
        bool,
        typer.Option(
            "--cache/--no-cache",
            help="Keep the ground truth's embeddings on disk, so that scoring another model is faster.",
        ),
    ] = True,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Number of random exchanges per paired test; 0 turns tests and intervals off.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Seed for the chance scores and the paired tests.")] = 0,
    judge: Annotated[
        bool,
        typer.Option(
            "--judge",
            help="Also ask a language model (--base-url, --model) whether predictions and references describe the same "
            "anomaly, for the same reason. It sees texts only; at most four questions per prediction.",
        ),
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="OpenAI-compatible server hosting the judge; by default Inference Providers for OWNER/MODEL, else OpenAI. "
            "The API key is read from OPENAI_API_KEY or HF_TOKEN."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the judge on that server; required with --judge.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate the judge's calls, tokens and money, without making a call.")
    ] = False,
    rpm: Annotated[
        int | None,
        typer.Option(min=1, help="Quota of the server in calls per minute; by default learned from its replies."),
    ] = None,
    tpm: Annotated[
        int | None,
        typer.Option(min=1, help="Quota of the server in tokens per minute; by default learned from its replies."),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            help="YAML or JSON file of prices in US dollars per million tokens, model: {input: …, output: …}. Without it the "
            "cost is unknown."
        ),
    ] = None,
    budget_usd: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Stop asking the judge before it costs more than this, in US dollars; needs --prices."
        ),
    ] = None,
    budget_tokens: Annotated[
        int | None, typer.Option(min=1, help="Stop asking the judge before it uses more tokens than this.")
    ] = None,
    budget_calls: Annotated[
        int | None, typer.Option(min=1, help="Stop asking the judge before it makes more calls than this.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures, to show them in the report.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Hub id of the benchmark that the ground truth is from; with it, scores for the Hub's leaderboards are written to "
            ".eval_results.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="Print the result as json, csv, markdown or latex; by default as a table."),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="A B",
            help="Do not score; say whether the scores in two metrics.json files were measured in the same way.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Also replace results that anomreason did not write, or that were changed. Other files are kept.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score predictions against the ground truth; several files give a leaderboard. Exit code 3 if the judge left pairs out."""
    if compare is not None:
        _compare(*map(Path, compare))
        return
    handed: Handed = context.obj
    handed.require("score", "metric")
    from .errors import OptionError
    from .evaluation import score_files, write_results
    from .hub_results import check_benchmark
    from .judging import judged, questions
    from .tables import FORMATS, formatted

    if not files or len(files) < 2:
        given = "one file" if files else "no file"
        raise OptionError(f"score: {given} given; name at least one prediction file and then the ground truth")
    try:
        limits = [float(limit) for limit in thresholds.split(",")]
    except ValueError:
        raise OptionError(
            f"--thresholds {thresholds!r}: is not a list of numbers; write for example 0.7,0.8,0.9"
        ) from None
    form = "json" if as_json else form
    if form is not None and form not in FORMATS:
        raise OptionError(f"--format {form!r}: is unknown; choose one of {', '.join(FORMATS)}")
    if images is not None and not images.is_dir():
        raise OptionError(f"--images {images}: is not a folder; name the folder that holds the pictures")
    of_judge = {"--base-url": base_url, "--model": model, "--dry-run": dry_run or None, "--rpm": rpm, "--tpm": tpm}
    budget = {"--prices": prices, "--budget-usd": budget_usd, "--budget-tokens": budget_tokens}
    _check_judge(judge, model, {**of_judge, **budget, "--budget-calls": budget_calls})
    if dataset is not None:
        check_benchmark(dataset)
    handed.owned.check(out, "score", RESULTS, overwrite=overwrite)
    judging: AbstractContextManager[Any] = nullcontext()
    if judge:
        judging = handed.served.judging(
            model,
            base_url,
            out / JUDGE_RUN,
            usd=budget_usd,
            tokens=budget_tokens,
            calls=budget_calls,
            prices=prices,
            rpm=rpm,
            tpm=tpm,
            asks=not dry_run,
        )
    with judging as asked:
        board = score_files(
            files[:-1],
            files[-1],
            configuration="deepfake" if deepfake else "default",
            missing=missing,
            subset=subset,
            clusters=clusters,
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
        if dry_run:
            _print_cost(asked.cost(questions(board)))
            return
        board = judged(board, asked, bool(bootstrap)) if judge else board
    if form is None:
        _print_board(board)
    else:
        typer.echo(formatted(board, form))
    with handed.owned.added(out, "score", RESULTS, overwrite=overwrite) as work:
        names = [path.relative_to(work) for path in write_results(board, work, images, dataset, handed.typed())]
    for name in names:
        typer.echo(out / name, err=form is not None)
    if board.judgement is not None and board.judgement.unanswered:
        typer.echo(f"{board.judgement.unanswered:,} pairs have no answer from the judge; re-run to ask again", err=True)
        raise typer.Exit(3)


def _check_judge(judge: bool, model: str | None, options: Mapping[str, object]) -> None:
    from .errors import OptionError

    if judge and model is None:
        raise OptionError("--judge: needs --model, the name of the judge at its server; add it")
    if not judge and (given := [name for name, value in options.items() if value is not None]):
        raise OptionError(f"{given[0]} applies to the judge only; add --judge, or leave it out")


def _print_cost(cost: Any) -> None:
    money = "unknown (give --prices)" if cost.usd is None else f"${cost.usd:,.2f}"
    typer.echo(
        f"questions  {cost.questions:,}, of which {cost.answered:,} are answered already\ncalls      {cost.calls:,}\n"
        f"tokens     {cost.prompt_tokens:,} in, {cost.completion_tokens:,} out\nmoney      {money}"
    )


def _compare(first: Path, second: Path) -> None:
    from .signed_files import compare_files

    found = compare_files(first, second)
    for sentence in found or ["The signatures are the same: the scores may be compared."]:
        typer.echo(_printable(sentence))


def _print_board(board: "Leaderboard") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from .judgement import sentences
    from .tables import shown

    table = Table(box=None, pad_edge=False)
    head, *rows = shown(board, wide=False)
    for column in head:
        table.add_column(column, justify="left" if column in ("", "view") else "right")
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
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
        if (located := evaluation.scores.localisation).pairs:
            line += f", {100 * located.share.value:.1f} % of {located.pairs} matched pairs with boxes overlap (IoU of at least .5)"
        if counts.clusters < counts.scored:
            line += f", in {counts.clusters} clusters of pictures that belong together"
        lines.append(line)
        if evaluation.scores.needed is not None:
            lines.append(
                f"{evaluation.name}: about {evaluation.scores.needed:,} pictures are needed to tell apart two such systems "
                f"that differ by .02 in {board.prefix}SemAP_Full (80 % power)"
            )
    best = board.evaluations[0].scores
    findings = (*map(str, board.comparisons), *board.findings())
    if board.judgement is not None:
        findings += tuple(sentences(board.judgement))
    for line in (*lines, *findings, *(f"note: {warning}" for warning in best.warnings)):
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
