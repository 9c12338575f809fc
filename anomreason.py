"""The front door: the `anomreason` command.

Each command is a thin call into a package, imported when it is used, so that `--help` answers at once. Errors raised on purpose
become one line on stderr and an exit code: 0 done; 1 found what was looked for; 2 cannot start or read its input; 3 finished with
losses; 130 interrupted; 143 terminated.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    name="anomreason",
    help="Say what is wrong with a generated picture, why, and how badly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class _Steps:
    """Progress on the terminal: a numbered heading a step, a bar while something is counted."""

    def __init__(self, total: int) -> None:
        self.total, self.at = total, 0

    def step(self, text: str) -> None:
        self.at += 1
        typer.secho(f"[{self.at}/{self.total}] {text}", bold=True)

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("      {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress:
            task = progress.add_task(text, total=total)
            yield lambda done: progress.update(task, completed=done)


@app.command()
def quickstart() -> None:
    """The whole loop with embedded defaults, into ./anomreason and ./demo: minutes on a CPU, no Hub, no key."""
    # Nothing here needs the Hub, and a network that drops packets would hold the loop up for minutes.
    os.environ.update(HF_HUB_OFFLINE="1", HF_EVALUATE_OFFLINE="1")
    from trainer.quickstart import quickstart as run

    metrics = run(_Steps(6))
    _print_scores(metrics)
    typer.echo(
        f"""
Done in {metrics["seconds"]} s. Look at demo/report.html; the numbers are in demo/metrics.json.

From any directory, load_dataset("anomreason") is now these rendered scenes (in this directory ./anomreason itself) and
evaluate.load("semap") the metric of this package; `anomreason install --uninstall` takes both names away again.

Next:
  anomreason examine demo/scenes/images/{metrics["example"]} --adapter demo/adapter
  anomreason score demo/preds_base.json demo/preds_tuned.json demo/truth.json --encoder minilm --empty skip
  anomreason train --config tiny --dataset_name anomreason"""
    )


def _print_scores(metrics: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    family = metrics["family"].replace("_", " ")
    table = Table(title=f"Test split; taught: {family}", title_justify="left")
    for column in ("", "SemAP Full", "SemF1 Full", f"{family}: hits", "false alarms on clean twins"):
        table.add_column(column, justify="left" if not column else "right")
    for key, label in (("base", "tiny base"), ("tuned", "tuned adapter"), ("constant", "one constant answer")):
        row = metrics[key]
        counts = [f"{row[count][0]} of {row[count][1]}" for count in ("hits", "false_alarms")]
        table.add_row(label, f"{row['SemAP_Full']:.3f}", f"{row['SemF1_Full']:.3f}", *counts)
    chance = metrics["chance"]
    table.add_row("chance", f"{chance['SemAP_Full']:.3f}", f"{chance['SemF1_Full']:.3f}", "–", "–")
    console = Console()
    console.print(table)
    console.print(metrics["signature"], style="dim", soft_wrap=True)


@app.command()
def examine(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE…", help="Picture files.", show_default=False)],
    model: Annotated[str, typer.Option(help="tiny, a model's directory or a Hub id.")] = "tiny",
    adapter: Annotated[str | None, typer.Option(help="A LoRA adapter's directory or Hub id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a picture and line.")] = False,
) -> None:
    """List what is wrong with pictures. Exit code 1 if anything was found, 0 if nothing."""
    from dataset_builder.pictures import open_picture

    opened = [(str(path), open_picture(path)) for path in pictures]  # a bad path is told before a model is loaded
    from trainer.loading import load
    from trainer.predict import predict

    found = False
    for prediction in predict(opened, *load(model, adapter)):
        found = found or bool(prediction.anomalies)
        if as_json:
            fields = {"name", "phenomenon", "reasoning", "severity", "bbox"}
            anomalies = [anomaly.model_dump(include=fields) for anomaly in prediction.anomalies]
            answer = {
                "image_id": prediction.image_id,
                "status": prediction.status,
                "verdict": None,
                "anomalies": anomalies,
            }
            typer.echo(json.dumps(answer, ensure_ascii=False))
        else:
            _print_prediction(prediction)
    if model == "tiny" and not as_json:
        typer.secho(
            "The tiny model knows rendered scenes alone; of any other picture it says nothing of worth.", dim=True
        )
    raise typer.Exit(1 if found else 0)


def _print_prediction(prediction: Any) -> None:
    from dataset_builder import severity

    typer.secho(_printable(prediction.image_id), bold=True)
    if not prediction.anomalies:
        typer.echo("  no readable answer" if prediction.status == "failed" else "  nothing wrong")
    for anomaly in prediction.anomalies:
        rating = "" if anomaly.severity is None else f"  {anomaly.severity}/100 {severity.word(anomaly.severity)}"
        typer.echo(f"  {_printable(anomaly.name)}{rating}")
        typer.echo(f"    what  {_printable(anomaly.phenomenon)}\n    why   {_printable(anomaly.reasoning)}")


def _printable(text: str) -> str:
    """Text from outside without anything a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


