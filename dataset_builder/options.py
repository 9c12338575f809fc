"""Options that several commands have: one name, one meaning, one sentence of help."""

from typing import Annotated

import typer

__all__ = ["Adapter", "AsJson", "BaseUrl", "Boxes", "DryRun", "Merge", "Model", "Overwrite", "Rpm", "Tpm"]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Estimate calls, tokens, money and time, without any call.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Also replace files that anomreason did not write or that were changed. Other files stay."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="tiny, a model directory or a Hub id; by default the adapter's base model, or tiny.", show_default=False
    ),
]
Adapter = Annotated[str | None, typer.Option(help="Directory or Hub id of a LoRA adapter.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="URL of an OpenAI-compatible server hosting the model (one call per picture). The API key is read from "
        "OPENAI_API_KEY or HF_TOKEN."
    ),
]
Merge = Annotated[
    bool,
    typer.Option(
        "--merge/--no-merge", help="Merge the adapter into the weights before inference (--no-merge: slower)."
    ),
]
Rpm = Annotated[int | None, typer.Option(min=1, help="Quota of the server in calls per minute, if you know it.")]
Tpm = Annotated[int | None, typer.Option(min=1, help="Quota of the server in tokens per minute, if you know it.")]
Boxes = Annotated[
    str | None,
    typer.Option(
        help="How the server's model gives boxes: pixels, permille or fraction. Known for common model families."
    ),
]
