"""Is the number meaningful? What each similarity and score says of answers that are right or wrong in a known way.

    python benchmarks/meta_evaluation.py [--frozen] [--encoder minilm] [--out DIR]

The texts are `benchmarks/annotations`, written in the style of annotations of photographs (`meta_scenes.py` does the same on
rendered scenes). Without `--frozen` only the tuning half is read, without the negations and the corruption that are held back;
with it, both halves are shown side by side, held-back parts included. Nothing may be chosen by what `--frozen` shows.

Prints three tables in Markdown: what each similarity says of pairs of texts, what each score says of whole systems, and the
aims with what was reached.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.corpus import Half, pairs, systems
from metric_semap.anomalies import Anomaly
from metric_semap.encoding import encode
from metric_semap.measurement import Options, measure
from metric_semap.sentence import SentenceSimilarity
from metric_semap.similarity import BertScoreSimilarity

Answers = list[list[Anomaly]]
Pairs = dict[str, list[tuple[Anomaly, Anomaly]]]
Values = dict[str, np.ndarray]
ORDER = ("truth", "paraphrase", "brief", "wrong reason", "wrong object", "another picture", "constant")
LESS = {
    "truth, first only": "truth",
    "paraphrase, last left out": "paraphrase",
    "paraphrase, first only": "paraphrase",
    "brief, last left out": "brief",
}
MORE = {
    "paraphrase and one of another picture": "paraphrase",
    "paraphrase and all of another picture": "paraphrase",
    "brief and one of another picture": "brief",
}
Result = dict[str, dict[str, Any]]
CARD_PAIRS = (
    *("AUC", "d′", "paraphrase", "brief", "verbose", "wrong reason", "wrong object", "wrong detail", "negation"),
    *("negation: is free of", "negation: correct instead of", "shuffled", "generic", "same picture", "another picture"),
    *("below: wrong reason", "below: wrong object", "below: wrong detail", "below: negation"),
)
CARD_SYSTEMS = (*ORDER, "generic", "verbose", "shuffled", "wrong detail", "negation", *LESS, *MORE)
CARD_SCORES = ("SemAP_Full", "SemF1_Full", "SemAPC_Full", "SemF1C_Full")
"""What the metric's card shows, in its order."""
FIELDS = {"phe": "phenomenon", "rea": "reasoning"}
SCORES = ("SemAP_Full", "SemF1_Full", "SemAP_ranked_Full", "SemAPC_Full", "SemF1C_Full")


class EncodedOnce:
    """A similarity for `measure` over texts that were encoded beforehand, each once for all that is shown here."""

    def __init__(self, encoder: str, texts: set[str]) -> None:
        self.bert, sentence = BertScoreSimilarity(encoder), SentenceSimilarity(encoder)
        self.name, self.hash_code, self.calibration = self.bert.name, self.bert.hash_code, self.bert.calibration
        comparer = sentence.comparer
        self.encoded = encode(comparer.files, comparer.device, comparer.dtype, sorted(texts))
        self.measures = {"": self.bert.measures[""], "_c": self.bert.measures["_c"]}

    def compare(
        self, predictions: Answers, references: Answers, blocks: Sequence[Sequence[tuple[int, int]]]
    ) -> Iterator[tuple[tuple[int, int], dict[str, np.ndarray]]]:
        """As [`BertScoreSimilarity.compare`] does."""
        for p, r in (pair for block in blocks for pair in block):
            yield (
                (p, r),
                {
                    f"{key}{suffix}": measured(
                        [getattr(one, field) for one in predictions[p]],
                        [getattr(one, field) for one in references[r]],
                        self.encoded,
                    )
                    for suffix, measured in self.measures.items()
                    for key, field in FIELDS.items()
                },
            )

    def cosine(self, said: str, true: str) -> float:
        """That of the sentences, with no rule beside it."""
        return float(self.encoded[said].sentence @ self.encoded[true].sentence)


def by_similarity(found: Pairs, similarity: EncodedOnce) -> dict[str, Values]:
    """For each similarity, in the view Full, its values for the pairs of each version."""
    values: dict[str, Values] = {"BERTScore": {}, "cosine of sentences": {}, "calibrated": {}}
    for version, some in found.items():
        said, true = [[one] for one, _ in some], [[other] for _, other in some]
        compared = [m for _, m in similarity.compare(said, true, [[(i, i) for i in range(len(some))]])]
        values["BERTScore"][version] = np.array([(m["phe"] + m["rea"]).item() / 2 for m in compared])
        values["calibrated"][version] = np.array([min(m["phe_c"].item(), m["rea_c"].item()) for m in compared])
        cosines = [[similarity.cosine(getattr(a, f), getattr(b, f)) for f in FIELDS.values()] for a, b in some]
        values["cosine of sentences"][version] = np.mean(cosines, axis=1)
    return values