@app.command()
def scenes(
    directory: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    n: Annotated[int, typer.Option("--n", help="Number of pictures, clean twins included.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    families: Annotated[str | None, typer.Option(help="Comma-separated; the trained ones by default.")] = None,
) -> None:
    """Render procedural pictures with known truth."""
    from dataset_builder.scenes import TRAINED, write_scenes

    chosen = TRAINED if families is None else tuple(name.strip() for name in families.split(",") if name.strip())
    write_scenes(directory, n, seed, chosen)
    typer.echo(f"{directory}: {n} pictures of seed {seed}")


Images = Annotated[Path | None, typer.Option(help="Where a run's pictures are, if not in its images/.")]
Label = Annotated[str | None, typer.Option(help="real or fake: the label of a run's pictures; fake unless given.")]


def _label(label: str | None) -> Any:
    from dataset_builder.errors import InputError

    if label not in (None, "real", "fake"):
        raise InputError(f"--label {label}: is no label; choose real or fake")
    return label


@contextmanager
def _pictures_done() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is done to pictures, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield show


@app.command()
def build(
    source: Annotated[
        Path, typer.Argument(help="A release (directory or zip), a run or a scenes directory.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The dataset repository to write.")] = Path("anomreason"),
    label: Label = None,
    images: Images = None,
    split: Annotated[str | None, typer.Option(help="train or test: build it alone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first pictures of each split and label only.")] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Leave out what has errors, into skipped.jsonl; exit code 3.")
    ] = False,
    recipe: Annotated[
        str, typer.Option(help="Of the configuration sft: anomaly_only, authenticity_reasoning or none.")
    ] = "anomaly_only",
    copies: Annotated[int, typer.Option(min=1, help="How often sft has each picture, in other wordings.")] = 1,
    seed: Annotated[int, typer.Option(help="Of sft: which pictures of the larger class stay, and wordings.")] = 0,
) -> None:
    """Build the dataset repository: Parquet with embedded pictures, and a card."""
    from dataset_builder.build import build as run
    from dataset_builder.errors import InputError

    if split not in (None, "train", "test"):
        raise InputError(f"--split {split}: is no split; choose train or test")
    with _pictures_done() as progress:
        result = run(
            source,
            out,
            label=_label(label),
            images=images,
            split=split,  # type: ignore[arg-type]
            limit=limit,
            skip_invalid=skip_invalid,
            recipe=None if recipe == "none" else recipe,  # type: ignore[arg-type]
            copies=copies,
            seed=seed,
            progress=progress,
        )
    typer.echo(f"{out}: {result}")
    if result.skipped:
        typer.echo(f"left out because of errors: {len(result.skipped)}; see {out / 'skipped.jsonl'}", err=True)
        raise typer.Exit(3)


@app.command()
def sft(
    source: Annotated[
        Path, typer.Argument(help="A release (directory or zip), a run or a scenes directory.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The file; a name in .jsonl gives a sample a line.")] = Path("sft.json"),
    form: Annotated[str, typer.Option("--format", help="llava, the official builder's conversations.")] = "llava",
    split: Annotated[str, typer.Option(help="train or test.")] = "train",
    recipe: Annotated[str, typer.Option(help="anomaly_only or authenticity_reasoning.")] = "authenticity_reasoning",
    fake_copies: Annotated[int, typer.Option(min=1, help="Samples of a generated picture, in other wordings.")] = 1,
    real_copies: Annotated[int, typer.Option(min=1, help="Samples of a real picture.")] = 1,
    seed: Annotated[int, typer.Option(help="Wordings, order and token places.")] = 42,
    shuffle_anomalies: Annotated[bool, typer.Option("--shuffle-anomalies")] = False,
    shuffle_output: Annotated[bool, typer.Option("--shuffle-output/--no-shuffle-output")] = True,
    image_token: Annotated[str, typer.Option(help="Where <image> stands: prefix, suffix or random.")] = "random",
    answer_style: Annotated[str, typer.Option(help="Of verdicts: label or sentence.")] = "label",
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Pass over bad records; exit code 3.")] = False,
    label: Label = None,
    images: Images = None,
) -> None:
    """Write the conversation JSON of the official instruction builder (the configuration sft needs no command)."""
    from dataset_builder.build import BuildError
    from dataset_builder.errors import InputError
    from dataset_builder.llava import conversations, write_llava
    from dataset_builder.rows import of_config
    from dataset_builder.sources import open_source

    choices = {"format": ("llava",), "split": ("train", "test"), "image-token": ("prefix", "suffix", "random")}
    chosen = {"format": form, "split": split, "image-token": image_token, "answer-style": answer_style}
    for option, values in (choices | {"answer-style": ("label", "sentence")}).items():
        if chosen[option] not in values:
            raise InputError(f"--{option} {chosen[option]}: is not known; choose {' or '.join(values)}")
    read = open_source(source, label=_label(label), images=images)
    broken = [finding for finding in read.findings if finding.is_error]
    if broken and not skip_invalid:
        raise BuildError(source, broken)
    samples = conversations(
        of_config(read.rows, "sft", split),  # type: ignore[arg-type]
        recipe,  # type: ignore[arg-type]
        fake_copies=fake_copies,
        real_copies=real_copies,
        seed=seed,
        shuffle_anomalies=shuffle_anomalies,
        shuffle_output=shuffle_output,
        image_token=image_token,  # type: ignore[arg-type]
        sentences=answer_style == "sentence",
    )
    typer.echo(f"{write_llava(out, samples)}: {len(samples)} samples")
    if broken:
        typer.echo(f"passed over because of errors: {len(broken)}", err=True)
        raise typer.Exit(3)


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="A release, a run, scenes or a built dataset.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where everything found goes, as JSON.")] = Path("validation.json"),
    label: Label = None,
    images: Images = None,
) -> None:
    """Check pictures, records, texts and splits. Exit code 1 if there are errors; warnings alone are 0."""
    from dataset_builder.validation import validate as run

    with _pictures_done() as progress:
        report = run(path, label=_label(label), images=images, progress=progress)
    _print_report(report)
    typer.echo(f"all of it: {report.write(out)}")
    raise typer.Exit(1 if report.has_errors else 0)


