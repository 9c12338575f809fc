"""The examples as supervised fine-tuning wants them: `images`, `prompt`, `completion`."""

from collections.abc import Mapping
from typing import Any

from dataset_builder.prompts import PROMPTS, Task
from dataset_builder.schema import Anomaly
from dataset_builder.textform import write_answer

__all__ = ["sft_row"]


def sft_row(example: Mapping[str, Any], task: Task = "anomalies") -> dict[str, Any]:
    """One row of the dataset as a training example.

    Contents are plain strings: TRL puts the image's placeholder before the prompt's text, which gives the very tokens that
    `dataset_builder.prompts.chat` gives at inference.

    Args:
        example (mapping): a row with `image`, `label` and `anomalies`.
        task (`str`, defaults to `"anomalies"`): what is asked.
    """
    if task == "verdict":
        answer = "Yes" if example["label"] in (1, "fake") else "No"
    else:
        answer = write_answer((Anomaly(**anomaly) for anomaly in example["anomalies"]), boxes=task == "grounded")
    return {
        "images": [example["image"]],
        "prompt": [{"role": "user", "content": PROMPTS[task]}],
        "completion": [{"role": "assistant", "content": answer}],
    }
