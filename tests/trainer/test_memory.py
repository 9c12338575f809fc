"""What fits a GPU: the proposal is the fastest of the ways to split a step that fit, and nothing is proposed that was not run."""

import pytest

from dataset_builder.errors import UnavailableError
from trainer.memory import Fit, Measure, main, propose

LAYERS = 28


def gpu(base: float, example: float, layer: float, holds: float) -> Measure:
    """A GPU on which memory is `base`, and for each example `example` and `layer` for each layer that keeps what it computed."""

    def measure(batch: int, checkpointed: int) -> Fit | None:
        peak = base + batch * (example + layer * (LAYERS - checkpointed))
        seconds = (0.02 / batch + 0.1) * (1 + checkpointed / LAYERS / 3)
        return Fit(batch, checkpointed, seconds, round(peak)) if peak <= holds else None

    return measure


def test_the_proposal_fills_memory_with_the_fewest_layers_computed_again() -> None:
    """Of 80 GB: a batch of four fits whole; of eight, half of the layers would be computed again, which costs more than it wins."""
    best = propose(gpu(17e9, 0.5e9, 0.33e9, 80e9), [1, 2, 4, 8, 16], LAYERS, 72e9)[0]
    assert (best.batch, best.checkpointed) == (4, 0)


@pytest.mark.parametrize("holds", [19e9, 24e9, 40e9, 80e9])
def test_whatever_is_proposed_fits(holds: float) -> None:
    """In the order of speed, on GPUs of several sizes; on the smallest, two examples with every layer computed again."""
    fits = propose(gpu(17e9, 0.5e9, 0.33e9, holds), [1, 2, 4, 8, 16], LAYERS, 0.95 * holds)
    assert fits
    assert all(fit.peak <= 0.95 * holds for fit in fits)
    assert fits == sorted(fits, key=lambda fit: fit.seconds)
    if holds == 19e9:
        assert [(fit.batch, fit.checkpointed) for fit in fits] == [(2, LAYERS), (1, LAYERS - 1)]


def test_memory_that_grows_faster_than_foreseen_is_met_with_more_layers_computed_again() -> None:
    """What is proposed was measured, so a batch that takes more than the first ones foretold is corrected or left out."""
    even = gpu(17e9, 0.5e9, 0.33e9, 80e9)

    def uneven(batch: int, checkpointed: int) -> Fit | None:
        fit = even(batch, checkpointed)
        return None if fit is None else Fit(batch, checkpointed, fit.seconds, round(fit.peak * (1.0 + 0.02 * batch)))

    assert all(fit.peak <= 60e9 for fit in propose(uneven, [1, 2, 4, 8], LAYERS, 60e9))


def test_where_not_even_one_example_fits_nothing_is_proposed() -> None:
    """Neither when memory runs out nor when only the budget does."""
    assert propose(gpu(17e9, 0.5e9, 0.33e9, 16e9), [1, 2], LAYERS, 15e9) == []
    assert propose(gpu(17e9, 0.5e9, 0.33e9, 80e9), [1, 2], LAYERS, 15e9) == []


def test_without_a_gpu_there_is_nothing_to_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, before anything is loaded."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(
        UnavailableError, match=r"probe: measures a CUDA GPU, and there is none here; run it on the machine"
    ):
        main(["--config", "anomreasonor_7b"])
