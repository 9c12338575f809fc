"""The frozen vision tower: outside autograd, each picture of a step once, one attention call per layer.

Nothing in this project trains the tower of a large model, yet training would run through it: gradient checkpointing makes the
output of every input embedding require a gradient, and the tower's patch embedding counts as one. Its windows would be attended
to one by one in Python, and a picture that is asked several times (two questions, or the answers of GRPO) would be looked at as
often. `prepare_tower` changes the three without touching a weight: features stay what they were up to rounding.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # before PyTorch 2.10; windows are then batched on every device
    varlen_attn = None  # type: ignore[assignment]

__all__ = ["ATTENTION", "block_outputs", "multiply_patches", "prepare_tower", "tower_of"]

ATTENTION = "anomreason_flash_attention"
"""The name of `attend`. transformers hands an implementation all windows at once only if its name contains `flash`."""


REMEMBERED = 2**29
"""Bytes of features that a tower remembers: 140 pictures of 512 tokens for Qwen2.5-VL-7B, more than a step has."""


def tower_of(model: Any) -> Any | None:
    """The vision tower of a Qwen-VL, bare or with an adapter; `None` for other models."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return getattr(base.model, "visual", None)


def prepare_tower(model: Any, *, attention: bool = True) -> None:
    """Take a model's tower out of autograd and make it fast, in place. Models without one are left as they are.

    Args:
        model: a Qwen-VL as transformers loads it, before an adapter is put on.
        attention (`bool`): whether to put `attend` in place of the attention it was loaded with; say no where a user chose one.
    """
    tower = tower_of(model)
    if tower is None:
        return
    multiply_patches(tower)
    if attention and "vision_config" in model.config.sub_configs:
        model.set_attn_implementation({"vision_config": ATTENTION})
    tower.requires_grad_(False)
    tower.forward = _Look(tower, tower.forward)


def block_outputs(model: Any, pixels: Tensor, grid_thw: Tensor, places: Sequence[int]) -> list[Tensor]:
    """What some of the tower's blocks give, each [patches, width]; the patches of a picture stay together.

    They are not remembered, and the others are not kept: those of all 32 blocks of Qwen2.5-VL-7B take half a gigabyte a picture.

    Args:
        pixels (`Tensor`): as the processor gives them.
        grid_thw (`Tensor`): the pictures' grids, [pictures, 3].
        places (sequence of `int`): which blocks, counted from 0.
    """
    tower: Any = tower_of(model)
    found: dict[int, Tensor] = {}

    def keep(place: int) -> Callable[[Any, Any, Any], None]:
        return lambda block, given, output: found.update({place: output[0] if isinstance(output, tuple) else output})

    hooks = [tower.blocks[place].register_forward_hook(keep(place)) for place in places]
    try:
        with torch.inference_mode(False), torch.no_grad():
            look = tower.forward.forward if isinstance(tower.forward, _Look) else tower.forward
            look(pixels.to(tower.device, tower.dtype), grid_thw=grid_thw.to(tower.device))
    finally:
        for hook in hooks:
            hook.remove()
    return [found[place] for place in places]


class _Patches(torch.nn.Conv3d):
    """A convolution that sees each patch once, its kernel being its stride, as the one matrix product that it is: far faster."""

    def forward(self, input: Tensor) -> Tensor:
        product = F.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return product.view(*product.shape, 1, 1, 1)


def multiply_patches(tower: Any) -> None:
    """Compute a tower's patch embedding as a matrix product; parameters and their names stay what they are."""
    proj = getattr(getattr(tower, "patch_embed", None), "proj", None)
    if type(proj) is torch.nn.Conv3d and proj.stride == proj.kernel_size:
        proj.__class__ = _Patches


