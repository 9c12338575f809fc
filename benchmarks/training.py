"""What a recipe's training reaches on this machine: examples and tokens per second, and the share of what the device can do.

    python -m benchmarks.training --config tiny                          # renders its own scenes
    python -m benchmarks.training --config anomreasonor_7b --dataset_name ORG/anomreason --gradient_accumulation_steps 4
    python -m benchmarks.training --config anomreasonor_3b --dataset_config default      # on scenes, which have no deepfake

Any option of the recipe may follow. The recipe is run as it stands, but for evaluations and checkpoints; the first steps warm up
and are not counted. A step is an optimizer's step, gradient accumulation included. Nothing is left behind.

Three things tell whether the time is well spent:

- *share of the matrix rate*: the floating-point operations that a step needs, divided by its time, over the rate of one large
  matrix product, measured here. Needed is `FORMULA`: what is computed again, padding, and a picture's second look do not count.
- *bare loop*: the same tensors, forward, back and stepped in ten lines without trainer or data loading. A ratio of 1 means that
  those cost nothing; *waiting for data* is how much of the difference lies in reading, where more workers help. On a CPU that
  others use, too, the ratio of *processor time* is the one to look at.
- *peak memory*, of the GPU's allocator, or of this process.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from transformers import PrinterCallback, TrainerCallback

from benchmarks.device import matrix_rate, name, peak_memory, synchronize
from dataset_builder.building.build import build
from dataset_builder.scenes import write_scenes
from trainer import sft
from trainer.tower import fingerprints, tower_of

WARM_UP = 3
FORMULA = (
    "4·W·T + 6·A·T + 4·H·K + 6·d·L·Σn² + 2·V·P: W weights of the decoder's matrices (forward, and back to their inputs), A of the "
    "adapter, T tokens, H weights of the head, K answer tokens, d width of all heads, L layers, n tokens of a row (causal "
    "attention, half a square, forward and back), V weights of the tower's matrices, P patches of distinct pictures (forward only)"
)


class Spent(NamedTuple):
    """Seconds on the clock, and of this process's processor: the second are the same whatever else a machine does."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> "Spent":
        synchronize()
        return cls(time.perf_counter(), time.process_time())

    def since(self, before: "Spent") -> "Spent":
        return Spent(self.clock - before.clock, self.processor - before.processor)


def medians(steps: Sequence[Spent]) -> Spent:
    """Of each of the two."""
    return Spent(*map(statistics.median, zip(*steps, strict=True)))


class Clock(TrainerCallback):  # type: ignore[misc]
    """Notes when each step ends."""

    def __init__(self) -> None:
        self.times = list[Spent]()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.started = Spent.now()

    def on_step_begin(self, *_: Any, model: Any, **__: Any) -> None:
        forget_pictures(model)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(Spent.now())

    def steps(self) -> list[Spent]:
        """Of each counted step."""
        return [after.since(before) for before, after in itertools.pairwise(self.times[WARM_UP - 1 :])]


def forget_pictures(model: Any) -> None:
    """Let the tower see every picture anew: a benchmark's few are asked about more often than a dataset's many."""
    tower_of(model).forward.known.clear()  # type: ignore[union-attr]


def matrices(module: Any) -> int:
    """Weights of a module's linear layers, adapters not included."""
    return sum(
        part.in_features * part.out_features  # in 4 bits, the weight's own shape is another
        for name, part in module.named_modules()
        if isinstance(part, torch.nn.Linear) and ".lora_" not in f".{name}"
    )


def operations(model: Any, batches: Sequence[dict[str, Any]]) -> float:
    """Floating-point operations that a step's batches need, as `FORMULA` says."""
    base = model.get_base_model()
    decoder, tower = base.get_decoder(), tower_of(model)
    text = base.config.get_text_config()
    width = text.num_attention_heads * (getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    adapter = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    per_token = 4 * matrices(decoder.layers) + 6 * adapter
    total, pictures = 0.0, dict[tuple[int, ...], int]()
    for batch in batches:
        rows = batch["attention_mask"].sum(1).double()
        total += per_token * float(rows.sum())
        total += 4 * base.get_output_embeddings().weight.numel() * int((batch["labels"][:, 1:] != -100).sum())
        total += 6 * width * len(decoder.layers) * float((rows**2).sum())
        sizes = batch["image_grid_thw"].prod(-1).tolist()
        names = fingerprints(batch["pixel_values"].split(sizes))
        pictures |= {tuple(name): size for name, size in zip(names, sizes, strict=True)}
    return total + 2 * matrices(tower) * sum(pictures.values())


def bare_loop(trainer: Any, steps: Sequence[Sequence[dict[str, Any]]]) -> list[Spent]:
    """What each step takes of a loop that does what training must and nothing else, on the same tensors."""
    model, args = trainer.model, trainer.args
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, fused=args.device.type == "cuda")
    model.train()
    times = []
    for step in steps:
        forget_pictures(model)
        started = Spent.now()
        answers = sum(int((batch["labels"][:, 1:] != -100).sum()) for batch in step)
        for batch in step:
            moved = {key: value.to(args.device) for key, value in batch.items()}
            with torch.autocast(args.device.type, torch.bfloat16, enabled=args.bf16):
                loss = -model(**moved, use_cache=False, fused_lm_head=True).log_probs.sum() / answers
            loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, args.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        times.append(Spent.now().since(started))
    return times


