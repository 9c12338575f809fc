"""A Qwen2.5-VL of a true shape with random weights: speed and memory are real on it, answers are not.

    python -m benchmarks.random_model 7b /dev/shm/q7                          # 16.6 GB; half a minute on a GPU
    python -m benchmarks.random_model micro /tmp/micro --processor PROCESSOR   # for rehearsing on a CPU

For machines without network. The processor is the shipped tiny model's tokenizer with the large model's image processor; token
counts of texts are those of the real model only with its own processor (`--processor`, a directory or a Hub id).
"""

import argparse
from pathlib import Path
from typing import Any

import torch
import trl
from transformers import (
    AutoProcessor,
    AutoTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from trainer.loading import TINY

SHAPES = {
    # hidden, intermediate, layers, heads, key-value heads; tower: layers, hidden, intermediate, heads, full attention in
    "7b": (3584, 18944, 28, 28, 4, 32, 1280, 3420, 16, [7, 15, 23, 31]),
    "3b": (2048, 11008, 36, 16, 2, 32, 1280, 3420, 16, [7, 15, 23, 31]),
    "micro": (112, 256, 4, 4, 2, 4, 64, 128, 4, [1, 3]),
}
VOCABULARY = 152_064


def configuration(size: str, tokenizer: Any) -> Qwen2_5_VLConfig:
    """The configuration of a size, with a tokenizer's special tokens."""
    hidden, inner, layers, heads, groups, depth, seen, seen_inner, seen_heads, full = SHAPES[size]
    token = tokenizer.convert_tokens_to_ids
    half = hidden // heads // 2
    section = [half - 2 * (3 * half // 8), 3 * half // 8, 3 * half // 8]  # 16, 24, 24 of 64, as in the large models
    return Qwen2_5_VLConfig(
        text_config={
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": groups,
            "vocab_size": len(tokenizer) if size == "micro" else VOCABULARY,
            "max_position_embeddings": 128_000,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section},
            "bos_token_id": token("<|endoftext|>"),
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": depth,
            "hidden_size": seen,
            "intermediate_size": seen_inner,
            "num_heads": seen_heads,
            "out_hidden_size": hidden,
            "patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": full,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=size == "3b",
    )


def make(size: str, out: Path, processor: str | None = None) -> Path:
    """Save a model and its processor in `out`, in bfloat16; weights are drawn on the GPU where there is one."""
    if processor is None:
        read: Any = Qwen2_5_VLProcessor(
            image_processor=Qwen2VLImageProcessor(patch_size=14),
            video_processor=Qwen2VLVideoProcessor(patch_size=14),
            tokenizer=AutoTokenizer.from_pretrained(TINY),
            chat_template=(Path(trl.__file__).parent / "chat_templates" / "qwen2_5_vl.jinja").read_text(),
        )
    else:
        read = AutoProcessor.from_pretrained(processor)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = Qwen2_5_VLForConditionalGeneration(configuration(size, read.tokenizer))
    finally:
        torch.set_default_dtype(torch.float32)
    model.generation_config.eos_token_id = read.tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config.pad_token_id = read.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.save_pretrained(out, max_shard_size="4GB")
    read.save_pretrained(out)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SHAPES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--processor", help="a directory or a Hub id")
    arguments = parser.parse_args()
    print(make(arguments.size, arguments.out, arguments.processor))


if __name__ == "__main__":
    main()
