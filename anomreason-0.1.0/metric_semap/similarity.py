"""BERTScore F1 between every prediction and every reference of a picture, without computing anything twice.

The definition is bert-score's (Zhang et al., 2020, https://arxiv.org/abs/1904.09675) without idf weights. For token
vectors of unit length, x of the prediction and y of the reference:

    P = mean over x of max over y of x·y        R = mean over y of max over x of x·y        F1 = 2PR / (P + R)

[CLS] and [SEP] weigh nothing in the means but may be the maximum; texts are stripped; a text without tokens scores 0.

The speed comes from the order of the work, not from other numbers: each different text is encoded once, together with
texts of its own length, and one matrix product per picture and field gives all its pairs.

Where the encoder has a calibration, the same forward pass, run to the last layer, also gives the calibrated similarity
(`sentence.py`): under the keys `phe_c` and `rea_c` in what `compare` yields.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from .anomalies import Quadruplet
from .calibration import Calibration, calibration_of
from .comparing import Comparer, Matrices, Measure, own_blocks, pictures_per_block, quadruplets
from .embedding_cache import EmbeddingCache
from .encoder import EncoderFiles, fingerprint, load_encoder, resolve_encoder
from .encoding import DTYPES, Encoded, check_dtype
from .errors import EncoderError
from .sentence import SentenceMeasure

__all__ = ["BertScoreSimilarity", "Matrices", "pictures_per_block"]


ROUNDING = 2e-6  # of the similarity of a text to itself, in single precision; 4e-7 were seen


class BertScoreSimilarity:
    """BERTScore F1 with one encoder. Making one is cheap; the encoder is loaded when first used, once per process.

    Args:
        model_type (`str`, *optional*): a Hub id, `minilm` or a local directory; defaults to the variable
            `SEMAP_ENCODER`, else `distilbert-base-uncased`.
        num_layers (`int`, *optional*): the layer whose output is compared; defaults to bert-score's choice.
        device (`str`, *optional*): defaults to `cuda` where there is one, else `cpu`.
        dtype (`str`, defaults to `"float32"`): `bfloat16` and `float16` are meant for GPUs and move similarities by up to 0.001
            and 0.0002.
        rescale_with_baseline (`bool`, defaults to `False`): stretch F1 by bert-score's baseline for the encoder
            (English), so that unrelated texts lie near 0; a similarity may then be negative.
        cache (`EmbeddingCache`, *optional*): where the references' vectors are kept for further models.

    Raises:
        `EncoderError`: if the encoder cannot be found, or has no baseline although one was asked for.
        `OptionError`: if `dtype` is not `float32`, `bfloat16` or `float16`.
    """

    def __init__(
        self,
        model_type: str | None = None,
        num_layers: int | None = None,
        *,
        device: str | None = None,
        dtype: str = "float32",
        rescale_with_baseline: bool = False,
        cache: EmbeddingCache | None = None,
    ) -> None:
        check_dtype(dtype)
        files = resolve_encoder(model_type, num_layers)
        self.calibration: Calibration | None = calibration_of(files)
        self.files: EncoderFiles = files._replace(whole=self.calibration is not None)
        self.dtype = dtype
        self.comparer = Comparer(self.files, device, dtype, cache)
        self.measures: dict[str, Measure] = {"": self._f1}
        if self.calibration is not None:
            self.measures["_c"] = SentenceMeasure(self.comparer, self.calibration)
        self.baseline = _baseline(self.files) if rescale_with_baseline else None

    @property
    def name(self) -> str:
        """The encoder as the signature names it, e.g. `distilbert-base-uncased_L5`."""
        rescaled = "-rescaled" if self.baseline is not None else ""
        return f"{self.files.name}_L{self.files.num_layers}{rescaled}{DTYPES[self.dtype]}"

    @property
    def identity(self) -> dict[str, str]:
        """What the similarity depends on, as fields of the signature: similarity, calibration, encoder, libraries.

        The encoder is loaded for it.
        """
        load_encoder(self.files, self.comparer.device, self.dtype)  # after which its files are on this machine
        found = fingerprint(self.files)
        if found is None:
            raise EncoderError(
                f"encoder {self.files.name!r} has no weights to know it by; save it as model.safetensors"
            )
        calibration = self.calibration.name if self.calibration is not None else "none"
        libraries = [f"{name}-{_minor(name)}" for name in ("bert-score", "transformers")]
        return {
            "sim": "bertscore",
            "cal": calibration,
            "enc": f"{self.name}@{found.content[:12]}",
            "lib": ",".join(libraries),
        }

    @property
    def hash_code(self) -> str:
        """bert-score's own hash code of this setting."""
        from bert_score.utils import get_hash

        name, layers = self.files.name, self.files.num_layers
        return str(get_hash(name, layers, False, self.baseline is not None, False, False))

    def matrices(
        self,
        predictions: Sequence[Sequence[Quadruplet | Mapping[str, Any]]],
        references: Sequence[Sequence[Quadruplet | Mapping[str, Any]]],
    ) -> list[Matrices]:
        """The similarities of every picture's predictions to its own references.

        Args:
            predictions (`list[list]`): the anomalies of each picture: objects or records with `phenomenon` and
                `reasoning`, both strings.
            references (`list[list]`): as many lists.

        Returns:
            `list[dict[str, np.ndarray]]`: for each picture `{"phe", "rea"}`, each array [predictions, references] in
                0..1 (up to rounding; -1..1 in principle).
        """
        said, true = quadruplets(predictions), quadruplets(references)
        pairs = self.comparer.compare(said, true, own_blocks(said, true), {"": self._f1})
        return [matrices for _, matrices in pairs]

    def compare(
        self,
        predictions: Sequence[Sequence[Quadruplet]],
        references: Sequence[Sequence[Quadruplet]],
        blocks: Sequence[Sequence[tuple[int, int]]],
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[tuple[int, int], Matrices]]:
        """The similarities of picture p's predictions to picture r's references, for each (p, r) asked for.

        Args:
            blocks (`list[list[tuple[int, int]]]`): the pairs of pictures, in blocks; the texts of one block are encoded
                together, each different text once, and forgotten after it.
            progress (`Callable`, *optional*): called after each block with its number of pairs.

        Yields:
            `tuple`: ((p, r), matrices), in the order asked for; `phe_c` and `rea_c` are the calibrated similarities.
        """
        yield from self.comparer.compare(predictions, references, blocks, self.measures, progress)

    def _f1(self, left: list[str], right: list[str], encoded: Mapping[str, Encoded]) -> np.ndarray:
        """F1 of every text of `left` against every one of `right`, shape [left, right]."""
        scores = np.zeros((len(left), len(right)), dtype=np.float64)
        rows = [p for p, text in enumerate(left) if text in encoded and encoded[text].counts.any()]
        columns = [r for r, text in enumerate(right) if text in encoded and encoded[text].counts.any()]
        if rows and columns:
            f1 = _pairwise_f1([encoded[left[p]] for p in rows], [encoded[right[r]] for r in columns])
            # A text is as similar as can be to itself; rounding must not put it below a threshold of 1.
            scores[np.ix_(rows, columns)] = np.where(f1 > 1 - ROUNDING, 1.0, f1)
        if self.baseline is not None:
            scores = (scores - self.baseline) / (1.0 - self.baseline)
        return scores


