"""The commands that rank: benchmark and audit.

Endpoints lie in a package that this one knows nothing of: the front door hands in what asks them, as the context's object.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import typer

from dataset_builder import atomic, owned
from dataset_builder.contestants import Outcome
from dataset_builder.extras import require
from dataset_builder.options import AsJson, Overwrite
from dataset_builder.preflight import Check
from dataset_builder.terminal import Steps, printable

app = typer.Typer()


class Served(Protocol):
    """What asks endpoints: `agent.served`, handed in as `context.obj.served`."""

    answer_split: Callable[..., Outcome]
    answer: Callable[..., Outcome]
    contestant_checks: Callable[..., list[Check]]


@app.command()
def benchmark(
    context: typer.Context,
    bench: Annotated[
        Path,
        typer.Argument(
            metavar="bench.yaml",
            help="File that names the dataset and the models; docs/scoring.md has an example.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for leaderboard.json, .md, .html and the predictions.")] = Path(
        "benchmark"
    ),
    organization: Annotated[
        str | None,
        typer.Option(
            "--every-eval-ever",
            metavar="ORGANIZATION",
            help="Also write records in the Every Eval Ever schema, with this organization as the evaluator.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Run several models on the same pictures and rank them. Re-run to resume. Exit code 3 if a model had to be left out."""
    require("benchmark", "train")
    from dataset_builder.preflight import check_room, look
    from metric_semap.errors import SemapError
    from trainer.evaluation.bench import read_bench
    from trainer.evaluation.bench_run import Job, local, run
    from trainer.evaluation.every_eval_ever import every_eval_ever
    from trainer.evaluation.leaderboard import LEADERBOARD, write_leaderboard
    from trainer.evaluation.readiness import bench_checks
    from trainer.readiness import ROOM

    served: Served = context.obj.served
    checked = read_bench(bench)
    look(
        lambda: owned.check(out, "benchmark", LEADERBOARD, overwrite=overwrite),
        lambda: check_room(out, ROOM),
        *bench_checks(checked),
        *served.contestant_checks(checked.models, checked.prices),
        expected=(SemapError,),
    )
    steps = Steps(sum(one.predictions is None for one in checked.models.values()))
    here = local(steps)

    def predict(job: Job) -> Outcome:
        steps.step(printable(f"{job.name} on {checked.dataset} [{checked.split}]"))
        if not job.contestant.is_remote:
            return here(job)
        return served.answer_split(
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
    with owned.added(out, "benchmark", LEADERBOARD, overwrite=overwrite) as work:
        written = write_leaderboard(result, work)
        if organization is not None:
            records = every_eval_ever(result, organization)
            written += [atomic.write(work / "every_eval_ever" / name, text) for name, text in records.items()]
        names = [path.relative_to(work) for path in written]
    if as_json:
        typer.echo((out / "leaderboard.json").read_text(encoding="utf-8"), nl=False)
    for name in names:
        typer.echo(out / name, err=as_json)
    for model, reason in result.unfinished.items():
        typer.echo(f"{printable(model)}: not scored: {printable(reason)}", err=True)
    if result.unfinished:
        raise typer.Exit(3)


@app.command()
def audit(
    context: typer.Context,
    plan: Annotated[
        Path | None,
        typer.Argument(
            metavar="generators.yaml",
            help="File that names the generators and the reviewer; docs/auditing.md has an example. Optional with --compare.",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="OLD NEW",
            help="Compare two generators prompt by prompt instead of ranking all: two names in generators.yaml or, without "
            "that file, two paths of annotations, runs or folders of pictures.",
            show_default=False,
        ),
    ] = None,
    fail_if_worse: Annotated[
        bool,
        typer.Option(
            "--fail-if-worse",
            help="With --compare: exit with code 1 if NEW is worse than OLD in any measure, beyond chance.",
        ),
    ] = False,
    ratings: Annotated[
        Path | None,
        typer.Option(
            "--calibrated",
            metavar="RATINGS.csv",
            help="CSV of people's ratings (severity,rating,item,rater), with which the reviewer's severities are calibrated.",
            show_default=False,
        ),
    ] = None,
    embed_kinds: Annotated[
        bool,
        typer.Option(
            "--embed-kinds",
            help="Use the offline encoder (extra demo) to find the kind of anomalies that no rule recognizes.",
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for audit.json, audit.md, audit.html and the answers.")] = Path(
        "audit"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Bootstrap seed.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Rank image generators by what a model or AnomAgent finds wrong with their pictures, or compare two. Re-run to resume."""
    require("audit", "metric")
    from dataset_builder.errors import InputError
    from dataset_builder.preflight import check_room, look
    from metric_semap.errors import SemapError
    from trainer.evaluation.audit_answers import Shown, Unfinished, local_reviewer, review
    from trainer.evaluation.audit_page import AUDIT, print_ranking, write_audit
    from trainer.evaluation.audit_plan import files_plan, read_plan, read_prompts
    from trainer.evaluation.audit_result import summarise
    from trainer.evaluation.gate_result import gate_result, versions
    from trainer.evaluation.kind_encoder import sentence_encoder
    from trainer.evaluation.readiness import audit_checks
    from trainer.evaluation.result_page import files, print_result, write_result
    from trainer.evaluation.severity_map import calibrated, fit, read_ratings
    from trainer.evaluation.wanted import without_wanted
    from trainer.readiness import ROOM

    ask_server: Served = context.obj.served
    if plan is None and compare is None:
        raise InputError("audit: nothing to audit; give generators.yaml, or --compare OLD NEW")
    if fail_if_worse and compare is None:
        raise InputError("--fail-if-worse applies only with --compare OLD NEW; give the two versions")
    checked = read_plan(plan) if plan else files_plan(*(Path(place) for place in compare or ()))
    if compare is not None:
        old, new = compare if plan else tuple(checked.generators)
        checked = checked.only(old, new)
    if checked.asks and not checked.reviewer.is_remote:
        require("audit with a local model", "train")
    look(
        lambda: owned.check(out, "audit", files("compare") if compare else AUDIT, overwrite=overwrite),
        lambda: check_room(out, ROOM),
        *audit_checks(checked),
        *ask_server.contestant_checks({"reviewer": checked.reviewer} if checked.asks else {}, checked.prices),
        expected=(SemapError,),
    )
    prompts = read_prompts(checked.prompts)
    encode = sentence_encoder() if embed_kinds else None
    people = fit(read_ratings(ratings), seed) if ratings else None
    steps = Steps(checked.asks)

    def served(shown: Shown) -> Outcome:
        return ask_server.answer(checked.reviewer, shown.pictures, shown.path, steps, shown.budget, checked.prices)

    here = local_reviewer(checked.reviewer, steps)

    def ask(shown: Shown) -> Outcome:
        steps.step(printable(f"{shown.name}: {len(shown.pictures)} pictures"))
        return served(shown) if checked.reviewer.is_remote else here(shown)

    try:
        reviewed = review(checked, out, ask)
    except Unfinished as reason:
        typer.echo(f"not ranked: {printable(str(reason))}", err=True)
        raise typer.Exit(3) from None
    reviewed = without_wanted(reviewed, prompts.wanted)
    if people is not None:
        reviewed = calibrated(reviewed, people)
    if compare is not None:
        gate = versions(reviewed, old, new, prompts.texts, seed, encode)
        found = gate_result(gate, reviewed.notes, people, seed)
        if as_json:
            typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            print_result(found)
        with owned.added(out, "audit", overwrite=overwrite) as work:
            names = [path.name for path in write_result(found, work, "compare")]
        for name in names:
            typer.echo(out / name, err=as_json)
        raise typer.Exit(1 if fail_if_worse and gate.is_worse else 0)
    result = summarise(reviewed, prompts.texts, people, seed, encode)
    if as_json:
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_ranking(result)
    with owned.added(out, "audit", overwrite=overwrite) as work:
        names = [path.name for path in write_audit(result, reviewed.generators, work)]
    for name in names:
        typer.echo(out / name, err=as_json)
    if any(row["failed"] or row["unknown"] for row in result["generators"]):
        raise typer.Exit(3)
