"""The frozen vision tower: outside autograd, each picture of a batch once, one attention call per layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import AutoModelForImageTextToText, TrainerCallback

from tests.random_models import RANDOM
from tests.training import arguments, train_tiny
from trainer import grpo, loading, sft, tower
from trainer.answers import predict
from trainer.tower import ATTENTION, fingerprints, tower_of

SIZES = [(300, 200), (301, 460), (120, 900), (56, 56), (300, 200)]
"""Widths and heights whose windows are cut off at the borders in every way; the first and the last are of one size."""


def pictures() -> list[Image.Image]:
    """Noise of several aspect ratios; the third comes twice, and the last differs from the first in its pixels alone."""
    draw = np.random.default_rng(0)
    drawn = [Image.fromarray(draw.integers(0, 255, (h, w, 3), dtype=np.uint8)) for w, h in SIZES]
    return [*drawn[:3], drawn[2], *drawn[3:]]


@contextmanager
def attention_calls() -> Iterator[list[int]]:
    """How many sequences each call of attention had."""
    real, seen = F.scaled_dot_product_attention, []

    def counted(query: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        seen.append(query.shape[0])
        return real(query, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", counted)
        yield seen


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_features_are_those_of_the_plain_tower(family: str, tmp_path: Path) -> None:
    """To rounding, whatever the aspect ratios; with a call per layer, and five pictures looked at of six."""
    place = str(RANDOM[family](tmp_path / family))
    plain = AutoModelForImageTextToText.from_pretrained(place, dtype=torch.float32).eval()
    ours, processor = loading.load(place, device="cpu")
    inputs = processor.image_processor(images=pictures(), return_tensors="pt")
    looked: list[int] = []
    tower_of(ours).patch_embed.register_forward_hook(lambda _, given, __: looked.append(given[0].shape[0]))  # type: ignore[union-attr]
    want = plain.model.get_image_features(inputs["pixel_values"], inputs["image_grid_thw"])
    with attention_calls() as calls:
        found = ours.model.get_image_features(inputs["pixel_values"], inputs["image_grid_thw"])
    assert len(calls) == len(tower_of(ours).blocks)  # type: ignore[union-attr]
    sizes = inputs["image_grid_thw"].prod(-1)
    assert looked == [int(sizes.sum() - sizes[3])]
    for kind in ("pooler_output", "deepstack_features"):
        for one, other in zip(_flat(getattr(want, kind, [])), _flat(getattr(found, kind, [])), strict=True):
            assert (one - other).abs().max() < 1e-5
            assert not other.requires_grad


def _flat(features: Any) -> list[torch.Tensor]:
    return [part for one in features for part in (one if isinstance(one, (tuple, list)) else [one])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pictures_that_differ_in_one_value_are_told_apart(dtype: torch.dtype) -> None:
    """Also if their sums are the same; and the same patches have the same fingerprint wherever they lie."""
    one, other = torch.zeros(4, 3, dtype=dtype), torch.zeros(4, 3, dtype=dtype)
    one[0, 0] = other[3, 2] = 1.0
    first, second, third = fingerprints([one, other, torch.cat([other, one])[4:]])
    assert first == third == fingerprints([torch.ones(900, 3, dtype=dtype), one])[1]  # whatever it is compared with
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_a_second_question_about_pictures_does_not_look_again(tmp_path: Path) -> None:
    """`both` asks for the verdict and the anomalies; each picture goes through the tower once, also after it was answered in
    inference mode and is then trained on."""
    model, processor = loading.load("tiny", device="cpu")
    model.known = None  # whether a picture is known is a look of its own
    looked: list[int] = []
    tower_of(model).patch_embed.register_forward_hook(lambda _, given, __: looked.append(given[0].shape[0]))  # type: ignore[union-attr]
    images = [picture.resize((168, 168)) for picture in pictures()[:2]]
    answers = list(predict([("a.png", images[0]), ("b.png", images[1])], model, processor, task="both"))
    assert len(looked) == 1
    inputs = processor(images=images[:1], text=[processor.image_token], return_tensors="pt")
    model.get_input_embeddings().requires_grad_(True)
    model(**inputs).logits.sum().backward()
    assert len(looked) == 1
    again, _ = loading.load("tiny", device="cpu")
    again.known = None
    alone = list(predict([("a.png", images[0])], again, processor, task="both"))
    assert alone[0].raw == answers[0].raw


def test_a_tower_forgets_when_its_type_changes_or_its_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are those of the weights as they are now, and memory is bounded."""
    model, processor = loading.load("tiny", device="cpu")
    inputs = processor.image_processor(images=pictures()[:3], return_tensors="pt")
    grid = inputs["image_grid_thw"]
    wide = model.model.get_image_features(inputs["pixel_values"], grid).pooler_output
    narrow = model.to(torch.bfloat16).model.get_image_features(inputs["pixel_values"], grid).pooler_output
    assert {part.dtype for part in wide} == {torch.float32}
    assert {part.dtype for part in narrow} == {torch.bfloat16}
    monkeypatch.setattr(tower, "REMEMBERED", narrow[2].nbytes)
    model.model.get_image_features(inputs["pixel_values"], grid)
    assert len(tower_of(model).forward.known) == 1  # type: ignore[union-attr]


