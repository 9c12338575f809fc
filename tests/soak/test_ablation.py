"""The ablations with three seeds: verified data beat unverified; what LoRA and severity contribute is printed."""

from pathlib import Path

import pytest

from dataset_builder.terminal import Steps
from trainer.evaluation.intensity import Score
from trainer.evaluation.result_page import print_result
from trainer.reproduce.ablation import Ablation

pytestmark = pytest.mark.soak


def test_three_seeds(tmp_path: Path) -> None:
    """Over 400 scenes, a quarter of them to test on, in half an hour of one core; once more, it is all read from its files."""
    experiment = Ablation(seeds=3, scenes=400)
    found = experiment.run(tmp_path, Steps())
    print_result(found)
    difference = found.numbers["verified over unverified"]
    assert isinstance(difference, Score)
    assert difference.low > 0
    again = experiment.run(tmp_path, Steps())
    assert again.as_json() == found.as_json()
