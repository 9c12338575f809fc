"""The commands of the agent: annotate, runs, simulate-vlm."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import agent.simulated.commands
from dataset_builder.options import AsJson, Boxes, DryRun, Rpm, Tpm
from dataset_builder.terminal import pictures_done, printable, progress_bar, tell

app = typer.Typer()
app.add_typer(agent.simulated.commands.app)
runs = typer.Typer(help="Show what a run of `annotate` cost, or delete what it no longer needs.", no_args_is_help=True)
app.add_typer(runs, name="runs")

RunDirectory = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run directory of `anomreason annotate`.", show_default=False)
]


@app.command()
def annotate(
    source: Annotated[
        str,
        typer.Argument(
            help="A picture, a folder, a .txt file with one path per line, a built dataset or a Hub dataset id.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Run directory. Re-run with the same directory to resume.")] = Path(
        "runs/mine"
    ),
    model: Annotated[
        str | None, typer.Option(help="Name of the model on the server; required without --simulate.")
    ] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(
            help="URL of an OpenAI-compatible server hosting the model. The API key is read from OPENAI_API_KEY or HF_TOKEN. "
            "Repeat the option for several servers with the same model. Default: Inference Providers for OWNER/MODEL, else OpenAI."
        ),
    ] = None,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="Use the simulated model instead of a server; SOURCE must be a directory that `anomreason scenes` wrote.",
        ),
    ] = False,
    plan: Annotated[
        str,
        typer.Option(
            help="Which calls are made: vote, efficient, paper or direct (see docs/agent.md); or caption, which writes why real "
            "photographs are credible."
        ),
    ] = "vote",
    stance: Annotated[
        str | None,
        typer.Option(
            help="What the model is told of each picture: neutral (the default), or assume-generated (as in the paper)."
        ),
    ] = None,
    drafts: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of drafts of the object list (T in the paper), for the plans efficient and paper; by default 3.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of verification or summary samples (S in the paper), for vote, efficient and paper; by default 3.",
        ),
    ] = None,
    max_objects: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Examine only the first N objects per picture, for the plans efficient and paper; by default all.",
        ),
    ] = None,
    min_support: Annotated[
        int | None,
        typer.Option(
            min=1, help="Drop anomalies that were named or confirmed by fewer samples than this; by default none."
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of the answers, for example French; by default English.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="YAML or JSON file with your own prompts: the name of a stage or stance, and its text."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Annotate only the first N pictures; by default all.")
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Maximum number of simultaneous calls per server, over all pictures.")
    ] = 16,
    timeout: Annotated[float, typer.Option(min=0.1, help="Timeout of one attempt at a call, in seconds.")] = 300.0,
    rpm: Rpm = None,
    tpm: Tpm = None,
    boxes: Boxes = None,
    dry_run: DryRun = False,
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
            min=0.0,
            help="Stop before the run, earlier starts included, costs more than this, in US dollars; needs --prices.",
        ),
    ] = None,
    budget_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Stop before the run, earlier starts included, uses more tokens than this."),
    ] = None,
    budget_calls: Annotated[
        int | None,
        typer.Option(min=1, help="Stop before the run, earlier starts included, makes more calls than this."),
    ] = None,
    canaries: Annotated[
        int,
        typer.Option(
            min=0, help="Ask again about N finished pictures of the run, and report whether the answers have drifted."
        ),
    ] = 0,
    engine: Annotated[
        str,
        typer.Option(
            help="How calls are made: local (directly), batch (OpenAI's batch files: half the price, up to a day per step) or ray "
            "(on a cluster; extra ray)."
        ),
    ] = "local",
) -> None:
    """Annotate pictures with AnomAgent. Exit code 3 if a picture is partial or failed, or a budget stopped the run."""
    from agent.budget import read_prices
    from agent.outputs import check_is_ours
    from agent.reach import ROOM, check_reachable
    from agent.run import Endpoint
    from agent.run import annotate as run
    from agent.sources import open_source
    from dataset_builder.contestants import Limits
    from dataset_builder.errors import InputError
    from dataset_builder.preflight import check_room, look

    captions = plan == "caption"
    settings = _settings(
        plan,
        boxes,
        language,
        prompts,
        stance=stance,
        drafts=drafts,
        samples=samples,
        max_objects=max_objects,
        min_support=min_support,
    )
    model = "simulated" if simulate else model
    if model is None:
        raise InputError("--model: is missing; give the model's name on your server, or use --simulate")
    if captions and (engine != "local" or canaries):
        raise InputError("--plan caption does not support --engine and --canaries; leave them out")
    if engine not in ("local", "batch", "ray"):
        raise InputError(f"--engine {engine}: is not known; choose local, batch or ray")
    if engine != "local" and canaries:
        raise InputError(f"--engine {engine} does not ask canaries; use --engine local for them")
    if engine == "batch" and (rpm or tpm):
        raise InputError("--engine batch does not support --rpm and --tpm (a batch has no rate); leave them out")
    first, *others = base_url or (None,)
    if others and (captions or engine != "local"):
        raise InputError(
            "--base-url: only --engine local supports several servers, and not with --plan caption; give one URL"
        )
    if dry_run:
        price = read_prices(prices).get(model) if prices else None
        _print_forecast(
            source, settings, model, limit, price.batched if price and engine == "batch" else price, concurrency
        )
        return
    limits = Limits(budget_usd, budget_tokens, budget_calls)
    look(
        lambda: check_is_ours(out),
        lambda: check_room(out, ROOM),
        *(() if simulate else (partial(check_reachable, model, base_url or [None]),)),
        lambda: open_source(source, out, limit),
        lambda: prices and read_prices(prices),
    )
    price = read_prices(prices).get(model) if prices else None
    with _server(source, simulate, first) as url:
        endpoint = Endpoint(model, url, concurrency, timeout, rpm, tpm, tuple(others))
        if captions:
            _captions(source, out, endpoint, limit, limits, price)
            return
        if engine == "ray":
            from agent.cluster import annotate as over_ray

            summary = over_ray(source, out, endpoint, settings, limit=limit, limits=limits, price=price)
        else:
            with _showing(price is not None) as show:
                summary = run(
                    source,
                    out,
                    endpoint,
                    settings,
                    limit=limit,
                    limits=limits,
                    price=price,
                    canaries=canaries,
                    batches=engine == "batch",
                    show=show,
                )
    _print_summary(out, summary)
    if summary["partial"] or summary["failed"] or summary["unfinished"]:
        raise typer.Exit(3)


def _captions(source: str, out: Path, endpoint: Any, limit: int | None, limits: Any, price: Any) -> None:
    """Caption a source's pictures and say what came of it; exit code 3 if some have no caption."""
    from agent.captions import caption

    with pictures_done() as show:
        found = caption(source, out, endpoint, partial(show, "captions"), limit=limit, limits=limits, price=price)
    money = "" if found.usd is None else f", ${found.usd:.2f}"
    typer.echo(
        f"{printable(str(found.path))}: {found.captions} captions; {found.calls:,} calls, {found.tokens:,} tokens{money}"
    )
    for image_id, problem in list(found.failed.items())[:10]:
        typer.echo(f"{printable(image_id)}: no caption: {printable(problem)}", err=True)
    if found.unfinished:
        typer.echo(
            f"{found.unfinished} pictures are not captioned: the budget is used up; re-run with a larger one", err=True
        )
    if found.failed or found.unfinished:
        raise typer.Exit(3)


