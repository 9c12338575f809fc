"""Step time, tokens a second and peak memory of a recipe, on whatever device there is.

    python benchmarks/training.py --config tiny                          # renders its own scenes
    python benchmarks/training.py --config anomreasonor_7b --dataset_name ORG/anomreason --steps 20
    python benchmarks/training.py --config anomreasonor_3b --dataset_config default      # on scenes, which have no deepfake

Any option of the recipe may follow. The recipe is run as it stands, but for evaluations and checkpoints; the first two
steps warm up and are not counted. A step is an optimizer's step, gradient accumulation included; tokens are all tokens of
the batches, the pictures' and the padding's included. Nothing is left behind.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from transformers import TrainerCallback

from dataset_builder.building.build import build
from dataset_builder.scenes import write_scenes
from trainer import sft

WARM_UP = 2


class Clock(TrainerCallback):  # type: ignore[misc]
    """Notes the time and the tokens at each step's end."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.tokens: list[int] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())
        self.tokens.append(int(state.num_input_tokens_seen))


def measured(clock: Clock) -> dict[str, Any]:
    steps = [after - before for before, after in zip(clock.times[WARM_UP - 1 :], clock.times[WARM_UP:], strict=False)]
    tokens = clock.tokens[-1] - clock.tokens[WARM_UP - 1]
    if torch.cuda.is_available():
        device, peak = torch.cuda.get_device_name(), torch.cuda.max_memory_allocated()
    else:
        device, peak = (
            f"CPU, {torch.get_num_threads()} threads",
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
    return {
        "device": device,
        "steps": len(steps),
        "seconds a step, median": round(statistics.median(steps), 3),
        "seconds a step, longest": round(max(steps), 3),
        "tokens a second": round(tokens / sum(steps)),
        "peak memory, GB": round(peak / 1e9, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--dataset_name", help="rendered scenes unless given")
    parser.add_argument("--steps", type=int, default=20, help="counted after two that warm up")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        dataset = arguments.dataset_name
        if dataset is None:
            build(write_scenes(work / "scenes", 200, seed=5), work / "anomreason", recipe=None)
            dataset = str(work / "anomreason")
        line = ["--config", arguments.config, "--dataset_name", dataset, "--output_dir", str(work / "out")]
        line += ["--max_steps", str(WARM_UP + arguments.steps), "--include_num_input_tokens_seen", "true"]
        line += [
            "--eval_strategy",
            "no",
            "--save_strategy",
            "no",
            "--load_best_model_at_end",
            "false",
            "--report_to",
            "none",
        ]
        line += ["--disable_tqdm", "true"]
        script, training, model = sft.parse([*line, *options])
        clock = Clock()
        sft.train(script, training, model, callbacks=[clock])
        batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
        found = {"recipe": arguments.config, "model": model.model_name_or_path, "examples a step": batch} | measured(
            clock
        )
        found |= {"dtype": model.dtype, "4 bits": model.load_in_4bit, "max_pixels": script.max_pixels}
        json.dump(found, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
