"""How fast SemAP is, against two ways of scoring with bert-score, what a second model on the same truth costs, and memory.

    python benchmarks/semap_speed.py                     # 40 and 200 pictures of 6 × 6 anomalies: ratio, shares, equality
    python benchmarks/semap_speed.py --pictures 10774    # ours alone: CPU time, memory, with progress

The official evaluator calls `BERTScorer.score` once for each prediction, field and alpha. Its cost is the same for
every picture, so it is timed on the first pictures only (`--official`) and compared with ours per picture. The fair
baseline is one `BERTScorer.score` call per field over all pairs of all pictures, from which the same matrices can be
made. A second model on the same truth is other predictions with the truth's embeddings on disk, on texts that say
something, in the same run. All figures are CPU time of one run of this file, on one thread. What is compared is run in
turn, several times, and the least of each counts: on a shared machine a single measurement of the same work differs by
a tenth, more than the shares that are looked for.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.corpus import pictures
from metric_semap.anomalies import Anomaly
from metric_semap.embedding_cache import EmbeddingCache
from metric_semap.encoder import fingerprint, load_encoder, resolve_encoder
from metric_semap.encoding import batches as in_batches
from metric_semap.encoding import length_limit
from metric_semap.matching import greedy_match
from metric_semap.measurement import Options, measure, views
from metric_semap.similarity import BertScoreSimilarity

ALPHAS = (0.0, 0.5, 1.0)
VOCABULARY = """
the a left right hand arm chair window shadow light floor wall mirror clock glass water door street tree car person
child dog cat table lamp bridge river sign letter finger sleeve collar shoe wheel handle stair roof cloud sun moon
bread knife plate cup book page appears seems floats hangs bends melts merges doubles vanishes leans rests casts
reflects holds touches crosses without against above below behind beside inside unnatural smooth blurred rigid
oversized tiny missing inconsistent impossible physical natural real world gravity perspective anatomy material
surface texture edge contact scale depth which while because although therefore normally would should never
"""
WORDS = VOCABULARY.split()


def generated_set(pictures: int, entries: int, seed: int) -> list[list[Anomaly]]:
    """Pictures with anomalies whose texts are as long as the published example's (about 190 characters), none twice."""
    rng = random.Random(seed)

    def text() -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(20, 38))) + "."

    return [
        [Anomaly("n", phenomenon=text(), reasoning=text(), severity=rng.randint(0, 100)) for _ in range(entries)]
        for _ in range(pictures)
    ]


def as_the_official_evaluator(
    predictions: list[Any], references: list[Any], source: str, layers: int
) -> tuple[float, list[Any]]:
    """CPU seconds of one `score` call per prediction, field and alpha, and the matched similarities of each alpha."""
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=source, num_layers=layers, device="cpu")
    scorer.score(["warm"], ["up"])
    begin, matched = time.process_time(), []
    for alpha in ALPHAS:
        for said, true in zip(predictions, references, strict=True):
            rows = []
            for prediction in said:
                phe = scorer.score([prediction.phenomenon] * len(true), [r.phenomenon for r in true])[2]
                rea = scorer.score([prediction.reasoning] * len(true), [r.reasoning for r in true])[2]
                rows.append((alpha * phe + (1 - alpha) * rea).tolist())
            matched.append([score for _, _, score in greedy_match(np.array(rows))])
    return time.process_time() - begin, matched


def one_call_per_field(predictions: list[Any], references: list[Any], source: str, layers: int) -> float:
    """CPU seconds of one `score` call for all phenomena and one for all reasonings."""
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=source, num_layers=layers, device="cpu")
    scorer.score(["warm"], ["up"])
    pairs = [(p, r) for said, true in zip(predictions, references, strict=True) for p in said for r in true]
    begin = time.process_time()
    scorer.score([p.phenomenon for p, _ in pairs], [r.phenomenon for _, r in pairs])
    scorer.score([p.reasoning for p, _ in pairs], [r.reasoning for _, r in pairs])
    return time.process_time() - begin


def two_models(encoder: str) -> tuple[float, float]:
    """CPU seconds of a first model, whose truth goes onto the disk, and of a second one on the same truth.

    The texts are the tuning half of `benchmarks/annotations`, because how many pairs are looked at word by word depends on
    what they say: the paraphrases, and the same with the words in another order.
    """
    shown, seconds = pictures("tuning"), []
    truth = [[Anomaly("", *one.true) for one in picture.anomalies] for picture in shown]
    said = [[Anomaly("", *one.versions["paraphrase"]) for one in picture.anomalies] for picture in shown]
    turned = [[Anomaly("", _turned(one.phenomenon), _turned(one.reasoning)) for one in some] for some in said]
    with tempfile.TemporaryDirectory() as directory:
        for answers in (said, turned):
            found = fingerprint(resolve_encoder(encoder))
            assert found is not None
            cache = EmbeddingCache(Path(directory), found.content)
            similarity = BertScoreSimilarity(encoder, device="cpu", cache=cache)
            seconds.append(timed(partial(measure, answers, truth, similarity, Options())))
    return seconds[0], seconds[1]


def _turned(text: str) -> str:
    return " ".join(reversed(text.split()))


