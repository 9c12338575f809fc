"""The objective: the mean loss of a step's answer tokens, however the step is split into batches and processes.

A mean of batch means gives a token of a short answer more weight than one of a long answer, and how much more depends on which
examples share a batch. So a training batch's loss is the sum over its answer tokens divided by the number of answer tokens in the
whole step, of all batches and processes, and an evaluation's numbers are sums over all rows divided by all answer tokens.
"""

from typing import Any

import torch

__all__ = ["TokenMean"]

MEASURED = {"loss": "log_probs", "mean_token_accuracy": "is_top1", "entropy": "entropy"}
"""What an evaluation reports, and the field of TRL's outputs that holds it token by token."""


class TokenMean:
    """Goes before TRL's SFT trainer among a class's bases: losses are means over answer tokens."""

    _rows: list[torch.Tensor]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._rows = []
        # transformers says of Qwen-VL that its loss takes no count of the step's tokens. TRL's does, which is the one computed.
        self.model_accepts_loss_kwargs = True

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        """As TRL's; beside the batch's loss, sums of each of its rows are kept."""
        seen: list[Any] = []

        def watched(**given: Any) -> Any:
            seen.append(model(**given))
            return seen[-1]

        result = super().prediction_step(watched, inputs, *args, **options)  # type: ignore[misc]
        output = seen[0]
        sums = [getattr(output, field).float().sum(1) for field in MEASURED.values()]
        rows = torch.stack([*sums, output.label_mask.sum(1)], dim=1)
        # Rows that fill up the last batch of several processes are dropped here.
        self._rows.append(self.accelerator.gather_for_metrics(rows).cpu())  # type: ignore[attr-defined]
        return result

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **options: Any) -> Any:
        """As TRL's, with numbers that do not depend on the batch size."""
        self._rows = []
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **options)  # type: ignore[misc]
        if self._rows:
            *sums, tokens = torch.cat(self._rows).sum(0).tolist()
            means = {name: total / max(tokens, 1) for name, total in zip(MEASURED, sums, strict=True)}
            output.metrics[f"{metric_key_prefix}_loss"] = -means.pop("loss")
            kept: dict[str, list[float]] = self._metrics["eval"]  # type: ignore[attr-defined]  # TRL logs their means
            kept.update({name: [mean] for name, mean in means.items()})
        return output
