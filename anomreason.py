"""The front door: the `anomreason` command.

The commands of one package stand in its `commands.py`; here are those that compose packages. Each is a thin call, and what is heavy
is imported when it is used, so that `--help` answers at once. Errors raised on purpose become one line on stderr and an exit code:
0 done; 1 found what was looked for; 2 cannot start or read its input; 3 finished with losses; 130 interrupted; 143 terminated.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import agent.commands
import agent.review.commands
import dataset_builder.commands
import metric_semap.commands
import space.commands
import trainer.commands
from dataset_builder.terminal import Steps, printable

app = typer.Typer(
    name="anomreason",
    help="Say what is wrong with a generated picture, why, and how badly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (
    trainer.commands,
    metric_semap.commands,
    agent.commands,
    agent.review.commands,
    dataset_builder.commands,
    space.commands,
):
    app.add_typer(commands.app)


Model = Annotated[
    str | None,
    typer.Option(
        help="tiny, a model's directory or a Hub id; unless given, the adapter's base, or tiny.", show_default=False
    ),
]
Adapter = Annotated[str | None, typer.Option(help="A LoRA adapter's directory or Hub id.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="An OpenAI-compatible server that has the model; a call a picture, the key from OPENAI_API_KEY or HF_TOKEN."
    ),
]
Merge = Annotated[
    bool, typer.Option("--merge/--no-merge", help="Add the adapter to the weights, or compute it beside them: slower.")
]


@app.command()
def examine(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE…", help="Picture files.", show_default=False)],
    model: Model = None,
    adapter: Adapter = None,
    base_url: BaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a picture and line.")] = False,
) -> None:
    """List what is wrong with pictures. Exit code 1 if anything was found, 0 if nothing, 3 if a picture got no readable answer."""
    if base_url is None:
        tiny, predictions = _examine_here(pictures, model, adapter)
    else:
        from agent.served import examine_files

        tiny, predictions = False, examine_files(pictures, model, adapter, base_url)
    statuses = set()
    for prediction in predictions:
        statuses.add(prediction.status)
        if as_json:
            fields = {"name", "phenomenon", "reasoning", "severity", "bbox"}
            anomalies = [anomaly.model_dump(include=fields) for anomaly in prediction.anomalies]
            answer = {
                "image_id": prediction.image_id,
                "status": prediction.status,
                "verdict": {"label": prediction.label, "p_fake": prediction.p_fake} if prediction.label else None,
                "anomalies": anomalies,
            }
            typer.echo(json.dumps(answer, ensure_ascii=False))
        else:
            _print_prediction(prediction)
    if tiny and not as_json:
        typer.secho(
            "The tiny model knows rendered scenes alone; of any other picture it says nothing of worth.", dim=True
        )
    raise typer.Exit(1 if statuses & {"anomalies", "partial"} else 3 if "failed" in statuses else 0)


def _examine_here(pictures: list[Path], model: str | None, adapter: str | None) -> tuple[bool, Iterable[Any]]:
    from dataset_builder.pictures import open_picture

    opened = [(str(path), open_picture(path)) for path in pictures]  # a bad path is told before a model is loaded
    from trainer.loading import is_tiny, load
    from trainer.predict import predict

    loaded, processor = load(model, adapter)
    tiny = is_tiny(loaded)  # no verdict of it is worth showing
    return tiny, predict(opened, loaded, processor, "anomalies" if tiny else "both")


def _print_prediction(prediction: Any) -> None:
    from dataset_builder import severity

    typer.secho(printable(prediction.image_id), bold=True)
    if prediction.label:
        made = "generated" if prediction.label == "fake" else "real"
        typer.echo(
            f"  verdict: {made}"
            + ("" if prediction.p_fake is None else f"; probability of generated {prediction.p_fake:.2f}")
        )
    if not prediction.anomalies:
        typer.echo("  no readable answer" if prediction.status == "failed" else "  nothing wrong")
    for anomaly in prediction.anomalies:
        rating = "" if anomaly.severity is None else f"  {anomaly.severity}/100 {severity.word(anomaly.severity)}"
        typer.echo(f"  {printable(anomaly.name)}{rating}")
        typer.echo(f"    what  {printable(anomaly.phenomenon)}\n    why   {printable(anomaly.reasoning)}")


@app.command()
def predict(
    dataset: Annotated[str, typer.Option(help="A built dataset's directory or a Hub id.")] = "anomreason",
    out: Annotated[
        Path, typer.Option(help="The predictions, in the release's form; rows go beside it as .jsonl.")
    ] = Path("preds.json"),
    model: Model = None,
    adapter: Adapter = None,
    split: Annotated[str, typer.Option()] = "test",
    task: Annotated[
        str,
        typer.Option(
            help="anomalies, grounded (with boxes), verdict (real or generated), or both: verdict and anomalies."
        ),
    ] = "anomalies",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first pictures.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures answered at once.")] = 16,
    merge: Merge = True,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of going on with what is there.")
    ] = False,
    base_url: BaseUrl = None,
    rpm: Annotated[
        int | None, typer.Option(min=1, help="A server's quota in calls per minute, if you know it.")
    ] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="The same in tokens per minute.")] = None,
    boxes: Annotated[
        str | None, typer.Option(help="How a server's model gives boxes: pixels, permille or fraction.")
    ] = None,
) -> None:
    """Predict the anomalies of a dataset's pictures. Stopped and run again, it goes on."""
    steps = Steps(1)
    named = " and ".join(name for name in (model or (None if adapter else "tiny"), adapter) if name)
    steps.step(f"predict {dataset} [{split}] with {named}")
    if base_url is not None:
        from agent.served import predict_split

        failed = predict_split(
            dataset,
            split,
            limit,
            model,
            adapter,
            base_url,
            batch_size,
            out,
            steps,
            task,  # type: ignore[arg-type]
            restart,
            rpm=rpm,
            tpm=tpm,
            boxes=boxes,
        )
    else:
        from trainer.predict import predict_dataset

        failed = predict_dataset(
            dataset,
            split,
            limit,
            model,
            adapter,
            batch_size,
            out,
            steps,
            task=task,  # type: ignore[arg-type]
            merge=merge,
            restart=restart,
        )
    typer.echo(f"{out}")
    if failed:
        typer.echo(
            f"{failed} pictures without a readable answer; they are marked failed in {out.with_suffix('.jsonl')}",
            err=True,
        )
        raise typer.Exit(3)


