"""Chooses how a model is decoded."""

from functools import partial
from typing import Any

from transformers import GenerationConfig

from trainer.decoding.fixed_shapes import FixedShapes, unfit
from trainer.decoding.leaving import leaving
from trainer.decoding.plain import Decode, plain

__all__ = ["decoder", "unproven"]

_PROVEN_MODELS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
"""Attention everywhere, and `rope_deltas` as the only state beside the cache; the tests compare each with `generate`."""

_AT_EACH_CALL = ("max_length", "max_new_tokens", "use_cache", "return_dict_in_generate")
_OF_SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")
_PROVEN_SETTINGS = {
    *_AT_EACH_CALL,
    *_OF_SAMPLING,
    *_TOKENS,
    "repetition_penalty",
    "transformers_version",
    "_from_model_config",
}
"""Generation settings that all ways obey or, as those of sampling, none: greedy generation is asked for at each call."""


def decoder(model: Any) -> Decode:
    """The fastest way to decode with `model` on its device whose tokens are those of `generate`.

    Keep what is returned from batch to batch: on a GPU it holds the recorded graph, and the memory of its cache.
    """
    if unproven(model):
        return partial(plain, model)
    return partial(leaving, model) if unfit(model) else FixedShapes(model)


def unproven(model: Any) -> str | None:
    """What only plain `generate` is right for: the model's type, a kind of layer, or a generation setting; `None` if nothing is."""
    text = model.config.get_text_config()
    if model.config.model_type not in _PROVEN_MODELS:
        return f"model_type {model.config.model_type}"
    if others := set(getattr(text, "layer_types", None) or ()) - {"full_attention"}:
        return f"layers with {min(others)}"
    usual = GenerationConfig().to_dict() | {"num_beams": 1, "num_beam_groups": 1, "num_return_sequences": 1}
    for name, value in model.generation_config.to_dict().items():
        if name not in _PROVEN_SETTINGS and value not in (None, False, usual.get(name)):
            return f"{name} {value}"
    return None
