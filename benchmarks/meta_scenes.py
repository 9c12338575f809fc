"""Is the number meaningful? Correct predictions on rendered scenes are corrupted in known ways; this shows what each score says.

    python benchmarks/meta_scenes.py [--pictures 200] [--encoder minilm] [--seed 7] [--out DIR]

What it shows holds for rendered scenes only; `meta_evaluation.py` does the same on texts in the style of photographs' annotations.

The truth of a scene is known, and each family of anomalies has several wordings, so a corruption changes exactly one thing: the
words only (paraphrase), the object, the reason, the phenomenon, the truth of the sentence (negation), all content (generic text),
how many items there are, or which picture they belong to. A score that cannot tell two rows of the table apart cannot tell them
apart in a model either.

Prints two tables in Markdown: the scores of each corruption, and where the thresholds lie between the same and other content.
"""

import argparse
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from dataset_builder.scenes import FAMILIES, TRAINED, SceneAnomaly, SceneRow, pair
from metric_semap.anomalies import Anomaly
from metric_semap.measurement import Options, measure
from metric_semap.scores import Scores
from metric_semap.similarity import BertScoreSimilarity

Corruption = Callable[[SceneAnomaly, random.Random], Anomaly]

OBJECTS = [
    f"{colour} {kind}"
    for colour in ("red", "blue", "green", "black")
    for kind in ("cup", "ball", "bottle", "chair", "lamp")
]


def as_is(anomaly: SceneAnomaly) -> Anomaly:
    return Anomaly(anomaly.name, anomaly.phenomenon, anomaly.reasoning, anomaly.severity)


def _another(choices: Any, known: str, rng: random.Random) -> str:
    return rng.choice([choice for choice in choices if choice != known])


def _phenomenon(family: str, thing: str, known: str, rng: random.Random) -> str:
    return _another([text.format(object=thing) for text in FAMILIES[family].phenomena], known, rng)


def paraphrase(anomaly: SceneAnomaly, rng: random.Random) -> Anomaly:
    """The same anomaly of the same object for the same reason, in other words."""
    return replace(
        as_is(anomaly),
        phenomenon=_phenomenon(anomaly.family, anomaly.object, anomaly.phenomenon, rng),
        reasoning=_another(FAMILIES[anomaly.family].reasonings, anomaly.reasoning, rng),
    )


def wrong_object(anomaly: SceneAnomaly, rng: random.Random) -> Anomaly:
    """The paraphrase, said of another object."""
    thing = _another(OBJECTS, anomaly.object, rng)
    return replace(paraphrase(anomaly, rng), phenomenon=_phenomenon(anomaly.family, thing, "", rng))


def wrong_reason(anomaly: SceneAnomaly, rng: random.Random) -> Anomaly:
    """The paraphrased phenomenon, with the reason of another family."""
    family = _another(TRAINED, anomaly.family, rng)
    return replace(paraphrase(anomaly, rng), reasoning=rng.choice(FAMILIES[family].reasonings))


def wrong_phenomenon(anomaly: SceneAnomaly, rng: random.Random) -> Anomaly:
    """The paraphrased reason, with the phenomenon of another family, of the same object."""
    family = _another(TRAINED, anomaly.family, rng)
    return replace(paraphrase(anomaly, rng), phenomenon=_phenomenon(family, anomaly.object, "", rng))


def negation(anomaly: SceneAnomaly, rng: random.Random) -> Anomaly:
    """Both sentences of the paraphrase denied."""
    said = paraphrase(anomaly, rng)
    return replace(said, phenomenon=_denied(said.phenomenon), reasoning=_denied(said.reasoning))


def _denied(text: str) -> str:
    return f"It is not true that {text[0].lower()}{text[1:]}"


def generic(anomaly: SceneAnomaly, rng: random.Random) -> Anomaly:
    """The same empty phrase for every anomaly of every picture."""
    return replace(
        as_is(anomaly),
        phenomenon="Something in the picture looks unnatural and inconsistent.",
        reasoning="In the real world this would not be possible.",
    )


