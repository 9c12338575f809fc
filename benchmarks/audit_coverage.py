"""Do an audit's intervals hold the truth, and are equal generators left in one tier?

    python benchmarks/audit_coverage.py [--audits 400] [--pictures 10 30 100] [--generators 15] [--seed 0]

Generators of scenes with known rates: each draws how many anomalies a picture has (a prompt is harder for all of them alike),
and their severities from those that the renderer gives its families. The truth of AF, MAI and CAP is that of a very large
sample. Audits of new samples then show how often the 95 % intervals hold it (among those that are given), and how
often equal generators are ranked apart, which is the family-wise error: two of them and many, with shared prompts and
without; and how often unequal ones are told apart. All of it for each number of pictures per generator.
"""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dataset_builder.scenes import pair
from trainer.evaluation.intensity import Severities, audit

RATES = (0.3, 1.0, 2.5)  # anomalies per picture: few, as a good generator; one; many
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


def coverage(rate: float, audits: int, pictures: int, known: np.ndarray, first: int) -> dict[str, float | None]:
    truth = {"AF": rate, "MAI": float(np.mean(100 - known) / 100)}
    truth["CAP"] = truth["AF"] * truth["MAI"]
    held: dict[str, list[bool]] = {name: [] for name in truth}
    for seed in range(first, first + audits):
        rng = np.random.default_rng([1, seed])
        seen = generator(rng, rate, prompts(rng, pictures), known, "")
        (one,) = audit({"g": seen}, 1, seed).generators
        for name, value in truth.items():
            if not np.isnan(one.scores[name].low):
                held[name].append(one.scores[name].low <= value <= one.scores[name].high)
    return {name: round(float(np.mean(found)), 4) if found else None for name, found in held.items()}


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


def sized(pictures: int, many: int, audits: int, known: np.ndarray, first: int) -> dict[str, object]:
    """All of it for audits with so many pictures per generator."""

    def apart(rates: list[float], shared: bool, resamples: int, trials: int) -> float:
        return ranked_apart(rates, shared, trials, pictures, resamples, known, first)

    enough = max(1000, 25 * many * (many - 1))  # so that Holm's smallest level can be reached
    return {
        "intervals hold the truth": {
            f"{rate:g} per picture": coverage(rate, audits, pictures, known, first) for rate in RATES
        },
        "two equal generators ranked apart": {
            "shared prompts": apart([1.0] * 2, True, 1000, audits),
            "own prompts": apart([1.0] * 2, False, 1000, audits),
        },
        f"any of {many} equal generators ranked apart": {
            "shared prompts": apart([1.0] * many, True, enough, audits),
            "own prompts": apart([1.0] * many, False, enough, audits // 4),
        },
        f"two generators, one {UNEQUAL:g} times as bad, told apart": {
            "shared prompts": apart([1.0, UNEQUAL], True, 1000, audits),
            "own prompts": apart([1.0, UNEQUAL], False, 1000, audits),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audits", type=int, default=400)
    parser.add_argument("--pictures", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--generators", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0, help="Other seeds draw other audits.")
    arguments = parser.parse_args()
    known = severities_of_scenes(300)
    for pictures in arguments.pictures:  # the sizes take a while each, so each is printed when it is done
        found = sized(pictures, arguments.generators, arguments.audits, known, arguments.seed * 1_000_000)
        print(json.dumps({f"{pictures} pictures per generator": found}), flush=True)


if __name__ == "__main__":
    main()
