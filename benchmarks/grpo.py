"""The reward curve of GRPO on the tiny model, for three seeds: whatever it is.

    OMP_NUM_THREADS=1 python benchmarks/grpo.py --out runs/grpo-curve    # minutes; prints a table, writes curve.json

Scenes of the families the base knows are rendered, an SFT adapter is trained on them by the tiny recipe for a few steps, and
`trainer.grpo` goes on from it once for each seed. Beside the rewards while training, which are of sampled answers, stand the greedy
answers' scores on pictures held out, before and after.
"""

import argparse
import json
import math
import os
import statistics
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from transformers import TrainerCallback

from dataset_builder import atomic
from dataset_builder.building.build import build
from dataset_builder.scenes import write_scenes
from metric_semap.measurement import Options, measure
from metric_semap.similarity import BertScoreSimilarity
from trainer import grpo, sft
from trainer.examples import DataArguments, evaluation_sample, training_rows
from trainer.loading import load
from trainer.predict import predict

REWARDS = ("explained", "readable", "verdict")


class Log(TrainerCallback):  # type: ignore[misc]
    """Keeps each step's rewards: of the answers of that step they apply to, the mean."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float | None]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "reward" in logs:
            self.steps.append({name: _number(logs[f"rewards/{name}/mean"]) for name in REWARDS})


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(float(value)) else float(value)


def examine(dataset: Path, adapter: Path, pictures: int) -> dict[str, float]:
    """Scores of greedy answers on pictures of the test split."""
    script = DataArguments(dataset_name=str(dataset), dataset_test_split="test")
    _, sample = evaluation_sample(script, pictures, training_rows(script))
    model, processor = load("tiny", adapter=str(adapter))
    shown = [(str(index), sample.picture(index)) for index in range(len(sample.references))]
    answers = [answer.anomalies for answer in predict(shown, model, processor)]
    options = Options(empty="skip", bootstrap=0)
    scores = measure(answers, sample.references, BertScoreSimilarity("minilm"), options).scores
    return {"SemF1_Full": scores.full.semf1.value, "false_alarm_rate": scores.counts.false_alarm_rate}


def report(results: dict[str, Any], steps: int) -> None:
    """A row a seed and quarter of the run, then the scores before and after."""
    print("seed  steps     " + "  ".join(f"{name:>10}" for name in REWARDS))
    for seed, run in results["seeds"].items():
        for start in range(0, steps, max(1, steps // 4)):
            part = run["curve"][start : start + max(1, steps // 4)]
            means = [[step[name] for step in part if step[name] is not None] for name in REWARDS]
            cells = [f"{statistics.mean(values):10.3f}" if values else f"{'–':>10}" for values in means]
            print(f"{seed:>4}  {start + 1:>3}–{start + len(part):<5} " + "  ".join(cells))
    for name, value in results["before"].items():
        after = [run["after"][name] for run in results["seeds"].values()]
        print(f"greedy, held out: {name} {value:.3f} before; after: " + ", ".join(f"{one:.3f}" for one in after))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/grpo-curve"))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--examined", type=int, default=96)
    arguments = parser.parse_args()
    out: Path = arguments.out
    dataset = out / "anomreason"
    write_scenes(out / "scenes", arguments.scenes, seed=21)
    build(out / "scenes", dataset, recipe=None)
    base = ["--config", "tiny", "--dataset_name", str(dataset), "--disable_tqdm", "true"]
    adapter = sft.main([*base, "--output_dir", str(out / "sft"), "--max_steps", "10", "--learning_rate", "1e-4"])
    results: dict[str, Any] = {"before": examine(dataset, adapter, arguments.examined), "seeds": {}}
    for seed in range(3):
        log = Log()
        line = [*base, "--adapter", str(adapter), "--output_dir", str(out / f"seed-{seed}"), "--seed", str(seed)]
        tuned = grpo.train(*grpo.parse([*line, "--max_steps", str(arguments.steps)]), callbacks=[log])
        results["seeds"][seed] = {"curve": log.steps, "after": examine(dataset, tuned, arguments.examined)}
        atomic.write(out / "curve.json", json.dumps(results, indent=1) + "\n")
    report(results, arguments.steps)


if __name__ == "__main__":
    main()
