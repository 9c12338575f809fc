"""SemAP as training loops use metrics: `update` batch by batch, `compute`, `reset`, as torchmetrics' classes have them.

torchmetrics itself is not needed. In a run of several processes (`torch.distributed`), `compute` gathers what each of
them was given, so that every process has the score of all pictures; states that were saved elsewhere are joined with `merge_state`.
"""

from collections.abc import Iterable
from typing import Any

from .semap import SemAP

__all__ = ["SemAPMetric"]


class SemAPMetric:
    """SemAP over batches.

    Args:
        configuration (`str`, defaults to `"default"`): or `"deepfake"`.
        options: as `compute` of [`SemAP`] takes them, e.g. `encoder="minilm"`, `empty="skip"`.

    Example:

        >>> cup = {"phenomenon": "A cup hovers.", "reasoning": "It should fall."}
        >>> metric = SemAPMetric(encoder="minilm")
        >>> metric.update([[cup]], [[cup]])
        >>> metric.compute()["SemF1_Full"]
        1.0
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    def __init__(self, configuration: str = "default", **options: Any) -> None:
        self._module, self.options = SemAP(configuration), options
        self.predictions: list[Any] = []
        self.references: list[Any] = []

    def update(self, preds: Any, target: Any) -> None:
        """Add pictures: as many predictions as references, in any form that `compute` of [`SemAP`] takes.

        Raises:
            `RecordError`: naming argument, picture (counted over all updates), field and value.
        """
        batch = self._module.checked(preds, target, len(self.predictions))
        self.predictions += batch["predictions"]
        self.references += batch["references"]

    def compute(self) -> dict[str, Any]:
        """The scores of everything that was added, in all processes, since the last `reset`."""
        predictions, references = self._gathered()
        scores: dict[str, Any] = self._module.compute(predictions=predictions, references=references, **self.options)
        return scores

    def forward(self, preds: Any, target: Any) -> dict[str, Any]:
        """Add pictures and give the scores of only these."""
        self.update(preds, target)
        scores: dict[str, Any] = self._module.compute(predictions=preds, references=target, **self.options)
        return scores

    __call__ = forward

    def reset(self) -> None:
        """Forget everything that was added."""
        self.predictions, self.references = [], []

    def merge_state(self, others: "SemAPMetric | Iterable[SemAPMetric]") -> None:
        """Add what other metrics were given."""
        for other in [others] if isinstance(others, SemAPMetric) else others:
            self.predictions += other.predictions
            self.references += other.references

    def state_dict(self) -> dict[str, list[Any]]:
        """What was added, as plain lists that can be pickled or written as JSON."""
        return {"predictions": list(self.predictions), "references": list(self.references)}

    def load_state_dict(self, state: dict[str, list[Any]]) -> None:
        """Replace what was added by a state that `state_dict` gave."""
        self.reset()
        self.update(state["predictions"], state["references"])

    def _gathered(self) -> tuple[list[Any], list[Any]]:
        """What all processes were given, in the order of their ranks."""
        from torch import distributed

        if not (distributed.is_available() and distributed.is_initialized()):
            return self.predictions, self.references
        states: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(states, (self.predictions, self.references))
        return [one for said, _ in states for one in said], [one for _, true in states for one in true]