@app.command()
def benchmark(
    bench: Annotated[Path, typer.Argument(metavar="bench.yaml", help="What to compare.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where leaderboard.json, .md, .html and predictions go.")] = Path(
        "benchmark"
    ),
) -> None:
    """Run several models over one split and rank them. Run it again to go on where it stopped. Exit code 3 if one is left out."""
    from agent.served import answer_split
    from dataset_builder.contestants import Outcome
    from trainer.evaluation.bench import read_bench
    from trainer.evaluation.bench_run import Job, local, run
    from trainer.evaluation.leaderboard import write_leaderboard

    checked = read_bench(bench)
    steps = Steps(sum(one.predictions is None for one in checked.models.values()))
    here = local(steps)

    def predict(job: Job) -> Outcome:
        steps.step(printable(f"{job.name} on {checked.dataset} [{checked.split}]"))
        if not job.contestant.is_remote:
            return here(job)
        return answer_split(
            job.contestant,
            checked.dataset,
            checked.config,
            checked.split,
            job.images,
            job.path,
            steps,
            job.budget,
            checked.prices,
            verdict=job.verdict,
        )

    result = run(checked, out, predict)
    for path in write_leaderboard(result, out):
        typer.echo(path)
    for name, reason in result.unfinished.items():
        typer.echo(f"{printable(name)}: not scored: {printable(reason)}", err=True)
    if result.unfinished:
        raise typer.Exit(3)


