"""Decoding: whichever way is taken, the tokens are those of `generate`."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dataset_builder.prompts import chat
from dataset_builder.scenes import pair
from tests.adapters import make_adapter
from tests.random_models import RANDOM
from trainer.decoding import decoder, fixed_shapes, plain, unproven
from trainer.decoding.fixed_shapes import FixedShapes, unfit
from trainer.decoding.leaving import leaving
from trainer.loading import load


@pytest.fixture(scope="module", params=["tiny", "adapter", *RANDOM])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A model and its processor: the shipped one, an adapter beside it, and a random one of each family.

    On the device at hand, in 32 bits: where there is a GPU, its recorded steps are compared.
    """
    work = tmp_path_factory.mktemp("models") / request.param
    if request.param == "adapter":
        return load(None, str(make_adapter(work)), torch.float32, merge=False)
    return load("tiny" if request.param == "tiny" else str(RANDOM[request.param](work)), dtype=torch.float32)


def asked(model: Any, processor: Any, count: int) -> Any:
    """Scenes, one of another shape, so that prompts differ in length and are padded."""
    images = [pair(22, index)[index % 2].image for index in range(count)]
    images[1] = images[1].resize((400, 120))
    prompt = processor.apply_chat_template(chat("anomalies"), tokenize=False, add_generation_prompt=True)
    return processor(images=images, text=[prompt] * count, padding=True, return_tensors="pt").to(model.device)


@torch.inference_mode()
def test_every_way_gives_the_tokens_of_generate(loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that leave, buffers that grow, a second batch in them, and the penalty that the Qwens' own settings have."""
    monkeypatch.setattr(fixed_shapes, "ROOM", 16)
    monkeypatch.setattr(fixed_shapes, "BLOCK", 8)
    model, processor = loaded
    fixed = FixedShapes(model)
    for count, limit, penalty in ((7, 40, None), (7, 20, None), (2, 30, 1.3)):
        monkeypatch.setattr(model.generation_config, "repetition_penalty", penalty)
        inputs = asked(model, processor, count)
        made = model.generate(**inputs, max_new_tokens=limit, do_sample=False)[:, inputs["input_ids"].shape[1] :]
        expected = plain(model, inputs, limit)
        for answer, row in zip(expected, made.tolist(), strict=True):
            assert row[: len(answer)] == answer
            assert set(row[len(answer) :]) <= {processor.tokenizer.pad_token_id}
        assert leaving(model, inputs, limit) == expected
        assert fixed(inputs, limit) == expected


def test_only_what_is_proven_is_decoded_our_way(loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beams, settings that count from the prompt's end, other caches and other layers go to `generate` as they are."""
    model, _ = loaded
    assert unproven(model) is None
    if model.device.type == "cuda":
        assert isinstance(decoder(model), FixedShapes)
    else:
        assert decoder(model).func is leaving  # type: ignore[attr-defined]  # a partial
        assert unfit(model) == "device cpu"
    for name, value in (
        ("num_beams", 2),
        ("min_new_tokens", 5),
        ("begin_suppress_tokens", [7]),
        ("cache_implementation", "static"),
        ("prompt_lookup_num_tokens", 3),
        ("guidance_scale", 1.5),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(model.generation_config, name, value)
            assert str(unproven(model)).startswith(name)
            assert decoder(model).func is plain  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(model.config.get_text_config(), "layer_types", ["linear_attention"], raising=False)
        assert unproven(model) == "layers with linear_attention"
    with monkeypatch.context() as patch:
        patch.setattr(model.config, "model_type", "qwen3_5")
        assert unproven(model) == "model_type qwen3_5"


@torch.inference_mode()
def test_beams_are_searched_as_generate_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of the model's own is neither dropped nor applied twice."""
    model, processor = load("tiny", dtype=torch.float32)
    inputs = asked(model, processor, 3)
    greedy = plain(model, inputs, 40)
    monkeypatch.setattr(model.generation_config, "num_beams", 3)
    beams = model.generate(**inputs, max_new_tokens=40, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    answers = decoder(model)(inputs, 40)
    assert all(row[: len(answer)] == answer for answer, row in zip(answers, beams.tolist(), strict=True))
    assert answers != greedy


class Operations(TorchDispatchMode):
    """Notes every operation that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(function))
        return function(*args, **(kwargs or {}))


@torch.inference_mode()
def test_a_step_can_be_recorded(loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """No operation in it waits for its result, or has a size that depends on one: a CUDA graph takes neither."""
    model, processor = loaded
    monkeypatch.setattr(model.generation_config, "repetition_penalty", 1.05)
    fixed = FixedShapes(model)
    fixed(asked(model, processor, 2), 3)
    steps: Any = fixed._steps
    with Operations() as operations:
        steps._step()
    assert "aten.scaled_dot_product_attention.default" in operations.names
    waits = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh", "is_nonzero", "equal.default")
    assert not [name for name in operations.names if any(wait in name for wait in waits)]
