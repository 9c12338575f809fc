"""Scores a model on fresh scenes by what text similarity hides: family, object, severity, false alarms, boxes; and by SemAP.

`python -m trainer.tiny.evaluate --scenes 1000 --seed 4242` prints the figures of the model card.
"""

import argparse
import json
import random
import re
from collections import Counter
from typing import Any

from dataset_builder.boxes import iou
from dataset_builder.predictions import Prediction
from dataset_builder.scenes import TRAINED, SceneRow, family_of, pair
from dataset_builder.scenes.world import KINDS
from metric_semap.measurement import Options, measure
from metric_semap.scoring import THRESHOLDS
from metric_semap.similarity import BertScoreSimilarity
from trainer.loading import load
from trainer.predict import predict

__all__ = ["evaluate_scenes", "score", "text_scores"]

STRICT = (0.99,)
_OBJECTS = [f"{colour} {kind}" for kind, told in KINDS.items() for colour in told.colours]
_OBJECT = re.compile("|".join(_OBJECTS))


def evaluate_scenes(
    model: str, adapter: str | None, scenes: int, seed: int, families: tuple[str, ...] = TRAINED
) -> dict[str, Any]:
    """Predict `scenes` scenes and their clean twins of one seed and score the answers; see `score` and `text_scores`."""
    pictures = [picture for index in range(scenes) for picture in pair(seed, index, families)]
    loaded = load(model, adapter)
    rows = [picture.row for picture in pictures]
    named = [(picture.row.image_id, picture.image) for picture in pictures]
    predictions = list(predict(named, *loaded, batch_size=32))
    boxed = list(
        predict([item for item, row in zip(named, rows, strict=True) if row.anomalies], *loaded, "grounded", 32)
    )
    found = score(rows, predictions) | {"mean_iou": _mean_iou([row for row in rows if row.anomalies], boxed)}
    return found | text_scores(rows, predictions)


def score(rows: list[SceneRow], predictions: list[Prediction]) -> dict[str, Any]:
    """Compare predictions with truth, picture by picture; families count as a set, so repeating one earns nothing.

    Returns:
        `refused`: [pictures that the model takes for unknown, pictures]; `parseable`: share of the other answers read whole;
        `precision`, `recall`, `micro_f1` and `exact` (share of pictures) of families;
        `family_recall` and `family_f1` per family; `false_alarms`: [clean pictures with any report, clean pictures];
        `object`: [right `<colour> <kind>`, correctly typed anomalies], clocks apart; `severity_mae` in points on correctly
        typed anomalies; `controls`: micro-F1 of predictions dealt to other pictures.
    """
    truths = [{anomaly.family for anomaly in row.anomalies} for row in rows]
    answers = [{family_of(anomaly.name) or "unknown" for anomaly in prediction.anomalies} for prediction in predictions]
    hits, predicted, true = Counter[str](), Counter[str](), Counter[str]()
    for truth, answer in zip(truths, answers, strict=True):
        hits.update(truth & answer)
        predicted.update(answer)
        true.update(truth)
    objects, severities = [0, 0], []
    for row, prediction in zip(rows, predictions, strict=True):
        for anomaly in row.anomalies:
            told = next((found for found in prediction.anomalies if family_of(found.name) == anomaly.family), None)
            if told is None:
                continue
            if anomaly.family != "clock":
                objects[0] += anomaly.object in told.phenomenon
                objects[1] += 1
            if told.severity is not None and anomaly.severity is not None:
                severities.append(abs(told.severity - anomaly.severity))
    clean = [answer for truth, answer in zip(truths, answers, strict=True) if not truth]
    dealt = answers[2:] + answers[:2]
    given = [prediction.status for prediction in predictions if prediction.status != "unknown"]
    return {
        "pictures": len(rows),
        "refused": [len(rows) - len(given), len(rows)],
        "parseable": sum(status in ("anomalies", "none") for status in given) / max(len(given), 1),
        "precision": _share(hits.total(), predicted.total()),
        "recall": _share(hits.total(), true.total()),
        "micro_f1": _share(2 * hits.total(), predicted.total() + true.total()),
        "exact": sum(truth == answer for truth, answer in zip(truths, answers, strict=True)) / len(rows),
        "family_f1": {key: _share(2 * hits[key], predicted[key] + true[key]) for key in sorted(true)},
        "false_alarms": [sum(bool(answer) for answer in clean), len(clean)],
        "object": objects,
        "severity_mae": _share(sum(severities), len(severities)),
        "dealt_micro_f1": _share(
            2 * sum(len(truth & answer) for truth, answer in zip(truths, dealt, strict=True)),
            predicted.total() + true.total(),
        ),
    }


def text_scores(rows: list[SceneRow], predictions: list[Prediction]) -> dict[str, dict[str, float]]:
    """SemAP_Full and SemF1_Full (encoder `minilm`, pictures with anomalies) of the answers and of what they have to beat.

    At the metric's thresholds the encoder takes a sentence about another thing for the same one. So each score is also given
    at `STRICT`, where only the renderer's very words about the very thing count, and a right answer in its other words does not.

    Returns:
        Scores of the `answers`; of `chance`, the answers dealt to other pictures; and of `wrong_object`, the same answers with
        every `<colour> <kind>` in them replaced by another: the right family, told of the wrong thing.
    """
    rng = random.Random(0)

    def elsewhere(found: re.Match[str]) -> str:
        return rng.choice([thing for thing in _OBJECTS if thing != found[0]])

    said = [prediction.anomalies for prediction in predictions]
    wrong = [
        [one.model_copy(update={"phenomenon": _OBJECT.sub(elsewhere, one.phenomenon)}) for one in anomalies]
        for anomalies in said
    ]
    truth = [row.anomalies for row in rows]
    similarity = BertScoreSimilarity("minilm")
    found: dict[str, dict[str, float]] = {"answers": {}, "wrong_object": {}, "chance": {}}
    for suffix, thresholds in (("", THRESHOLDS), ("_strict", STRICT)):
        options = Options(thresholds, empty="skip", bootstrap=0)
        of_said, of_wrong = (measure(answers, truth, similarity, options).scores.full for answers in (said, wrong))
        for name, own, other in (
            ("SemAP_Full", of_said.semap, of_wrong.semap),
            ("SemF1_Full", of_said.semf1, of_wrong.semf1),
        ):
            found["answers"][name + suffix] = round(own.value, 4)
            found["wrong_object"][name + suffix] = round(other.value, 4)
            found["chance"][name + suffix] = round(own.chance, 4)
    return found


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _mean_iou(rows: list[SceneRow], predictions: list[Prediction]) -> float:
    """Mean intersection over union of the boxes of correctly typed anomalies, a missing box counting 0."""
    ious = []
    for row, prediction in zip(rows, predictions, strict=True):
        for anomaly in row.anomalies:
            told = next((found for found in prediction.anomalies if family_of(found.name) == anomaly.family), None)
            if told is not None and anomaly.bbox is not None:
                ious.append(iou(anomaly.bbox, told.bbox) if told.bbox else 0.0)
    return _share(sum(ious), len(ious))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--adapter")
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=4242)
    arguments = parser.parse_args()
    print(json.dumps(evaluate_scenes(arguments.model, arguments.adapter, arguments.scenes, arguments.seed), indent=1))


if __name__ == "__main__":
    main()
