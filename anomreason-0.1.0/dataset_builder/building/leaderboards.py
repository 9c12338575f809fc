"""`eval.yaml`: what makes a dataset's repository a benchmark of the Hub, with a leaderboard for each headline score.

The Hub checks the file when it is pushed, and shows leaderboards once its team has put the repository on a list
(https://huggingface.co/docs/hub/eval-results). Models report their scores by the ids of the tasks in it; what writes those
reports is `metric_semap.hub_results`.
"""

from collections.abc import Iterable

import yaml

from dataset_builder.building.card import Table
from dataset_builder.sources.opening import Source
from dataset_builder.sources.rows import Config

__all__ = ["EVAL_YAML", "TASKS", "eval_yaml"]

EVAL_YAML = "eval.yaml"

TASKS: dict[Config, tuple[str, ...]] = {
    "default": ("SemF1_Full", "SemF1C_Full", "SemAP_Full"),
    "deepfake": ("CSemF1_Full", "CSemF1C_Full", "CSemAP_Full", "accuracy"),
}
"""The headline scores, 0..1 and higher is better, by the configuration that they are measured on; the Hub shows the first."""


def eval_yaml(source: Source, tables: Iterable[Table]) -> str | None:
    """The text of `eval.yaml` for a build; `None` where no configuration with a headline score has a test split.

    `evaluation_framework` is left out: it takes one of the names on a list that the Hub's team keeps, and none of those has
    this metric.
    """
    tasks = [
        {"id": score, "config": table.config, "split": "test"}
        for table in tables
        if "test" in table.splits
        for score in TASKS.get(table.config, ())
    ]
    if not tasks:
        return None
    scenes = " (rendered scenes)" if source.kind == "scenes" else ""
    content = {
        "name": f"AnomReason{scenes}",
        "description": "Say what defies logic in a generated picture, why, and how badly. "
        "SemF1 and SemAP compare what a model says with the annotations (arXiv:2510.10231), SemF1C with a similarity that is "
        "calibrated against chance, CSemF1 and CSemAP only where the verdict, real or generated, is right. 0 to 1.",
        "tasks": tasks,
    }
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))
