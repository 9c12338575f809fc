"""The tiny model: a real Qwen2.5-VL, small enough for two cores, with its own tokenizer and processor."""

from pathlib import Path

import torch
import trl
from transformers import (
    GenerationConfig,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from dataset_builder.scenes.world import SIZE

__all__ = ["build_model", "build_processor"]

PATCH = 14


def build_processor(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLProcessor:
    """The processor: every picture is brought to about 168 × 168 pixels, 36 image tokens; Qwen2.5-VL's own chat template."""
    pixels = {"shortest_edge": SIZE * SIZE, "longest_edge": SIZE * SIZE}  # pixel counts, in spite of their names
    template = Path(trl.__file__).parent / "chat_templates" / "qwen2_5_vl.jinja"
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=pixels, patch_size=PATCH),
        video_processor=Qwen2VLVideoProcessor(size=pixels, patch_size=PATCH),
        tokenizer=tokenizer,
        chat_template=template.read_text(encoding="utf-8"),
    )


def build_model(tokenizer: Qwen2Tokenizer, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """The model with random weights drawn from `seed`, in float32."""
    token = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [8, 8, 8]},
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": 4,
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_heads": 4,
            "patch_size": PATCH,
            "out_hidden_size": 192,
            # Every block sees the whole picture: at 36 tokens there is nothing to gain from windows.
            "window_size": SIZE,
            "fullatt_block_indexes": [0, 1, 2, 3],
        },
        tie_word_embeddings=True,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        eos_token_id=token("<|im_end|>"), pad_token_id=token("<|endoftext|>"), do_sample=False, max_new_tokens=512
    )
    return model
