"""What a training will take, in memory and arithmetic, estimated only from shapes.

An estimate, good enough to refuse what cannot work and to plan a night; `anomreason probe` measures. The bytes that a layer keeps
of a token were fitted to Qwen2.5-VL-7B on an H100 (`docs/training.md`): about 11 MB in 28 layers that are neither compiled nor
computed again.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

__all__ = ["Size", "device_bytes", "operations", "size_of"]

_HIDDEN, _INTERMEDIATE = 46, 12
"""Bytes that a layer keeps of a token for its backward pass, for each element of its two widths."""
_LOGIT = 10
"""Bytes of a logit: in 16 bits, in 32 bits, and its gradient."""
_TRAINED = 16
"""Bytes of a trained parameter: itself, its gradient, and Adam's two moments, in 32 bits."""
_FOUR_BITS = 0.56
"""Bytes of a weight in 4 bits, with its share of the scales."""


@dataclass(frozen=True)
class Size:
    """How large a model is.

    Attributes:
        language, tower, head, adapter (`int`): parameters of the language model's layers, of the vision tower, of embeddings and
            head together, and of what is trained.
        layers, hidden, intermediate, vocabulary (`int`): of the language model.
    """

    language: int
    tower: int
    head: int
    adapter: int
    layers: int
    hidden: int
    intermediate: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """All but what is trained."""
        return self.language + self.tower + self.head


def size_of(model: Any) -> Size:
    """The size of a model with an adapter; one without weights will do (`trainer.families.skeleton`)."""
    base = model.get_base_model()
    text = base.config.get_text_config()
    adapter = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    language = _count(base.get_decoder().layers) - adapter
    tower = _count(base.model.visual)
    return Size(
        language=language,
        tower=tower,
        head=_count(base) - language - tower - adapter,
        adapter=adapter,
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        vocabulary=text.vocab_size,
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def device_bytes(
    size: Size, *, width: float, four_bits: bool, tokens: int, answer_tokens: int, checkpointed: int | None
) -> float:
    """Peak memory of one batch, in bytes.

    Args:
        size (`Size`): of the model.
        width (`float`): bytes of a weight.
        four_bits (`bool`): whether the language model's layers are in 4 bits.
        tokens, answer_tokens (`int`): of the batch, padding included; those that a loss falls on.
        checkpointed (`int`, *optional*): layers that are computed again, all for `None`.
    """
    weights = size.language * (_FOUR_BITS if four_bits else width) + (size.tower + size.head) * width
    again = size.layers if checkpointed is None else min(checkpointed, size.layers)
    layer = _HIDDEN * size.hidden + _INTERMEDIATE * size.intermediate
    kept = again * 2 * size.hidden + (size.layers - again + (again > 0)) * layer
    return weights + _TRAINED * size.adapter + tokens * kept + answer_tokens * _LOGIT * size.vocabulary


def operations(size: Size, *, tokens: float, answer_tokens: float, patches: float, checkpointed: int | None) -> float:
    """Floating-point operations to train on so many tokens: two for each weight forward, and two back to the layer's input.

    Layers that are computed again run forward twice; attention's own products, a few hundredths here, are left out.
    """
    again = size.layers if checkpointed is None else min(checkpointed, size.layers)
    through = 4 + 2 * again / size.layers
    head = 2 * size.hidden * size.vocabulary * answer_tokens * 2
    return through * size.language * tokens + head + 2 * size.tower * patches
