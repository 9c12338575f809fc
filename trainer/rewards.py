"""The rewards of GRPO, which cannot be earned without looking at the picture.

An answer's anomalies are compared with the picture's own and with those of other pictures. What fits all of them as well, a
constant answer or a generic sentence, earns nothing: the mean over other pictures is what chance earns, and it is taken off. A list
of everything loses precision, severity is half of a matched pair's worth, and form earns nothing, it only costs when it is wrong.

Each function is a reward function of TRL's and is logged by its name. One that does not apply to an answer gives `None`, which
counts neither for nor against it.
"""

import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from dataset_builder.schema import Anomaly
from dataset_builder.textform import Parsed, parse_answer, parse_verdict
from metric_semap.matching import greedy_match
from metric_semap.measurement import views
from metric_semap.scoring import THRESHOLDS
from metric_semap.similarity import BertScoreSimilarity

__all__ = ["POOL", "Rewards"]

ALPHA = 0.5

POOL = 512
"""How many pictures' anomalies are kept to compare with."""

OTHERS = 8
"""How many of them tell what an answer would earn by chance: for each picture others, for all answers about it the same."""

Records = Sequence[Mapping[str, Any]]


class Rewards:
    """The rewards, over one encoder, the metric's.

    Every reward takes `completions`, the answers as chat messages, and the columns `task` (`anomalies` or `verdict`),
    `references` (the true anomalies as records) and `label` (`real` or `fake`), a value per answer.

    Args:
        encoder (`str`): as the metric's; loaded when first used, once per process.
        pool (sequence of lists of `Anomaly`): what is wrong with pictures, none of them clean, from which others are drawn.
    """

    def __init__(self, encoder: str, pool: Sequence[Sequence[Anomaly]]) -> None:
        self.similarity = BertScoreSimilarity(encoder)
        self.pool = [list(truth) for truth in pool]

    def functions(self) -> list[Any]:
        """The reward functions, as TRL takes them."""
        return [self.explained, self.readable, self.verdict]

    def explained(
        self, completions: Sequence[Any], task: Sequence[str], references: Sequence[Records], **_: Any
    ) -> list[float | None]:
        """How much better the answer explains its picture than it explains others, -1..1; `None` for a verdict.

        With s the score of `worth` for the picture and c its mean over other pictures, it is (s - c) / (1 - c), and at least -1.
        Truth earns 1, whatever chance is; an answer that does not depend on the picture earns 0 on average. Where nothing is
        wrong, saying so earns 1 and anything else 0.
        """
        rewards: list[float | None] = [
            None if kind == "verdict" else float(_read(answer).status == "none")
            for answer, kind in zip(completions, task, strict=True)
        ]
        scored = [at for at, kind in enumerate(task) if kind == "anomalies" and references[at]]
        pairs: list[tuple[list[Anomaly], list[Anomaly]]] = []
        places = []
        for at in scored:
            said, truth = _read(completions[at]).anomalies, [Anomaly(**record) for record in references[at]]
            compared = [truth, *self._others(truth)]
            places.append(slice(len(pairs), len(pairs) + len(compared)))
            pairs += [(said, one) for one in compared]
        worths = self._worths(pairs)
        for at, place in zip(scored, places, strict=True):
            own, *chance = worths[place]
            rewards[at] = _lift(own, statistics.fmean(chance) if chance else 0.0)
        return rewards

    def readable(self, completions: Sequence[Any], task: Sequence[str], **_: Any) -> list[float | None]:
        """0 if the answer could be read, -0.5 if a part of it could not, -1 if nothing could."""
        costs = {"anomalies": 0.0, "none": 0.0, "partial": -0.5, "failed": -1.0}
        return [
            costs[_read(answer).status] if kind == "anomalies" else float(_verdict(answer) is not None) - 1
            for answer, kind in zip(completions, task, strict=True)
        ]

    def verdict(
        self, completions: Sequence[Any], task: Sequence[str], label: Sequence[str], **_: Any
    ) -> list[float | None]:
        """1 if the verdict is right, else 0; `None` for a list of anomalies."""
        return [
            float(_verdict(answer) == true) if kind == "verdict" else None
            for answer, kind, true in zip(completions, task, label, strict=True)
        ]

    def _others(self, truth: list[Anomaly]) -> list[list[Anomaly]]:
        """What is wrong with a few other pictures, drawn by what is wrong with this one."""
        strangers = [other for other in self.pool if other != truth]
        drawn = random.Random("\n".join(anomaly.phenomenon for anomaly in truth))
        return drawn.sample(strangers, min(OTHERS, len(strangers)))

    def _worths(self, pairs: Sequence[tuple[list[Anomaly], list[Anomaly]]]) -> list[float]:
        matrices = self.similarity.matrices([said for said, _ in pairs], [truth for _, truth in pairs])
        return [worth(views(one, ALPHA)["Full"], *pair) for one, pair in zip(matrices, pairs, strict=True)]


def worth(similarity: Any, said: Sequence[Anomaly], truth: Sequence[Anomaly]) -> float:
    """What a list of anomalies is worth against the true one, 0..1: the metric's SemF1, where a pair counts by its severity too.

    A pair that is matched at a threshold counts (1 + n) / 2, where n is 1 for the true severity and 0 for one that is 100 away or
    missing; the sum over pairs, times two, is divided by the lengths of both lists, and the mean is taken over the thresholds.

    Args:
        similarity (array): [said, truth], 0..1.
        said, truth (sequences of `Anomaly`): whose severities are compared.
    """
    matches = greedy_match(similarity)
    total = 0.0
    for threshold in THRESHOLDS:
        for place, own, value in matches:
            if value >= threshold:
                total += (1 + _nearness(said[place].severity, truth[own].severity)) / 2
    return 2 * total / len(THRESHOLDS) / (len(said) + len(truth))


def _nearness(said: float | None, true: float | None) -> float:
    return 0.0 if said is None or true is None else 1 - abs(said - true) / 100


def _lift(own: float, chance: float) -> float:
    return max(-1.0, (own - chance) / (1 - chance)) if chance < 1 else 0.0


def _read(completion: Any) -> Parsed:
    return parse_answer(_text(completion))


def _verdict(completion: Any) -> str | None:
    return parse_verdict(_text(completion))


def _text(completion: Any) -> str:
    content = completion[-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
