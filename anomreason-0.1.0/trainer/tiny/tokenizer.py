"""The tiny model's tokenizer: a byte-level BPE of the scenes' own texts, with Qwen's special tokens."""

import json

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

from dataset_builder.prompts import PROMPTS
from dataset_builder.scenes import FAMILIES
from dataset_builder.scenes.world import KINDS
from dataset_builder.schema import Anomaly
from dataset_builder.textform import write_answer
from trainer.tiny.questions import QUESTION_TEXTS

__all__ = ["SPECIAL_TOKENS", "build_tokenizer"]

SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]

# Qwen2's own pre-tokenization, so that the file loads as an ordinary Qwen2Tokenizer.
_SPLIT = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _texts() -> list[str]:
    """Every sentence the scenes can say, in the form the model writes, and every prompt it can be given."""
    objects = [f"{colour} {kind}" for kind, told in KINDS.items() for colour in told.colours]
    texts = [
        *PROMPTS.values(),
        "system\nYou are a helpful assistant.",
        "user\n",
        "assistant\n",
        "Yes",
        "No",
        "[]",
        *QUESTION_TEXTS,
    ]
    texts += [f"{thing}." for thing in objects]
    for family in FAMILIES.values():
        told = zip(family.phenomena, family.reasonings, strict=True)
        for number, (phenomenon, reasoning) in enumerate(told):
            anomalies = [
                Anomaly(
                    name=name,
                    phenomenon=phenomenon.format(object=objects[number % len(objects)]),
                    reasoning=reasoning,
                    severity=25,
                    bbox=(10, 20, 130, 140),
                )
                for name in family.names
            ]
            texts.append(write_answer(anomalies, boxes=True))
    return texts


def build_tokenizer(vocabulary: int = 2048) -> Qwen2Tokenizer:
    """Train the tokenizer and return it as `Qwen2Tokenizer`, special tokens first in the vocabulary.

    Args:
        vocabulary (`int`, defaults to 2048): the largest size; words of the scenes become single tokens well below it.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(_SPLIT, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        _texts(),
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=SPECIAL_TOKENS,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    state = json.loads(bpe.to_str())["model"]
    merges = [tuple(merge) for merge in state["merges"]]
    return Qwen2Tokenizer(
        vocab=state["vocab"],
        merges=merges,
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL_TOKENS[1:],
        model_max_length=4096,
    )
