"""`anomreason reproduce EXPERIMENT`: each of the paper's results from one command, told beforehand what it will cost.

What belongs to other packages is handed in by the front door as the context's object: `served` asks endpoints, `reviewing` reads
people's verdicts.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataset_builder import owned
from dataset_builder.extras import require
from dataset_builder.options import AsJson, DryRun, Overwrite

if TYPE_CHECKING:
    from trainer.reproduce.experiment import Cost, Experiment

app = typer.Typer()
reproduce = typer.Typer(
    help="The paper's results, one command each. Without data of yours each runs on rendered scenes, where the truth is known.",
    no_args_is_help=True,
)
app.add_typer(reproduce, name="reproduce")

Models = Annotated[
    Path | None,
    typer.Option(
        help="A bench.yaml that names the models, as for `benchmark`; the tiny model unless given.", show_default=False
    ),
]
Dataset = Annotated[str | None, typer.Option(help="A built dataset's directory or a Hub id.", show_default=False)]
Release = Annotated[
    Path | None, typer.Option(help="The authors' files; a dataset is built from them first.", show_default=False)
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of resampling and of whatever is simulated.")]


def _out(name: str) -> Any:
    return typer.Option(help="Where result.json, .md, .html, .tex and answers go.", show_default=f"paper/{name}")


def _carry_out(
    experiment: "Experiment", out: Path, *checks: Callable[[], object], dry_run: bool, overwrite: bool, as_json: bool
) -> None:
    """Forecast, run and write an experiment."""
    import warnings

    from dataset_builder.preflight import check_room, look
    from dataset_builder.terminal import Steps, printable
    from metric_semap.errors import SemapError
    from trainer.evaluation.result_page import files, print_result, write_result
    from trainer.readiness import ROOM

    look(
        lambda: owned.check(out, "reproduce", files(), overwrite=overwrite),
        lambda: check_room(out, ROOM),
        *checks,
        expected=(SemapError,),
    )
    _print_cost(experiment.cost())
    if dry_run:
        return
    warnings.simplefilter("ignore", FutureWarning)
    result = experiment.run(out, Steps())
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_result(result)
    with owned.added(out, "reproduce", overwrite=overwrite) as work:
        names = [path.name for path in write_result(result, work)]
    for name in names:
        typer.echo(out / name, err=as_json)
    for name, reason in result.unfinished.items():
        typer.echo(f"{printable(name)}: not scored: {printable(reason)}", err=True)
    if result.unfinished:
        raise typer.Exit(3)


def _print_cost(cost: "Cost") -> None:
    """What an experiment will need, on stderr, before it starts."""
    from dataset_builder.terminal import printable

    money = "unknown (give prices in the bench)" if cost.usd is None else f"${cost.usd:,.2f}"
    lines = [
        f"pictures  {cost.pictures:,}",
        f"calls     {cost.calls:,}",
        f"tokens    {cost.tokens:,}",
        f"money     {money}",
        f"GPU       {cost.gpu_hours:,.1f} hours",
        f"here      {cost.seconds / 60:,.1f} min",
        *(f"assumed   {one}" for one in cost.assumed),
    ]
    typer.echo("\n".join(map(printable, lines)), err=True)


def _setting(
    context: typer.Context, models: Path | None, dataset: str | None, release: Path | None, **more: Any
) -> Any:
    from dataset_builder.errors import InputError
    from trainer.reproduce.benched import Setting

    if dataset is not None and release is not None:
        raise InputError("--dataset and --release: are two sources; give one of them")
    return Setting.of(context.obj.served, models, dataset, release, **more)


@reproduce.command()
def table1(
    context: typer.Context,
    models: Models = None,
    dataset: Dataset = None,
    release: Release = None,
    out: Annotated[Path, _out("table1")] = Path("paper/table1"),
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """SemAP and SemF1 of models beside the published rows, and the gap between phenomenon and reasoning. Run it again to
    resume."""
    require("reproduce", "train")
    from trainer.reproduce.table1 import PICTURES, Table1

    setting = _setting(context, models, dataset, release, pictures=PICTURES)
    _carry_out(Table1(setting), out, *setting.checks(), dry_run=dry_run, overwrite=overwrite, as_json=as_json)


@reproduce.command()
def table2(
    context: typer.Context,
    models: Models = None,
    dataset: Dataset = None,
    release: Release = None,
    reals: Annotated[
        Path | None, typer.Option(help="A folder of your own photographs, to set thresholds on.", show_default=False)
    ] = None,
    false_positives: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="The false positive rate you can afford.")
    ] = 0.01,
    prevalence: Annotated[
        float, typer.Option(min=0.000001, max=1, help="The share of generated pictures you expect.")
    ] = 0.01,
    out: Annotated[Path, _out("table2")] = Path("paper/table2"),
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Verdicts: accuracy, CSemAP and CSemF1, and what a platform needs beside them. Run it again to resume."""
    require("reproduce", "train")
    from trainer.reproduce.table2 import PICTURES, Table2

    setting = _setting(context, models, dataset, release, pictures=PICTURES, deepfake=True)
    experiment = Table2(setting, reals, false_positives, prevalence)
    _carry_out(experiment, out, *setting.checks(), dry_run=dry_run, overwrite=overwrite, as_json=as_json)


