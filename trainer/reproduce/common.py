"""What the commands of all experiments share: four options, the forecast, the run, and the files it writes."""

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataset_builder import owned
from dataset_builder.extras import require
from dataset_builder.options import AsJson, DryRun, Overwrite

if TYPE_CHECKING:
    from dataset_builder.preflight import Check
    from trainer.reproduce.experiment import Cost, Experiment

    Prepared = tuple[Experiment, Sequence[Check]]
    """An experiment, and what it needs on this machine and of endpoints."""

__all__ = ["experiment"]


def experiment(app: typer.Typer, extra: str) -> Callable[[Callable[..., "Prepared"]], None]:
    """Make a command of a function that prepares an experiment: its options, and `--out`, `--dry-run`, `--overwrite`, `--json`.

    Args:
        app (`typer.Typer`): where the command goes, by the function's name.
        extra (`str`): the extra that the experiment needs in any case.
    """

    def add(prepare: Callable[..., "Prepared"]) -> None:
        name = prepare.__name__

        def command(out: Path, dry_run: bool, overwrite: bool, as_json: bool, **own: Any) -> None:
            require(f"reproduce {name}", extra)
            prepared, checks = prepare(**own)
            _carry_out(prepared, out, checks, dry_run=dry_run, overwrite=overwrite, as_json=as_json)

        place = typer.Option(help="Folder for result.json, .md, .html, .tex and the answers.")
        common = {
            "out": (Annotated[Path, place], Path("paper", name)),
            "dry_run": (DryRun, False),
            "overwrite": (Overwrite, False),
            "as_json": (AsJson, False),
        }
        parameters = [
            *inspect.signature(prepare).parameters.values(),
            *(
                inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation, default=default)
                for key, (annotation, default) in common.items()
            ),
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__doc__ = prepare.__doc__
        app.command(name)(command)

    return add


def _carry_out(
    experiment: "Experiment",
    out: Path,
    checks: "Sequence[Check]",
    *,
    dry_run: bool,
    overwrite: bool,
    as_json: bool,
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