@app.command()
def audit(
    plan: Annotated[Path, typer.Argument(metavar="generators.yaml", help="What to audit.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where audit.json, audit.md, audit.html and answers go.")] = Path("audit"),
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Rank image generators by what a reviewer finds wrong with their pictures. Run it again to go on where it stopped."""
    from agent.served import answer
    from dataset_builder.contestants import Outcome
    from dataset_builder.errors import PictureError
    from trainer.evaluation.audit_answers import Shown, Unfinished, local_reviewer, review
    from trainer.evaluation.audit_page import print_ranking, write_audit
    from trainer.evaluation.audit_plan import read_plan, read_prompts
    from trainer.evaluation.audit_result import summarise

    checked = read_plan(plan)
    prompts = read_prompts(checked.prompts)
    steps = Steps(checked.asks)

    def served(shown: Shown) -> Outcome:
        def content(image_id: str) -> bytes:
            try:
                return shown.content(image_id)
            except PictureError:
                return b""  # no picture: it is counted as failed, like one that cannot be decoded

        pictures = ((image_id, content(image_id)) for image_id in shown.ids)
        count, path = len(shown.ids), shown.path
        return answer(checked.reviewer, pictures, count, path, steps, shown.budget, checked.prices)

    here = local_reviewer(checked.reviewer, steps)

    def ask(shown: Shown) -> Outcome:
        steps.step(printable(f"{shown.name}: {len(shown.ids)} pictures"))
        return served(shown) if checked.reviewer.is_remote else here(shown)

    try:
        reviewed = review(checked, out, ask)
    except Unfinished as reason:
        typer.echo(f"not ranked: {printable(str(reason))}", err=True)
        raise typer.Exit(3) from None
    result = summarise(reviewed, prompts, seed)
    print_ranking(result)
    for path in write_audit(result, reviewed.generators, out):
        typer.echo(path)
    if any(row["failed"] for row in result["generators"]):
        raise typer.Exit(3)


@app.command()
def publish(
    path: Annotated[Path, typer.Argument(help="A built dataset, an adapter, or a Space such as metric_semap.")] = Path(
        "anomreason"
    ),
    repo_id: Annotated[str, typer.Option(help="ORG/NAME on the Hub.", show_default=False)] = ...,  # type: ignore[assignment]
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be pushed; nothing leaves.")] = False,
    base_id: Annotated[str | None, typer.Option(help="Of an adapter: its base's id on the Hub.")] = None,
    with_base: Annotated[
        bool, typer.Option("--with-base", help="Of an adapter: publish its base too, as --base-id or ORG/NAME-base.")
    ] = False,
    metrics: Annotated[
        Path | None, typer.Option(help="Of an adapter: metrics.json of `anomreason score`, for its card.")
    ] = None,
) -> None:
    """Push a dataset, adapter or Space to the Hub and check what arrived; run it again at any time. The token is HF_TOKEN."""
    for result in _publish(path, repo_id, private, dry_run, base_id, with_base, metrics):
        for name, size in result.files:
            typer.echo(f"{size:>14,}  {name}")
        total = f"{len(result.files)} files, {sum(size for _, size in result.files):,} bytes"
        total += f", {result.note}" if result.note else ""
        if dry_run:
            typer.echo(f"dry run: {total} would go to {result.kind} {result.repo_id}")
        else:
            typer.echo(f"{result.url}: {total}, checked against what was built")


def _publish(
    path: Path, repo_id: str, private: bool, dry_run: bool, base_id: str | None, with_base: bool, metrics: Path | None
) -> list[Any]:
    """What a directory is tells how it is published."""
    from dataset_builder.building.read_back import is_dataset
    from dataset_builder.errors import InputError
    from dataset_builder.publishing.publish import is_space, publish, publish_space
    from space.publish import is_demo, publish_demo

    if (path / "adapter_config.json").is_file():
        from trainer.publish import publish_adapter

        return publish_adapter(
            path,
            repo_id,
            base_id=base_id,
            with_base=with_base,
            metrics=metrics,
            private=private,
            dry_run=dry_run,
        )
    if base_id or with_base or metrics:
        raise InputError(f"{path}: is no adapter; --base-id, --with-base and --metrics belong to adapters alone")
    if is_dataset(path):
        return [publish(path, repo_id, private=private, dry_run=dry_run)]
    if not path.exists() and path.name == "metric_semap":
        path = Path(metric_semap.__path__[0])  # the installed metric
    if is_demo(path):
        return [publish_demo(repo_id, private=private, dry_run=dry_run)]
    if is_space(path):
        return [publish_space(path, repo_id, private=private, dry_run=dry_run)]
    raise InputError(
        f"{path}: is no dataset, adapter or Space; make one with `anomreason build SOURCE --out {path}` or `anomreason train`"
    )


def _terminated(signum: int, _: Any) -> NoReturn:
    raise SystemExit(128 + signum)


def main() -> NoReturn:
    """Run the command; errors raised on purpose become one line and exit code 2."""
    signal.signal(signal.SIGTERM, _terminated)
    # Threads that spin while they wait for each other take several times as long as soon as anything else uses a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # What libraries announce to programmers is not for who runs a command.
    warnings.simplefilter("ignore", FutureWarning)
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
            typer.echo("\n".join(map(printable, f"anomreason: {error}".splitlines())), err=True)
            sys.exit(2)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _on_purpose(error: Exception) -> bool:
    from dataset_builder.errors import AnomReasonError
    from metric_semap.errors import SemapError

    return isinstance(error, (AnomReasonError, SemapError))


if __name__ == "__main__":
    main()
