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
    help="The paper's results, one command each. Without your own data, each runs on rendered scenes, whose truth is known.",
    no_args_is_help=True,
)
app.add_typer(reproduce, name="reproduce")

Models = Annotated[
    Path | None,
    typer.Option(
        help="A bench.yaml that names the models, as for `benchmark`; the tiny model by default.", show_default=False
    ),
]
Dataset = Annotated[str | None, typer.Option(help="A built dataset's directory or a Hub id.", show_default=False)]
Release = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the authors' files; a dataset is built from them if one is needed.", show_default=False
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed for resampling and for whatever is simulated.")]


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
    """Compare SemAP and SemF1 of models with the published rows, and the phenomenon with the reasoning. Re-run to resume."""
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
        Path | None, typer.Option(help="A folder of your own photographs, to set thresholds on.", show_default=False)
    ] = None,
    false_positives: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="The false positive rate you can afford.")
    ] = 0.01,
    prevalence: Annotated[
        float, typer.Option(min=0.000001, max=1, help="The share of generated pictures you expect.")
    ] = 0.01,
) -> "Prepared":
    """Score verdicts: accuracy, CSemAP and CSemF1, and thresholds for a platform's false positive rate. Re-run to resume."""
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
            help="A reviewed run, exported with `verdicts export`; simulated reviewers by default.",
            show_default=False,
        ),
    ] = None,
    dataset: Dataset = None,
    release: Release = None,
    seed: Seed = 0,
) -> "Prepared":
    """Measure what verification by people changes: how many candidates stay, their severities, and how many are true."""
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
            help="A generators.yaml, as for `audit`; simulated generators by default.",
            show_default=False,
        ),
    ] = None,
    models: Models = None,
    dataset: Dataset = None,
    release: Release = None,
    quality: Annotated[
        Path | None,
        typer.Option(
            help="A CSV with the column generator and numbers of quality, such as CLIP scores or people's ratings.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
) -> "Prepared":
    """Rank generators by several reviewers, and measure how far these agree and whether quality is rationality. Re-run to
    resume."""
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
            help="A CSV of image_id and score, higher for generated pictures; a simulated detector over scenes by default.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[float, typer.Option(help="The score from which the detector calls pictures generated.")] = 0.5,
    seed: Seed = 0,
) -> "Prepared":
    """Compare a pixel detector with ours: what only one of them catches, and what both catch together. Re-run to resume."""
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
        str, typer.Option("--config", help="A recipe's name or file, as for `train`.", metavar="RECIPE")
    ] = "tiny",
    dataset: Dataset = None,
    release: Release = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many times each variant is trained.")] = 1,
    scenes: Annotated[
        int,
        typer.Option(
            "--pictures",
            min=40,
            help="How many scenes are rendered if no data are given; a quarter of them are for testing.",
        ),
    ] = 100,
) -> "Prepared":
    """Measure what LoRA, severity in the answers and verified annotations each contribute. Re-run to resume."""
    from dataset_builder.errors import InputError
    from trainer.readiness import check_encoder
    from trainer.reproduce.ablation import Ablation

    if dataset is not None and release is not None:
        raise InputError("--dataset and --release are two sources; give one of them")
    return Ablation(recipe, seeds, scenes, dataset, release), [lambda: check_encoder("minilm")]
