"""The order of examples: pictures drawn anew each epoch, and examples by length within a step."""

from pathlib import Path

import pytest

from tests.training import arguments
from trainer import sft
from trainer.order import StepOrder

PICTURES = [picture for picture in range(40) for _ in (0, 1)]
LENGTHS = [0 if place % 2 else 300 + 17 * (place % 13) for place in range(80)]


def steps(order: StepOrder) -> list[list[int]]:
    drawn = list(order)
    return [drawn[start : start + order.step] for start in range(0, len(drawn), order.step)]


def test_each_example_is_read_once_per_epoch_in_another_order() -> None:
    """An epoch's order depends on the seed and the epoch alone."""
    order = StepOrder(PICTURES, LENGTHS, 16, seed=3)
    first = list(order)
    assert sorted(first) == list(range(80))
    assert first == list(StepOrder(PICTURES, LENGTHS, 16, seed=3))
    order.set_epoch(1)
    assert sorted(order) == list(range(80))
    assert list(order) != first


def test_a_step_asks_everything_about_its_pictures_the_short_answers_first() -> None:
    """So that a batch is hardly padded, and a picture is looked at in one step only."""
    for step in steps(StepOrder(PICTURES, LENGTHS, 16, seed=3)):
        assert [LENGTHS[place] for place in step] == sorted(LENGTHS[place] for place in step)
        asked = [PICTURES[place] for place in step]
        assert all(asked.count(picture) == 2 for picture in asked)


@pytest.mark.parametrize(("accumulation", "ordered"), [(1, False), (4, True)])
def test_a_step_of_one_batch_keeps_the_trainer_s_order(
    accumulation: int, ordered: bool, dataset: Path, tmp_path: Path
) -> None:
    """There is nothing to deal out; with several batches a step's are by length."""
    line = arguments(
        dataset, tmp_path / "out", tasks=["anomalies", "verdict"], gradient_accumulation_steps=accumulation
    )
    trainer = sft.build(*sft.parse(line))
    assert isinstance(trainer._get_train_sampler(), StepOrder) is ordered
