"""SemAP as a module of Hugging Face evaluate: `evaluate.load("semap")`, with the configurations `default` and `deepfake`."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import datasets
import evaluate

from .anomalies import Anomaly, Picture, Role, check_anomalies, check_label, fault
from .antonyms import ANTONYMS
from .calibrated import calibrated_tallies
from .calibration import CHANCE_RATES
from .chance import deal
from .comparing import Comparer
from .contradiction import contradiction
from .details import flat_details
from .embedding_cache import embedding_cache
from .encoder import DEFAULT_ENCODER, resolve_encoder
from .encoding import Encoded
from .errors import OptionError, RecordError, SemapError, SemapWarning
from .inputs import as_anomalies, as_pictures
from .localisation import iou
from .matching import greedy_match, optimal_match
from .measurement import Options, measure
from .ranking import average_precision
from .scores import VIEWS, flat, plain
from .scoring import THRESHOLDS, score_matrices
from .sentence import SentenceSimilarity
from .severity import intensity
from .signature import signature
from .similarity import BertScoreSimilarity
from .statistics import interval
from .verdicts import judge
from .wording import Word

# evaluate copies exactly the files that the lines above name, so every module of the metric is named there, needed here
# or not.
__all__ = [
    "ANTONYMS",
    "CHANCE_RATES",
    "DEFAULT_ENCODER",
    "BertScoreSimilarity",
    "Comparer",
    "Encoded",
    "SemAP",
    "SentenceSimilarity",
    "Word",
    "average_precision",
    "calibrated_tallies",
    "contradiction",
    "deal",
    "greedy_match",
    "intensity",
    "interval",
    "iou",
    "optimal_match",
    "score_matrices",
    "signature",
]

_DESCRIPTION = """
SemAP and SemF1 score explanations of what is wrong with a generated picture. Each predicted anomaly of a picture is
matched with at most one reference by the BERTScore F1 of their phenomena and reasonings; a matched pair whose
similarity reaches a threshold is a hit. SemAP is the mean precision and SemF1 the mean F1 over the thresholds, averaged
over pictures. The configuration `deepfake` counts a picture's predictions only if its real/fake verdict is right
(CSemAP, CSemF1).
"""

_CITATION = """
@inproceedings{tan2026semantic,
  title     = {Semantic Visual Anomaly Detection and Reasoning in {AI}-Generated Images},
  author    = {Tan, Chuangchuang and Ming, Xiang and Wang, Jinglu and Tao, Renshuai and Li, Bin and Wei, Yunchao and Zhao, Yao
               and Lu, Yan},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  url       = {https://arxiv.org/abs/2510.10231}
}
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (`list`): one entry per picture. Configuration `default`: the list of its anomalies, each
        `{"phenomenon", "reasoning"}` and, where known, `"name"`, `"severity"`, `"score"` (confidence, 0..1) and `"bbox"`
        ([x0, y0, x1, y1] in pixels). `severity` is
        a whole number from 0 (completely irrational) to 100 (completely realistic), or `None`. A missing picture is an
        empty list. Configuration `deepfake`: `{"label": "real" | "fake" | None, "anomalies": [...]}`. Arrays, Series and
        columns of datasets are lists too; a table has a row per picture and the column `anomalies`.
    references (`list`): the same, in the same order; the texts may not be missing. `None` is a picture with nothing wrong.
    thresholds (`list[float]`, defaults to `[0.7, 0.8, 0.9]`): they belong to an encoder; see `warnings` in the result.
    alpha (`float`, defaults to 0.5): weight of the phenomenon in the view Full; 1 is only the phenomenon, 0 only the
        reasoning.
    matching (`str`, defaults to `"greedy"`): or `"optimal"`.
    empty (`str`, defaults to `"zero"`): a picture without references scores 0, as in the official code; `"skip"` leaves
        it out.
    encoder (`str`, *optional*): a Hub id, `"minilm"` (offline) or a local directory; `model_type` means the same.
        Defaults to the variable `SEMAP_ENCODER`, else `distilbert-base-uncased`.
    num_layers (`int`, *optional*): the layer compared; needed for a local directory.
    rescale_with_baseline (`bool`, defaults to `False`): bert-score's baseline rescaling.
    device (`str`, *optional*) and dtype (`str`, defaults to `"float32"`): where and in which precision the encoder
        runs; `"bfloat16"` and `"float16"` move scores.
    cache (`bool`, defaults to `False`): keep the references' embeddings on disk for further models on the same truth.
    bootstrap (`int`, defaults to 1000): 0 for no 95 % intervals. (Files that are compared draw as many exchanges.)
    seed (`int`, defaults to 0): of the deal that gives chance.
    clusters (`list`, *optional*): the cluster of each picture: twins, tiles, pictures of one prompt are not independent of
        each other. Each picture is its own if left out.
    details (`bool`, defaults to `False`): adds `details`: the matched pairs and the unmatched of every picture, and the
        curves.

Returns:
    `dict` of flat keys, for each view Phe, Rea and Full: `SemAP_Full` and `SemF1_Full` (0..1) with `_low` and `_high`,
    `chance_SemAP_Full` (predictions dealt to other pictures) and `lift_SemAP_Full` over it, `SemAP_ranked_Full` (area
    under the precision-recall curve), pooled `TP_Full@0.7`, `FP_…`, `FN_…`, `Precision_…`, `Recall_…`, `F1_…`;
    `SemF1C_Full` and `SemAPC_Full` with `_low`, `_high` and `chance_…`: F1 and precision under the calibrated similarity, `None`
    where the encoder has no calibration;
    `pictures_needed` to tell two such systems apart at a difference of .02, `false_alarm_rate` over pictures without
    references, `severity_error` on matched pairs, `localisation` (the share of matched pairs with boxes on both sides whose
    boxes overlap with an IoU of at least .5), counts, `signature`, `bert_score_hash` and `warnings`. What is
    undefined is `None`; there is no interval from fewer than 8 pictures. With `deepfake` the scores are called
    `CSemAP_…` and `CSemF1_…`, over the fake pictures; there are also `accuracy`, `verdict_precision`, `verdict_recall` and
    `verdict_F1`.

Examples:

    >>> import evaluate
    >>> semap = evaluate.load("semap")
    >>> cup = {"name": "floating cup", "phenomenon": "A cup hovers.", "reasoning": "It should fall.", "severity": 10}
    >>> scores = semap.compute(predictions=[[cup]], references=[[cup]], encoder="minilm")
    >>> round(scores["SemAP_Full"], 3)
    1.0
"""

_ANOMALIES = datasets.List(
    {
        "name": datasets.Value("string"),
        "phenomenon": datasets.Value("string"),
        "reasoning": datasets.Value("string"),
        "severity": datasets.Value("int32"),
        "score": datasets.Value("float64"),
        "bbox": datasets.List(datasets.Value("float64")),
    }
)


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class SemAP(evaluate.Metric):  # type: ignore[misc]
    """The metric. Loading it is cheap: the encoder is loaded by the first `compute`, once per process."""

    def __init__(self, *args: Any, keep_in_memory: bool = False, num_process: int = 1, **kwargs: Any) -> None:
        # In memory, a compute() that fails leaves no locked cache file behind; processes can only share files.
        keep_in_memory = keep_in_memory or num_process == 1
        super().__init__(*args, keep_in_memory=keep_in_memory, num_process=num_process, **kwargs)

    @property
    def name(self) -> str:
        """evaluate would call the class `sem_ap`."""
        return "semap"

    def _info(self) -> evaluate.MetricInfo:
        if self.config_name not in ("default", "deepfake"):
            raise OptionError(f"configuration {self.config_name!r} is unknown; choose default or deepfake")
        picture: Any = _ANOMALIES
        if self.config_name == "deepfake":
            picture = {"label": datasets.Value("string"), "anomalies": _ANOMALIES}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": picture, "references": picture}),
            reference_urls=["https://arxiv.org/abs/2510.10231", "https://arxiv.org/abs/1904.09675"],
        )

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Add one picture: its prediction and its reference."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Add pictures: as many predictions as references."""
        batch = self.checked(predictions, references, len(self))
        if batch["predictions"]:
            super().add_batch(**batch, **kwargs)

    def checked(self, predictions: Any, references: Any, before: int = 0) -> dict[str, list[Any]]:
        """Both sides as plain records, or an error that names what is wrong; `before` pictures came before these."""
        labelled = self.config_name == "deepfake"
        predictions = as_pictures(predictions, "predictions", labelled)
        references = as_pictures(references, "references", labelled)
        if len(predictions) != len(references):
            raise RecordError(
                f"predictions: {len(predictions)} pictures, but references: {len(references)}; they go in pairs"
            )
        return {
            "predictions": [self._checked(p, f"predictions[{before + i}]", True) for i, p in enumerate(predictions)],
            "references": [self._checked(r, f"references[{before + i}]", False) for i, r in enumerate(references)],
        }

    def _checked(self, picture: Any, place: str, predicted: bool) -> Any:
        """A picture as the features want it, or an error: Arrow itself would cast or drop what is malformed."""
        role: Role = "prediction" if predicted else "reference"
        if self.config_name == "default":
            return self._records(picture, place, role)
        if not isinstance(picture, Mapping) or not {"label", "anomalies"} <= picture.keys():
            raise fault(place, None, picture, 'is not a picture; write {"label": "real" or "fake", "anomalies": [...]}')
        label = check_label(picture["label"], place, role)
        anomalies = self._records(picture["anomalies"], f"{place}.anomalies", role)
        if anomalies and label == "real" and not predicted:
            raise RecordError(f"{place}: label 'real' has {len(anomalies)} anomalies; a real picture has none")
        return {"label": label, "anomalies": anomalies}

    def _records(self, anomalies: Any, place: str, role: Role) -> list[dict[str, Any]]:
        """Checked anomalies as Arrow, which keeps what is added until it is computed, knows them."""
        if anomalies is None and role == "reference":
            anomalies = []  # the official truth has null where nothing is wrong
        return [asdict(anomaly) for anomaly in check_anomalies(as_anomalies(anomalies), place, role)]

    def _finalize(self) -> None:
        if self.keep_in_memory and self.buf_writer is None:
            raise SemapError("there are no pictures to score; pass predictions and references")
        super()._finalize()

    def _compute(
        self,
        *,
        predictions: list[Any],
        references: list[Any],
        thresholds: Any = THRESHOLDS,
        alpha: float = 0.5,
        matching: str = "greedy",
        empty: str = "zero",
        encoder: str | None = None,
        model_type: str | None = None,
        num_layers: int | None = None,
        rescale_with_baseline: bool = False,
        device: str | None = None,
        dtype: str = "float32",
        bootstrap: int = 1000,
        seed: int = 0,
        clusters: Any = None,
        details: bool = False,
        cache: bool = False,
    ) -> dict[str, Any]:
        if encoder is not None and model_type is not None and encoder != model_type:
            raise OptionError(
                f"encoder {encoder!r} and model_type {model_type!r} are two names of one option; give one"
            )
        options = Options(
            thresholds=thresholds, alpha=alpha, matching=matching, empty=empty, bootstrap=bootstrap, seed=seed
        )
        name = encoder if encoder is not None else model_type
        groups = None if clusters is None else [str(cluster) for cluster in as_pictures(clusters, "clusters", False)]
        with (
            embedding_cache(resolve_encoder(name, num_layers), lasting=True) if cache else nullcontext() as kept,
            datasets.utils.tqdm(
                total=len(references), desc="SemAP", unit="picture", disable=None, delay=3, leave=False
            ) as bar,
        ):
            similarity = BertScoreSimilarity(
                name,
                num_layers,
                device=device,
                dtype=dtype,
                rescale_with_baseline=rescale_with_baseline,
                cache=kept,
            )
            rest = similarity, options, bar.update, groups, VIEWS if details else ()
            if self.config_name == "deepfake":
                measurement = judge([_labelled(p) for p in predictions], [_labelled(r) for r in references], *rest)
            else:
                measurement = measure([_anomalies(p) for p in predictions], [_anomalies(r) for r in references], *rest)
        scores = measurement.scores
        for caution in scores.warnings:
            warnings.warn(caution, SemapWarning, stacklevel=2)
        if details:
            shown = flat_details(measurement.pictures, measurement.curves, scores.prefix)
            return flat(scores) | {"details": plain(shown)}
        return flat(scores)


def _anomalies(records: Sequence[Mapping[str, Any]]) -> list[Anomaly]:
    return [
        Anomaly(**{**record, "bbox": None if record["bbox"] is None else tuple(record["bbox"])}) for record in records
    ]


def _labelled(picture: Mapping[str, Any]) -> Picture:
    return Picture(_anomalies(picture["anomalies"]), picture["label"])
