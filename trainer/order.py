"""The order in which examples are read: drawn anew each epoch, and by length within a step.

A batch is padded to its longest row, and an answer of one word beside a list of anomalies is mostly padding. As the objective does not
depend on how a step is split (`trainer.objective`), the examples of a step may be dealt to its batches by length, which changes
nothing but the padding: with the recipes' two questions, about a third of all tokens.
"""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

__all__ = ["StepOrder"]


class StepOrder(Sampler[int]):
    """Places of examples, a permutation each epoch whose steps are sorted by length.

    Args:
        lengths (sequence of `int`): a measure of each example's tokens.
        step (`int`): how many examples a step has, of all batches and processes.
        seed (`int`): what the permutations are drawn from; all processes must have the same.
    """

    def __init__(self, lengths: Sequence[int], step: int, seed: int) -> None:
        self.lengths, self.step, self.seed, self.epoch = lengths, step, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Draw the permutation of this epoch from now on; the trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        drawn = torch.randperm(len(self), generator=torch.Generator().manual_seed(self.seed + self.epoch)).tolist()
        for start in range(0, len(self), self.step):
            yield from sorted(drawn[start : start + self.step], key=self.lengths.__getitem__)