def read_steps(trainer: Any, count: int) -> list[list[dict[str, Any]]]:
    """The batches of the first steps, as training will read them, in the CPU's memory."""
    loader, steps = trainer.get_train_dataloader(), list[list[dict[str, Any]]]()
    for epoch in itertools.count():
        loader.set_epoch(epoch)
        batches = iter(loader)
        while step := list(itertools.islice(batches, trainer.args.gradient_accumulation_steps)):
            steps.append([{key: value.cpu() for key, value in batch.items()} for batch in step])
            if len(steps) == count:
                return steps
    raise AssertionError


def timed_reading(trainer: Any) -> list[float]:
    """Seconds that each step waits for its batches; grows while the trainer trains."""
    read, waited = trainer.get_batch_samples, list[float]()

    def timed(*given: Any) -> Any:
        started = time.perf_counter()
        found = read(*given)
        waited.append(time.perf_counter() - started)
        return found

    trainer.get_batch_samples = timed
    return waited


def measure(trainer: Any, steps: int, *, rate: float) -> dict[str, Any]:
    """Train `steps` steps after those that warm up, then run the bare loop on the same tensors.

    Args:
        trainer: of `trainer.sft.build`, with `max_steps` set to both together.
        rate (`float`): the device's operations per second.
    """
    args, clock = trainer.args, Clock()
    split = args.gradient_accumulation_steps
    read = read_steps(trainer, WARM_UP + steps)
    trainer.add_callback(clock)
    trainer.remove_callback(PrinterCallback)
    waited = timed_reading(trainer)
    peak_memory(reset=True)
    trainer.train()
    peak = peak_memory()
    if trainer._total_train_tokens != sum(int(batch["attention_mask"].sum()) for step in read for batch in step):
        raise SystemExit("the bare loop would run on other tensors than training did; compare nothing")
    counted = read[WARM_UP:]
    median, bare = medians(clock.steps()), medians(bare_loop(trainer, read)[WARM_UP:])
    tokens = statistics.median(sum(int(batch["attention_mask"].sum()) for batch in step) for step in counted)
    padded = statistics.median(sum(batch["input_ids"].numel() for batch in step) for step in counted)
    needed = statistics.median(operations(trainer.model, step) for step in counted)
    examples = statistics.median(sum(len(batch["input_ids"]) for batch in step) for step in counted)
    return {
        "examples a step": f"{args.per_device_train_batch_size} × {split}",
        "steps counted": len(clock.steps()),
        "seconds a step, median": round(median.clock, 4),
        "seconds a step, longest": round(max(clock.steps()).clock, 4),
        "seconds to the first step's end": round(clock.times[0].since(clock.started).clock, 1),
        "examples a second": round(examples / median.clock, 2),
        "tokens a second": round(tokens / median.clock),
        "padding": round(1 - tokens / padded, 3),
        "peak memory, GB": round(peak / 1e9, 2),
        "bare loop, seconds a step": round(bare.clock, 4),
        "ratio to the bare loop": round(median.clock / bare.clock, 3),
        "ratio to the bare loop, processor time": round(median.processor / bare.processor, 3),
        "waiting for data, seconds a step": round(statistics.median(waited[WARM_UP : WARM_UP + steps]), 4),
        "operations a step, needed": f"{needed:.3e}",
        "matrix rate of the device, TFLOP/s": round(rate / 1e12, 3),
        "share of the matrix rate": round(needed / median.clock / rate, 3),
    }


def recipe_line(config: str, dataset: str, out: Path, steps: int) -> list[str]:
    """A recipe's command line without what is not measured."""
    line = ["--config", config, "--dataset_name", dataset, "--output_dir", str(out)]
    line += ["--max_steps", str(WARM_UP + steps), "--eval_strategy", "no", "--save_strategy", "no"]
    return [*line, "--load_best_model_at_end", "false", "--report_to", "none", "--disable_tqdm", "true"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--dataset_name", help="rendered scenes unless given")
    parser.add_argument("--steps", type=int, default=20, help=f"counted after {WARM_UP} that warm up")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        dataset = arguments.dataset_name
        if dataset is None:
            build(write_scenes(work / "scenes", 200, seed=5), work / "anomreason", recipe=None)
            dataset = str(work / "anomreason")
        line = recipe_line(arguments.config, dataset, work / "out", arguments.steps)
        script, training, model = sft.parse([*line, *options])
        trainer = sft.build(script, training, model)
        found = {
            "recipe": arguments.config,
            "model": model.model_name_or_path,
            "device": name(),
            "dtype": model.dtype,
            "4 bits": model.load_in_4bit,
            "max_pixels": script.max_pixels,
            "layers computed again": "all" if script.checkpointed_layers is None else script.checkpointed_layers,
            "layers compiled": script.compile_layers,
        }
        found |= measure(trainer, arguments.steps, rate=matrix_rate(torch.bfloat16 if training.bf16 else torch.float32))
        json.dump(found | {"operations needed": FORMULA}, sys.stdout, indent=1, ensure_ascii=False)
        print()


if __name__ == "__main__":
    main()
