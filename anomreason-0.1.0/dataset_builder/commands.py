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
    directory: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    n: Annotated[int, typer.Option("--n", help="Number of pictures, clean twins included.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    families: Annotated[str | None, typer.Option(help="Comma-separated; the trained ones by default.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Render procedural pictures with known truth."""
    from dataset_builder.scenes import TRAINED, write_scenes

    chosen = TRAINED if families is None else tuple(name.strip() for name in families.split(",") if name.strip())
    write_scenes(directory, n, seed, chosen, overwrite=overwrite)
    typer.echo(f"{directory}: {n} pictures of seed {seed}")


Images = Annotated[
    Path | None, typer.Option(help="Where the pictures of a run, predictions or conversations are, if not beside them.")
]
Label = Annotated[str | None, typer.Option(help="real or fake: the label of pictures whose source has none.")]
SourceKind = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="What the source is, if that cannot be told from its files: release, run, scenes, imagefolder, predictions, "
        "llava, manifest, synthscars, mmfr or hadm.",
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
            help="A release (directory or zip), a run, scenes, a folder with metadata.jsonl, predictions, LLaVA "
            "conversations, a manifest.csv, SynthScars, MMFR or HADM.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The dataset repository to write.")] = Path("anomreason"),
    kind: SourceKind = None,
    label: Label = None,
    images: Images = None,
    split: Annotated[str | None, typer.Option(help="train or test: build it alone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first pictures of each split and label only.")] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Leave out what has errors, into skipped.jsonl; exit code 3.")
    ] = False,
    recipe: Annotated[
        str,
        typer.Option(help="Recipe of the configuration sft: anomaly_only, authenticity_reasoning, grounded or none."),
    ] = "anomaly_only",
    copies: Annotated[int, typer.Option(min=1, help="How often sft has each picture, in other wordings.")] = 1,
    seed: Annotated[
        int, typer.Option(help="Seed for class balancing and prompt wording of the sft configuration.")
    ] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Build the dataset repository: Parquet with embedded pictures, and a card."""
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
    source: Annotated[Path, typer.Argument(help="A built dataset, or what `build` takes.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file; a name in .jsonl gives a sample a line.")] = Path("sft.json"),
    form: Annotated[str, typer.Option("--format", help="llava, the official builder's conversations.")] = "llava",
    split: Annotated[str, typer.Option(help="train or test.")] = "train",
    recipe: Annotated[
        str, typer.Option(help="anomaly_only, authenticity_reasoning or grounded.")
    ] = "authenticity_reasoning",
    fake_copies: Annotated[int, typer.Option(min=1, help="Samples of a generated picture, in other wordings.")] = 1,
    real_copies: Annotated[int, typer.Option(min=1, help="Samples of a real picture.")] = 1,
    seed: Annotated[int, typer.Option(help="Wordings, order and token places.")] = 42,
    shuffle_anomalies: Annotated[bool, typer.Option("--shuffle-anomalies")] = False,
    shuffle_output: Annotated[bool, typer.Option("--shuffle-output/--no-shuffle-output")] = True,
    image_token: Annotated[str, typer.Option(help="Where <image> stands: prefix, suffix or random.")] = "random",
    answer_style: Annotated[str, typer.Option(help="How verdicts are written: label or sentence.")] = "label",
    image_extension: Annotated[str | None, typer.Option(help="In place of each picture's own.")] = None,
    allowlist: Annotated[Path | None, typer.Option(help="Pictures to take: a JSON list or object, or lines.")] = None,
    fake_allowlist: Annotated[
        Path | None, typer.Option(help="The same for generated pictures, in place of --allowlist.")
    ] = None,
    real_allowlist: Annotated[
        Path | None, typer.Option(help="The same for real pictures, in place of --allowlist.")
    ] = None,
    split_file: Annotated[Path | None, typer.Option(help="Splits of your own, in place of --split.")] = None,
    split_name: Annotated[str | None, typer.Option(help="Which of them.")] = None,
    metadata_output: Annotated[Path | None, typer.Option(help="What was taken; OUT_metadata.json by default.")] = None,
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Pass over bad records; exit code 3.")] = False,
    label: Label = None,
    images: Images = None,
) -> None:
    """Write the conversation JSON of the official instruction builder (the configuration sft needs no command)."""
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
        raise InputError("--split-file and --split-name: one without the other says nothing; give both or neither")
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
            f"{source}: the lists leave no picture; they should name files, or paths such as 1_fake/cup.jpg"
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
        typer.echo(f"passed over because of errors: {len(broken)}", err=True)
        raise typer.Exit(3)


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="A built dataset, or what `build` takes.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where everything found goes, as JSON; validation.json here, or in a built dataset.",
            show_default=False,
        ),
    ] = None,
    kind: SourceKind = None,
    label: Label = None,
    images: Images = None,
    as_json: AsJson = False,
) -> None:
    """Check pictures, records, texts and splits; a built dataset's card tells what was found. Exit code 1 for errors."""
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
    typer.echo(f"all of it: {written}", err=as_json)
    if built:
        told = write_validation(path, report.findings, report.diversity, report.overlap)
        where = "results written to it" if told else "has no validation section; rebuild to add one"
        typer.echo(f"{path / 'README.md'}: {where}", err=as_json)
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
    path: Annotated[Path, typer.Argument(help="A built dataset.")] = Path("anomreason"),
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Take the plain names away again.")] = False,
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
