"""The order in which examples are read: pictures drawn again for each epoch, and examples by length within a step.

A batch is padded to its longest row, and an answer of one word beside a list of anomalies is mostly padding. As the objective
does not depend on how a step is split (`trainer.objective`), the examples of a step may be dealt to its batches by length, which
changes nothing but the padding: with the recipes' two questions, about a third of all tokens. The questions about a picture are
asked in one step, so that the picture is looked at once (`trainer.tower`).
"""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

__all__ = ["StepOrder"]


class StepOrder(Sampler[int]):
    """Places of examples: those of one picture together, pictures permuted each epoch, and each step sorted by length.

    Args:
        pictures (sequence of `int`): which picture each example is about.
        lengths (sequence of `int`): a measure of each example's tokens.
        step (`int`): how many examples are in a step, of all batches and processes.
        seed (`int`): what the permutations are drawn from; all processes must have the same.
    """

    def __init__(self, pictures: Sequence[int], lengths: Sequence[int], step: int, seed: int) -> None:
        self.lengths, self.step, self.seed, self.epoch = lengths, step, seed, 0
        places: dict[int, list[int]] = {}
        for place, picture in enumerate(pictures):
            places.setdefault(picture, []).append(place)
        self.groups = list(places.values())

    def set_epoch(self, epoch: int) -> None:
        """Draw the permutation of this epoch from now on; the trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed(self.seed + self.epoch)
        drawn = [place for at in torch.randperm(len(self.groups), generator=draw).tolist() for place in self.groups[at]]
        for start in range(0, len(drawn), self.step):
            yield from sorted(drawn[start : start + self.step], key=self.lengths.__getitem__)
