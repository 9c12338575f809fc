"""Do an audit's intervals hold the truth, and are equal generators left in one tier?

    python benchmarks/audit_coverage.py [--audits 400] [--pictures 200] [--generators 15] [--seed 0]

Generators of scenes with known rates: each draws how many anomalies a picture has (a prompt is harder for all of them alike),
and their severities from those that the renderer gives its families. The truth of AF, MAI and CAP is that of a very large
sample. Audits of new samples then show how often the 95 % intervals hold it, and how often equal generators are ranked apart:
two of them and many, with shared prompts and without; and how often unequal ones are told apart.
"""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dataset_builder.scenes import pair
from trainer.evaluation.intensity import Severities, audit

RATES = (0.3, 1.0, 2.5)  # anomalies a picture: few, as a good generator; one; many
UNEQUAL = 1.5  # how many times as many anomalies the worse of two unequal generators makes


def severities_of_scenes(pictures: int) -> np.ndarray:
    """The severities that rendered scenes have."""
    return np.array([a.severity for index in range(pictures) for a in pair(0, index)[0].row.anomalies])


def generator(rng: np.random.Generator, rate: float, hardness: np.ndarray, known: np.ndarray, mark: str) -> Severities:
    """The pictures of a generator for prompts of this hardness; `mark` tells its prompts from others', "" shares them."""
    counts = rng.poisson(rate * hardness)
    return {f"{mark}{k}": [rng.choice(known, count).tolist()] for k, count in enumerate(counts)}


def prompts(rng: np.random.Generator, pictures: int) -> np.ndarray:
    """How hard each prompt is, 1 on average."""
    return rng.gamma(2.0, 0.5, pictures)


def coverage(
    rate: float, audits: int, pictures: int, resamples: int, known: np.ndarray, first: int
) -> dict[str, float]:
    truth = {"AF": rate, "MAI": float(np.mean(100 - known) / 100)}
    truth["CAP"] = truth["AF"] * truth["MAI"]
    held = dict.fromkeys(truth, 0)
    for seed in range(first, first + audits):
        rng = np.random.default_rng([1, seed])
        seen = generator(rng, rate, prompts(rng, pictures), known, "")
        (one,) = audit({"g": seen}, resamples, seed).generators
        for name, value in truth.items():
            held[name] += one.scores[name].low <= value <= one.scores[name].high
    return {name: round(count / audits, 4) for name, count in held.items()}


def ranked_apart(
    rates: list[float], shared: bool, audits: int, pictures: int, resamples: int, known: np.ndarray, first: int
) -> float:
    """The share of audits with more than one tier."""
    apart = 0
    for seed in range(first, first + audits):
        rng = np.random.default_rng([2, seed])
        hardness = prompts(rng, pictures)
        seen = {
            f"g{k}": generator(
                rng, rate, hardness if shared else prompts(rng, pictures), known, "" if shared else f"{k}-"
            )
            for k, rate in enumerate(rates)
        }
        apart += len(audit(seen, resamples, seed).tiers) > 1
    return round(apart / audits, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audits", type=int, default=400)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--generators", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0, help="Other seeds draw other audits.")
    arguments = parser.parse_args()
    audits, pictures, many = arguments.audits, arguments.pictures, arguments.generators
    first = arguments.seed * 1_000_000
    known = severities_of_scenes(300)
    size = (audits, pictures)
    result = {
        "audits": audits,
        "seed": arguments.seed,
        "pictures a generator": pictures,
        "intervals hold the truth": {
            f"{rate:g} a picture": coverage(rate, *size, 2000, known, first) for rate in RATES
        },
        "two equal generators ranked apart": {
            "shared prompts": ranked_apart([1.0] * 2, True, *size, 2000, known, first),
            "own prompts": ranked_apart([1.0] * 2, False, *size, 2000, known, first),
        },
        f"any of {many} equal generators ranked apart": {
            "shared prompts": ranked_apart([1.0] * many, True, *size, 10_000, known, first),
            "own prompts": ranked_apart([1.0] * many, False, max(20, audits // 4), pictures, 10_000, known, first),
        },
        f"two generators, one {UNEQUAL:g} times as bad, told apart": {
            "shared prompts": ranked_apart([1.0, UNEQUAL], True, *size, 2000, known, first),
            "own prompts": ranked_apart([1.0, UNEQUAL], False, *size, 2000, known, first),
        },
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