def test_the_attention_a_user_chose_stays(tmp_path: Path, dataset: Path) -> None:
    """`--attn_implementation eager` is eager in the tower too."""
    seen: list[str] = []

    class Note(TrainerCallback):
        def on_train_begin(self, *_: Any, model: Any, **__: Any) -> None:
            seen.append(tower_of(model).config._attn_implementation)  # type: ignore[union-attr]

    for options in ([], ["--attn_implementation", "eager"]):
        line = arguments(dataset, tmp_path / str(len(options)), *options, max_steps=1)
        sft.train(*sft.parse(line), callbacks=[Note()])
    assert seen == [ATTENTION, "eager"]


class Backward(TrainerCallback):
    """Counts the tower's forward and backward calls of its blocks while training."""

    def __init__(self) -> None:
        self.forward = self.backward = self.layers = 0

    def on_train_begin(self, *_: Any, model: Any, **__: Any) -> None:
        seen: Any = tower_of(model)
        self.blocks = len(seen.blocks)
        for block in seen.blocks:
            block.register_forward_hook(self._forward)
            block.register_full_backward_hook(self._backward)
        for layer in model.get_base_model().get_decoder().layers:
            layer.mlp.register_full_backward_hook(self._layer)

    def _forward(self, *_: Any) -> None:
        self.forward += 1

    def _backward(self, *_: Any) -> None:
        self.backward += 1

    def _layer(self, *_: Any) -> None:
        self.layers += 1


@pytest.mark.parametrize("checkpointing", [True, False])
def test_training_never_goes_back_through_the_tower(checkpointing: bool, dataset: Path, tmp_path: Path) -> None:
    """One forward call of each block in a step, no backward call; and the language model's layers do have theirs."""
    watch = Backward()
    line = arguments(dataset, tmp_path / "out", max_steps=1, activation_checkpointing=checkpointing)
    sft.train(*sft.parse(line), callbacks=[watch])
    assert (watch.forward, watch.backward) == (watch.blocks, 0)
    assert watch.layers > 0


@pytest.mark.parametrize("checkpointing", [True, False])
def test_grpo_never_goes_back_through_the_tower(checkpointing: bool, dataset: Path, tmp_path: Path) -> None:
    """Nor does it look at a picture once for each of its answers."""
    adapter = train_tiny(dataset, tmp_path / "sft", max_steps=1)
    watch = Backward()
    line = ["--config", "tiny", "--dataset_name", str(dataset), "--adapter", str(adapter), "--disable_tqdm", "true"]
    line += ["--output_dir", str(tmp_path / "out"), "--max_steps", "1", "--per_device_train_batch_size", "4"]
    line += ["--num_generations", "4", "--max_completion_length", "8", "--temperature", "3"]
    grpo.train(*grpo.parse([*line, "--activation_checkpointing", str(checkpointing)]), callbacks=[watch])
    assert (watch.forward, watch.backward) == (watch.blocks, 0)  # generated, scored and trained on: looked at once
    assert watch.layers > 0
