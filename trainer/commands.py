"""The commands that train, and that use what was trained: quickstart, train, grpo, merge, serve."""

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from dataset_builder.extras import require
from dataset_builder.options import Overwrite
from dataset_builder.terminal import Steps
from trainer.recipe_files import CONFIGS, GRPO, find, names

app = typer.Typer()

_FORWARD: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}


Recipe = Annotated[
    str | None,
    typer.Option(help=f"Recipe (required): {names(CONFIGS)}, or a YAML file. Options override it.", show_default=False),
]
Dataset = Annotated[
    str | None,
    typer.Option(help="Directory of a built dataset, or a Hub id; by default the recipe's.", show_default=False),
]
Out = Annotated[
    Path | None, typer.Option(help="Directory for the adapter; by default the recipe's.", show_default=False)
]
Base = Annotated[
    str | None,
    typer.Option(help="Base model: tiny, a directory or a Hub id; by default the recipe's.", show_default=False),
]

_OURS = """More options, which a recipe can also set:

--dataset_config NAME, --dataset_train_split NAME, --dataset_test_split NAME: which part of the dataset to use.

--dataset_streaming True: read the dataset while training, without loading it first.

--limit N: use only N rows. --tasks anomalies grounded verdict: what to ask about each picture, one or more of these.

--min_pixels N, --max_pixels N: enlarge smaller pictures, and reduce larger ones, to this many pixels.

--resume_from_checkpoint True: continue a stopped training. --overwrite: replace what an earlier training wrote to --out.

--base_id ID: the Hub id of the base model, for --push_to_hub."""

_TRAIN = f"""{_OURS}

--knows true: make the adapter refuse pictures unlike its training pictures (status unknown).

--eval_pictures N, --eval_encoder NAME: number of pictures and encoder for each evaluation (with --eval_strategy steps).

--dry_run true: say what would be trained and what it takes, without loading weights.

Every option of TRL's SFTConfig and ModelConfig works as well:
https://huggingface.co/docs/trl/sft_trainer#trl.SFTConfig, https://huggingface.co/docs/trl/others#trl.ModelConfig"""

_GRPO = f"""{_OURS}

--adapter ADAPTER: the SFT adapter to continue from. --encoder NAME: the encoder for the reward SemF1_Full.

Every option of TRL's GRPOConfig and ModelConfig works as well:
https://huggingface.co/docs/trl/grpo_trainer#trl.GRPOConfig, https://huggingface.co/docs/trl/others#trl.ModelConfig"""


def _arguments(
    context: typer.Context, folder: Path, config: str | None, dataset: str | None, out: Path | None, model: str | None
) -> list[str]:
    """What TRL's parser is given: our options under its names, and all others as they were typed.

    Raises:
        InputError: for a recipe that is not given or not there, before anything is imported that takes seconds.
    """
    find(config, folder)
    named = {"config": config, "dataset_name": dataset, "output_dir": out, "model_name_or_path": model}
    given = [(f"--{name}", str(value)) for name, value in named.items() if value is not None]
    return [*(part for pair in given for part in pair), *context.args]


@app.command()
def quickstart(overwrite: Overwrite = False) -> None:
    """Run the whole loop on rendered scenes, into ./anomreason and ./demo, in minutes on a CPU, without the Hub or an API key."""
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
evaluate.load("semap") the metric of this package; `anomreason install --uninstall` removes both names again.

Next:
  anomreason examine demo/scenes/images/{metrics["example"]} --adapter demo/adapter
  anomreason score demo/preds_base.json demo/preds_tuned.json demo/truth.json --encoder minilm --empty skip
  anomreason train --config tiny --dataset anomreason"""
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


@app.command(context_settings=_FORWARD, epilog=_TRAIN)
def train(
    context: typer.Context,
    config: Recipe = None,
    dataset: Dataset = None,
    out: Out = None,
    model: Base = None,
) -> None:
    """Fine-tune a LoRA adapter with TRL's SFTTrainer, from a recipe and any of TRL's options."""
    require("train", "train")
    line = _arguments(context, CONFIGS, config, dataset, out, model)
    from trainer.progress import Shown
    from trainer.sft import parse
    from trainer.sft import train as run

    script, training, base = parse(line)
    if script.dry_run:
        from trainer.dry_run import describe
        from trainer.sft import prepare

        typer.echo(describe(prepare(script, training, base), script, training, base))
        return
    training.disable_tqdm = True  # the progress shown is ours
    typer.echo(f"adapter: {run(script, training, base, [Shown()])}")


@app.command(context_settings=_FORWARD)
def probe(
    context: typer.Context,
    config: Recipe = None,
    dataset: Dataset = None,
    model: Base = None,
) -> None:
    """Measure the fastest batch size and checkpointing on this GPU. All options of `train` work as well."""
    require("probe", "train")
    line = _arguments(context, CONFIGS, config, dataset, None, model)
    from trainer.memory import main as run

    typer.echo(run(line))


@app.command()
def merge(
    adapter: Annotated[str, typer.Argument(help="Directory or Hub id of a LoRA adapter.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Directory for the model; it must be new or hold an earlier merged model.")
    ] = Path("merged"),
    model: Annotated[str | None, typer.Option(help="Base model; by default the one that the adapter names.")] = None,
    dtype: Annotated[
        str,
        typer.Option(help="Data type of the weights: float32, bfloat16, float16, or auto for the base model's own."),
    ] = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Merge an adapter into its base model, for servers that do not take adapters."""
    require("merge", "train")
    from trainer.merge import merge as run

    typer.echo(f"model: {run(adapter, out, model=model, dtype=dtype, overwrite=overwrite)}")


@app.command(context_settings=_FORWARD, epilog=_GRPO)
def grpo(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            help=f"Recipe (required): {names(GRPO)}, or a YAML file. Options override it.", show_default=False
        ),
    ] = None,
    dataset: Dataset = None,
    out: Out = None,
    model: Base = None,
) -> None:
    """Train an adapter further with TRL's GRPOTrainer. Rewards: the metric, a readable format and right verdicts."""
    require("grpo", "train")
    line = _arguments(context, GRPO, config, dataset, out, model)
    from trainer.grpo import parse
    from trainer.grpo import train as run
    from trainer.progress import Shown

    script, training, base = parse(line)
    training.disable_tqdm = True
    typer.echo(f"adapter: {run(script, training, base, [Shown()])}")


@app.command()
def serve(
    adapter: Annotated[
        str | None, typer.Argument(help="Directory or Hub id of a LoRA adapter.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="tiny (shipped), a model directory or a Hub id; by default the adapter's base model, or else tiny."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="Server to use: vllm or transformers.")] = "vllm",
    merged: Annotated[
        Path | None,
        typer.Option(help="Directory for the merged model; by default the adapter's name with -merged."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    run: Annotated[bool, typer.Option("--run", help="Execute the commands instead of printing them.")] = False,
) -> None:
    """Print the commands that serve a model, or an adapter merged into its base, to many clients; --run executes them."""
    require("serve", "train")
    from trainer.serve import serving

    found = serving(adapter, model=model, engine=engine, merged=merged, host=host, port=port)
    for line in found.lines():
        typer.echo(line)
    ask = ["anomreason", "predict", "--base-url", found.base_url, "--model", found.name, "--batch-size", "64"]
    typer.echo(f"# then: {shlex.join(ask)} --dataset DATASET --out preds.json")
    if run:
        found.run()