def _pairwise_f1(left: list[Encoded], right: list[Encoded]) -> np.ndarray:
    """F1 of every text of `left` against every one of `right`, from one matrix product over all their tokens."""
    x, x_counts = np.concatenate([one.vectors for one in left]), np.concatenate([one.counts for one in left])
    y, y_counts = np.concatenate([one.vectors for one in right]), np.concatenate([one.counts for one in right])
    x_starts = np.cumsum([0] + [len(one.counts) for one in left[:-1]])
    y_starts = np.cumsum([0] + [len(one.counts) for one in right[:-1]])
    products = x @ y.T
    best_y = np.maximum.reduceat(products, y_starts, axis=1) * x_counts[:, None]  # [tokens of x, texts of right]
    best_x = np.maximum.reduceat(products, x_starts, axis=0) * y_counts[None, :]  # [texts of left, tokens of y]
    precision = (
        np.add.reduceat(best_y, x_starts, axis=0) / np.add.reduceat(x_counts, x_starts, dtype=np.float32)[:, None]
    )
    recall = np.add.reduceat(best_x, y_starts, axis=1) / np.add.reduceat(y_counts, y_starts, dtype=np.float32)[None, :]
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total != 0)


def _minor(package: str) -> str:
    """A library's version without its last part, which repairs and does not change numbers."""
    return ".".join(version(package).split(".")[:2])


def _baseline(files: EncoderFiles) -> float:
    """bert-score's baseline F1 of unrelated English texts, for this encoder and layer."""
    from pathlib import Path

    import bert_score

    path = Path(bert_score.__file__).parent / "rescale_baseline" / "en" / f"{files.source}.tsv"
    if not path.is_file():
        raise EncoderError(f"rescale_with_baseline: bert-score has no baseline for {files.name}; leave it off")
    _, _, _, f1 = path.read_text().splitlines()[files.num_layers + 1].split(",")  # LAYER,P,R,F
    return float(f1)
