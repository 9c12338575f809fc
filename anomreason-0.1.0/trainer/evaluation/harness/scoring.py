"""What a harness asks of each row of the dataset, and the scores of the answers: as `anomreason benchmark` asks and scores."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

import datasets

from dataset_builder.prompts import PROMPTS, Task
from dataset_builder.schema import Label
from dataset_builder.textform import parse_answer, parse_verdict
from metric_semap.anomalies import Picture, check_anomalies
from metric_semap.evaluation import score_pictures
from metric_semap.measurement import Options
from metric_semap.scores import flat
from metric_semap.similarity import BertScoreSimilarity

__all__ = ["EXPLAINED", "JUDGED", "Answered", "asked", "measured"]

_LABELS: tuple[Label, ...] = get_args(Label)
_FIELDS = ("name", "phenomenon", "reasoning", "severity", "bbox")


def _with_intervals(*scores: str) -> tuple[str, ...]:
    return tuple(f"{score}{end}" for score in scores for end in ("", "_low", "_high"))


EXPLAINED = (
    *_with_intervals("SemF1_Full", "SemF1C_Full", "SemAP_Full"),
    *("false_alarm_rate", "unreadable", "scored_images", "signature"),
)
"""What is reported of the anomalies that were found: scores with their intervals, the share of clean pictures with any, the share
of unreadable answers, how many pictures were scored, and what the numbers depend on."""

JUDGED = (
    *_with_intervals("accuracy", "CSemF1_Full", "CSemF1C_Full", "CSemAP_Full"),
    *("verdicts_missing", "unreadable", "scored_images", "signature"),
)
"""What is reported where the verdict, real or generated, is asked for too."""


@dataclass(frozen=True)
class Answered:
    """An answer to one question about one picture, with the picture's truth: what a harness hands on until all are there.

    Attributes:
        image_id (`str`): the picture's name.
        label (`str`): `real` or `fake`.
        truth (`str`): its annotated anomalies, as JSON.
        question (`str`): the task that was asked, see `dataset_builder.prompts`.
        answer (`str`): the model's text.
    """

    image_id: str
    label: Label
    truth: str
    question: Task
    answer: str

    def __str__(self) -> str:
        """The picture and the question: a harness's log has the rest already."""
        return f"{self.image_id} ({self.question})"

    @classmethod
    def to(cls, row: dict[str, Any], answer: str) -> "Answered":
        """The answer to a row of `asked`."""
        truth = [{field: anomaly[field] for field in _FIELDS} for anomaly in row["anomalies"] or []]
        return cls(row["image_id"], _LABELS[row["label"]], json.dumps(truth), row["question"], answer)


def asked(rows: datasets.Dataset, tasks: Sequence[Task]) -> datasets.Dataset:
    """The rows, once for each task and picture by picture, with the columns `question`, the task, and `prompt`, its text.

    Generated pictures that nobody annotated are left out: they are not pictures with nothing wrong. No picture is copied.
    """
    known, fake = rows.select_columns(["label", "anomalies"]), _LABELS.index("fake")
    annotated = [at for at, row in enumerate(known) if row["anomalies"] is not None or row["label"] != fake]
    repeated = datasets.concatenate_datasets(
        [
            rows.add_column("question", [task] * len(rows)).add_column("prompt", [PROMPTS[task]] * len(rows))
            for task in tasks
        ]
    )
    return repeated.select([k * len(rows) + at for at in annotated for k in range(len(tasks))])


@lru_cache(maxsize=4)
def measured(answers: tuple[Answered, ...]) -> dict[str, Any]:
    """All numbers of the answers by their flat names, as `metrics.json` has them, and `unreadable`, a share; NaN where undefined.

    Pictures with nothing wrong are left out of the means and counted in `false_alarm_rate`. Verdicts are scored if any were
    asked for. The encoder is the metric's default, or what the variable SEMAP_ENCODER names. Where there is nothing to score yet,
    everything is undefined: Inspect asks for the scores while answers come in.

    Raises:
        SemapError: if the encoder is out of reach.
    """
    truth = {
        one.image_id: Picture(check_anomalies(json.loads(one.truth), one.image_id, "reference"), one.label)
        for one in answers
    }
    labels = {one.image_id: parse_verdict(one.answer) for one in answers if one.question == "verdict"}
    read = {one.image_id: parse_answer(one.answer) for one in answers if one.question != "verdict"}
    said = {
        name: Picture(parsed.anomalies, labels.get(name), parsed.status == "failed") for name, parsed in read.items()
    }
    if not said or (labels and not any(truth[name].label == "fake" for name in said)):
        return dict.fromkeys(EXPLAINED + JUDGED, math.nan)
    configuration = "deepfake" if labels else "default"
    board = score_pictures({"model": said}, truth, BertScoreSimilarity(), Options(empty="skip"), configuration)
    (found,) = board.evaluations
    numbers = dict.fromkeys(EXPLAINED + JUDGED) | flat(found.scores, found.coverage)
    numbers["unreadable"] = found.coverage.failed / len(said)
    return {name: math.nan if number is None else number for name, number in numbers.items()}
