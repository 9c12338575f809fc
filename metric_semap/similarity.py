"""BERTScore F1 between every prediction and every reference of a picture, without computing anything twice.

The definition is bert-score's (Zhang et al., 2020, https://arxiv.org/abs/1904.09675) without idf weights. For token
vectors of unit length, x of the prediction and y of the reference:

    P = mean over x of max over y of x·y        R = mean over y of max over x of x·y        F1 = 2PR / (P + R)

[CLS] and [SEP] weigh nothing in the means but may be the maximum; texts are stripped; a text without tokens scores 0.

The speed comes from the order of the work, not from other numbers: each different text is encoded once, together with
texts of its own length, and one matrix product a picture and field gives all its pairs. A block of pictures is encoded
at a time, so memory does not grow with the corpus.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from .anomalies import Anomaly, Quadruplet
from .encoder import EncoderFiles, content_hash, load_encoder, resolve_encoder
from .errors import EncoderError, OptionError

__all__ = ["BertScoreSimilarity", "Matrices", "pictures_per_block"]

Matrices = dict[str, np.ndarray]
"""The similarities of one picture: `phe` (phenomena) and `rea` (reasonings), each of the shape [predictions, references]."""

BLOCK_RECORDS = 2400  # records encoded together: 4,800 texts of about 40 tokens, 1.5 kB a token with MiniLM, are 300 MB
ROUNDING = 2e-6  # of the similarity of a text to itself, in single precision; 4e-7 were seen
BATCH_TOKENS = 2048  # tokens, padding included, in one forward pass; larger ones are slower on a CPU's caches
FIELDS: dict[str, Callable[[Quadruplet], str]] = {
    "phe": lambda anomaly: anomaly.phenomenon.strip(),
    "rea": lambda anomaly: anomaly.reasoning.strip(),
}


def pictures_per_block(predictions: Sequence[Sequence[object]], references: Sequence[Sequence[object]]) -> int:
    """How many pictures of these to encode together, so that memory stays the same whatever the lists' length; at least 2."""
    records = sum(map(len, predictions)) + sum(map(len, references))
    return max(2, BLOCK_RECORDS * len(references) // max(records, 1))


class BertScoreSimilarity:
    """BERTScore F1 with one encoder. Making one is cheap; the encoder is loaded when first used, once per process.

    Args:
        model_type (`str`, *optional*): a Hub id, `minilm` or a local directory; defaults to the variable
            `SEMAP_ENCODER`, else `distilbert-base-uncased`.
        num_layers (`int`, *optional*): the layer whose output is compared; defaults to bert-score's choice.
        device (`str`, *optional*): defaults to `cuda` where there is one, else `cpu`.
        dtype (`str`, defaults to `"float32"`): `bfloat16` is faster on some machines and moves scores by up to 0.001.
        rescale_with_baseline (`bool`, defaults to `False`): stretch F1 by bert-score's baseline for the encoder
            (English), so that unrelated texts lie near 0; a similarity may then be negative.

    Raises:
        `EncoderError`: if the encoder cannot be found, or has no baseline although one was asked for.
        `OptionError`: if `dtype` is neither `float32` nor `bfloat16`.
    """

    def __init__(
        self,
        model_type: str | None = None,
        num_layers: int | None = None,
        *,
        device: str | None = None,
        dtype: str = "float32",
        rescale_with_baseline: bool = False,
    ) -> None:
        if dtype not in ("float32", "bfloat16"):
            raise OptionError(f"dtype: {dtype!r} is unknown; choose float32 (exact) or bfloat16")
        self.files: EncoderFiles = resolve_encoder(model_type, num_layers)
        self.device, self.dtype = device, dtype
        self.baseline = _baseline(self.files) if rescale_with_baseline else None

    @property
    def name(self) -> str:
        """The encoder as the signature names it, e.g. `distilbert-base-uncased_L5`."""
        rescaled = "-rescaled" if self.baseline is not None else ""
        reduced = "-bf16" if self.dtype == "bfloat16" else ""
        return f"{self.files.name}_L{self.files.num_layers}{rescaled}{reduced}"

    @property
    def identity(self) -> dict[str, str]:
        """What the similarity depends on, as fields of the signature: similarity, calibration, encoder, libraries.

        The encoder is loaded for it.
        """
        content = content_hash(self.files, self._device(), self.dtype)
        libraries = [f"{name}-{_minor(name)}" for name in ("bert-score", "transformers")]
        return {"sim": "bertscore", "cal": "none", "enc": f"{self.name}@{content}", "lib": ",".join(libraries)}

    def _device(self) -> str:
        import torch

        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")

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
        if len(predictions) != len(references):
            raise OptionError(f"{len(predictions)} lists of predictions, but {len(references)} of references")
        said, true = _anomalies(predictions), _anomalies(references)
        own = [(i, i) for i in range(len(said))]
        size = pictures_per_block(said, true)
        blocks = [own[start : start + size] for start in range(0, len(own), size)]
        return [matrices for _, matrices in self.compare(said, true, blocks)]

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
            `tuple`: ((p, r), matrices), in the order asked for.
        """
        for block in blocks:
            texts = {
                text(anomaly)
                for p, r in block
                for anomalies in ((predictions[p], references[r]) if predictions[p] and references[r] else ())
                for anomaly in anomalies
                for text in FIELDS.values()
            }
            encoded = self._encode(sorted(texts - {""})) if texts else {}
            for p, r in block:
                yield (
                    (p, r),
                    {
                        key: self._f1([*map(text, predictions[p])], [*map(text, references[r])], encoded)
                        for key, text in FIELDS.items()
                    },
                )
            if progress is not None:
                progress(len(block))

    def _encode(self, texts: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For each text its tokens' vectors of unit length, shape [tokens, width], and which of them count in the means."""
        import torch

        device = self._device()
        model, tokenizer = load_encoder(self.files, device, self.dtype)
        limit = _length_limit(model.config, tokenizer)
        ids = [tokenizer.encode(text, add_special_tokens=True, truncation=True, max_length=limit) for text in texts]
        weightless = [i for i in (tokenizer.cls_token_id, tokenizer.sep_token_id) if i is not None]
        encoded: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        with torch.inference_mode():
            for batch in _batches([len(tokens) for tokens in ids]):
                longest = max(len(ids[i]) for i in batch)
                padded = np.full((len(batch), longest), tokenizer.pad_token_id or 0, dtype=np.int64)
                mask = np.zeros((len(batch), longest), dtype=np.int64)
                for row, i in enumerate(batch):
                    padded[row, : len(ids[i])] = ids[i]
                    mask[row, : len(ids[i])] = 1
                output = model(torch.from_numpy(padded).to(device), attention_mask=torch.from_numpy(mask).to(device))[0]
                vectors = torch.nn.functional.normalize(output.float(), dim=-1).cpu().numpy()
                for row, i in enumerate(batch):
                    tokens = len(ids[i])
                    # Copied, or each text would keep its whole padded batch alive.
                    encoded[texts[i]] = (vectors[row, :tokens].copy(), ~np.isin(padded[row, :tokens], weightless))
        return encoded

    def _f1(self, left: list[str], right: list[str], encoded: dict[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """F1 of every text of `left` against every one of `right`, shape [left, right]."""
        scores = np.zeros((len(left), len(right)), dtype=np.float64)
        rows = [p for p, text in enumerate(left) if text in encoded and encoded[text][1].any()]
        columns = [r for r, text in enumerate(right) if text in encoded and encoded[text][1].any()]
        if rows and columns:
            f1 = _pairwise_f1([encoded[left[p]] for p in rows], [encoded[right[r]] for r in columns])
            # A text is as similar as can be to itself; rounding must not put it below a threshold of 1.
            scores[np.ix_(rows, columns)] = np.where(f1 > 1 - ROUNDING, 1.0, f1)
        if self.baseline is not None:
            scores = (scores - self.baseline) / (1.0 - self.baseline)
        return scores


def _anomalies(pictures: Sequence[Sequence[Quadruplet | Mapping[str, Any]]]) -> list[list[Quadruplet]]:
    return [
        [
            Anomaly("", str(one["phenomenon"]), str(one["reasoning"])) if isinstance(one, Mapping) else one
            for one in anomalies
        ]
        for anomalies in pictures
    ]


def _pairwise_f1(left: list[tuple[np.ndarray, np.ndarray]], right: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """F1 of every text of `left` against every one of `right`, from one matrix product over all their tokens."""
    x, x_counts = np.concatenate([vectors for vectors, _ in left]), np.concatenate([counts for _, counts in left])
    y, y_counts = np.concatenate([vectors for vectors, _ in right]), np.concatenate([counts for _, counts in right])
    x_starts = np.cumsum([0] + [len(counts) for _, counts in left[:-1]])
    y_starts = np.cumsum([0] + [len(counts) for _, counts in right[:-1]])
    products = x @ y.T
    best_y = np.maximum.reduceat(products, y_starts, axis=1) * x_counts[:, None]  # [tokens of x, texts of right]
    best_x = np.maximum.reduceat(products, x_starts, axis=0) * y_counts[None, :]  # [texts of left, tokens of y]
    precision = (
        np.add.reduceat(best_y, x_starts, axis=0) / np.add.reduceat(x_counts, x_starts, dtype=np.float32)[:, None]
    )
    recall = np.add.reduceat(best_x, y_starts, axis=1) / np.add.reduceat(y_counts, y_starts, dtype=np.float32)[None, :]
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total != 0)


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Indices in batches of like length, longest first, each of at most `BATCH_TOKENS` tokens (or a single text)."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _length_limit(config: Any, tokenizer: Any) -> int:
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