def _print_report(report: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, pad_edge=False)
    for column in ("", "kind", "count", "the first"):
        table.add_column(column, justify="right" if column == "count" else "left", no_wrap=column == "kind")
    for level, kind, count, first in report.table():
        shown = Text(_printable(first), overflow="ellipsis", no_wrap=True)
        table.add_row(Text(level, style="red" if level == "error" else "yellow"), kind, f"{count:,}", shown)
    typer.echo(f"{report.kind}: {report.pictures:,} pictures, {report.anomalies:,} anomalies")
    if report.findings:
        console.print(table)
    else:
        typer.echo("nothing wrong and nothing odd")
    for split, numbers in report.diversity.items():
        known = f", {len(numbers['families'])} families" if "families" in numbers else ""
        typer.echo(
            f"{split}: distinct-1 (type–token ratio) {numbers['distinct_1']:.4f}, distinct-2 {numbers['distinct_2']:.4f}, "
            f"{numbers['different_names']:,} different names{known}"
        )
    if report.overlap is not None:
        typer.echo(f"texts of test that stand in train too: {report.overlap:.1%}")


@app.command()
def publish(
    path: Annotated[Path, typer.Argument(help="A built dataset.")] = Path("anomreason"),
    repo_id: Annotated[str, typer.Option(help="ORG/NAME on the Hub.", show_default=False)] = ...,  # type: ignore[assignment]
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be pushed; nothing leaves.")] = False,
) -> None:
    """Push a built dataset to the Hub and check what arrived. The token comes from HF_TOKEN; run it again at any time."""
    from dataset_builder.publish import publish as run

    result = run(path, repo_id, private=private, dry_run=dry_run)
    for name, size in result.files:
        typer.echo(f"{size:>14,}  {name}")
    total = f"{len(result.files)} files, {sum(size for _, size in result.files):,} bytes, {result.rows:,} rows"
    if dry_run:
        typer.echo(f"dry run: {total} would go to {repo_id}")
    else:
        typer.echo(f"{result.url}: {total}, checked against what was built")


@app.command()
def install(
    path: Annotated[Path, typer.Argument(help="A built dataset.")] = Path("anomreason"),
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Take the plain names away again.")] = False,
) -> None:
    """Make load_dataset("anomreason") and evaluate.load("semap") work from any directory."""
    from dataset_builder import install as names

    if uninstall:
        removed = names.uninstall()
        typer.echo("\n".join(f"removed {place}" for place in removed) or "nothing was installed")
        return
    copy = names.install_dataset(path)
    metric = names.install_metric("metric_semap.semap", "SemAP")
    typer.echo(f'load_dataset("anomreason") now means {path.absolute()}, prepared in {copy}')
    typer.echo(f'evaluate.load("semap") now means the metric of this package, through {metric}')


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(context: typer.Context) -> None:
    """Fine-tune a LoRA adapter: --config RECIPE (tiny, or a YAML file) and any option of TRL's SFTConfig."""
    from trainer.sft import main as run

    typer.echo(f"adapter: {run(context.args)}")


