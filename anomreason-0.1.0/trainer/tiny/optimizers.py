"""The optimizers of the tiny model's training: Muon for the matrices of the blocks, AdamW for everything else."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Muon", "Optimizers"]

MOMENTUM = 0.95
# Of the quintic Newton–Schulz iteration (https://kellerjordan.github.io/posts/muon/).
A, B, C, ITERATIONS = 3.4445, -4.775, 2.0315, 5


class Muon(torch.optim.Optimizer):
    """`torch.optim.Muon` in float32, all matrices of one shape at once.

    The library's iterates in bfloat16, which takes a processor without such instructions longer than everything else in a step.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # nobody gives a closure
        """Nesterov momentum, made orthogonal, scaled to the size of AdamW's steps (.2 √ of the larger side)."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                updates = orthogonal(torch.stack([self._momentum(matrix) for matrix in matrices]))
                rate = group["lr"] * 0.2 * math.sqrt(max(shape))
                for matrix, update in zip(matrices, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)

    def _momentum(self, matrix: nn.Parameter) -> Tensor:
        gradient = matrix.grad
        assert gradient is not None
        kept = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(gradient))
        kept.lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(kept, MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """About the nearest matrices [n, rows, columns] whose rows or columns are orthonormal."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x: Tensor = matrices if wide else matrices.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x if wide else x.mT


class Optimizers:
    """Both, with one warm-up and cosine schedule."""

    def __init__(self, modules: list[nn.Module], rate: float, steps: int) -> None:
        named = [(name, p) for module in modules for name, p in module.named_parameters()]
        matrices = [p for name, p in named if p.ndim == 2 and ("blocks." in name or "layers." in name)]
        chosen = {id(p) for p in matrices}
        rest = [p for _, p in named if id(p) not in chosen]
        self.all: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=rate, weight_decay=0.05),
            torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01),
        ]
        self.rate, self.steps = rate, steps
        self.parameters = [p for _, p in named]

    def step(self, loss: Tensor, step: int) -> None:
        """Go down the gradient of `loss` at the rate of step `step`."""
        rate = self.rate * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
