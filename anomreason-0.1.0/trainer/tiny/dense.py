"""Dense labels from the renderer, and the throw-away heads that learn them: what lies under each patch of the picture.

Predicting the kind, the colour, the flaw and its severity at every patch teaches the vision tower to see in minutes what the text
loss alone teaches in hours, because every patch of every picture carries a label. The heads are dropped after training.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dataset_builder.scenes import TRAINED, Picture
from dataset_builder.scenes.world import COLOURS, KINDS, SIZE
from trainer.tiny.architecture import PATCH

__all__ = ["DenseHeads", "dense_labels"]

GRID = SIZE // PATCH
TARGETS: dict[str, list[Any]] = {
    "kind": list(KINDS),
    "colour": list(COLOURS),
    "flaw": list(TRAINED),
    "severity": list(range(10, 65, 5)),  # from the worst to the mildest that scenes draw
}


def dense_labels(picture: Picture) -> Tensor:
    """Labels of every patch, uint8 of shape [36, 4, 4]; 0 is nothing.

    Axes: image token, patch of the token, (kind, colour, flaw, severity).
    """
    labels = torch.zeros(GRID, GRID, len(TARGETS), dtype=torch.uint8)
    for thing, (x0, y0, x1, y1) in zip(picture.scene.things, picture.extents, strict=True):
        # A patch belongs to a thing when its middle does, and the thing's own middle always has one.
        left, right = round(x0 / PATCH), max(round(x1 / PATCH), round(x0 / PATCH) + 1)
        top, bottom = round(y0 / PATCH), max(round(y1 / PATCH), round(y0 / PATCH) + 1)
        flawed = thing.flaw in TRAINED
        truth = (thing.kind, thing.colour, thing.flaw if flawed else None, thing.severity if flawed else None)
        values = [
            0 if value is None else 1 + classes.index(value)
            for value, classes in zip(truth, TARGETS.values(), strict=True)
        ]
        labels[top:bottom, left:right] = torch.tensor(values, dtype=torch.uint8)
    return labels.view(GRID // 2, 2, GRID // 2, 2, -1).transpose(1, 2).reshape(-1, 4, len(TARGETS))


class DenseHeads(nn.Module):
    """One linear read-out of each image token for its four patches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {name: nn.Linear(width, 4 * (len(classes) + 1)) for name, classes in TARGETS.items()}
        )

    def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the patches of `tokens` [batch, 36, width] against `labels` [batch, 36, 4, 4]."""
        total = tokens.new_zeros((), dtype=torch.float32)
        for index, (name, classes) in enumerate(TARGETS.items()):
            logits = self.heads[name](tokens).float().view(-1, len(classes) + 1)
            # Most patches hold nothing; at full weight they would drown the rest.
            weight = torch.ones(len(classes) + 1)
            weight[0] = 0.2
            total = total + F.cross_entropy(logits, labels[..., index].reshape(-1).long(), weight)
        return total
