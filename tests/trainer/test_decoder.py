"""The language model's layers in training: computed again as many as asked for, with the same gradients."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from dataset_builder.errors import InputError
from tests.training import arguments, train_tiny
from trainer import sft
from trainer.decoder import layers_of

STEPS: dict[str, Any] = {"max_steps": 2, "optim": "sgd", "learning_rate": 1.0, "lr_scheduler_type": "constant"}


def weights(adapter: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(adapter / "adapter_model.safetensors")
    return found


@pytest.fixture(scope="module")
def plain(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """An adapter after two steps with dropout, nothing computed again."""
    return weights(train_tiny(dataset, tmp_path_factory.mktemp("plain") / "a", **STEPS, lora_dropout=0.5))


class Again(TrainerCallback):
    """Counts how often each layer of the language model is computed."""

    def on_train_begin(self, *_: Any, model: Any, **__: Any) -> None:
        self.calls = [0] * len(layers_of(model))
        for at, layer in enumerate(layers_of(model)):
            layer.self_attn.register_forward_hook(lambda *_, at=at: self._count(at))

    def _count(self, at: int) -> None:
        self.calls[at] += 1


@pytest.mark.parametrize("options", [{"checkpointed_layers": 1}, {"activation_checkpointing": True}])
def test_checkpointing_takes_as_many_layers_as_asked_for_and_changes_no_number(
    options: dict[str, Any], plain: dict[str, torch.Tensor], dataset: Path, tmp_path: Path
) -> None:
    """The first ones, or all of them; an adapter after two steps is the same."""
    watch = Again()
    line = arguments(dataset, tmp_path / "out", **STEPS, lora_dropout=0.5, **options)
    found = weights(sft.train(*sft.parse(line), callbacks=[watch]))
    again = options.get("checkpointed_layers", len(watch.calls))
    assert watch.calls == [4] * again + [2] * (len(watch.calls) - again)
    assert all(torch.allclose(plain[name], found[name], atol=1e-6) for name in plain)


def test_evaluations_leave_checkpointing_as_it_was(dataset: Path, tmp_path: Path) -> None:
    """An examination's answers are generated with a cache; the steps after it compute the same layers again as before."""
    watch = Again()
    options = {"eval_strategy": "steps", "eval_steps": 1, "eval_pictures": 2, "checkpointed_layers": 1, "max_steps": 2}
    trained = sft.parse(arguments(dataset, tmp_path / "out", **options))
    before: list[list[int]] = []
    after: list[list[int]] = []

    class Note(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            before.append(list(watch.calls))

        def on_step_end(self, *_: Any, **__: Any) -> None:
            after.append(list(watch.calls))

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sft.train(*trained, callbacks=[watch, Note()])
    steps = [[b - a for a, b in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]
    assert steps == [[2, *[1] * (len(watch.calls) - 1)]] * 2
    switched = [text for one in told if "gradient_checkpointing" in (text := str(one.message)) and "is_" not in text]
    assert not switched  # nothing here turns transformers' deprecated switch; TRL and PEFT still ask how it stands


def test_padding_on_the_right_needs_no_mask(dataset: Path, tmp_path: Path) -> None:
    """The mask is left out, and the adapter is the one that training with it gives."""
    masks: list[Any] = []

    class Note(TrainerCallback):
        def __init__(self, masked: bool) -> None:
            self.masked = masked

        def on_train_begin(self, *_: Any, model: Any, **__: Any) -> None:
            decoder = model.get_base_model().get_decoder()
            if self.masked:
                decoder.forward = type(decoder).forward.__get__(decoder)
            decoder.layers[0].register_forward_pre_hook(
                lambda _, __, given: masks.append(given["attention_mask"]), with_kwargs=True
            )

    found = []
    for masked in (False, True):
        line = arguments(dataset, tmp_path / str(masked), **STEPS, per_device_train_batch_size=4)
        found.append(weights(sft.train(*sft.parse(line), callbacks=[Note(masked)])))
    assert [mask is None for mask in masks] == [True, True, False, False]
    assert all(torch.allclose(found[0][name], found[1][name], atol=1e-6) for name in found[0])


def test_fewer_than_no_layers_are_refused(dataset: Path, tmp_path: Path) -> None:
    """With the value and what to give."""
    with pytest.raises(InputError, match=r"checkpointed_layers: -1 is below 0; give a number from 0"):
        train_tiny(dataset, tmp_path / "out", checkpointed_layers=-1)
