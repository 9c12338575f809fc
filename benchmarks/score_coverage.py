"""Do the intervals of scores hold the truth, and are equally good systems told apart as rarely as a p says?

    python benchmarks/score_coverage.py [--trials 1000] [--seed 0] [--pictures 8 12 20 50 100 200] [--rows dense clusters …]

Pictures are drawn from populations whose mean is known: lists of anomalies of random lengths, hits that are likelier on
some pictures than on others, and fewer at each higher threshold; the mean of precisions is SemAP, that of 2·TP / (m +
n) is SemF1. In `dense` a tenth of the pictures score 0, in `middle` a third, in `rare` nine of ten. `verdicts` are
right or wrong. In `clusters` four pictures of one prompt are alike. With ANOMREASON_OFFICIAL_SAMPLE set, `official
sample` draws from the scores of the authors' own predictions, with MiniLM. `agreement` is that of two raters of one to seven
answers per picture, with more and less noise: Cohen's kappa and Spearman's rank correlation, in a fifth of the trials, because
each interval takes up to 200 computations.

For each: the share of 95 % intervals that hold the mean, that of p below .05 between two systems of the same quality,
each among those that are given, and the share of sets for which none is, because they have too few pictures.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from metric_semap.agreement import Rater, agreement
from metric_semap.statistics import ALPHA, FEWEST, Sums, compare, interval

NOISE = {"close": 0.4, "loose": 3.0}  # of each rater, against 1.2 of what both see
HITS = {"dense": 0.75, "middle": 0.35, "rare": 0.04}  # the chance that an anomaly is met at the lowest threshold
DRAWS = 1000

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""Draws the scores of so many pictures by two equally good systems."""


def scores(rng: np.random.Generator, n: np.ndarray, hardness: np.ndarray, score: str) -> np.ndarray:
    """A system's scores of pictures with n references each."""
    m = rng.integers(1, 8, len(n))
    first = rng.binomial(np.minimum(m, n), hardness)
    second = rng.binomial(first, 0.5)
    third = rng.binomial(second, 0.2)
    hits = np.stack([first, second, third])
    return np.asarray((hits / m if score == "SemAP" else 2 * hits / (m + n)).mean(axis=0))


