"""Tasks for VLMEvalKit, and its command with them: `python vlmeval_tasks.py --data anomreason --model NAME --base-url URL`.

VLMEvalKit takes no benchmarks from outside. Its command looks `--data` up in a list of classes, and those of `--config` in the
module that has the list, so this adds ours to both and then starts that command. The variable ANOMREASON_DATASET names the dataset.
"""

import os
from dataclasses import replace
from typing import Any, ClassVar

import datasets
import pandas as pd
import vlmeval.dataset
from vlmeval import run
from vlmeval.dataset.image_base import ImageBaseDataset
from vlmeval.smp import dump, get_intermediate_file_path

from dataset_builder.prompts import TASKS, Asked
from trainer.evaluation.harness.picture_files import picture_file
from trainer.evaluation.harness.scoring import EXPLAINED, JUDGED, Answered, asked, measured

__all__ = ["AnomReason"]


class AnomReason(ImageBaseDataset):
    """The benchmark as a class of VLMEvalKit's: the tasks `anomreason` and `anomreason_deepfake`."""

    TYPE = "VQA"
    force_use_dataset_prompt = True  # models of the kit would add that they want short words
    NAMES: ClassVar[dict[str, tuple[str, Asked, tuple[str, ...]]]] = {
        "anomreason": ("default", "anomalies", EXPLAINED),
        "anomreason_deepfake": ("deepfake", "both", JUDGED),
    }
    """For each name the dataset's configuration, what is asked and what is reported."""

    @classmethod
    def supported_datasets(cls) -> list[str]:
        """The names that `--data` takes."""
        return list(cls.NAMES)

    def load_data(self, dataset: str) -> pd.DataFrame:
        """A row for each question: the picture's file, the prompt, and what `evaluate` has to know of both."""
        config, questions, _ = self.NAMES[dataset]
        rows = datasets.load_dataset(os.environ.get("ANOMREASON_DATASET", "anomreason"), config, split="test")
        return pd.DataFrame([_question(number, row) for number, row in enumerate(asked(rows, TASKS[questions]))])

    def evaluate(self, eval_file: str, **judge: Any) -> dict[str, Any]:
        """The scores of the answers in a file that VLMEvalKit wrote, all together; no judge is asked.

        They are also written beside it: `MODEL_TASK_score.json`.
        """
        # Not its own reader, to which an answer that says None is none.
        rows = pd.read_csv(eval_file, sep="\t", dtype=str, keep_default_na=False)
        said = dict(zip(rows["index"].astype(int), rows["prediction"], strict=True))
        shown = {row["index"]: row["asked"] for row in self.data.to_dict("records")}
        found = measured(tuple(replace(shown[number], answer=answer) for number, answer in said.items()))
        scores = {name: found[name] for name in self.NAMES[self.dataset_name][2]}
        dump(scores, get_intermediate_file_path(eval_file, "_score", "json"))
        return scores

    @classmethod
    def report_primary_metric(cls, metrics: dict[str, Any] | None) -> dict[str, float]:
        """The score that rankings go by."""
        return {name: metrics[name] for name in ("SemF1_Full", "CSemF1_Full") if metrics and name in metrics}


def _question(number: int, row: dict[str, Any]) -> dict[str, Any]:
    path = picture_file(row, number)
    return {"index": number, "image_path": path, "question": row["prompt"], "asked": Answered.to(row, "")}


if __name__ == "__main__":
    os.environ["PRED_FORMAT"] = "tsv"  # the default, a spreadsheet, cuts long answers and takes some for formulas
    vlmeval.dataset.DATASET_CLASSES.append(AnomReason)
    vlmeval.dataset.AnomReason = AnomReason
    run.main()
