"""Greedy generation where rows that have ended leave the batch; for CPUs, where a step costs as much as it has rows.

`generate` is stopped whenever half of the rows have ended and continued with the others, their key–value cache cut down to
them. The cache has room to grow, where transformers' own is copied whole at every token.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.cache_utils import Cache, DynamicLayer

from trainer.decoding.plain import cut, ends

__all__ = ["leaving"]


def leaving(model: Any, inputs: Mapping[str, Tensor], limit: int) -> list[list[int]]:
    """`generate`, where rows that have ended leave the batch."""
    prompt = inputs["input_ids"].shape[1]
    end = torch.tensor(ends(model), device=inputs["input_ids"].device)
    rows = list(range(inputs["input_ids"].shape[0]))
    answers: list[list[int]] = [[] for _ in rows]
    state: dict[str, Any] = {**inputs, "past_key_values": Cache(layer_class_to_replicate=_Roomy)}
    while rows:
        made = model.generate(
            **state,
            max_new_tokens=limit - (state["input_ids"].shape[1] - prompt),
            do_sample=False,
            use_cache=True,  # training with gradient checkpointing switches it off in the configuration
            stopping_criteria=StoppingCriteriaList([_HalfAnswered(end)]),
            return_dict_in_generate=True,
        )
        tokens = made.sequences[:, prompt:]
        ended = torch.isin(tokens, end).any(dim=1) | (tokens.shape[1] >= limit)
        for row, answer, done in zip(rows, tokens.tolist(), ended.tolist(), strict=True):
            if done:
                answers[row] = cut(answer, ends(model))
        left = (~ended).nonzero()[:, 0]
        rows = [rows[at] for at in left.tolist()]
        if rows:
            state = _only(left, model, state["attention_mask"], made)
    return answers


def _only(left: Tensor, model: Any, mask: Tensor, made: Any) -> dict[str, Any]:
    """What `generate` needs to go on with the rows `left` after it made `made`; `mask` was that of its input."""
    cache, tokens = made.past_key_values, made.sequences[left]
    cache.batch_select_indices(left)
    fresh = mask.new_ones(len(left), tokens.shape[1] - mask.shape[1])
    # A Qwen-VL keeps how far each row's positions lag behind its tokens, because a picture takes fewer positions than tokens.
    inner = (model.get_base_model() if hasattr(model, "get_base_model") else model).model
    if getattr(inner, "rope_deltas", None) is not None:
        inner.rope_deltas = inner.rope_deltas[left]
    return {
        "input_ids": tokens,
        "attention_mask": torch.cat([mask[left], fresh], dim=1),
        "past_key_values": cache,
    }


class _Roomy(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values, [batch, heads, length, dimensions], as the filled part of larger tensors."""

    ROOM = 64
    keys: Any
    values: Any
    _held: list[Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        filled = self.get_seq_length()
        length = filled + key_states.shape[-2]
        if self._held is None or length > self._held[0].shape[-2]:
            before = (self.keys, self.values) if filled else (None, None)
            self._held = [self._larger(new, old) for new, old in zip((key_states, value_states), before, strict=True)]
        for tensor, new in zip(self._held, (key_states, value_states), strict=True):
            tensor[..., filled:length, :] = new
        self.keys, self.values = (tensor[..., :length, :] for tensor in self._held)
        return self.keys, self.values

    def _larger(self, new: Tensor, old: Tensor | None) -> Tensor:
        filled = 0 if old is None else old.shape[-2]
        batch, heads, more, size = new.shape
        tensor = new.new_empty(batch, heads, filled + more + self.ROOM, size)
        if old is not None:
            tensor[..., :filled, :] = old
        return tensor

    def batch_select_indices(self, indices: Tensor) -> None:
        super().batch_select_indices(indices)
        self._held = None


class _HalfAnswered(StoppingCriteria):  # type: ignore[misc]
    """Stops all rows once half of them, at least, have ended; with few rows there is nothing to win."""

    def __init__(self, end: Tensor) -> None:
        self.end = end
        self.ended: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        last = torch.isin(input_ids[:, -1], self.end)
        self.ended = last if self.ended is None else self.ended | last
        rows = len(last)
        stop = rows > 4 and int(self.ended.sum()) * 2 >= rows
        return torch.full_like(last, stop)
