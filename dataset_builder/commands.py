"""The commands on datasets: scenes, build, sft, validate, install."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dataset_builder import owned
from dataset_builder.options import AsJson, Overwrite
from dataset_builder.terminal import pictures_done, printable

app = typer.Typer()


@app.command()
def scenes(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write.", show_default=False)],
    n: Annotated[
        int,
        typer.Option("--n", help="Number of pictures. Some are twins: the same scene with an anomaly and without it."),
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same bytes.")] = 0,
    families: Annotated[
        str | None,
        typer.Option(help="Kinds of anomalies, comma-separated; by default those that the tiny model knows."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Render simple scenes whose anomalies are known: data to try everything with."""
    from dataset_builder.scenes import TRAINED, write_scenes

    chosen = TRAINED if families is None else tuple(name.strip() for name in families.split(",") if name.strip())
    write_scenes(directory, n, seed, chosen, overwrite=overwrite)
    typer.echo(f"{directory}: {n} pictures of seed {seed}")


Images = Annotated[
    Path | None,
    typer.Option(
        help="For a run, predictions or conversations: directory of the pictures, if they are not where the source says."
    ),
]
Label = Annotated[str | None, typer.Option(help="Label for pictures whose source gives none: real or fake.")]
SourceKind = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Kind of the source: release, run, scenes, imagefolder, predictions, llava, manifest, synthscars, mmfr or "
        "hadm. By default its files show it.",
        show_default=False,
    ),
]


def _kind(kind: str | None) -> Any:
    from dataset_builder.errors import InputError
    from dataset_builder.sources.opening import KINDS

    if kind not in (None, *KINDS):
        raise InputError(f"--format {kind}: is not known; choose {', '.join(KINDS)}")
    return kind


def _label(label: str | None) -> Any:
    from dataset_builder.errors import InputError

    if label not in (None, "real", "fake"):
        raise InputError(f"--label {label}: is not a label; choose real or fake")
    return label


