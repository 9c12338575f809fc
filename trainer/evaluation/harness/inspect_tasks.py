"""Tasks and scorer for Inspect: `inspect eval inspect_tasks.py@anomreason --model openai/gpt-4o -T dataset=ORG/anomreason`.

A model is shown each picture before the question, as every predictor of this project shows it, and all answers are scored together.
Inspect runs a task in the directory of its file, so a dataset's directory is given by its whole path.
"""

from collections.abc import Sequence
from dataclasses import asdict
from logging import getLogger
from typing import Any

import datasets
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText, GenerateConfig
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, metric, scorer
from inspect_ai.solver import TaskState, generate

from dataset_builder.prompts import TASKS, Asked
from trainer.evaluation.harness.picture_files import picture_file
from trainer.evaluation.harness.scoring import EXPLAINED, JUDGED, Answered, asked, measured

__all__ = ["anomreason", "anomreason_deepfake", "explained", "judged"]


@task
def anomreason(dataset: str = "anomreason", split: str = "test") -> Task:
    """What is wrong with each picture?

    Args:
        dataset (`str`): a built dataset's directory or its id on the Hub.
        split (`str`): of its configuration `default`.
    """
    return _task(dataset, "default", split, "anomalies", explained())


@task
def anomreason_deepfake(dataset: str = "anomreason", split: str = "test") -> Task:
    """Was each picture generated, and what is wrong with it? Two questions per picture.

    Args:
        dataset (`str`): as in `anomreason`.
        split (`str`): of its configuration `deepfake`.
    """
    return _task(dataset, "deepfake", split, "both", judged())


def _task(dataset: str, config: str, split: str, questions: Asked, scoring: Scorer) -> Task:
    rows = asked(datasets.load_dataset(dataset, config, split=split), TASKS[questions])
    return Task(
        dataset=MemoryDataset([_sample(number, row) for number, row in enumerate(rows)], name=f"{dataset}/{config}"),
        solver=generate(),
        scorer=scoring,
        config=GenerateConfig(temperature=0, max_tokens=2048),
    )


def _sample(number: int, row: dict[str, Any]) -> Sample:
    content = [ContentImage(image=picture_file(row, number)), ContentText(text=row["prompt"])]
    return Sample(
        id=f"{row['image_id']} ({row['question']})",
        input=[ChatMessageUser(content=content)],
        metadata={key: row[key] for key in ("image_id", "label", "anomalies", "question")},
    )


@metric
def explained_scores() -> Metric:
    """SemF1, SemF1C and SemAP of all answers together, with intervals, false alarms and unreadable answers."""

    def compute(scores: list[SampleScore]) -> Value:
        return _numbers(scores, EXPLAINED)

    return compute


@metric
def judged_scores() -> Metric:
    """The same on condition of the verdict, and the verdict's accuracy."""

    def compute(scores: list[SampleScore]) -> Value:
        return _numbers(scores, JUDGED)

    return compute


def _numbers(scores: list[SampleScore], names: Sequence[str]) -> Value:
    found = measured(tuple(Answered(**(one.score.metadata or {})) for one in scores))
    getLogger(__name__).info(found["signature"])  # metrics are numbers
    return {name: found[name] for name in names if name != "signature"}


@scorer(metrics=[explained_scores()])
def explained() -> Scorer:
    """Keeps each answer with its picture's truth; what is scored is all of them."""
    return _keep


@scorer(metrics=[judged_scores()])
def judged() -> Scorer:
    """The same, where verdicts are asked for."""
    return _keep


async def _keep(state: TaskState, target: Target) -> Score:
    answered = Answered.to(state.metadata, state.output.completion)
    return Score(value=1, answer=answered.answer, metadata=asdict(answered))
