"""The offline encoder as an encoder of sentences, for kinds that no rule knows: all-MiniLM-L6-v2, mean over tokens, unit
length."""

from collections.abc import Sequence

import numpy as np

from metric_semap.encoder import load_encoder, resolve_encoder
from trainer.evaluation.kinds import Encode

__all__ = ["sentence_encoder"]

LAYERS = 6  # all of them: the metric compares tokens of the fifth
BATCH = 64


def sentence_encoder() -> Encode:
    """The encoder; it is loaded when the first texts come.

    Raises:
        SemapError: if it is not installed; it comes with the extra `demo`.
    """
    files = resolve_encoder("minilm")._replace(num_layers=LAYERS)

    def encode(texts: Sequence[str]) -> np.ndarray:
        import torch

        model, tokenizer = load_encoder(files, "cpu", "float32")
        vectors = []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(
                list(texts[start : start + BATCH]), padding=True, truncation=True, max_length=256, return_tensors="pt"
            )
            with torch.inference_mode():
                hidden = model(**batch).last_hidden_state
            weights = batch["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
            vectors.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
        return np.concatenate(vectors)

    return encode
