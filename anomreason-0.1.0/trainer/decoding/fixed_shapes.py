"""Greedy generation for GPUs: the first token by `generate`, every other one by a step whose shapes never change.

A step of one token is about a thousand small kernels, and starting them one by one takes longer than running them. Here keys and
values lie in buffers of a fixed size, [batch, heads, capacity, dimensions], the place that is written is a tensor, and so one step
can be recorded as a CUDA graph and replayed. Recording takes about a second, where compiling a step takes minutes. Rows that have
ended are computed further, and cut afterwards; the step costs the same, because reading the weights is most of it.

On another device the same steps run unrecorded, which is how the tests compare them with `generate`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import RepetitionPenaltyLogitsProcessor
from transformers.cache_utils import Cache, DynamicLayer

from trainer.decoding.plain import cut, ends

__all__ = ["FixedShapes", "unfit"]

ROOM = 256
"""How many tokens of an answer there is room for at first; the buffers grow by as much when an answer is longer."""
BLOCK = 128
"""Capacities are multiples of this, so that batches with prompts of similar length use one recording."""
LOOK = 16
"""Steps between two looks at whether all rows have ended: each look waits for the GPU."""


def unfit(model: Any) -> str | None:
    """Why a model is not decoded so: its device, attention, weights that are quantized or spread; `None` if it is."""
    base = _base(model)
    if base.device.type != "cuda":
        return f"device {base.device.type}"
    if (used := base.config.get_text_config()._attn_implementation) != "sdpa":
        return f"attn_implementation {used}"
    if getattr(base, "is_quantized", False):
        return "quantized weights"
    if len(set((getattr(base, "hf_device_map", None) or {}).values())) > 1:
        return "several devices"
    return "autocast" if torch.is_autocast_enabled("cuda") else None


class FixedShapes:
    """A `trainer.decoding.Decode` of `model` that keeps its recording from batch to batch."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._steps: _Steps | None = None

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, Tensor], limit: int) -> list[list[int]]:
        model = self.model
        made = model.generate(**inputs, max_new_tokens=1, do_sample=False, use_cache=True, return_dict_in_generate=True)
        batch, prompt = inputs["input_ids"].shape
        steps = self._fitting(made.past_key_values, batch, prompt + min(limit, ROOM))
        steps.begin(made, inputs["attention_mask"], _base(model).model.rope_deltas)
        for made_so_far in range(1, limit):
            if (made_so_far - 1) % LOOK == 0 and bool(steps.ended.all()):
                break
            if prompt + made_so_far == steps.capacity:
                self._steps = larger = _Steps(model, steps, batch, steps.capacity + ROOM)
                larger.resume(steps)
                steps = larger
            steps.run()
        answers = steps.ids[:, prompt : prompt + limit].tolist()
        written = int(steps.at) + 1 - prompt
        return [cut(answer[:written], ends(model)) for answer in answers]

    def _fitting(self, cache: Any, batch: int, length: int) -> "_Steps":
        held = self._steps
        if held is None or held.batch != batch or held.capacity < length:
            self._steps = held = None  # its memory is free before more is taken
            self._steps = held = _Steps(self.model, cache, batch, length)
        return held