@app.command()
def build(
    source: Annotated[
        Path,
        typer.Argument(
            help="What to build from: the authors' release (directory or zip), a run of `annotate`, rendered scenes, a folder "
            "with metadata.jsonl, predictions, LLaVA conversations, a manifest.csv, SynthScars, MMFR or HADM.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Directory for the dataset repository.")] = Path("anomreason"),
    kind: SourceKind = None,
    label: Label = None,
    images: Images = None,
    split: Annotated[str | None, typer.Option(help="Build only this split: train or test. By default both.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use only the first N pictures of each split and label; by default all.")
    ] = None,
    skip_invalid: Annotated[
        bool,
        typer.Option(
            "--skip-invalid",
            help="Leave out records with errors, list them in skipped.jsonl and exit with code 3; by default any error stops "
            "the build.",
        ),
    ] = False,
    recipe: Annotated[
        str,
        typer.Option(
            help="Kind of training examples in the configuration sft: anomaly_only, authenticity_reasoning (verdict, then "
            "reasons), grounded (with boxes), or none."
        ),
    ] = "anomaly_only",
    copies: Annotated[int, typer.Option(min=1, help="Number of sft samples per picture, each worded differently.")] = 1,
    seed: Annotated[
        int, typer.Option(help="Seed for class balancing and prompt wording of the sft configuration.")
    ] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Build a dataset repository: Parquet files with embedded pictures, and a dataset card."""
    from dataset_builder.building.build import build as run
    from dataset_builder.errors import InputError

    if split not in (None, "train", "test"):
        raise InputError(f"--split {split}: is not a split; choose train or test")
    with pictures_done() as progress:
        result = run(
            source,
            out,
            kind=_kind(kind),
            label=_label(label),
            images=images,
            split=split,  # type: ignore[arg-type]
            limit=limit,
            skip_invalid=skip_invalid,
            recipe=None if recipe == "none" else recipe,  # type: ignore[arg-type]
            copies=copies,
            seed=seed,
            overwrite=overwrite,
            progress=progress,
        )
    typer.echo(f"{out}: {result}")
    if result.skipped:
        typer.echo(f"left out because of errors: {len(result.skipped)}; see {out / 'skipped.jsonl'}", err=True)
        raise typer.Exit(3)


@app.command()
def sft(
    source: Annotated[
        Path, typer.Argument(help="A built dataset, or any source that `build` reads.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write: a JSON list, or one sample per line if its name ends in .jsonl. An existing file is replaced."
        ),
    ] = Path("sft.json"),
    form: Annotated[
        str, typer.Option("--format", help="Output format; only llava, as the official builder writes it.")
    ] = "llava",
    split: Annotated[str, typer.Option(help="Split to write: train or test.")] = "train",
    recipe: Annotated[
        str,
        typer.Option(
            help="Kind of samples: anomaly_only, authenticity_reasoning (verdict, then reasons) or grounded (with boxes)."
        ),
    ] = "authenticity_reasoning",
    fake_copies: Annotated[
        int, typer.Option(min=1, help="Number of samples per generated picture, each worded differently.")
    ] = 1,
    real_copies: Annotated[
        int, typer.Option(min=1, help="Number of samples per real picture, each worded differently.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed for the wordings, the order and the position of <image>.")] = 42,
    shuffle_anomalies: Annotated[
        bool, typer.Option("--shuffle-anomalies", help="Shuffle the anomalies in each sample.")
    ] = False,
    shuffle_output: Annotated[
        bool,
        typer.Option(
            "--shuffle-output/--no-shuffle-output", help="Shuffle the samples, or keep the order of the source."
        ),
    ] = True,
    image_token: Annotated[
        str, typer.Option(help="Position of <image> in the first question: prefix, suffix or random.")
    ] = "random",
    answer_style: Annotated[
        str, typer.Option(help="How verdicts are written: label (Yes or No) or sentence.")
    ] = "label",
    image_extension: Annotated[
        str | None,
        typer.Option(help="File extension to write in image paths, such as jpg, instead of each picture's own."),
    ] = None,
    allowlist: Annotated[
        Path | None,
        typer.Option(
            help="File that lists the pictures to use: a JSON list or object, or one name per line. By default all are used."
        ),
    ] = None,
    fake_allowlist: Annotated[
        Path | None, typer.Option(help="The same for generated pictures only; replaces --allowlist for them.")
    ] = None,
    real_allowlist: Annotated[
        Path | None, typer.Option(help="The same for real pictures only; replaces --allowlist for them.")
    ] = None,
    split_file: Annotated[
        Path | None,
        typer.Option(
            help="JSON file with your own splits (name: list of pictures), instead of --split; needs --split-name."
        ),
    ] = None,
    split_name: Annotated[str | None, typer.Option(help="Which split of --split-file to write.")] = None,
    metadata_output: Annotated[
        Path | None,
        typer.Option(help="File for the options and counts; by default next to --out, such as sft_metadata.json."),
    ] = None,
    skip_invalid: Annotated[
        bool,
        typer.Option(
            "--skip-invalid",
            help="Skip records with errors and exit with code 3; by default any error stops the command.",
        ),
    ] = False,
    label: Label = None,
    images: Images = None,
) -> None:
    """Write the official builder's conversation JSON (LLaVA) for other trainers; `train` reads a built dataset itself."""
    config = {name: str(value) if isinstance(value, Path) else value for name, value in locals().items()}
    from dataset_builder.building.allowlists import allowed, read_allowlist, read_split_file
    from dataset_builder.building.build import stop_for_errors
    from dataset_builder.building.llava import conversations, write_llava, write_metadata
    from dataset_builder.building.read_back import read_built
    from dataset_builder.errors import InputError
    from dataset_builder.sources.opening import is_dataset, open_source
    from dataset_builder.sources.rows import SPLITS, of_config

    choices = {"format": ("llava",), "split": ("train", "test"), "image-token": ("prefix", "suffix", "random")}
    chosen = {"format": form, "split": split, "image-token": image_token, "answer-style": answer_style}
    for option, values in (choices | {"answer-style": ("label", "sentence")}).items():
        if chosen[option] not in values:
            raise InputError(f"--{option} {chosen[option]}: is not known; choose {' or '.join(values)}")
    if (split_file is None) != (split_name is None):
        raise InputError("--split-file and --split-name: each needs the other; give both or neither")
    lists = {"fake": fake_allowlist or allowlist, "real": real_allowlist or allowlist}
    entries = {one: read_allowlist(path) for one, path in lists.items() if path}
    of_split = read_split_file(split_file, split_name) if split_file and split_name else None
    if is_dataset(source):
        rows, findings = read_built(source)
    else:
        read = open_source(source, label=_label(label), images=images)
        rows, findings = read.rows, read.findings
    broken = stop_for_errors(source, findings, skip_invalid)
    homes = SPLITS if of_split is not None else (split,)
    seen = [row for home in homes for row in of_config(rows, "sft", home)]  # type: ignore[arg-type]
    used = [
        row
        for row in seen
        if (row.label not in entries or allowed(row, entries[row.label]))
        and (of_split is None or allowed(row, of_split))
    ]
    if not used:
        raise InputError(
            f"{source}: the lists match no picture; they should name files, or paths such as 1_fake/cup.jpg"
        )
    samples = conversations(
        used,
        recipe,  # type: ignore[arg-type]
        fake_copies=fake_copies,
        real_copies=real_copies,
        seed=seed,
        shuffle_anomalies=shuffle_anomalies,
        shuffle_output=shuffle_output,
        image_token=image_token,  # type: ignore[arg-type]
        image_extension=image_extension,
        sentences=answer_style == "sentence",
    )
    typer.echo(f"{write_llava(out, samples)}: {len(samples)} samples")
    write_metadata(metadata_output or out.with_name(f"{out.stem}_metadata.json"), out, seen, used, samples, config)
    if broken:
        typer.echo(f"skipped because of errors: {len(broken)}", err=True)
        raise typer.Exit(3)


@app.command()
def validate(
    path: Annotated[
        Path, typer.Argument(help="A built dataset, or any source that `build` reads.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file for all findings; by default validation.json in the built dataset, or in the current directory.",
            show_default=False,
        ),
    ] = None,
    kind: SourceKind = None,
    label: Label = None,
    images: Images = None,
    as_json: AsJson = False,
) -> None:
    """Check pictures, records, texts and splits; the results go into a built dataset's card. Exit code 1 for errors."""
    from dataset_builder.building.card_validation import write_validation
    from dataset_builder.checks.validation import validate as run

    with pictures_done() as progress:
        report = run(path, kind=_kind(kind), label=_label(label), images=images, progress=progress)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    else:
        _print_report(report)
    built = report.kind == "dataset"
    if built and out is None:
        with owned.changing(path, "validation.json"):
            written = report.write(path / "validation.json")
    else:
        written = report.write(out or Path("validation.json"))
    typer.echo(f"all findings: {written}", err=as_json)
    if built:
        told = write_validation(path, report.findings, report.diversity, report.overlap)
        card = path / "README.md"
        outcome = f"results written to {card}" if told else f"{card} has no validation section; rebuild to add one"
        typer.echo(outcome, err=as_json)
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
        shown = Text(printable(first), overflow="fold")
        table.add_row(Text(level, style="red" if level == "error" else "yellow"), kind, f"{count:,}", shown)
    typer.echo(f"{report.kind}: {report.pictures:,} pictures, {report.anomalies:,} anomalies")
    if report.findings:
        console.print(table)
    else:
        typer.echo("No problems found.")
    for split, numbers in report.diversity.items():
        known = f", {len(numbers['families'])} families" if "families" in numbers else ""
        typer.echo(
            f"{split}: distinct-1 (type–token ratio) {numbers['distinct_1']:.4f}, distinct-2 {numbers['distinct_2']:.4f}, "
            f"{numbers['different_names']:,} different names{known}"
        )
    if report.overlap is not None:
        typer.echo(f"test texts that also occur in train: {report.overlap:.1%}")


@app.command()
def install(
    path: Annotated[Path, typer.Argument(help="Directory of a built dataset.")] = Path("anomreason"),
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Undo the installation of both names.")] = False,
) -> None:
    """Make load_dataset("anomreason") and evaluate.load("semap") work from any directory."""
    from dataset_builder.building import install as names
    from dataset_builder.errors import UnavailableError
    from dataset_builder.extras import require

    if uninstall:
        removed = names.uninstall()
        typer.echo("\n".join(f"removed {place}" for place in removed) or "nothing was installed")
        return
    copy = names.install_dataset(path)
    metric = names.install_metric("metric_semap.semap", "SemAP")
    typer.echo(f'load_dataset("anomreason") now means {path.absolute()}, prepared in {copy}')
    typer.echo(f'evaluate.load("semap") now means the metric of this package, through {metric}')
    try:
        require('evaluate.load("semap")', "metric")
    except UnavailableError as missing:  # the dataset's name is of use without the metric's
        typer.echo(str(missing), err=True)
