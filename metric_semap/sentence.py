"""The calibrated similarity of two texts: is this the same anomaly, for the same reason?

BERTScore compares tokens, and finds a denied copy of the truth more alike than a right answer in other words. Here the
sentences' vectors are compared, and what they cannot see is looked at word by word. For a predicted text x and a true text y:

    base(x, y) = (1 − W) · (cos − c) / (1 − c) + W · 2·|words in common| / (|words of x| + |words of y|)
    similarity = base · min(1, (|words of x| + 1) / (|words of y| + 1))^B · (1 − K · contradiction), clipped to 0..1

cos is the cosine of the sentences' vectors and c the encoder's baseline; words are the stems of content words. The second
factor is a brevity penalty, as BLEU's: who says less than is true has said less. `contradiction`, 0..1, is what
`contradiction.py` finds (a denial, another number, an opposite, another object), in proportion to how far x repeats y: in a
text of other words such a finding says little. W, B and K were chosen on the tuning half of `benchmarks/annotations`.

In the view Full both texts have to be right: it is the lower of the two similarities.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .anomalies import Quadruplet
from .calibration import Calibration, needed_calibration
from .comparing import Comparer, Matrices, own_blocks, quadruplets
from .contradiction import contradiction
from .embedding_cache import EmbeddingCache
from .encoder import load_encoder, resolve_encoder
from .encoding import DTYPES, Encoded
from .wording import read

__all__ = ["SentenceMeasure", "SentenceSimilarity", "calibrated_views"]

W, B, K = 0.2, 0.4, 0.8
DOUBTED = 0.25  # the base from which on contradictions are looked for: what is less alike does not reach a threshold


class SentenceSimilarity:
    """The calibrated similarity with one encoder. Making one is cheap; the encoder is loaded when first used.

    Args:
        model_type, num_layers, device, dtype: as in [`BertScoreSimilarity`].

    Raises:
        `EncoderError`: if the encoder cannot be found or has no calibration.
        `OptionError`: if `dtype` is unknown.
    """

    def __init__(
        self,
        model_type: str | None = None,
        num_layers: int | None = None,
        *,
        device: str | None = None,
        dtype: str = "float32",
        cache: EmbeddingCache | None = None,
    ) -> None:
        files = resolve_encoder(model_type, num_layers)
        self.calibration = needed_calibration(files)
        self.comparer = Comparer(files._replace(whole=True), device, dtype, cache)
        self._measure = SentenceMeasure(self.comparer, self.calibration)

    @property
    def name(self) -> str:
        """The similarity as a signature names it."""
        return f"{self.comparer.files.name}_sentence{DTYPES[self.comparer.dtype]}"

    def matrices(
        self,
        predictions: Sequence[Sequence[Quadruplet | Mapping[str, Any]]],
        references: Sequence[Sequence[Quadruplet | Mapping[str, Any]]],
    ) -> list[Matrices]:
        """The similarities of every picture's predictions to its own references, as [`BertScoreSimilarity.matrices`] gives them."""
        said, true = quadruplets(predictions), quadruplets(references)
        return [matrices for _, matrices in self.compare(said, true, own_blocks(said, true))]

    def compare(
        self,
        predictions: Sequence[Sequence[Quadruplet]],
        references: Sequence[Sequence[Quadruplet]],
        blocks: Sequence[Sequence[tuple[int, int]]],
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[tuple[int, int], Matrices]]:
        """The similarities of any pairs of pictures, see [`Comparer.compare`]."""
        yield from self.comparer.compare(predictions, references, blocks, {"": self._measure}, progress)


class SentenceMeasure:
    """The measure itself, for encoded texts."""

    def __init__(self, comparer: Comparer, calibration: Calibration) -> None:
        self.comparer, self.calibration = comparer, calibration
        self.related = lru_cache(maxsize=100_000)(self._related)
        self._vector = lru_cache(maxsize=50_000)(self._vector_of)
        self._mean: Any = None

    def __call__(self, left: list[str], right: list[str], encoded: Mapping[str, Encoded]) -> np.ndarray:
        """The similarity of every text of `left` to every one of `right`, shape [left, right], 0..1; 0 to an empty text."""
        similarity = np.zeros((len(left), len(right)))
        rows = [p for p, text in enumerate(left) if text in encoded and encoded[text].counts.any()]
        columns = [r for r, text in enumerate(right) if text in encoded and encoded[text].counts.any()]
        if not rows or not columns:
            return similarity
        x = np.stack([encoded[left[p]].sentence for p in rows])
        y = np.stack([encoded[right[r]].sentence for r in columns])
        baseline = self.calibration.baseline
        cosines = ((x @ y.T).astype(np.float64) - baseline) / (1 - baseline)
        for j, r in enumerate(columns):
            doubt = contradiction(right[r], lambda a, b: self.related(*sorted((a, b))), self.calibration.unrelated)
            for i, p in enumerate(rows):
                similarity[p, r] = self._similarity(left[p], right[r], float(cosines[i, j]), doubt)
        return similarity

    def _similarity(self, said: str, true: str, cosine: float, doubt: Callable[[str], float]) -> float:
        if said == true:
            return 1.0
        x, y = _content(said), _content(true)
        total = len(x) + len(y)
        base = (1 - W) * cosine + W * (2 * len(x & y) / total if total else 0.0)
        if base <= 0:
            return 0.0
        base *= math.pow(min(1.0, (len(x) + 1) / (len(y) + 1)), B)
        if base >= DOUBTED:
            base *= 1 - K * doubt(said)
        return min(1.0, base)

    def _related(self, first: str, second: str) -> float:
        """The cosine of two words without a context."""
        return float(self._vector(first) @ self._vector(second))

    def _vector_of(self, word: str) -> np.ndarray:
        """The unit vector of a word: the mean of its tokens' input embeddings, less that of the whole vocabulary."""
        import torch

        model, tokenizer = load_encoder(self.comparer.files, self.comparer.device, self.comparer.dtype)
        with torch.inference_mode():
            weights = model.get_input_embeddings().weight
            if self._mean is None:
                self._mean = weights.float().mean(dim=0)
            ids = torch.tensor(tokenizer.encode(word, add_special_tokens=False), device=weights.device)
            vector = weights[ids].float().mean(dim=0) - self._mean if len(ids) else torch.zeros_like(self._mean)
            return np.asarray(torch.nn.functional.normalize(vector, dim=0).cpu().numpy())


@lru_cache(maxsize=20_000)
def _content(text: str) -> frozenset[str]:
    return frozenset(word.stem for word in read(text) if word.content)


def calibrated_views(phe: np.ndarray, rea: np.ndarray) -> dict[str, np.ndarray]:
    """The three views of one picture: Phe, Rea, and Full, the lower of the two."""
    return {"Phe": phe, "Rea": rea, "Full": np.minimum(phe, rea)}