class _Steps:
    """The state of a batch at fixed addresses, and the step that changes it.

    Args:
        model: a Qwen-VL, bare or with an adapter.
        like: a cache, or other steps, whose layers have the shapes wanted but for the length.
        batch (`int`): rows.
        capacity (`int`): tokens of a row, prompt included; rounded up to a multiple of `BLOCK`.
    """

    def __init__(self, model: Any, like: Any, batch: int, capacity: int) -> None:
        base = _base(model)
        device = base.device
        self.batch, self.capacity = batch, -(-capacity // BLOCK) * BLOCK
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        """The place of the newest token, whose keys and values the next step writes."""
        self.position = torch.zeros(batch, 1, dtype=torch.long, device=device)
        self.ids = torch.zeros(batch, self.capacity, dtype=torch.long, device=device)
        self.seen = torch.zeros(batch, 1, 1, self.capacity, dtype=torch.bool, device=device)
        self.ended = torch.zeros(batch, dtype=torch.bool, device=device)
        self.layers = [_Layer(layer, self.at, self.capacity) for layer in like.layers]
        self._cache = Cache(layers=self.layers)
        self._stops = torch.tensor(ends(model), dtype=torch.long, device=device)
        self._language, self._head = base.model.language_model, base.get_output_embeddings()
        penalty = model.generation_config.repetition_penalty
        self._penalty = RepetitionPenaltyLogitsProcessor(float(penalty)) if penalty not in (None, 1.0) else None
        self._graph: Any = None
        if device.type == "cuda":
            self._record()

    def begin(self, made: Any, mask: Tensor, lags: Tensor | None) -> None:
        """Take over what `generate` made: the prompt, its keys and values, and the first token.

        Args:
            made: the output of `generate`, with `sequences` [batch, prompt + 1] and `past_key_values`.
            mask (`Tensor` [batch, prompt]): 0 where the prompt is padding.
            lags (`Tensor` [batch, 1], *optional*): the model's `rope_deltas`.
        """
        prompt = mask.shape[1]
        self.at.fill_(prompt)
        self.position.copy_(mask.sum(dim=1, keepdim=True) + (0 if lags is None else lags))
        # Places without a token repeat one that the row has anyway, so that the penalty does not see padding.
        said, last = made.sequences[:, :prompt], made.sequences[:, prompt - 1 : prompt]
        self.ids[:, :prompt] = torch.where(mask.bool(), said, last)
        self.ids[:, prompt:] = last
        self.ids[:, prompt] = made.sequences[:, prompt]
        self.seen.zero_()
        self.seen[:, 0, 0, :prompt] = mask.bool()
        self.ended.copy_((made.sequences[:, -1:] == self._stops).any(dim=1))
        for layer, filled in zip(self.layers, made.past_key_values.layers, strict=True):
            layer.take(filled, prompt)

    def resume(self, before: "_Steps") -> None:
        """Take over the state of steps that have no more room."""
        self.at.copy_(before.at)
        self.position.copy_(before.position)
        self.ids[:, : before.capacity] = before.ids
        self.ids[:, before.capacity :] = before.ids[:, -1:]
        self.seen.zero_()
        self.seen[..., : before.capacity] = before.seen
        self.ended.copy_(before.ended)
        for layer, filled in zip(self.layers, before.layers, strict=True):
            layer.take(filled, before.capacity)

    def run(self) -> None:
        """One token more for each row."""
        if self._graph is None:
            self._step()
        else:
            self._graph.replay()

    def _step(self) -> None:
        self.seen.index_fill_(3, self.at, True)
        newest = self.ids.index_select(1, self.at)
        hidden = self._language(
            inputs_embeds=self._language.embed_tokens(newest),
            position_ids=self.position.expand(3, -1, -1),  # the same in time, height and width: it is text
            attention_mask=self.seen,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        scores = self._head(hidden)[:, -1].float()
        if self._penalty is not None:
            scores = self._penalty(self.ids, scores)
        token = scores.argmax(dim=-1, keepdim=True)
        self.at.add_(1)
        self.position.add_(1)
        self.ids.index_copy_(1, self.at, token)
        self.ended.logical_or_((token == self._stops).any(dim=1))

    def _record(self) -> None:
        """Record a step. It runs a few times before, as libraries allocate and choose kernels at first; `begin` undoes that."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(2):
                self._step()
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step()


class _Layer(DynamicLayer):  # type: ignore[misc]
    """A layer's keys and values in buffers, [batch, heads, capacity, dimensions], written at the place `at`."""

    def __init__(self, like: Any, at: Tensor, capacity: int) -> None:
        super().__init__()
        self.at = at
        self.keys, self.values = (self._buffer(tensor, capacity) for tensor in (like.keys, like.values))
        self.dtype, self.device = self.keys.dtype, self.keys.device
        self.is_initialized = True

    def _buffer(self, like: Tensor, capacity: int) -> Tensor:
        batch, heads, _, size = like.shape
        return like.new_zeros(batch, heads, capacity, size)

    def take(self, filled: Any, length: int) -> None:
        """Copy the first `length` places of another layer."""
        for own, other in ((self.keys, filled.keys), (self.values, filled.values)):
            own[..., :length, :] = other[..., :length, :]

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        self.keys.index_copy_(2, self.at, key_states)
        self.values.index_copy_(2, self.at, value_states)
        return self.keys, self.values


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model
