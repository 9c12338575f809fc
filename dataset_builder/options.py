"""Options that several commands have: one name, one meaning, one sentence of help."""

from typing import Annotated

import typer

from dataset_builder.errors import InputError

__all__ = [
    "Adapter",
    "AsJson",
    "BaseUrl",
    "Boxes",
    "DryRun",
    "Merge",
    "Model",
    "Overwrite",
    "Rpm",
    "Tpm",
    "without_effect",
]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Estimate calls, tokens, money and time, without making a call.")
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Also replace output files that anomreason did not write, or that were changed. Other files are kept.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="tiny (shipped), a model directory or a Hub id; by default the adapter's base model, or else tiny. With "
        "--base-url: the model's name on that server.",
        show_default=False,
    ),
]
Adapter = Annotated[str | None, typer.Option(help="Directory or Hub id of a LoRA adapter; not with --base-url.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="URL of an OpenAI-compatible server hosting the model (one call per picture). The API key is read from "
        "OPENAI_API_KEY or HF_TOKEN. Without this option the model runs on this machine."
    ),
]
Merge = Annotated[
    bool,
    typer.Option(
        "--merge/--no-merge", help="Merge the adapter into the weights before inference (--no-merge: slower)."
    ),
]
Rpm = Annotated[
    int | None,
    typer.Option(min=1, help="Quota of the server in calls per minute; by default learned from its replies."),
]
Tpm = Annotated[
    int | None,
    typer.Option(min=1, help="Quota of the server in tokens per minute; by default learned from its replies."),
]
Boxes = Annotated[
    str | None,
    typer.Option(
        help="Unit of the boxes that the server's model returns: pixels, permille or fraction. By default the one "
        "that the model's family is known for, else the one that the prompt asks for."
    ),
]


def without_effect(reason: str, **options: object) -> None:
    """Raises `InputError` for the first option that was given, since with the others given it would change nothing."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name.replace('_', '-')} {value}: {reason}; leave it out")
