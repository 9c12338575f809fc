"""Calibrate an encoder for SemAPC and SemF1C: prints the entry for `metric_semap/calibration.py`.

    python benchmarks/calibrate.py [--encoder minilm] [--num-layers N]

Only the tuning half of `benchmarks/annotations` is read. Right answers in three forms (the truth, a paraphrase, a brief
form) are dealt to all other pictures; the thresholds are the similarities that fixed shares of them reach there. The encoder's
weights have to be in one file on this machine, and no norm may follow its last layer (as in BERT, DistilBERT, RoBERTa, MPNet
and ELECTRA), so that its hidden states are those of an encoder cut there.
"""

import argparse
import os
import random
import sys
from itertools import permutations
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.corpus import pictures
from metric_semap.anomalies import Anomaly
from metric_semap.antonyms import ANTONYMS
from metric_semap.calibration import CHANCE_RATES, Calibration
from metric_semap.comparing import Comparer
from metric_semap.encoder import EncoderFiles, fingerprint, load_encoder, resolve_encoder
from metric_semap.encoding import encode
from metric_semap.scores import VIEWS
from metric_semap.sentence import SentenceMeasure, calibrated_views

STACKED = ("bert", "distilbert", "roberta", "mpnet", "electra", "xlm-roberta", "camembert")
UNRELATED_SHARE = 0.05
WORD_PAIRS = 4000


def calibrated(encoder: str, num_layers: int | None) -> tuple[str, Calibration]:
    """The SHA-256 of the encoder's weights and its calibration."""
    files = resolve_encoder(encoder, num_layers)._replace(whole=True)
    found = fingerprint(files)
    if found is None:
        raise SystemExit(f"--encoder {encoder}: its weights are not on this machine; fetch it first")
    kind = load_encoder(files, "cpu", "float32")[0].config.model_type
    if kind not in STACKED:
        raise SystemExit(f"--encoder {encoder}: is a {kind}; only {', '.join(STACKED)} can be calibrated")
    comparer, shown = Comparer(files, "cpu", "float32"), pictures("tuning")
    truth = [[Anomaly("", *w.true) for w in picture.anomalies] for picture in shown]
    baseline = _baseline(files, truth)
    unrelated = _unrelated(SentenceMeasure(comparer, Calibration(files.name, baseline, 0.0, {})))
    measure = SentenceMeasure(comparer, Calibration(files.name, baseline, unrelated, {}))
    said = [
        [
            Anomaly("", *texts)
            for w in picture.anomalies
            for texts in (w.true, w.versions["paraphrase"], w.versions["brief"])
        ]
        for picture in shown
    ]
    best: dict[str, list[float]] = {view: [] for view in VIEWS}
    dealt = list(permutations(range(len(shown)), 2))
    for _, matrices in comparer.compare(said, truth, [dealt], {"": measure}):
        for view, matrix in calibrated_views(matrices["phe"], matrices["rea"]).items():
            best[view] += matrix.max(axis=1).tolist()
    thresholds = {
        view: tuple(round(float(np.quantile(reached, 1 - rate)), 3) for rate in CHANCE_RATES)
        for view, reached in best.items()
    }
    return found.weights, Calibration(files.name, round(baseline, 3), round(unrelated, 3), thresholds)


def _baseline(files: EncoderFiles, truth: list[list[Anomaly]]) -> float:
    """The mean cosine of texts of the same field of different pictures."""
    means = []
    for field in ("phenomenon", "reasoning"):
        texts = [[getattr(one, field) for one in anomalies] for anomalies in truth]
        encoded = encode(files, "cpu", "float32", sorted({text for some in texts for text in some}))
        vectors = np.stack([encoded[text].sentence for some in texts for text in some])
        picture = np.repeat(np.arange(len(texts)), [len(some) for some in texts])
        means.append((vectors @ vectors.T)[picture[:, None] != picture[None, :]].mean())
    return float(np.mean(means))


def _unrelated(measure: SentenceMeasure) -> float:
    words, rng = sorted(ANTONYMS), random.Random(0)
    drawn = [rng.sample(words, 2) for _ in range(WORD_PAIRS)]
    return float(np.quantile([measure.related(*pair) for pair in drawn], 1 - UNRELATED_SHARE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--num-layers", type=int)
    arguments = parser.parse_args()
    weights, calibration = calibrated(arguments.encoder, arguments.num_layers)
    print(f'    "{weights}": {calibration!r},')


if __name__ == "__main__":
    main()
