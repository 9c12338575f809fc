"""The commands on top of all others: the page (demo), and publishing of whatever was made (publish)."""

from pathlib import Path
from typing import Annotated, Any

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
    run: Annotated[Path | None, typer.Option("--review", "--run", help="A run of AnomAgent to review.")] = None,
    boxes: Annotated[
        bool, typer.Option("--with-boxes", "--boxes", help="Ask for boxes too; the tiny model's are rough.")
    ] = False,
    visitors_model: Annotated[
        str | None,
        typer.Option(
            help="A model of Inference Providers that visitors who sign in with Hugging Face pay for themselves."
        ),
    ] = None,
    visitors_url: Annotated[
        str, typer.Option(help="URL of the server that has it, to which visitors' tokens are sent.")
    ] = "https://router.huggingface.co/v1",
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Let the MCP tool fetch pictures from the public web.")
    ] = False,
) -> None:
    """The page: drop in a picture, see what defies logic. Also an API and an MCP tool."""
    here = base_url is None or compare is not None  # a model in this process
    require("demo", "space", *(["train"] if here else []))
    from space.settings import Settings

    settings = Settings(model, adapter, base_url, compare, thorough, run, boxes, visitors_model, visitors_url, fetch)
    from space.app import serve

    serve(settings, port)


@app.command()
def publish(
    path: Annotated[Path, typer.Argument(help="A built dataset, an adapter, or a Space such as metric_semap.")] = Path(
        "anomreason"
    ),
    repo_id: Annotated[str, typer.Option(help="ORG/NAME on the Hub.", show_default=False)] = ...,  # type: ignore[assignment]
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be uploaded, without uploading.")] = False,
    base_id: Annotated[str | None, typer.Option(help="For an adapter: the Hub id of its base model.")] = None,
    with_base: Annotated[
        bool,
        typer.Option("--with-base", help="For an adapter: publish its base model too, as --base-id or ORG/NAME-base."),
    ] = False,
    metrics: Annotated[
        Path | None, typer.Option(help="For an adapter: metrics.json of `anomreason score`, for its card.")
    ] = None,
) -> None:
    """Push a dataset, adapter or Space to the Hub and check what arrived; run it again at any time. The token is HF_TOKEN."""
    for result in _publish(path, repo_id, private, dry_run, base_id, with_base, metrics):
        for name, size in result.files:
            typer.echo(f"{size:>14,}  {name}")
        total = f"{len(result.files)} files, {sum(size for _, size in result.files):,} bytes"
        total += f", {result.note}" if result.note else ""
        if dry_run:
            typer.echo(f"dry run: {total} would go to {result.kind} {result.repo_id}")
        else:
            typer.echo(f"{result.url}: {total}, checked against what was built")


def _publish(
    path: Path, repo_id: str, private: bool, dry_run: bool, base_id: str | None, with_base: bool, metrics: Path | None
) -> list[Any]:
    """What a directory is tells how it is published."""
    import importlib.util

    from dataset_builder.errors import InputError
    from dataset_builder.preflight import look
    from dataset_builder.publishing.hub import check_repo_id, check_token
    from dataset_builder.publishing.publish import is_space, publish, publish_space
    from dataset_builder.sources.opening import is_dataset
    from space.publish import is_demo, publish_demo

    if not path.exists() and path.name == "metric_semap":
        found = importlib.util.find_spec("metric_semap")  # the installed metric, which nothing here imports
        path = Path(str(found.origin)).parent if found else path

    def check_kind() -> None:
        is_adapter = (path / "adapter_config.json").is_file()
        if not is_adapter and (base_id or with_base or metrics):
            raise InputError(
                f"{path}: is not an adapter; --base-id, --with-base and --metrics are for adapters, so leave them out"
            )
        if not (is_adapter or is_dataset(path) or is_demo(path) or is_space(path)):
            raise InputError(
                f"{path}: is not a dataset, adapter or Space; make one with `anomreason build SOURCE --out {path}` or "
                "`anomreason train`"
            )

    look(lambda: check_repo_id(repo_id), lambda: dry_run or check_token(), check_kind)
    if (path / "adapter_config.json").is_file():
        require("publish of an adapter", "train")
        from trainer.publish import publish_adapter

        return publish_adapter(
            path,
            repo_id,
            base_id=base_id,
            with_base=with_base,
            metrics=metrics,
            private=private,
            dry_run=dry_run,
        )
    if is_dataset(path):
        return [publish(path, repo_id, private=private, dry_run=dry_run)]
    if is_demo(path):
        return [publish_demo(repo_id, private=private, dry_run=dry_run)]
    return [publish_space(path, repo_id, private=private, dry_run=dry_run)]
