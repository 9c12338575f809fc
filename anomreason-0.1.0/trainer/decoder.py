"""The language model in training: which layers are computed again, whether they are compiled, and no mask where none is needed.

Checkpointing keeps a layer's input and computes the rest again in the backward pass: less memory, up to a third more time. How many
layers need that depends on the GPU, so it is chosen layer by layer. transformers' own switch takes all layers or every n-th, counts
the vision tower's, makes that tower train (`trainer.tower`), and is turned back on for all layers by every evaluation and GRPO
generation of TRL; here a layer decides by itself, and only where gradients are computed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dataset_builder.errors import InputError
from trainer.examples import DataArguments

__all__ = ["DecoderArguments", "layers_of", "prepare_decoder", "take_checkpointing"]


@dataclass
class DecoderArguments(DataArguments):
    """What data to train on, and how the language model's layers are run.

    Args:
        checkpointed_layers (`int`, *optional*): how many of the language model's layers are computed again in the backward
            pass, which saves memory and costs time; all with `activation_checkpointing`, else none, unless given.
            `anomreason probe` proposes a number.
        compile_layers (`bool`): whether `torch.compile` compiles the layers, on a GPU; the first step then takes a minute or two.
    """

    checkpointed_layers: int | None = field(
        default=None, metadata={"help": "How many layers of the language model are computed again to save memory."}
    )
    compile_layers: bool = field(default=False, metadata={"help": "Compile the language model's layers on a GPU."})


def layers_of(model: Any) -> Any:
    """The layers of a Qwen-VL's language model, bare or with an adapter."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base.get_decoder().layers


def prepare_decoder(model: Any, *, checkpointed: int | None = 0, compiled: bool = False) -> None:
    """Set up a language model's layers for training, in place; where no gradient is computed they stay what they are.

    Args:
        model: a Qwen-VL, bare or with an adapter. May be called again with other numbers.
        checkpointed (`int`, *optional*): how many layers are computed again, all for `None`. They are the first ones: when their
            turn comes in the backward pass, the memory of the later ones is free again.
        compiled (`bool`): whether `torch.compile` makes a layer's small operations one; shapes may differ from batch to batch.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    decoder = base.get_decoder()
    decoder.forward = _unmasked(type(decoder).forward.__get__(decoder))
    for place, layer in enumerate(decoder.layers):
        plain = type(layer).forward.__get__(layer)
        # The first layer's input needs no gradient, which would take a compilation of its own.
        step = torch.compile(plain, dynamic=True) if compiled and place else plain
        again = checkpointed is None or place < checkpointed
        layer.forward = _trained(plain, partial(checkpoint, step, use_reentrant=False) if again else step)


def _trained(plain: Callable[..., Any], step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` where gradients are computed, else `plain`: answers grow by a token at a time, and nothing is to be remembered."""

    def forward(*args: Any, **options: Any) -> Any:
        return (step if torch.is_grad_enabled() else plain)(*args, **options)

    return forward


def _unmasked(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A decoder's `forward` without a mask for rows that are padded on the right only.

    No token attends to what comes after it, so such padding changes nothing before it, and without a mask attention takes its
    fastest kernel. Losses and answers are never read off padding.
    """

    def decode(*args: Any, attention_mask: Any = None, past_key_values: Any = None, **options: Any) -> Any:
        training = torch.is_grad_enabled() and past_key_values is None
        if training and isinstance(attention_mask, Tensor) and attention_mask.ndim == 2:
            padded_right = bool((attention_mask[:, 1:] <= attention_mask[:, :-1]).all())
            attention_mask = None if padded_right else attention_mask
        return forward(*args, attention_mask=attention_mask, past_key_values=past_key_values, **options)

    return decode


def take_checkpointing(script: DecoderArguments, training: Any) -> None:
    """Take over checkpointing from TRL and transformers, which are told that there is none (see above).

    Sets `script.checkpointed_layers` to 0 where no layer is to be computed again, and `script.compile_layers` to false where there
    is no GPU. Under DeepSpeed, which needs checkpointing of its own kind, all is left to them.

    Raises:
        InputError: for fewer than no layers.
    """
    if script.checkpointed_layers is not None and script.checkpointed_layers < 0:
        raise InputError(f"checkpointed_layers: {script.checkpointed_layers} is below 0; give a number from 0")
    script.compile_layers = script.compile_layers and training.device.type == "cuda"
    if getattr(training, "deepspeed_plugin", None) is not None:
        script.checkpointed_layers = 0
        return
    if script.checkpointed_layers is None and not training.activation_checkpointing:
        script.checkpointed_layers = 0
    training.activation_checkpointing = training.gradient_checkpointing = False
