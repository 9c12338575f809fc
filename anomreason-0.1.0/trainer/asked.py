"""What a row is asked in training, and what it should be answered: of a dataset's row by task, of a conversation by turn."""

from collections.abc import Mapping, Sequence
from typing import Any

from dataset_builder.building.sft import sft_row
from dataset_builder.pictures import prepare
from trainer.shown import Shown, asks_for_boxes, taught

__all__ = ["questions", "sft_example", "turns"]


def questions(row: Mapping[str, Any], tasks: Sequence[str]) -> list[Any]:
    """What a row is asked: tasks, or the places of the assistant's turns in a conversation."""
    if "prompt" in row:
        return [place for place, turn in enumerate([*row["prompt"], *row["completion"]]) if turn["role"] == "assistant"]
    # A generated picture that nobody looked at is not one with nothing wrong.
    if row["anomalies"] is None and row["label"] in (1, "fake"):
        return [task for task in tasks if task == "verdict"]
    boxed = all(anomaly.get("bbox") is not None for anomaly in row["anomalies"] or [])
    return [task for task in tasks if boxed or task != "grounded"]


def turns(row: Mapping[str, Any], question: Any) -> list[dict[str, str]]:
    """The turns of an example, its answer last, with boxes as the dataset has them; the row may come without its picture."""
    if "prompt" in row:
        return [*row["prompt"], *row["completion"]][: question + 1]
    example = sft_row({**row, "image": None}, question)
    return [*example["prompt"], *example["completion"]]


def sft_example(row: Mapping[str, Any], question: Any, image_processor: Any) -> dict[str, Any]:
    """A row and one of its `questions` as an SFT example, with the very pixels that the model is shown when it predicts."""
    pictures = [prepare(picture) for picture in (row["images"] if "prompt" in row else [row["image"]])]
    said = turns(row, question)
    if asks_for_boxes(said):
        said = taught(said, Shown.of(pictures[0], image_processor))
    return {
        "images": [picture.image for picture in pictures],
        "prompt": said[:-1],
        "completion": said[-1:],
    }