def _settings(
    plan: str, boxes: str | None, language: str | None, prompts: Path | None, **given: str | int | None
) -> Any:
    """Settings of what was given. Options that the plan does not use are refused; of wordings, which it does not use is told."""
    from agent.boxes import check_unit
    from agent.plans import PLANS, STAGES, Settings
    from agent.prompt_files import read_prompts
    from agent.prompts import STANCES
    from dataset_builder.errors import InputError
    from dataset_builder.options import without_effect

    stance = given["stance"] or "neutral"
    for option, value, known in (("plan", plan, (*PLANS, "caption")), ("stance", stance, STANCES)):
        if value not in known:
            raise InputError(f"--{option} {value}: is not known; choose {' or '.join(known)}")
    if plan in ("direct", "caption"):
        reason = f"--plan {plan} asks once about a picture, with the prompt of training"
        without_effect(reason, **given, language=language, prompts=prompts)
    elif plan == "vote":
        without_effect("--plan vote makes no list of objects", drafts=given["drafts"], max_objects=given["max_objects"])
    if language is not None and not (language.isprintable() and 2 <= len(language) <= 60):
        raise InputError(f"--language {printable(language[:60])!r}: is not a language's name; write for example French")
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    chosen |= {"plan": "direct" if plan == "caption" else plan, "boxes": check_unit(boxes), "language": language}
    worded = read_prompts(prompts) if prompts else {}
    asked = (stance, *STAGES[chosen["plan"]])
    for name in worded:
        if name not in asked:
            told = f"{prompts}: {name}: has no effect; --plan {plan} uses only {', '.join(map(str, asked))}"
            typer.echo(printable(told), err=True)
    return Settings(**chosen, prompts=worded)