def bare_forward(similarity: BertScoreSimilarity, predictions: list[Any], references: list[Any]) -> float:
    """CPU seconds of nothing but the encoder, over the same different texts in the same batches."""
    import torch

    model, tokenizer = load_encoder(similarity.files, "cpu", similarity.dtype)
    texts = {
        text
        for side in (predictions, references)
        for anomalies in side
        for one in anomalies
        for text in (one.phenomenon, one.reasoning)
    }
    limit = length_limit(model.config, tokenizer)
    ids = [tokenizer.encode(text, truncation=True, max_length=limit) for text in sorted(texts)]
    batches = []
    for batch in in_batches([len(tokens) for tokens in ids]):
        longest = max(len(ids[i]) for i in batch)
        padded = torch.tensor([ids[i] + [0] * (longest - len(ids[i])) for i in batch])
        batches.append((padded, (torch.arange(longest) < torch.tensor([len(ids[i]) for i in batch])[:, None]).long()))
    begin = time.process_time()
    with torch.inference_mode():
        for padded, mask in batches:
            model(padded, attention_mask=mask)
    return time.process_time() - begin


def least(rounds: int, works: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The least CPU seconds of each work, all of them run in turn so that a slow minute hits them alike."""
    taken = [{name: work() for name, work in works.items()} for _ in range(rounds)]
    return {name: min(seconds[name] for seconds in taken) for name in works}


def timed(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def compare(encoder: str, pictures: int, entries: int, official: int, rounds: int) -> dict[str, Any]:
    similarity = BertScoreSimilarity(encoder, device="cpu")
    predictions, references = generated_set(pictures, entries, 1), generated_set(pictures, entries, 2)
    measure(predictions[:1], references[:1], similarity, Options())  # loads the encoder and every library
    few, source, layers = min(official, pictures), similarity.files.source, similarity.files.num_layers
    matched: list[Any] = []
    models: list[tuple[float, float]] = []

    def second_model() -> float:
        models.append(two_models(encoder))
        return models[-1][1]

    def official_way() -> float:
        seconds, matched[:] = as_the_official_evaluator(predictions[:few], references[:few], source, layers)
        return seconds

    seconds = least(
        rounds,
        {
            "official": official_way,
            "one call per field": lambda: one_call_per_field(predictions, references, source, layers),
            "second model": second_model,
            "forward": lambda: bare_forward(similarity, predictions, references),
            "ours": lambda: timed(lambda: measure(predictions, references, similarity, Options())),
            "similarities": lambda: timed(lambda: similarity.matrices(predictions, references)),
        },
    )
    matrices = similarity.matrices(predictions[:few], references[:few])
    names = dict(zip(ALPHAS, ("Rea", "Full", "Phe"), strict=True))
    same = [[s for _, _, s in greedy_match(views(m, 0.5)[names[a]])] for a in ALPHAS for m in matrices]
    difference = max(abs(x - y) for a, b in zip(same, matched, strict=True) for x, y in zip(a, b, strict=True))
    return {
        "pictures": pictures,
        "anomalies a side": entries,
        "official, CPU s an image": round(seconds["official"] / few, 4),
        "ours, CPU s an image": round(seconds["ours"] / pictures, 4),
        "ratio": round(seconds["official"] / few / (seconds["ours"] / pictures), 2),
        "one call per field, CPU s an image": round(seconds["one call per field"] / pictures, 4),
        "ratio to one call per field": round(seconds["one call per field"] / seconds["ours"], 2),
        "second model on the same truth, share of the first": round(
            seconds["second model"] / min(first for first, _ in models), 3
        ),
        "largest difference of a matched similarity": float(f"{difference:.1e}"),
        "forward pass alone, share of ours": round(seconds["forward"] / seconds["ours"], 3),
        "chance, intervals and curves, share added": round(seconds["ours"] / seconds["similarities"] - 1, 3),
    }


def alone(similarity: BertScoreSimilarity, pictures: int, entries: int) -> dict[str, Any]:
    from tqdm import tqdm

    predictions, references = generated_set(pictures, entries, 1), generated_set(pictures, entries, 2)
    similarity.matrices(predictions[:1], references[:1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    with tqdm(total=pictures, unit="picture", mininterval=5, file=sys.stderr) as bar:
        measurement = measure(predictions, references, similarity, Options(), progress=bar.update)
    seconds = time.process_time() - begin
    return {
        "pictures": pictures,
        "CPU s": round(seconds, 1),
        "CPU s an image": round(seconds / pictures, 4),
        "memory before, MB": before // 1024,
        "memory at most, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "signature": measurement.scores.signature,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--entries", type=int, default=6)
    parser.add_argument("--official", type=int, default=4, help="pictures scored as the official evaluator does")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything compared is run; the least counts")
    parser.add_argument("--sizes", type=int, nargs="+", default=[40, 200], help="numbers of pictures to compare on")
    parser.add_argument("--pictures", type=int, help="score this many, ours alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.pictures:
        similarity = BertScoreSimilarity(arguments.encoder, device="cpu")
        results = [alone(similarity, arguments.pictures, arguments.entries)]
    else:
        sizes = arguments.sizes
        results = [
            compare(arguments.encoder, n, arguments.entries, arguments.official, arguments.rounds) for n in sizes
        ]
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
