# /// script
# requires-python = ">=3.11"
# dependencies = ["anomreason[demo]>=0.2.0"]
# ///
"""Evaluates a model of the Hub on a dataset of the Hub, on the Hub's machines, and keeps the results in a repository there.

    hf jobs uv run --flavor a100-large --secrets HF_TOKEN hub_job.py \
        --model Qwen/Qwen2.5-VL-7B-Instruct --dataset ORG/anomreason --results ME/anomreason-results

It is what `anomreason benchmark` does with one model. A job starts on an empty machine, so one that was stopped starts over.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from dataset_builder.errors import AnomReasonError
from dataset_builder.publishing import hub


def bench(options: argparse.Namespace) -> dict[str, object]:
    """What `bench.yaml` says."""
    told = {key: getattr(options, key) for key in ("dataset", "config", "split", "limit", "encoder")}
    model = {key: value for key in ("model", "adapter") if (value := getattr(options, key)) is not None}
    return {key: value for key, value in told.items() if value is not None} | {"models": {name(options): model}}


def name(options: argparse.Namespace) -> str:
    """The model's name in the results, which is a folder's."""
    return str(options.adapter or options.model).replace("/", "--")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and push what it wrote, as a folder of the results' repository; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="A model's id on the Hub; by default, the adapter's base.")
    parser.add_argument("--adapter", help="A LoRA adapter's id on the Hub.")
    parser.add_argument("--dataset", required=True, help="The dataset's id on the Hub.")
    parser.add_argument("--config", help="deepfake also asks for verdicts.")
    parser.add_argument("--split", default="test", help="The dataset's split.")
    parser.add_argument("--limit", type=int, help="Evaluate only this many pictures, evenly spaced.")
    parser.add_argument("--encoder", help="minilm, which also gives SemF1C; the official encoder by default.")
    parser.add_argument("--results", required=True, help="ORG/NAME of the dataset repository that keeps the results.")
    options = parser.parse_args(arguments)
    if options.model is None and options.adapter is None:
        parser.error("give --model, --adapter or both")
    try:
        hub.check_repo_id(options.results, "--results")
        hub.check_token()  # before hours of a GPU are paid for
        with tempfile.TemporaryDirectory() as work:
            out, path = Path(work) / "results", Path(work) / "bench.yaml"
            path.write_text(yaml.safe_dump(bench(options), sort_keys=False), encoding="utf-8")
            line = ["-m", "anomreason", "benchmark", str(path), "--out", str(out / name(options))]
            if code := subprocess.run([sys.executable, *line], check=False).returncode:
                return code
            files = hub.repository_files(out)
            message = f"Evaluation of {name(options)}"
            pushed = hub.push(out, files, options.results, "dataset", message=message, ours=[], private=True)
    except AnomReasonError as error:
        print(f"hub_job: {error}", file=sys.stderr)
        return 2
    print(pushed.url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