class _Look:
    """A tower's `forward` outside autograd, which is given each picture once and remembers the features of the last ones.

    The weights must not change, as those of a frozen tower do not; moving them to another device or type is noticed.
    """

    def __init__(self, tower: Any, forward: Callable[..., Any]) -> None:
        self.tower, self.forward = tower, forward
        self.known: OrderedDict[tuple[Any, ...], list[Tensor]] = OrderedDict()
        self.kind: Any = None

    def __call__(self, pixels: Tensor, grid_thw: Tensor, **options: Any) -> Any:
        # What is remembered while answering may be needed in a step, where tensors of inference mode cannot be used.
        with torch.inference_mode(False), torch.no_grad():
            # What a caller computed beforehand belongs to the pictures as they came; inner features are not remembered.
            if options.get("output_hidden_states") or any(isinstance(value, Tensor) for value in options.values()):
                return self.forward(pixels, grid_thw=grid_thw, **options)
            names = self._names(pixels, grid_thw)
            seen = {name: features for name in names if (features := self.known.get(name)) is not None}
            new = {name: names.index(name) for name in names if name not in seen}
            if new:
                seen |= self._look(pixels, grid_thw, new, options)
            for name in seen:
                self.known[name] = seen[name]
                self.known.move_to_end(name)
            self._forget()
            pooled, *inner = (torch.cat(parts) for parts in zip(*(seen[name] for name in names), strict=True))
            return self.kind(pooler_output=pooled, **({"deepstack_features": inner} if inner else {}))

    def _names(self, pixels: Tensor, grid_thw: Tensor) -> list[tuple[Any, ...]]:
        """What tells pictures apart: their grid, where the tower is, and two sums of 64 bits over all bits of their patches."""
        sums = fingerprints(pixels.split(grid_thw.prod(-1).tolist()))
        where = (self.tower.dtype, self.tower.device)
        return [(*where, *grid, *both) for grid, both in zip(grid_thw.tolist(), sums, strict=True)]

    def _look(
        self, pixels: Tensor, grid_thw: Tensor, new: Mapping[Any, int], options: Mapping[str, Any]
    ) -> dict[tuple[Any, ...], list[Tensor]]:
        parts, places = pixels.split(grid_thw.prod(-1).tolist()), list(new.values())
        grids = grid_thw[places]
        found = self.forward(torch.cat([parts[place] for place in places]), grid_thw=grids, **options)
        self.kind = type(found)
        sizes = (grids.prod(-1) // self.tower.spatial_merge_size**2).tolist()
        # Qwen3-VL has features of inner layers, too.
        kinds = [
            features.split(sizes)
            for features in (found.pooler_output, *(getattr(found, "deepstack_features", None) or ()))
        ]
        return {name: [kind[at].clone() for kind in kinds] for at, name in enumerate(new)}

    def _forget(self) -> None:
        taken = sum(part.nbytes for parts in list(self.known.values()) for part in parts)
        while taken > REMEMBERED and self.known:
            _, parts = self.known.popitem(last=False)
            taken -= sum(part.nbytes for part in parts)


def fingerprints(pictures: Sequence[Tensor]) -> list[list[int]]:
    """Two numbers for each picture, [patches, values], that are the same only for the same bits: sums with random weights."""
    rows = _drawn(max(map(len, pictures)), seed=0).to(pictures[0].device)
    columns = _drawn(pictures[0].shape[1], seed=1).to(pictures[0].device)
    sums = []
    for picture in pictures:
        bits = picture.contiguous().view(torch.int32 if picture.element_size() == 4 else torch.int16).long()
        both = [((bits * columns[:, at]).sum(1) * rows[: len(picture), at]).sum() for at in (0, 1)]
        sums.append(torch.stack(both))
    return torch.stack(sums).tolist()  # type: ignore[no-any-return]


def _drawn(count: int, seed: int) -> Tensor:
    """Random numbers of 64 bits, [count, 2]; the first ones are the same whatever `count` is."""
    return torch.randint(-(2**63), 2**63 - 1, (count, 2), generator=torch.Generator().manual_seed(seed))


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    *,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention within windows, all of a layer's in one call, as `transformers.AttentionInterface` wants it.

    On a GPU in 16 bits that is PyTorch's variable-length flash attention. Elsewhere the windows are a batch for
    `scaled_dot_product_attention`; shorter ones are padded with keys that nobody attends to.

    Args:
        query, key, value (`Tensor`): [1, heads, tokens, dimensions].
        cu_seq_lens_q (`Tensor`): where windows begin, and where the last one ends: [windows + 1].
        max_length_q (`int`): the longest window.

    Returns:
        The result, [1, tokens, heads, dimensions], and no weights.
    """
    q, k, v = (part.squeeze(0).transpose(0, 1) for part in (query, key, value))  # [tokens, heads, dimensions]
    if _has_packed(query):
        bounds = cu_seq_lens_q.to(torch.int32)
        packed: Any = varlen_attn
        return packed(q, k, v, bounds, bounds, max_length_q, max_length_q).unsqueeze(0), None
    lengths = cu_seq_lens_q.diff()
    if bool((lengths == max_length_q).all()):
        q, k, v = (part.unflatten(0, (-1, max_length_q)).transpose(1, 2) for part in (q, k, v))
        found = F.scaled_dot_product_attention(q, k, v, scale=scaling)
        return found.transpose(1, 2).flatten(0, 1).unsqueeze(0), None
    offsets = torch.arange(max_length_q, device=query.device)
    filled = offsets < lengths.unsqueeze(1)  # [windows, longest]
    places = (cu_seq_lens_q[:-1].unsqueeze(1) + offsets).clamp(max=query.shape[2] - 1)
    q, k, v = (part[places].transpose(1, 2) for part in (q, k, v))
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=filled[:, None, None], scale=scaling)
    return found.transpose(1, 2)[filled].unsqueeze(0), None


def _has_packed(query: Tensor) -> bool:
    """Whether PyTorch's variable-length attention runs here: 16 bits on a GPU from Ampere on."""
    if varlen_attn is None or not query.is_cuda or query.dtype not in (torch.bfloat16, torch.float16):
        return False
    return torch.cuda.get_device_capability(query.device) >= (8, 0)


AttentionInterface.register(ATTENTION, attend)
