"""The front door: the `anomreason` command.

The commands of one package are in its `commands.py`; here are those that compose packages. Each is a thin call, and what is heavy
is imported when it is used, so that `--help` answers at once. How a command ends is in `dataset_builder.command_line`.
"""

import json
import sys
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import agent.commands
import agent.review.commands
import dataset_builder.commands
import metric_semap.commands
import space.commands
import trainer.commands
import trainer.evaluation.commands
import trainer.reproduce.commands
from dataset_builder import command_line, owned
from dataset_builder.extras import require
from dataset_builder.options import Adapter, AsJson, BaseUrl, Boxes, Merge, Model, Rpm, Tpm
from dataset_builder.terminal import Steps

GROUPS = {
    "Pictures": ("quickstart", "examine", "predict"),
    "Data": ("scenes", "build", "validate", "install", "sft", "publish"),
    "Metric": ("score", "benchmark", "audit", "reproduce"),
    "Train": ("train", "grpo", "merge", "probe", "serve"),
    "Annotate": ("annotate", "runs", "review", "verdicts"),
    "Page": ("demo",),
    "Tools": ("doctor", "simulate-vlm"),
}
"""The commands as `anomreason --help` shows them: groups and commands in the order of a first day."""


app = typer.Typer(
    name="anomreason",
    cls=command_line.grouped(GROUPS),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"token_normalize_func": command_line.one_name},
)
for commands in (
    trainer.commands,
    trainer.evaluation.commands,
    trainer.reproduce.commands,
    metric_semap.commands,
    agent.commands,
    agent.review.commands,
    dataset_builder.commands,
    space.commands,
):
    app.add_typer(commands.app)


class Handed:
    """What the front door hands to commands of packages that may not import it, as their context's object. What takes time to
    import is imported when it is asked for."""

    owned, require = owned, staticmethod(require)
    served: Any = property(lambda _: import_module("agent.served"))
    reviewing: Any = property(lambda _: import_module("agent.review.verdicts").verdicts_of)
    typed: Any = property(lambda _: import_module("dataset_builder.templates").typed)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"anomreason {metadata.version('anomreason')}")
        raise typer.Exit


@app.callback()
def front(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show error tracebacks (or set ANOMREASON_DEBUG=1).")] = False,
) -> None:
    """Say what is wrong with a generated picture, why, and how badly."""
    context.obj = Handed()


@app.command()
def examine(
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURE…", help="Picture files or folders of pictures.", show_default=False)
    ],
    model: Model = None,
    adapter: Adapter = None,
    base_url: BaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per picture, one per line.")] = False,
) -> None:
    """List what is wrong with pictures. Exit code 1 if anything was found, 0 if nothing was, 3 if a picture got no answer."""
    from dataset_builder.shown import answer, picture_paths, print_prediction

    pictures = picture_paths(pictures)
    if base_url is None:
        require("examine without --base-url", "train")
        from trainer.examining import examine_files as examine_here

        tiny, predictions = examine_here(pictures, model, adapter)
    else:
        from agent.served import examine_files

        tiny, predictions = False, examine_files(pictures, model, adapter, base_url)
    show = (lambda one: typer.echo(json.dumps(answer(one), ensure_ascii=False))) if as_json else print_prediction
    statuses = set()
    for prediction in predictions:
        statuses.add(prediction.status)
        show(prediction)
    if tiny and not as_json:
        typer.secho(
            "The tiny model knows only rendered scenes and refuses most other pictures; its output for the rest is meaningless.",
            dim=True,
            err=True,
        )
    raise typer.Exit(1 if statuses & {"anomalies", "partial"} else 3 if statuses & {"failed", "unknown"} else 0)


