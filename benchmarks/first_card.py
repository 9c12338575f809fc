"""How long a visitor of the Space waits for a model on this machine: until the first card, and until the answer is whole.

    python -m benchmarks.first_card --model Qwen/Qwen2.5-VL-7B-Instruct

The model is loaded and asked as the page does (`space.local`), with each token as it comes. What it says is given to it, token by
token, so that a model with random weights writes cards, too: its work is what it would be, its words are not its own.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.decoding import BUDGET
from benchmarks.device import name
from dataset_builder.schema import Anomaly
from dataset_builder.textform import write_answer
from space.local import Local, open_local
from space.uploads import read_picture

SCENE = Path(__file__).resolve().parents[1] / "space" / "examples" / "clean.png"
SAID = [
    Anomaly(
        name=f"Finding {number}",
        phenomenon="The handle of the red mug on the left of the table is not joined to the mug at its lower end.",
        reasoning="A handle that is held at one end alone would break off as soon as the mug is lifted.",
        severity=40,
    )
    for number in (1, 2, 3)
]
"""Three anomalies of the usual length."""


class Prompted:
    """Has a model say an answer: of each token's scores, that of the next one in the answer is raised above all others."""

    def __init__(self, model: Any, tokens: list[int]) -> None:
        self.tokens, self.said = tokens, 0
        model.get_output_embeddings().register_forward_hook(self._raise)

    def _raise(self, _: Any, __: Any, scores: torch.Tensor) -> torch.Tensor:
        scores[..., -1, self.tokens[self.said % len(self.tokens)]] = torch.finfo(scores.dtype).max
        self.said += 1
        return scores


def waits(local: Local, prompted: Prompted, rounds: int) -> dict[str, float]:
    """Median seconds until the first card and until the answer is whole."""
    picture = read_picture(SCENE.read_bytes(), SCENE.name)
    cards, answers = [], []
    for _ in range(rounds):
        prompted.said, first = 0, None
        started = time.perf_counter()
        for one in local.examine(picture):
            if one.anomalies and first is None:
                first = time.perf_counter() - started
        if first is None or len(one.anomalies) != len(SAID):
            raise SystemExit(f"the model did not say what it was given ({one.status}); compare nothing")
        cards.append(first)
        answers.append(time.perf_counter() - started)
    return {
        "seconds until the first card": round(statistics.median(cards), 3),
        "seconds until the answer is whole": round(statistics.median(answers), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    started = time.perf_counter()
    local, _ = open_local(arguments.model, None)
    loaded = time.perf_counter() - started
    weights = local._weights
    weights.processor.image_processor.size = BUDGET
    tokenizer = weights.processor.tokenizer
    said = tokenizer.encode(write_answer(SAID), add_special_tokens=False)
    prompted = Prompted(weights.model, [*said, tokenizer.eos_token_id])
    started = time.perf_counter()
    local.warm()
    found = {
        "device": name(),
        "model": arguments.model,
        "tokens of the answer": len(said),
        "seconds to load": round(loaded, 1),
        "seconds of the first answer, of no visitor": round(time.perf_counter() - started, 2),
    }
    json.dump(found | waits(local, prompted, arguments.rounds), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
