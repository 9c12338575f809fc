"""Scores as the Hub's leaderboards take them: `.eval_results/NAME.yaml`, a file of a model's repository.

https://huggingface.co/docs/hub/eval-results. An entry names the benchmark, which is a dataset of the Hub, and one of the tasks
in its `eval.yaml`: here the name of a headline score. What the value depends on, its signature, is in the notes.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from .errors import OptionError, shorten
from .scores import Estimate

__all__ = ["FOLDER", "TASKS", "check_benchmark", "hub_results"]

FOLDER = ".eval_results"
"""Where a model's repository has such files; the Hub reads every `.yaml` in it."""

TASKS = ("SemF1_Full", "SemF1C_Full", "SemAP_Full", "CSemF1_Full", "CSemF1C_Full", "CSemAP_Full", "accuracy")
"""The ids of the tasks, which are the names of the scores. A built dataset's `eval.yaml` has those that it can measure."""


def check_benchmark(name: str) -> None:
    """Raises an `OptionError` unless `name` can be the id of a dataset on the Hub, ORG/NAME."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        pass
    else:
        if "/" in name:
            return
    raise OptionError(f"--dataset {shorten(name)}: is not the id of a dataset on the Hub; write ORG/NAME")


def hub_results(benchmark: str, *measured: Mapping[str, Any]) -> str:
    """The text of such a file, an entry for each headline score that is defined.

    Args:
        benchmark (`str`): the dataset's id on the Hub.
        measured (mappings): scores in their flat form (`scores.flat`), as `metrics.json` has them, one mapping for each
            measurement of the model.
    """
    entries = [
        EvalResultEntry(dataset_id=benchmark, task_id=task, value=round(found.value, 6), notes=_notes(found, numbers))
        for numbers in measured
        for task in TASKS
        if (found := Estimate.named(task, numbers)) is not None
    ]
    content = eval_result_entries_to_yaml(entries)
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10_000))


def _notes(found: Estimate, numbers: Mapping[str, Any]) -> str:
    """How far to trust a value, and what it may be compared with."""
    interval = [] if found.low is None else [f"95 % interval {found.low:.4f} to {found.high:.4f}"]
    return "; ".join([*interval, str(numbers.get("signature"))])