def of_pictures(rate: float, score: str, alike: int = 1) -> Draw:
    """Pictures of this rate of hits, `alike` of them with one hardness and number of references."""

    def draw(rng: np.random.Generator, pictures: int) -> tuple[np.ndarray, np.ndarray]:
        prompts = -(-pictures // alike)
        n = np.repeat(rng.integers(2, 9, prompts), alike)[:pictures]
        hardness = np.repeat(rng.beta(2, 2 * (1 - rate) / rate, prompts), alike)[:pictures]
        first, second = (scores(rng, n, hardness, score) for _ in range(2))
        return first, second

    return draw


def of_verdicts(rng: np.random.Generator, pictures: int) -> tuple[np.ndarray, np.ndarray]:
    hard = rng.beta(4, 1, pictures)
    first, second = ((rng.random(pictures) < hard).astype(float) for _ in range(2))
    return first, second


def of_sample(folder: Path, score: str) -> Draw:
    """Pictures of the official sample, drawn with replacement; the other system is another picture's answer, dealt at random."""
    from metric_semap.measurement import Options, measure
    from metric_semap.records import read_records
    from metric_semap.similarity import BertScoreSimilarity

    said, true = (
        read_records(folder / f"{name}.json", role) for name, role in (("pred", "prediction"), ("gt", "reference"))
    )
    images = [image for image in true if image in said and true[image].anomalies]
    references = [true[image].anomalies for image in images]
    own = [said[image].anomalies for image in images]
    both = [
        measure(side, references, BertScoreSimilarity("minilm"), Options(bootstrap=0)).pictures
        for side in (own, own[1:] + own[:1])
    ]
    values = np.array(
        [[(one.semap if score == "SemAP" else one.semf1)["Full"] for one in pictures] for pictures in both]
    )

    def draw(rng: np.random.Generator, pictures: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = values[:, rng.integers(0, values.shape[1], pictures)]
        swapped = np.where(rng.random(pictures) < 0.5, chosen[::-1], chosen)
        return swapped[0], swapped[1]

    return draw


def populations() -> Iterator[tuple[str, Draw, int]]:
    """Name, draw, and how many pictures of one cluster follow each other."""
    for name, rate in HITS.items():
        for score in ("SemAP", "SemF1"):
            yield f"{name}, {score}", of_pictures(rate, score), 1
    yield "verdicts", of_verdicts, 1
    yield "clusters of 4, middle, SemF1", of_pictures(HITS["middle"], "SemF1", alike=4), 4
    if folder := os.environ.get("ANOMREASON_OFFICIAL_SAMPLE"):
        for score in ("SemAP", "SemF1"):
            yield f"official sample, {score}", of_sample(Path(folder), score), 1


def simulate(draw: Draw, alike: int, pictures: int, trials: int, seed: int) -> dict[str, Any]:
    mean = float(np.mean(draw(np.random.default_rng([seed, 1]), 400_000)[0]))
    of = np.arange(pictures) // alike
    held, apart = [], []
    for trial in range(trials):
        first, second = draw(np.random.default_rng([seed, 2, pictures, trial]), pictures)
        one, other = Sums.of_means(first, of), Sums.of_means(second, of)
        if found := interval(one):
            held.append(found.low <= mean <= found.high)
        test = compare(one, other, DRAWS, trial)
        if test.p is not None:
            apart.append(test.p < ALPHA)
    return {
        "intervals hold the mean": round(float(np.mean(held)), 3) if held else None,
        "no interval": round(1 - len(held) / trials, 3),
        "p below .05": round(float(np.mean(apart)), 3) if apart else None,
        "no p": round(1 - len(apart) / trials, 3),
    }


def raters(rng: np.random.Generator, pictures: int, noise: float) -> tuple[list[Rater], list[int]]:
    """Two raters of the same answers, and the picture of each answer."""
    of = np.repeat(np.arange(pictures), rng.integers(1, 8, pictures))
    seen = rng.normal(0, 0.7, pictures)[of] + rng.normal(0, 1, len(of))
    numbers = [seen + rng.normal(0, noise, len(of)) for _ in range(2)]
    return [
        Rater(name, values, limit) for name, values, limit in zip("ab", numbers, (0.3, 0.0), strict=True)
    ], of.tolist()


def simulate_agreement(noise: float, pictures: int, trials: int, seed: int) -> dict[str, dict[str, Any]]:
    """The coverage of both measures of agreement."""
    (true,) = agreement(*raters(np.random.default_rng([seed, 1]), 50_000, noise), intervals=False)
    held: dict[str, list[bool]] = {"kappa": [], "correlation": []}
    for trial in range(trials):
        (found,) = agreement(
            *raters(np.random.default_rng([seed, 2, pictures, trial]), pictures, noise), intervals=True
        )
        for name, of in held.items():
            one, value = getattr(found, name), getattr(true, name).value
            if one.low is not None:
                of.append(one.low <= value <= one.high)
    return {
        name: {
            "intervals hold the mean": round(float(np.mean(of)), 3) if of else None,
            "no interval": round(1 - len(of) / trials, 3),
            "p below .05": None,
            "no p": 1.0,
        }
        for name, of in held.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="Other seeds draw other pictures.")
    parser.add_argument("--pictures", type=int, nargs="+", default=[8, 12, 20, 50, 100, 200])
    parser.add_argument("--rows", nargs="+", default=[""], help="Only rows whose names begin so.")
    arguments = parser.parse_args()
    wanted = tuple(arguments.rows)
    result: dict[str, Any] = {"trials": arguments.trials, "seed": arguments.seed, "fewest": FEWEST}
    for name, draw, alike in populations():
        if not name.startswith(wanted):
            continue
        result[name] = {
            f"{pictures} pictures": simulate(draw, alike, pictures * alike, arguments.trials, arguments.seed)
            for pictures in arguments.pictures
        }
        print(json.dumps({name: result[name]}), flush=True)
    for noise, of in NOISE.items():
        if not f"agreement, {noise}".startswith(wanted):
            continue
        found = {
            f"{pictures} pictures": simulate_agreement(of, pictures, arguments.trials // 5, arguments.seed)
            for pictures in arguments.pictures
        }
        for measure in ("kappa", "correlation"):
            sizes = {size: measures[measure] for size, measures in found.items()}
            print(json.dumps({f"agreement, {noise}, {measure}": sizes}), flush=True)


if __name__ == "__main__":
    main()
