"""The commands that train, and that use what was trained: quickstart, train, grpo, merge."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from dataset_builder.commands import Overwrite
from dataset_builder.extras import require
from dataset_builder.terminal import Steps

app = typer.Typer()


@app.command()
def quickstart(overwrite: Overwrite = False) -> None:
    """The whole loop with embedded defaults, into ./anomreason and ./demo: minutes on a CPU, no Hub, no key."""
    require("quickstart", "demo")
    # Nothing here needs the Hub, and a network that drops packets would hold the loop up for minutes.
    os.environ.update(HF_HUB_OFFLINE="1", HF_EVALUATE_OFFLINE="1")
    from trainer.quickstart import quickstart as run

    metrics = run(Steps(6), overwrite=overwrite)
    _print_scores(metrics)
    typer.echo(
        f"""
Done in {metrics["seconds"]} s. Look at demo/report.html; the numbers are in demo/metrics.json.

From any directory, load_dataset("anomreason") is now these rendered scenes (in this directory ./anomreason itself) and
evaluate.load("semap") the metric of this package; `anomreason install --uninstall` takes both names away again.

Next:
  anomreason examine demo/scenes/images/{metrics["example"]} --adapter demo/adapter
  anomreason score demo/preds_base.json demo/preds_tuned.json demo/truth.json --encoder minilm --empty skip
  anomreason train --config tiny --dataset_name anomreason"""
    )


def _print_scores(metrics: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    family = metrics["family"].replace("_", " ")
    table = Table(title=f"Test split; taught: {family}", title_justify="left")
    for column in ("", "SemAP Full", "SemF1 Full", f"{family}: hits", "false alarms on clean twins"):
        table.add_column(column, justify="left" if not column else "right")
    for key, label in (("base", "tiny base"), ("tuned", "tuned adapter"), ("constant", "one constant answer")):
        row = metrics[key]
        counts = [f"{row[count][0]} of {row[count][1]}" for count in ("hits", "false_alarms")]
        table.add_row(label, f"{row['SemAP_Full']:.3f}", f"{row['SemF1_Full']:.3f}", *counts)
    chance = metrics["chance"]
    table.add_row("chance", f"{chance['SemAP_Full']:.3f}", f"{chance['SemF1_Full']:.3f}", "–", "–")
    console = Console()
    console.print(table)
    console.print(metrics["signature"], style="dim", soft_wrap=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(context: typer.Context) -> None:
    """Fine-tune a LoRA adapter: --config RECIPE (a name or YAML file) and any option of TRL's SFTConfig."""
    require("train", "train")
    from trainer.sft import main as run

    typer.echo(f"adapter: {run(context.args)}")


@app.command()
def merge(
    adapter: Annotated[str, typer.Argument(help="A LoRA adapter's directory or Hub id.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The model's directory; new, or an earlier merged model.")] = Path("merged"),
    model: Annotated[str | None, typer.Option(help="The base, if not the one the adapter names.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16; auto: the base's own.")] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Merge an adapter into its base: one model, for servers that take no adapters."""
    require("merge", "train")
    from trainer.merge import merge as run

    typer.echo(f"model: {run(adapter, out, model=model, dtype=dtype, overwrite=overwrite)}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def grpo(context: typer.Context) -> None:
    """Train an adapter further by reward: --config RECIPE, --adapter ADAPTER and any option of TRL's GRPOConfig."""
    require("grpo", "train")
    from trainer.grpo import main as run

    typer.echo(f"adapter: {run(context.args)}")