@reproduce.command()
def hitl(
    context: typer.Context,
    run: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            help="A reviewed run, exported with `verdicts export`; simulated reviewers unless given.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path, _out("hitl")] = Path("paper/hitl"),
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Verification by people: how many candidates stay, which severities, and how many of them are true."""
    require("reproduce hitl", "metric")
    from trainer.reproduce.hitl import Hitl

    experiment = Hitl(run, context.obj.reviewing if run and (run / "verdicts.sqlite").is_file() else None, seed=seed)
    _carry_out(experiment, out, dry_run=dry_run, overwrite=overwrite, as_json=as_json)


@reproduce.command()
def generators(
    context: typer.Context,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--generators",
            help="A generators.yaml, as for `audit`; generators of known rates unless given.",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        Path | None,
        typer.Option(
            help="A CSV of generator and numbers of quality, such as CLIP scores or people's ratings.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path, _out("generators")] = Path("paper/generators"),
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Generators ranked by two reviewers, how far these agree, and whether quality is rationality. Run it again to resume."""
    require("reproduce generators", "metric" if plan is None else "train")
    from trainer.reproduce.generators import Generators

    experiment, checks = Generators(quality=quality, seed=seed), list[Callable[[], object]]()
    if plan is not None:
        from trainer.reproduce.audited import planned

        experiment, checks = planned(plan, context.obj.served, quality, seed)
    _carry_out(experiment, out, *checks, dry_run=dry_run, overwrite=overwrite, as_json=as_json)


@reproduce.command()
def detectors(
    context: typer.Context,
    models: Models = None,
    dataset: Dataset = None,
    release: Release = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="A CSV of image_id and score, higher for generated pictures; a simulated detector over scenes unless given.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[float, typer.Option(help="From which score the detector calls a picture generated.")] = 0.5,
    seed: Seed = 0,
    out: Annotated[Path, _out("detectors")] = Path("paper/detectors"),
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """A pixel detector beside ours: what each catches alone, and what both catch together. Run it again to resume."""
    require("reproduce", "train")
    from dataset_builder.errors import InputError
    from trainer.reproduce.detectors import PICTURES, Detectors

    setting = _setting(context, models, dataset, release, pictures=PICTURES, deepfake=True)
    if detector is None and not setting.pictures:
        raise InputError(
            "--detector: is missing; give the detector's scores of these pictures as a CSV of image_id,score"
        )
    if detector is not None and setting.pictures:
        raise InputError(f"--detector {detector}: needs the pictures it scored; give --dataset or --release")
    experiment = Detectors(setting, detector, threshold, seed)
    _carry_out(experiment, out, *setting.checks(), dry_run=dry_run, overwrite=overwrite, as_json=as_json)


@reproduce.command()
def ablation(
    recipe: Annotated[
        str, typer.Option("--config", help="A recipe's name or file, as for `train`.", metavar="RECIPE")
    ] = "tiny",
    seeds: Annotated[int, typer.Option(min=1, help="How many times each variant is trained.")] = 1,
    scenes: Annotated[
        int,
        typer.Option("--pictures", min=40, help="How many scenes are rendered; a quarter of them are for testing."),
    ] = 100,
    out: Annotated[Path, _out("ablation")] = Path("paper/ablation"),
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """LoRA, severity in the answers, verified annotations: what each contributes, on scenes. Run it again to resume."""
    require("reproduce ablation", "train")
    from trainer.readiness import check_encoder
    from trainer.reproduce.ablation import Ablation

    experiment = Ablation(recipe, seeds, scenes)
    _carry_out(experiment, out, lambda: check_encoder("minilm"), dry_run=dry_run, overwrite=overwrite, as_json=as_json)