def _server(source: str, simulate: bool, base_url: str | None) -> AbstractContextManager[str | None]:
    if not simulate:
        return nullcontext(base_url)
    from agent.simulated import serve
    from dataset_builder.errors import InputError

    if base_url is not None:
        raise InputError("--simulate and --base-url: each names a server; give only one of them")
    if not (Path(source) / "scenes.jsonl").is_file():
        raise InputError(
            f"{source}: is not a scenes directory, which --simulate needs; make one with `anomreason scenes`"
        )
    return serve(Path(source))


@contextmanager
def _showing(priced: bool) -> Iterator[Callable[[Any, Any, int | None], None]]:
    """What is known of a run: pictures, calls, tokens, money, losses, time left; a bar on a terminal, lines in a log."""
    from rich.progress import TextColumn

    with progress_bar(TextColumn("{task.fields[spent]}")) as bar:
        task = bar.add_task("pictures", total=None, spent="")

        def show(progress: Any, budget: Any, total: int | None) -> None:
            money = f" · ${budget.usd:.2f}" if priced else ""
            lost = progress.statuses["partial"] + progress.statuses["failed"]
            spent = f"{budget.calls:,} calls · {budget.tokens:,} tokens{money} · {lost} with losses"
            bar.update(task, completed=progress.done, total=total, spent=spent)
            left = bar.tasks[0].time_remaining
            of = "" if total is None else f" of {total:,}"
            more = "" if left is None else f" · about {timedelta(seconds=round(left))} left"
            tell(f"{progress.done:,}{of} pictures · {spent}{more}")

        yield show


def _print_summary(out: Path, summary: dict[str, Any]) -> None:
    money = "" if summary["usd"] is None else f", ${summary['usd']:.2f}"
    tokens = summary["prompt_tokens"] + summary["completion_tokens"]
    typer.echo(
        f"{printable(str(out))}: {summary['pictures']} pictures: {summary['anomalies']} with anomalies, "
        f"{summary['none']} with none, {summary['partial']} partial, {summary['failed']} failed; "
        f"{summary['calls']:,} calls, {tokens:,} tokens{money}"
    )
    if summary["simulated"]:
        typer.echo("simulated: these answers come from the scenes' known truth, not from a model")
    for url, reason in summary["servers_left_out"].items():
        typer.echo(f"{printable(url)}: left out: {printable(reason)}", err=True)
    for told in filter(None, (summary["salvaged"], summary["canaries"] and summary["canaries"]["told"])):
        typer.echo(printable(told), err=True)
    if summary["unfinished"]:
        typer.echo(
            f"{summary['unfinished']} pictures are not finished: the budget is used up; re-run with a larger one",
            err=True,
        )
    typer.echo(f"report: {printable(str(out / 'report.html'))}")


def _print_forecast(source: str, settings: Any, model: str, limit: int | None, price: Any, concurrency: int) -> None:
    from agent.forecast import forecast

    expected = forecast(source, settings, model=model, limit=limit, price=price, concurrency=concurrency)
    money = "unknown (give --prices)" if expected.usd is None else f"${expected.usd:,.2f}"
    typer.echo(
        f"pictures  {expected.pictures:,}\ncalls     {expected.calls:,}\n"
        f"tokens    {expected.prompt_tokens:,} in, {expected.completion_tokens:,} out\nmoney     {money}\n"
        f"time      {expected.seconds / 60:,.1f} min\nassumed   {expected.assumed}"
    )


@runs.command("show")
def show_run(run: RunDirectory, as_json: AsJson = False) -> None:
    """Show a run's calls and their cost, by stage."""
    from rich.console import Console
    from rich.table import Table

    from agent.ledger import by_stage

    if as_json:
        typer.echo(json.dumps([row._asdict() for row in by_stage(run)], indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "calls", "unusable", "tokens in", "tokens out", "USD", "s per call"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for row in by_stage(run):
        usd = "–" if row.usd is None else f"{row.usd:.4f}"
        counts = (f"{count:,}" for count in (row.calls, row.unusable, row.prompt_tokens, row.completion_tokens))
        table.add_row(printable(row.stage), *counts, usd, f"{row.seconds:.2f}")
    Console().print(table)


@runs.command("prune")
def prune_run(run: RunDirectory) -> None:
    """Delete the texts of unusable answers and the results of earlier settings. The cost of every call stays on record."""
    from agent.ledger import prune

    typer.echo(f"{printable(str(run))}: {prune(run)} answers and results deleted")