@app.command()
def predict(
    dataset: Annotated[str, typer.Option(help="A built dataset's directory or a Hub id.")] = "anomreason",
    out: Annotated[
        Path, typer.Option(help="The predictions, in the release's form; rows go beside it as .jsonl.")
    ] = Path("preds.json"),
    model: Annotated[str, typer.Option(help="tiny, a model's directory or a Hub id.")] = "tiny",
    adapter: Annotated[str | None, typer.Option(help="A LoRA adapter's directory or Hub id.")] = None,
    split: Annotated[str, typer.Option()] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first pictures.")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 16,
) -> None:
    """Predict the anomalies of a dataset's pictures."""
    from trainer.predict import predict_dataset

    steps = _Steps(1)
    steps.step(f"predict {dataset} [{split}] with {model}" + (f" and {adapter}" if adapter else ""))
    failed = predict_dataset(dataset, split, limit, model, adapter, batch_size, out, steps)
    typer.echo(f"{out}")
    if failed:
        typer.echo(
            f"{failed} pictures without a readable answer; they are marked failed in {out.with_suffix('.jsonl')}",
            err=True,
        )
        raise typer.Exit(3)


@app.command()
def score(
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
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Score predictions against the ground truth; several prediction files make a leaderboard."""
    from metric_semap.errors import OptionError
    from metric_semap.evaluation import score_files, write_results

    if len(files) < 2:
        raise OptionError("score: one file given; name at least one prediction file and then the ground truth")
    try:
        limits = [float(limit) for limit in thresholds.split(",")]
    except ValueError:
        raise OptionError(
            f"--thresholds {thresholds!r}: is no list of numbers; write for example 0.7,0.8,0.9"
        ) from None
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
        bootstrap=bootstrap,
        seed=seed,
    )
    _print_board(board)
    for path in write_results(board, out):
        typer.echo(path)


def _print_board(board: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table, c = Table(box=None, pad_edge=False), board.prefix
    scores = [f"{c}SemAP", f"{c}SemF1"]
    for column in ("", "view", *(part for score in scores for part in (score, "95 %", "chance"))):
        table.add_column(column, justify="left" if column in ("", "view") else "right")
    for evaluation in board.evaluations:
        for view in ("Full", "Phe", "Rea"):
            values = [
                evaluation.numbers.get(f"{prefix}{score}_{view}{suffix}")
                for score in scores
                for prefix, suffix in (("", ""), ("", "_low"), ("", "_high"), ("chance_", ""))
            ]
            cells = []
            for k in (0, 4):
                score, low, high, chance = values[k : k + 4]
                interval = "–" if low is None else f"{low:.3f}–{high:.3f}"
                cells += [f"{score:.4f}", interval, "–" if chance is None else f"{chance:.4f}"]
            table.add_row(_printable(evaluation.name) if view == "Full" else "", view, *cells)
    console = Console()
    console.print(table)
    for evaluation in board.evaluations:
        numbers = evaluation.numbers
        line = f"{evaluation.name}: {len(evaluation.images)} pictures"
        if c:
            line += f", accuracy {numbers['accuracy']:.4f}"
        if numbers["clean_images"]:
            line += f", something reported on {numbers['false_alarms']} of {numbers['clean_images']} clean ones"
        console.print(_printable(line), markup=False, soft_wrap=True)
    for comparison in board.comparisons:
        console.print(_printable(str(comparison)), markup=False)
    for evaluation in board.evaluations[:1]:
        for warning in evaluation.numbers.get("warnings", []):
            console.print(f"note: {_printable(warning)}", markup=False, soft_wrap=True)
        console.print(evaluation.numbers["signature"], style="dim", markup=False, soft_wrap=True)


def _terminated(signum: int, _: Any) -> NoReturn:
    raise SystemExit(128 + signum)


def main() -> NoReturn:
    """Run the command; errors raised on purpose become one line and exit code 2."""
    signal.signal(signal.SIGTERM, _terminated)
    # Threads that spin while they wait for each other take several times as long as soon as anything else uses a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        # Not Typer's own runner: it would print a traceback for an error and hide Ctrl-C's exit code.
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        import click

        if isinstance(error, click.exceptions.Exit):
            sys.exit(error.exit_code)
        if isinstance(error, click.exceptions.Abort):
            sys.exit(130)
        if isinstance(error, click.ClickException):
            error.show()
            sys.exit(error.exit_code)
        if _on_purpose(error):
            typer.echo("\n".join(map(_printable, f"anomreason: {error}".splitlines())), err=True)
            sys.exit(2)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _on_purpose(error: Exception) -> bool:
    from dataset_builder.errors import AnomReasonError
    from metric_semap.errors import SemapError

    return isinstance(error, (AnomReasonError, SemapError))


if __name__ == "__main__":
    main()
