"""The loss curve of a training, as a PNG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

__all__ = ["loss_curve"]


def loss_curve(log: Sequence[Mapping[str, Any]]) -> bytes | None:
    """The training loss over steps, and SemF1 on the evaluation sample where it was measured; `None` without two losses.

    Args:
        log (sequence of mappings): entries with `step` and `loss`, or `step` and `eval_SemF1_Full`.
    """
    losses = [(entry["step"], entry["loss"]) for entry in log if "loss" in entry]
    scores = [(entry["step"], entry["eval_SemF1_Full"]) for entry in log if "eval_SemF1_Full" in entry]
    if len(losses) < 2:
        return None
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*losses, strict=True), color="#1f5fa8", label="training loss")
    axes.set(xlabel="step", ylabel="loss")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if scores:
        right = axes.twinx()
        right.plot(*zip(*scores, strict=True), color="#b3541e", marker="o", label="SemF1 Full, evaluation sample")
        right.set(ylabel="SemF1 Full", ylim=(0, 1))
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