def separation(values: Values) -> dict[str, float]:
    """How well right answers (paraphrases, brief forms) are told from those of another picture: area under the curve, and d′."""
    own, other = np.concatenate([values["paraphrase"], values["brief"]]), values["another picture"]
    above = (own[:, None] > other[None, :]).mean() + (own[:, None] == other[None, :]).mean() / 2
    spread = np.sqrt((own.var(ddof=1) + other.var(ddof=1)) / 2)
    return {"AUC": float(above), "d′": float((own.mean() - other.mean()) / spread)}


def below_paraphrase(values: Values, version: str) -> float:
    """The share of anomalies whose corrupted copy is less similar to the truth than its paraphrase."""
    return float((values[version] < values["paraphrase"]).mean())


def by_score(answers: dict[str, tuple[Answers, Answers]], similarity: Any) -> dict[str, dict[str, float]]:
    """For each system its scores."""
    rows = {}
    for name, (said, true) in answers.items():
        scores = measure(said, true, similarity, Options(bootstrap=0)).scores
        full = scores.full
        numbers = [full.semap.value, full.semf1.value, full.ranked]
        numbers += [scores.calibrated["Full"].semap.value, scores.calibrated["Full"].semf1.value]
        rows[name] = dict(zip(SCORES, numbers, strict=True))
    return rows


def broken(rows: dict[str, dict[str, float]], score: str) -> list[str]:
    """Where a score has the systems in a wrong order, rewards leaving out a right answer, or rewards adding a wrong one."""
    found = [
        f"{better} is not above {worse}"
        for better, worse in pairwise(ORDER)
        if not rows[better][score] > rows[worse][score]
    ]
    found += [f"{less} is above {whole}" for less, whole in LESS.items() if rows[less][score] > rows[whole][score]]
    return found + [
        f"{more} is above {whole}" for more, whole in MORE.items() if rows[more][score] > rows[whole][score]
    ]


def evaluated(half: Half, frozen: bool, encoder: str) -> dict[str, Any]:
    """Everything about one half, as data."""
    found, answers = pairs(half, frozen), systems(half, frozen)
    said = [one for some in found.values() for pair in some for one in pair]
    said += [one for sides in answers.values() for side in sides for picture in side for one in picture]
    similarity = EncodedOnce(encoder, {getattr(one, field) for one in said for field in FIELDS.values()})
    values, rows = by_similarity(found, similarity), by_score(answers, similarity)
    return {
        "similarities": {
            name: separation(of)
            | {f"{version}": float(np.median(some)) for version, some in of.items()}
            | {f"below: {v}": below_paraphrase(of, v) for v in of if len(of[v]) == len(of["paraphrase"])}
            for name, of in values.items()
        },
        "systems": rows,
        "broken": {score: broken(rows, score) for score in SCORES},
    }


def table(halves: dict[str, dict[str, dict[str, float]]], first: str) -> str:
    """A table in Markdown with the halves side by side: `halves[half][column][row]`."""
    columns = [(half, column) for column in next(iter(halves.values())) for half in halves]
    names = list(dict.fromkeys(row for half, column in columns for row in halves[half][column]))
    lines = [f"| {first} | " + " | ".join(f"{column}, {half}" for half, column in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name in names:
        cells = (halves[half][column].get(name) for half, column in columns)
        lines.append(
            f"| {name} | " + " | ".join("–" if c is None else f"{c:.3f}".replace("-", "−") for c in cells) + " |"
        )
    return "\n".join(lines)


def tables(
    result: Result, versions: Sequence[str] = (), names: Sequence[str] = (), scores: Sequence[str] = SCORES
) -> list[str]:
    """The tables of pairs and of systems, with the rows asked for (all if none are) in their order."""

    def rows(of: dict[str, float], wanted: Sequence[str]) -> dict[str, float]:
        return {row: of[row] for row in wanted or of if row in of}

    by_pairs = {
        half: {name: rows(of, versions) for name, of in found["similarities"].items()} for half, found in result.items()
    }
    by_systems = {
        half: {score: rows({row: of[score] for row, of in found["systems"].items()}, names) for score in scores}
        for half, found in result.items()
    }
    return [table(by_pairs, "pairs, Full"), table(by_systems, "system")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frozen", action="store_true", help="show the test half and what else is held back")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--out", type=Path, help="write meta_evaluation.json here, too")
    arguments = parser.parse_args()
    halves: tuple[Half, ...] = ("tuning", "test") if arguments.frozen else ("tuning",)
    result = {half: evaluated(half, arguments.frozen, arguments.encoder) for half in halves}

    print(*tables(result), sep="\n\n", end="\n\n")
    for half, found in result.items():
        for score, faults in found["broken"].items():
            print(f"- {score}, {half}: {'; '.join(faults) or 'in order'}")
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=2, ensure_ascii=False)
        (arguments.out / "meta_evaluation.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
