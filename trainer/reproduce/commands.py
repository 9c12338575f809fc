"""`anomreason reproduce EXPERIMENT`: each of the paper's results from one command, told beforehand what it will cost.

A function here makes an experiment of the options that are its own; `common.experiment` adds those that all have, and runs it. What
belongs to other packages is handed in by the front door as the context's object: `served` asks endpoints, `reviewing`
reads people's verdicts.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataset_builder.extras import require
from trainer.reproduce.common import experiment

if TYPE_CHECKING:
    from dataset_builder.preflight import Check
    from trainer.reproduce.common import Prepared

app = typer.Typer()
reproduce = typer.Typer(
    help="Reproduce the paper's results, one command each. Without your own data they run on scenes whose truth is known.",
    no_args_is_help=True,
)
app.add_typer(reproduce, name="reproduce")

Models = Annotated[
    Path | None,
    typer.Option(
        help="A bench.yaml that names the models, as for `benchmark`; by default the tiny model.", show_default=False
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(help="Directory of a built dataset, or a Hub id; by default rendered scenes.", show_default=False),
]
Release = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the authors' files, instead of --dataset; a dataset is built from them if one is needed.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed for resampling and simulations.")]


def _setting(
    context: typer.Context, models: Path | None, dataset: str | None, release: Path | None, **more: Any
) -> Any:
    from dataset_builder.errors import InputError
    from trainer.reproduce.benched import Setting

    if dataset is not None and release is not None:
        raise InputError("--dataset and --release are two sources; give one of them")
    return Setting.of(context.obj.served, models, dataset, release, **more)


@experiment(reproduce, "train")
def table1(
    context: typer.Context, models: Models = None, dataset: Dataset = None, release: Release = None
) -> "Prepared":
    """Compare models' SemAP and SemF1 with the published rows, and phenomenon scores with reasoning scores. Re-run to resume."""
    from trainer.reproduce.table1 import PICTURES, Table1

    setting = _setting(context, models, dataset, release, pictures=PICTURES)
    return Table1(setting), setting.checks()


@experiment(reproduce, "train")
def table2(
    context: typer.Context,
    models: Models = None,
    dataset: Dataset = None,
    release: Release = None,
    reals: Annotated[
        Path | None,
        typer.Option(
            help="Folder of your own real photographs, to set thresholds on; by default those of the dataset, or scenes.",
            show_default=False,
        ),
    ] = None,
    false_positives: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of real pictures that may be flagged; 0.01 is 1 %.")
    ] = 0.01,
    prevalence: Annotated[
        float, typer.Option(min=0.000001, max=1, help="Share of generated pictures that you expect; 0.01 is 1 %.")
    ] = 0.01,
) -> "Prepared":
    """Score verdicts (real or generated): accuracy, CSemAP, CSemF1, and thresholds for a false positive rate. Re-run to resume."""
    from trainer.reproduce.table2 import PICTURES, Table2

    setting = _setting(context, models, dataset, release, pictures=PICTURES, deepfake=True)
    return Table2(setting, reals, false_positives, prevalence), setting.checks()


@experiment(reproduce, "metric")
def hitl(
    context: typer.Context,
    run: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            help="A reviewed run, exported with `verdicts export`; by default reviewers are simulated.",
            show_default=False,
        ),
    ] = None,
    dataset: Dataset = None,
    release: Release = None,
    seed: Seed = 0,
) -> "Prepared":
    """Measure what verification by people changes: how many of the agent's findings stay, their severities, how many are true."""
    from functools import partial

    from dataset_builder.errors import InputError
    from trainer.reproduce.hitl import Hitl
    from trainer.reproduce.reviewed import read_dataset, read_release, read_run

    if sum(one is not None for one in (run, dataset, release)) > 1:
        raise InputError("--reviewed, --dataset and --release are three sources; give one of them")
    if run is not None:
        reviewing = context.obj.reviewing if (run / "verdicts.sqlite").is_file() else None
        return Hitl(partial(read_run, run, reviewing), str(run), seed=seed), []
    if dataset is not None:
        return Hitl(partial(read_dataset, dataset), dataset, seed=seed), []
    if release is not None:
        return Hitl(partial(read_release, release), str(release), seed=seed), []
    return Hitl(seed=seed), []


