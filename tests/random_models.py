"""Small models with random weights, saved as directories: the module names of the large ones at a thousandth of their size."""

from collections.abc import Callable
from pathlib import Path

import torch
import trl
from transformers import (
    AutoTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from trainer.loading import TINY

__all__ = ["RANDOM", "qwen3_vl_moe"]

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def _tokens() -> tuple[object, dict[str, int], dict[str, int]]:
    """The tiny model's tokenizer, and what a configuration says of it, for the text model and outside."""
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    of = tokenizer.convert_tokens_to_ids
    inner = {"vocab_size": len(tokenizer), "eos_token_id": of("<|im_end|>"), "pad_token_id": of("<|endoftext|>")}
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return tokenizer, inner, {key: of(token) for key, token in names.items()}


def qwen2_5_vl(out: Path) -> Path:
    """Qwen2.5-VL as in its large sizes: windowed attention in the vision tower, a head of its own."""
    tokenizer, inner, outer = _tokens()
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64}
    vision |= {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [1]}
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=TEXT | inner | {"rope_parameters": rope},
            vision_config=vision,
            tie_word_embeddings=False,
            **outer,
        )
    )
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=14),
        video_processor=Qwen2VLVideoProcessor(patch_size=14),
        tokenizer=tokenizer,
        chat_template=(TEMPLATES / "qwen2_5_vl.jinja").read_text(),
    )
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out


def qwen2_vl(out: Path) -> Path:
    """Qwen2-VL: no windows in the vision tower, whose layers have other names."""
    tokenizer, inner, outer = _tokens()
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "embed_dim": 32, "mlp_ratio": 2, "num_heads": 2, "hidden_size": 64, "patch_size": 14}
    torch.manual_seed(0)
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            text_config=TEXT | inner | {"rope_parameters": rope},
            vision_config=vision,
            tie_word_embeddings=False,
            **outer,
        )
    )
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=14),
        video_processor=Qwen2VLVideoProcessor(patch_size=14),
        tokenizer=tokenizer,
        chat_template=(TEMPLATES / "qwen2_5_vl.jinja").read_text(),
    )
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out


def qwen3_vl(out: Path) -> Path:
    """Qwen3-VL: patches of 16 pixels, and features of several vision layers fed to the language model."""
    tokenizer, inner, outer = _tokens()
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3], "mrope_interleaved": True}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64}
    vision |= {"patch_size": 16, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            text_config=TEXT | inner | {"rope_parameters": rope},
            vision_config=vision,
            tie_word_embeddings=False,
            **outer,
        )
    )
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=16),
        video_processor=Qwen3VLVideoProcessor(patch_size=16),
        tokenizer=tokenizer,
        chat_template=(TEMPLATES / "qwen3_vl.jinja").read_text(),
    )
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out


def qwen3_vl_moe(out: Path) -> Path:
    """Qwen3-VL-MoE: as Qwen3-VL, but each layer has four experts, which are tensors of their own."""
    tokenizer, inner, outer = _tokens()
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3], "mrope_interleaved": True}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64}
    vision |= {"patch_size": 16, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    torch.manual_seed(0)
    model = Qwen3VLMoeForConditionalGeneration(
        Qwen3VLMoeConfig(
            text_config=TEXT | inner | experts | {"rope_parameters": rope},
            vision_config=vision,
            tie_word_embeddings=False,
            **outer,
        )
    )
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=16),
        video_processor=Qwen3VLVideoProcessor(patch_size=16),
        tokenizer=tokenizer,
        chat_template=(TEMPLATES / "qwen3_vl.jinja").read_text(),
    )
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out


RANDOM: dict[str, Callable[[Path], Path]] = {
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
}
"""The families that are trained."""
