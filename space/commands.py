"""The commands on top of all others: the page (demo), and publishing of whatever was made (publish)."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dataset_builder.extras import require

app = typer.Typer()


@app.command()
def demo(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to serve on; by default the first free one from 7860.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="tiny (shipped), a model directory or a Hub id. With --base-url: the model's name on that server."
        ),
    ] = "tiny",
    adapter: Annotated[
        str | None,
        typer.Option(
            help="Directory or Hub id of a LoRA adapter, which the page compares with its base model; not with --base-url."
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="URL of an OpenAI-compatible server hosting the model. The API key is read from ANOMREASON_API_KEY, "
            "OPENAI_API_KEY or HF_TOKEN. Without this option the model runs on this machine."
        ),
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="Second model to compare answers with: tiny, a model directory or a Hub id.")
    ] = None,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough", help="Also offer AnomAgent, which asks several times per picture; needs --base-url."
        ),
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option("--review", "--run", help="Also serve the review of this run directory of `anomreason annotate`."),
    ] = None,
    boxes: Annotated[
        bool,
        typer.Option(
            "--with-boxes", "--boxes", help="Also ask where each anomaly is (boxes); the tiny model's boxes are rough."
        ),
    ] = False,
    visitors_model: Annotated[
        str | None,
        typer.Option(
            help="Model of Inference Providers for visitors who sign in with Hugging Face, on their own quota."
        ),
    ] = None,
    visitors_url: Annotated[
        str, typer.Option(help="URL of the server for --visitors-model; visitors' tokens are sent to it.")
    ] = "https://router.huggingface.co/v1",
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Let the MCP tool fetch pictures from the public web.")
    ] = False,
) -> None:
    """Serve a web page that shows what defies logic in a picture, with an API and an MCP tool."""
    here = base_url is None or compare is not None  # a model in this process
    require("demo", "space", *(["train"] if here else []))
    from space.settings import Settings

    settings = Settings(model, adapter, base_url, compare, thorough, run, boxes, visitors_model, visitors_url, fetch)
    from space.app import serve

    serve(settings, port)


@app.command()
def publish(
    path: Annotated[
        Path, typer.Argument(help="Directory of a built dataset, an adapter, or a Space (space or metric_semap).")
    ] = Path("anomreason"),
    repo_id: Annotated[str, typer.Option(help="Repository on the Hub, as ORG/NAME.", show_default=False)] = ...,  # type: ignore[assignment]
    private: Annotated[bool, typer.Option("--private", help="If the repository is new, make it private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be uploaded, without uploading.")] = False,
    base_id: Annotated[
        str | None,
        typer.Option(help="For an adapter: Hub id of its base model, if the adapter names one that is not on the Hub."),
    ] = None,
    with_base: Annotated[
        bool,
        typer.Option("--with-base", help="For an adapter: also publish its base model, as --base-id or ORG/NAME-base."),
    ] = False,
    metrics: Annotated[
        Path | None, typer.Option(help="For an adapter: metrics.json of `anomreason score`, to show on its card.")
    ] = None,
) -> None:
    """Upload a dataset, adapter or Space to the Hub and verify the upload. It can be re-run. The token is read from HF_TOKEN."""
    for result in _publish(path, repo_id, private, dry_run, base_id, with_base, metrics):
        for name, size in result.files:
            typer.echo(f"{size:>14,}  {name}")
        total = f"{len(result.files)} files, {sum(size for _, size in result.files):,} bytes"
        total += f", {result.note}" if result.note else ""
        if dry_run:
            typer.echo(f"dry run: {total} would be uploaded to {result.kind} {result.repo_id}")
        else:
            typer.echo(f"{result.url}: {total}, checked against what was built")


def _publish(
    path: Path, repo_id: str, private: bool, dry_run: bool, base_id: str | None, with_base: bool, metrics: Path | None
) -> list[Any]:
    """What a directory contains decides how it is published."""
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
                f"{path}: is not an adapter; --base-id, --with-base and --metrics apply to adapters only; leave them out"
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