@app.command()
def predict(
    dataset: Annotated[str, typer.Option(help="Directory of a built dataset, or a Hub id.")] = "anomreason",
    out: Annotated[
        Path, typer.Option(help="Output file in the official format; full rows go into a .jsonl file next to it.")
    ] = Path("preds.json"),
    model: Model = None,
    adapter: Adapter = None,
    split: Annotated[str, typer.Option(help="Split to predict.")] = "test",
    task: Annotated[
        str,
        typer.Option(
            help="What to ask: anomalies, grounded (with boxes), verdict (real or generated), or both (verdict and anomalies)."
        ),
    ] = "anomalies",
    limit: Annotated[int | None, typer.Option(min=1, help="Predict only the first N pictures; by default all.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Number of pictures in progress at the same time.")] = 16,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum length of an answer in tokens; by default 1,024. Not with --base-url."),
    ] = None,
    merge: Merge = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Discard existing predictions and start over.")
    ] = False,
    base_url: BaseUrl = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    boxes: Boxes = None,
) -> None:
    """Predict the anomalies of a dataset's pictures. Re-run to resume. Exit code 3 if a picture got no answer."""
    from dataset_builder.options import without_effect
    from dataset_builder.predictions import UNKNOWN

    if base_url is None:
        require("predict without --base-url", "train")
    steps = Steps(1)
    named = " and ".join(name for name in (model or (None if adapter else "tiny"), adapter) if name)
    heading = f"predict {dataset} [{split}] with {named}"
    if base_url is not None:
        without_effect(
            "applies to local models only (an answer that a server cuts off is asked for again with twice as much room)",
            max_new_tokens=max_new_tokens,
        )
        from agent.served import check_served, predict_split

        check_served(dataset, split, model, adapter, base_url, out, task)
        steps.step(heading)
        unknown = 0  # what a server knows, nobody can tell
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
            overwrite,
            rpm=rpm,
            tpm=tpm,
            boxes=boxes,
        )
    else:
        without_effect("applies to servers only, and no --base-url is given", rpm=rpm, tpm=tpm, boxes=boxes)
        from trainer.predict import predict_dataset
        from trainer.readiness import check_prediction

        check_prediction(dataset, split, model, adapter, out)
        steps.step(heading)
        failed, unknown = predict_dataset(
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
            restart=overwrite,
            max_new_tokens=max_new_tokens,
        )
    typer.echo(str(out))
    if failed:
        typer.echo(f"{failed} pictures have no readable answer; {out.with_suffix('.jsonl')} says why", err=True)
    if unknown:
        typer.echo(f"{unknown} pictures are of a kind that the model does not know. {UNKNOWN}", err=True)
    if failed or unknown:
        raise typer.Exit(3)


@app.command()
def doctor(
    base_url: Annotated[
        str | None, typer.Option(help="URL of a server to check. API key: OPENAI_API_KEY or HF_TOKEN.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of a model on that server.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what works on this machine; with --base-url and --model, what a server can do. Exit code 3 if there is a problem."""
    from agent.doctor import examine_endpoint
    from dataset_builder import diagnosis
    from dataset_builder.errors import InputError
    from trainer.doctor import examine_machine

    if (base_url is None) != (model is None):
        raise InputError("--base-url and --model: an endpoint needs both; give both or neither")
    found = [*examine_machine(), *(examine_endpoint(model, base_url) if model and base_url else ())]
    if as_json:
        typer.echo(json.dumps(diagnosis.as_json(found), indent=2, ensure_ascii=False))
    else:
        diagnosis.print_table(found)
    raise typer.Exit(3 if any(one.state == "problem" for one in found) else 0)


def __getattr__(name: str) -> str:
    """`__version__`, from the metadata of the installed distribution: only `pyproject.toml` states it."""
    if name == "__version__":
        return metadata.version("anomreason")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> NoReturn:
    """Run the command; see `dataset_builder.command_line` for how it ends."""
    from metric_semap.errors import SemapError

    command_line.start()
    sys.exit(command_line.run(app, sys.argv[1:], (SemapError,), frozenset(("demo", "review", "serve", "simulate-vlm"))))


if __name__ == "__main__":
    main()
