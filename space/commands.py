"""The command that serves the page: demo."""

from pathlib import Path
from typing import Annotated

import typer

from dataset_builder.extras import require

app = typer.Typer()


@app.command()
def demo(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The first free one from 7860 unless given.")
    ] = None,
    model: Annotated[str, typer.Option(help="tiny, a directory, a Hub id, or the endpoint's name of it.")] = "tiny",
    adapter: Annotated[str | None, typer.Option(help="A LoRA adapter; it is compared with its base.")] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="An OpenAI-compatible endpoint; its key is read from ANOMREASON_API_KEY."),
    ] = None,
    compare: Annotated[str | None, typer.Option(help="A second model: tiny, a directory or a Hub id.")] = None,
    thorough: Annotated[bool, typer.Option("--thorough", help="Offer AnomAgent too; needs --base-url.")] = False,
    run: Annotated[Path | None, typer.Option(help="A run of AnomAgent to review.")] = None,
    boxes: Annotated[bool, typer.Option("--boxes", help="Ask for boxes too; the tiny model's are rough.")] = False,
) -> None:
    """The page: drop in a picture, see what defies logic. Also an API and an MCP tool."""
    here = base_url is None or compare is not None  # a model in this process
    require("demo", "space", *(["train"] if here else []))
    from space.settings import Settings

    settings = Settings(model, adapter, base_url, compare, thorough, run, boxes)
    from space.app import serve

    serve(settings, port)
