"""The annotations in `benchmarks/annotations`, and systems whose answers from them are right or wrong in a known way.

`FROZEN` is what no similarity, threshold or rule may be chosen by (`annotations/README.md`).
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from metric_semap.anomalies import Anomaly

__all__ = ["FROZEN", "Half", "Written", "WrittenPicture", "pairs", "pictures", "systems"]

Half = Literal["tuning", "test"]
Texts = tuple[str, str]

FROZEN = {"constructions": ("is free of", "correct instead of"), "versions": ("wrong detail",)}
GENERIC = (
    "The image contains an object that looks unnatural and inconsistent with the rest of the scene.",
    "Such an appearance contradicts physical laws and common sense, which reduces the realism of the image.",
)
PADDING = (
    "Looking closely at this part of the generated image, one can clearly notice the following issue, which is worth "
    "pointing out in detail: {} This is something that an attentive viewer would certainly find odd at first glance.",
    "In order to understand why this is a problem, it helps to think about how things are in the real world. {} For all of "
    "these reasons taken together, the depicted situation has to be regarded as implausible.",
)


@dataclass(frozen=True)
class Written:
    """One anomaly: the true texts (phenomenon, reasoning), and what was written beside them, by version."""

    severity: int
    true: Texts
    versions: dict[str, Texts]
    construction: str


@dataclass(frozen=True)
class WrittenPicture:
    """One picture's anomalies."""

    name: str
    anomalies: tuple[Written, ...]


def pictures(half: Half) -> list[WrittenPicture]:
    """The pictures of one half, by file and line."""
    files = sorted((Path(__file__).parent / "annotations").glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        WrittenPicture(row["picture"], tuple(_written(one) for one in row["anomalies"]))
        for row in rows
        if row["half"] == half
    ]


def _written(row: dict[str, Any]) -> Written:
    true = (row["phenomenon"], row["reasoning"])
    rng = random.Random(row["phenomenon"])
    return Written(
        row["severity"],
        true,
        {
            "paraphrase": tuple(row["paraphrase"]),
            "brief": tuple(row["brief"]),
            "verbose": (PADDING[0].format(true[0]), PADDING[1].format(true[1])),
            "wrong reason": (true[0], row["wrong_reason"]),
            "wrong object": tuple(row["wrong_object"]),
            "wrong detail": tuple(row["wrong_detail"]),
            "negation": tuple(row["negation"]["texts"]),
            "shuffled": (_shuffled(true[0], rng), _shuffled(true[1], rng)),
            "generic": GENERIC,
        },
        row["negation"]["construction"],
    )


def _shuffled(text: str, rng: random.Random) -> str:
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


def _answer(texts: Texts, severity: int) -> Anomaly:
    return Anomaly("", texts[0], texts[1], severity)


def pairs(half: Half, frozen: bool) -> dict[str, list[tuple[Anomaly, Anomaly]]]:
    """(said, true) of every anomaly, for each version; negations also by construction.

    `another picture` says the paraphrases of four other pictures, `same picture` those of the other anomalies. Without `frozen`
    what is held back is left out.
    """
    found: dict[str, list[tuple[Anomaly, Anomaly]]] = {}
    shown = pictures(half)
    for k, picture in enumerate(shown):
        others = [one for shift in (1, 5, 9, 13) for one in shown[(k + shift) % len(shown)].anomalies]
        for written in picture.anomalies:
            true = _answer(written.true, written.severity)
            for version, texts in written.versions.items():
                if not frozen and version in FROZEN["versions"]:
                    continue
                if version == "negation":
                    if not frozen and written.construction in FROZEN["constructions"]:
                        continue
                    found.setdefault(f"negation: {written.construction}", []).append((_answer(texts, 0), true))
                found.setdefault(version, []).append((_answer(texts, 0), true))
            elsewhere = {"same picture": [w for w in picture.anomalies if w is not written], "another picture": others}
            for version, saying in elsewhere.items():
                said = [(_answer(other.versions["paraphrase"], 0), true) for other in saying]
                found.setdefault(version, []).extend(said)
    return found


def systems(half: Half, frozen: bool) -> dict[str, tuple[list[list[Anomaly]], list[list[Anomaly]]]]:
    """What each system answers, and the truth, by picture; in the order in which a score should have them as far as `constant`."""
    shown = pictures(half)
    truth = [[_answer(written.true, written.severity) for written in picture.anomalies] for picture in shown]

    def saying(version: str, which: Callable[[Written], bool] = lambda written: True) -> list[list[Anomaly]]:
        return [
            [_answer(written.versions[version], written.severity) for written in picture.anomalies if which(written)]
            for picture in shown
        ]

    right, brief = saying("paraphrase"), saying("brief")
    dealt = _dealt(right)
    answers: dict[str, list[list[Anomaly]]] = {
        "truth": truth,
        "paraphrase": right,
        "brief": brief,
        "wrong reason": saying("wrong reason"),
        "wrong object": saying("wrong object"),
        "another picture": dealt,
        "constant": [[truth[0][0]] for _ in shown],
        "verbose": saying("verbose"),
        "shuffled": saying("shuffled"),
        "generic": [[_answer(GENERIC, 0)] for _ in shown],
        "truth, first only": [said[:1] for said in truth],
        "paraphrase, last left out": [said[:-1] for said in right],
        "paraphrase, first only": [said[:1] for said in right],
        "brief, last left out": [said[:-1] for said in brief],
        "paraphrase and one of another picture": [said + more[:1] for said, more in zip(right, dealt, strict=True)],
        "paraphrase and all of another picture": [said + more for said, more in zip(right, dealt, strict=True)],
        "brief and one of another picture": [said + more[:1] for said, more in zip(brief, dealt, strict=True)],
    }
    if frozen:
        answers["wrong detail"] = saying("wrong detail")
    found = {name: (said, truth) for name, said in answers.items()}
    kept = [
        w for picture in shown for w in picture.anomalies if frozen or w.construction not in FROZEN["constructions"]
    ]
    denied = saying("negation", lambda written: written in kept)
    found["negation"] = (denied, truth if frozen else _only(shown, kept))
    return found


def _only(shown: Sequence[WrittenPicture], kept: Sequence[Written]) -> list[list[Anomaly]]:
    return [[_answer(w.true, w.severity) for w in picture.anomalies if w in kept] for picture in shown]


def _dealt(answers: list[list[Anomaly]]) -> list[list[Anomaly]]:
    """Each picture gets another one's answers."""
    return answers[5:] + answers[:5]