@experiment(reproduce, "metric")
def generators(
    context: typer.Context,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--generators",
            help="A generators.yaml, as for `audit`; by default generators are simulated.",
            show_default=False,
        ),
    ] = None,
    models: Models = None,
    dataset: Dataset = None,
    release: Release = None,
    quality: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the column generator and one column per measure of quality, such as CLIP scores.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
) -> "Prepared":
    """Rank generators by several reviewers; measure their agreement, and how quality relates to anomalies. Re-run to resume."""
    from functools import partial

    from dataset_builder.errors import InputError
    from trainer.reproduce.generators import Generators, read_quality

    first: list[Check] = [] if quality is None else [partial(read_quality, quality)]
    if (plan, models, dataset, release) == (None, None, None, None):
        return Generators(quality=quality, seed=seed), first
    require("reproduce generators with data", "train")
    from trainer.reproduce.audited import planned
    from trainer.reproduce.by_generator import of_dataset

    if plan is not None:
        if (models, dataset, release) != (None, None, None):
            raise InputError(
                "--generators: names pictures and reviewers itself; leave out --models, --dataset, --release"
            )
        found, checks = planned(plan, context.obj.served, quality, seed)
        return found, [*first, *checks]
    setting = _setting(context, models, dataset, release, pictures=1)
    if setting.pictures:
        raise InputError(
            f"--models {models}: needs pictures of generators; give --dataset or --release, or a dataset in the file"
        )
    found, checks = of_dataset(setting, quality, seed)
    return found, [*first, *checks]


@experiment(reproduce, "train")
def detectors(
    context: typer.Context,
    models: Models = None,
    dataset: Dataset = None,
    release: Release = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="CSV with image_id and score, higher for generated pictures; by default a detector is simulated on scenes.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Score from which the detector says that a picture is generated.")
    ] = 0.5,
    seed: Seed = 0,
) -> "Prepared":
    """Compare a pixel detector with a model's verdicts: what only one of them catches, and both together. Re-run to resume."""
    from dataset_builder.errors import InputError
    from trainer.reproduce.detectors import PICTURES, Detectors

    setting = _setting(context, models, dataset, release, pictures=PICTURES, deepfake=True)
    if detector is None and not setting.pictures:
        raise InputError(
            "--detector: is missing; give the detector's scores of these pictures as a CSV of image_id,score"
        )
    if detector is not None and setting.pictures:
        raise InputError(f"--detector {detector}: needs the pictures it scored; give --dataset or --release")
    return Detectors(setting, detector, threshold, seed), setting.checks()


@experiment(reproduce, "train")
def ablation(
    recipe: Annotated[
        str, typer.Option("--config", help="Name or file of a recipe, as for `train`.", metavar="RECIPE")
    ] = "tiny",
    dataset: Dataset = None,
    release: Release = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds with which each variant is trained.")] = 1,
    scenes: Annotated[
        int,
        typer.Option(
            "--pictures",
            min=40,
            help="Number of scenes to render if no data are given; a quarter of them are for testing.",
        ),
    ] = 100,
) -> "Prepared":
    """Train variants to measure what LoRA, severity in the answers and verified annotations contribute. Re-run to resume."""
    from dataset_builder.errors import InputError
    from trainer.readiness import check_encoder
    from trainer.reproduce.ablation import Ablation

    if dataset is not None and release is not None:
        raise InputError("--dataset and --release are two sources; give one of them")
    return Ablation(recipe, seeds, scenes, dataset, release), [lambda: check_encoder("minilm")]
