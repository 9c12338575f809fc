"""Texts through an encoder: each different text once, together with texts of its own length.

One forward pass gives both forms of a text: its tokens' vectors, for BERTScore, and, from the last layer, its sentence's
vector (the mean over all tokens, special ones included, as Reimers & Gurevych, 2019, https://arxiv.org/abs/1908.10084,
pool).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .encoder import EncoderFiles, load_encoder
from .errors import OptionError

__all__ = ["DTYPES", "Encoded", "batches", "check_dtype", "device_of", "encode", "length_limit"]

BATCH_TOKENS = 2048  # tokens, padding included, in one forward pass; larger ones are slower on a CPU's caches
DTYPES = {"float32": "", "bfloat16": "-bf16", "float16": "-fp16"}
"""The precisions an encoder may run in, and what the encoder's name in a signature says of each."""


class Encoded(NamedTuple):
    """One text: its tokens' vectors of unit length, shape [tokens, width]; which tokens count in the means, shape [tokens]; and
    its sentence's vector of unit length, shape [width], or of length 0 where the encoder is cut before its last layer."""

    vectors: np.ndarray
    counts: np.ndarray
    sentence: np.ndarray


def check_dtype(dtype: str) -> None:
    """Raise an `OptionError` unless `dtype` is one of `DTYPES`."""
    if dtype not in DTYPES:
        raise OptionError(f"dtype: {dtype!r} is unknown; choose float32 (exact), bfloat16 or float16")


def device_of(device: str | None) -> str:
    """The device asked for, else `cuda` where there is one, else `cpu`."""
    import torch

    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def encode(files: EncoderFiles, device: str, dtype: str, texts: Sequence[str]) -> dict[str, Encoded]:
    """Encode different texts that are not empty.

    Vectors are float32 whatever `dtype` the encoder runs in.
    """
    if not texts:
        return {}
    import torch

    model, tokenizer = load_encoder(files, device, dtype)
    limit = length_limit(model.config, tokenizer)
    ids = [tokenizer.encode(text, add_special_tokens=True, truncation=True, max_length=limit) for text in texts]
    weightless = [i for i in (tokenizer.cls_token_id, tokenizer.sep_token_id) if i is not None]
    encoded: dict[str, Encoded] = {}
    with torch.inference_mode():
        for batch in batches([len(tokens) for tokens in ids]):
            longest = max(len(ids[i]) for i in batch)
            padded = np.full((len(batch), longest), tokenizer.pad_token_id or 0, dtype=np.int64)
            mask = np.zeros((len(batch), longest), dtype=np.int64)
            for row, i in enumerate(batch):
                padded[row, : len(ids[i])] = ids[i]
                mask[row, : len(ids[i])] = 1
            kept = torch.from_numpy(mask).to(device)
            tokens, last = _layers(model, torch.from_numpy(padded).to(device), kept, files)
            vectors = torch.nn.functional.normalize(tokens.float(), dim=-1).cpu().numpy()
            sentences = _pooled(last, kept)
            for row, i in enumerate(batch):
                length = len(ids[i])
                # Copied, or each text would keep its whole padded batch alive.
                counts = ~np.isin(padded[row, :length], weightless)
                encoded[texts[i]] = Encoded(vectors[row, :length].copy(), counts, sentences[row].copy())
    return encoded


def _layers(model: Any, padded: Any, mask: Any, files: EncoderFiles) -> tuple[Any, Any]:
    """The outputs of the encoder's layer and of its last layer, which is `None` if the encoder is cut."""
    if not files.whole:
        return model(padded, attention_mask=mask)[0], None
    hidden = model(padded, attention_mask=mask, output_hidden_states=True).hidden_states
    return hidden[files.num_layers], hidden[-1]


def _pooled(last: Any, mask: Any) -> np.ndarray:
    """The unit vectors of sentences, shape [texts, width]; of width 0 without a last layer."""
    import torch

    if last is None:
        return np.empty((len(mask), 0), dtype=np.float32)
    kept = mask.unsqueeze(-1).float()
    means = (last.float() * kept).sum(dim=1) / kept.sum(dim=1)
    return np.asarray(torch.nn.functional.normalize(means, dim=-1).cpu().numpy())


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices in batches of like length, longest first, each of at most `BATCH_TOKENS` tokens (or a single text)."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def length_limit(config: Any, tokenizer: Any) -> int:
    """The tokens a text is cut to: the tokenizer's limit, and never more than the encoder has positions for."""
    limits = [tokenizer.model_max_length]
    positions = getattr(config, "max_position_embeddings", None)
    if positions:
        # RoBERTa's family counts positions from the padding id on.
        offset = (
            config.pad_token_id + 1 if config.model_type in {"roberta", "xlm-roberta", "camembert", "longformer"} else 0
        )
        limits.append(positions - offset)
    limit = int(min(limits))
    return (
        limit if limit < 1_000_000 else 512
    )  # neither knows: transformers' "no limit" overflows the tokenizers library