def corrupted(rows: list[SceneRow], seed: int) -> dict[str, list[list[Anomaly]]]:
    """The predictions of every corruption, one list per picture."""

    def each(corruption: Corruption) -> list[list[Anomaly]]:
        return [
            [corruption(a, random.Random(f"{seed} {row.image_id} {k}")) for k, a in enumerate(row.anomalies)]
            for row in rows
        ]

    reworded = each(paraphrase)
    rng = random.Random(seed)
    return {
        "the truth itself": [[as_is(a) for a in row.anomalies] for row in rows],
        "paraphrase": reworded,
        "paraphrase, each item twice": [records * 2 for records in reworded],
        "paraphrase, every other picture unanswered": [records if i % 2 else [] for i, records in enumerate(reworded)],
        "paraphrase, severities at random": [
            [replace(one, severity=rng.randint(0, 100)) for one in anomalies] for anomalies in reworded
        ],
        "wrong object": each(wrong_object),
        "wrong reason": each(wrong_reason),
        "wrong phenomenon": each(wrong_phenomenon),
        "negation": each(negation),
        "generic text": each(generic),
        "paraphrase of another picture": [*reworded[1:], reworded[0]],
    }


def columns(scores: Scores) -> dict[str, float]:
    """The columns of the first table, by the names of the metric's flat form."""
    full = scores.full
    return {
        "SemAP_Phe": scores.views["Phe"].semap.value,
        "SemAP_Rea": scores.views["Rea"].semap.value,
        "SemAP_Full": full.semap.value,
        "SemF1_Full": full.semf1.value,
        "SemAP_ranked_Full": full.ranked,
        "chance_SemAP_Full": full.semap.chance,
        "lift_SemAP_Full": full.semap.lift,
        "severity_error": scores.severity.error,
    }


def tables(pictures: int, encoder: str, seed: int) -> dict[str, Any]:
    """Both tables as data, a row a corruption: `scores`, and `similarities` (quantiles, shares above each τ); the `signature`."""
    rows = [pair(seed, index)[0].row for index in range(pictures)]
    truth = [[as_is(a) for a in row.anomalies] for row in rows]
    similarity = BertScoreSimilarity(encoder)
    options = Options(bootstrap=0, seed=seed)
    scores: dict[str, dict[str, float]] = {}
    similarities: dict[str, dict[str, float]] = {}
    signature = ""
    for name, predictions in corrupted(rows, seed).items():
        measurement = measure(predictions, truth, similarity, options)
        scores[name] = columns(measurement.scores)
        signature = measurement.scores.signature
        pairs = [pair for picture in measurement.pictures for pair in picture.pairs]
        phe, rea, matched = (np.array([pair.similarity[view] for pair in pairs]) for view in ("Phe", "Rea", "Full"))
        low, median, high = np.quantile(matched, [0.05, 0.5, 0.95])
        similarities[name] = {"median Phe": np.median(phe), "median Rea": np.median(rea)}
        similarities[name] |= {"5 %": low, "median": median, "95 %": high}
        similarities[name] |= {f"≥ {t:g}": float((matched >= t).mean()) for t in options.thresholds}
    return {"signature": signature, "scores": scores, "similarities": similarities}


def markdown(table: dict[str, dict[str, float]], first: str, digits: dict[str, int]) -> str:
    columns = list(next(iter(table.values())))
    lines = [f"| {first} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, values in table.items():
        cells = ("–" if np.isnan(v) else f"{v:.{digits.get(c, 3)}f}".replace("-", "−") for c, v in values.items())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="write meta_scenes.json here, too")
    arguments = parser.parse_args()
    result = tables(arguments.pictures, arguments.encoder, arguments.seed)
    print(result["signature"], "\n")
    print(markdown(result["scores"], "predictions", {"severity_error": 1}), "\n")
    print(markdown(result["similarities"], "matched pairs, Full", {}))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "meta_scenes.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
