"""What the YAML files beside this one name: the dataset, and functions with the signatures that lmms-eval calls."""

import os
from collections.abc import Callable
from typing import Any

import datasets
from PIL import Image

from dataset_builder.pictures import prepare
from dataset_builder.prompts import TASKS
from trainer.evaluation.harness.scoring import EXPLAINED, JUDGED, Answered, asked, measured

dataset = os.environ.get("ANOMREASON_DATASET", "anomreason")
"""A built dataset's directory or its id on the Hub. lmms-eval has no option for it, and takes `--tasks anomreason` for a directory
of that name where there is one."""


def ask_anomalies(rows: datasets.Dataset) -> datasets.Dataset:
    """Each picture once."""
    return asked(rows, TASKS["anomalies"])


def ask_both(rows: datasets.Dataset) -> datasets.Dataset:
    """Each picture twice in a row: for its verdict, and for its anomalies."""
    return asked(rows, TASKS["both"])


def doc_to_visual(doc: dict[str, Any]) -> list[Image.Image]:
    """The picture as every model is shown it."""
    return [prepare(doc["image"], doc["image_id"]).image]


def process_explained(doc: dict[str, Any], results: list[str]) -> dict[str, Answered]:
    """The answer under the name of each metric, because a metric is given nothing but what stands under its name."""
    return dict.fromkeys(EXPLAINED, Answered.to(doc, results[0]))


def process_judged(doc: dict[str, Any], results: list[str]) -> dict[str, Answered]:
    """The same, where verdicts are asked for."""
    return dict.fromkeys(JUDGED, Answered.to(doc, results[0]))


def __getattr__(name: str) -> Callable[[list[Answered]], Any]:
    """The aggregation of each metric, under the metric's name. All answers are scored once, whichever metric comes first."""
    if name not in EXPLAINED + JUDGED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def aggregate(answers: list[Answered]) -> Any:
        return measured(tuple(answers))[name]

    return aggregate
