"""What a token step of decoding costs, beside the time in which the weights that it needs are read once."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from benchmarks.device import copy_rate, name, synchronize
from dataset_builder.prompts import chat
from trainer.decoding import Decode, decoder, plain
from trainer.loading import is_tiny

__all__ = ["FLOOR", "decoding"]

BUDGET = {"shortest_edge": 256 * 28 * 28, "longest_edge": 512 * 28 * 28}
"""The pixels of the recipes for large models."""
FLOOR = (
    "B / R: B bytes of the language model's layers and head, R bytes per second, read and written, of a large copy; no step can be "
    "faster, as each weight is read once for all rows"
)


@torch.inference_mode()
def decoding(
    model: Any, processor: Any, pictures: Sequence[Image.Image], batches: Sequence[int], tokens: int = 64
) -> dict[str, Any]:
    """Milliseconds per token step and tokens per second of our decoding and of plain `generate`, at several batch sizes.

    Answers are kept from ending. The time of the prompt is taken out: a step is the difference between a long and a short
    answer, divided by their tokens; the median of three.

    Args:
        model, processor: as `trainer.loading.load` returns them.
        pictures (sequence of `PIL.Image.Image`): repeated where a batch is larger.
        batches (sequence of `int`): batch sizes.
        tokens (`int`): steps that are measured.
    """
    if not is_tiny(model):
        processor.image_processor.size = BUDGET
    model.generation_config.eos_token_id = None
    language = sum(weight.nbytes for weight in model.model.language_model.layers.parameters())
    rate = copy_rate()
    floor = (language + model.lm_head.weight.nbytes) / rate
    found: dict[str, Any] = {
        "device": name(),
        "bytes of the weights a step reads, GB": round(floor * rate / 1e9, 2),
        "copy rate of the device, TB/s": round(rate / 1e12, 3),
        "floor of a step, ms": round(1000 * floor, 2),
        "floor": FLOOR,
    }
    prompt = processor.apply_chat_template(chat("anomalies"), tokenize=False, add_generation_prompt=True)
    for batch in batches:
        images = [pictures[at % len(pictures)] for at in range(batch)]
        inputs = processor(images=images, text=[prompt] * batch, padding=True, return_tensors="pt").to(model.device)
        ways: dict[str, Decode] = {"ours": decoder(model), "generate": lambda *given: plain(model, *given)}
        answers = {way: decode(inputs, tokens + 4) for way, decode in ways.items()}  # and what is slow only once
        for way, decode in ways.items():
            steps = statistics.median(_step(decode, inputs, tokens) for _ in range(3 if way == "ours" else 1))
            found[f"batch {batch}, {way}"] = {
                "ms per step": round(1000 * steps, 2),
                "tokens a second": round(batch / steps),
                "times the floor": round(steps / floor, 2),
            }
        alike = [_alike(*pair) for pair in zip(*answers.values(), strict=True)]
        found[f"batch {batch}, tokens until ours and generate part, median"] = (
            f"{statistics.median(alike)} of {tokens + 4}"
        )
    return found


def _step(decode: Decode, inputs: Any, tokens: int) -> float:
    times = []
    for limit in (4, 4 + tokens):
        synchronize()
        started = time.perf_counter()
        decode(inputs, limit)
        synchronize()
        times.append(time.perf_counter() - started)
    return (times[1] - times[0]) / tokens


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two answers begin with alike; in 16 bits, rounding decides between tokens that are equally likely."""
    return next((at for at, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]), len(one))
