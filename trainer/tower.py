"""The frozen vision tower: outside autograd, each picture of a batch once, one attention call per layer.

Nothing in this project trains the tower of a large model, yet training would run through it: gradient checkpointing makes the
output of every input embedding require a gradient, and the tower's patch embedding counts as one. Its windows would be attended
to one by one in Python, and a picture that a batch holds several times (two questions, or the answers of GRPO) would be looked at
as often. `prepare_tower` changes the three without touching a weight: features stay what they were up to rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # before PyTorch 2.10; windows are then batched on every device
    varlen_attn = None

__all__ = ["ATTENTION", "multiply_patches", "prepare_tower", "tower_of"]

ATTENTION = "anomreason_flash_attention"
"""The name of `attend`. transformers hands an implementation all windows at once only if its name contains `flash`."""


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
    tower.forward = _frozen(tower, tower.forward)


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


def _frozen(tower: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
    """The tower's `forward` outside autograd, which is given each distinct picture once."""
    merged = tower.spatial_merge_size**2

    @torch.no_grad()
    def look(pixels: Tensor, grid_thw: Tensor, **options: Any) -> Any:
        # What a caller computed beforehand belongs to the pictures as they came; all features need all pictures.
        plain = any(isinstance(value, Tensor) for value in options.values()) or options.get("output_hidden_states")
        sizes = grid_thw.prod(-1).tolist()
        places = list(range(len(sizes))) if plain else first_places(pixels.split(sizes), grid_thw.tolist())
        distinct = sorted(set(places))
        if len(distinct) == len(sizes):
            return forward(pixels, grid_thw=grid_thw, **options)
        parts = pixels.split(sizes)
        seen = forward(torch.cat([parts[place] for place in distinct]), grid_thw=grid_thw[distinct], **options)
        rows = [distinct.index(place) for place in places]

        def spread(features: Tensor, per: int) -> Tensor:
            parts = features.split([sizes[place] // per for place in distinct])
            return torch.cat([parts[row] for row in rows])

        seen.last_hidden_state = spread(seen.last_hidden_state, 1)
        seen.pooler_output = spread(seen.pooler_output, merged)
        if getattr(seen, "deepstack_features", None):  # Qwen3-VL: features of inner layers, too
            seen.deepstack_features = [spread(features, merged) for features in seen.deepstack_features]
        return seen

    return look


def first_places(pictures: Sequence[Tensor], grids: Sequence[Sequence[int]]) -> list[int]:
    """For each picture the place of the first one that equals it, bit by bit.

    Args:
        pictures (sequence of `Tensor`): the patches of each picture, [patches, values].
        grids (sequence of lists): the shape that each picture's patches form.
    """
    if len(pictures) < 2:
        return [0] * len(pictures)
    # Sums, brought over in one transfer, say which pictures are worth comparing.
    sums = torch.stack([picture.float().sum() for picture in pictures]).tolist()
    known: dict[tuple[Any, ...], list[int]] = {}
    places = []
    for at, (picture, grid, total) in enumerate(zip(pictures, grids, sums, strict=True)):
        alike = known.setdefault((*grid, total), [])
        place = next((other for other in alike if torch.equal(pictures[other], picture)), at)
        if place == at:
            alike.append(at)
        places.append(place)
    return places


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

    On CUDA in 16 bits that is PyTorch's variable-length flash attention. Elsewhere the windows are a batch for
    `scaled_dot_product_attention`; shorter ones are padded with keys that nobody attends to.

    Args:
        query, key, value (`Tensor`): [1, heads, tokens, dimensions].
        cu_seq_lens_q (`Tensor`): where windows begin, and where the last one ends: [windows + 1].
        max_length_q (`int`): the longest window.

    Returns:
        The result, [1, tokens, heads, dimensions], and no weights.
    """
    parts = [part.squeeze(0).transpose(0, 1) for part in (query, key, value)]  # [tokens, heads, dimensions]
    if varlen_attn is not None and query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        bounds = cu_seq_lens_q.to(torch.int32)
        return varlen_attn(*parts, bounds, bounds, max_length_q, max_length_q).unsqueeze(0), None
    lengths = cu_seq_lens_q.diff()
    if bool((lengths == max_length_q).all()):
        batch = [part.unflatten(0, (-1, max_length_q)).transpose(1, 2) for part in parts]
        found = F.scaled_dot_product_attention(*batch, scale=scaling)
        return found.transpose(1, 2).flatten(0, 1).unsqueeze(0), None
    offsets = torch.arange(max_length_q, device=query.device)
    filled = offsets < lengths.unsqueeze(1)  # [windows, longest]
    places = (cu_seq_lens_q[:-1].unsqueeze(1) + offsets).clamp(max=query.shape[2] - 1)
    batch = [part[places].transpose(1, 2) for part in parts]
    found = F.scaled_dot_product_attention(*batch, attn_mask=filled[:, None, None], scale=scaling)
    return found.transpose(1, 2)[filled].unsqueeze(0), None


AttentionInterface.register(ATTENTION, attend)
