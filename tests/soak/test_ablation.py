"""The ablations with three seeds: fine-tuning helps on a family that the base has never seen, and verified data beat unverified."""

from pathlib import Path

import pytest

from dataset_builder.terminal import Steps
from trainer.evaluation.intensity import Score
from trainer.evaluation.result_page import print_result
from trainer.reproduce.ablation import Ablation

pytestmark = pytest.mark.soak


def test_three_seeds(tmp_path: Path) -> None:
    """About a quarter of an hour on two quiet cores; the figures are printed."""
    found = Ablation(seeds=3).run(tmp_path, Steps())
    print_result(found)
    for name in ("LoRA over base", "verified over unverified"):
        difference = found.numbers[name]
        assert isinstance(difference, Score)
        assert difference.low > 0
    again = Ablation(seeds=3).run(tmp_path, Steps())
    assert again.as_json() == found.as_json()
