"""The rewards of GRPO, which cannot be earned without looking at the picture.

An answer's anomalies are compared with the picture's own and with those of other pictures. What fits all of them as well, a
constant answer or a generic sentence, earns nothing: the mean over other pictures is what chance earns, and it is taken off. A list
of everything loses precision, severity is half of a matched pair's worth, and form earns nothing, it only costs when it is wrong.

Each function is a reward function of TRL's and is logged by its name. One that does not apply to an answer gives `None`, which
counts neither for nor against it.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from dataset_builder.schema import Anomaly
from dataset_builder.textform import Parsed, parse_answer, parse_verdict
from metric_semap.matching import greedy_match
from metric_semap.measurement import views
from metric_semap.scoring import THRESHOLDS
from metric_semap.similarity import BertScoreSimilarity
from trainer.callbacks import as_record

__all__ = ["OTHERS", "Rewards"]

ALPHA = 0.5

OTHERS = 8
"""How many other pictures tell what an answer would earn by chance."""

Records = Sequence[Mapping[str, Any]]


class Rewards:
    """The rewards, over one encoder, the metric's.

    Every reward takes `completions`, the answers as chat messages, and the columns `task` (`anomalies` or `verdict`),
    `references` (the true anomalies as records) and `label` (`real` or `fake`), a value per answer.

    Args:
        encoder (`str`): as the metric's; loaded when first used, once per process.
        others (sequence of lists of `Anomaly`): what is wrong with other pictures, none of them clean; those that equal a
            picture's own are passed over.
    """

    def __init__(self, encoder: str, others: Sequence[Sequence[Anomaly]]) -> None:
        self.similarity = BertScoreSimilarity(encoder)
        self.others = [[as_record(anomaly) for anomaly in truth] for truth in others]

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
        said = [[as_record(anomaly) for anomaly in _read(answer).anomalies] for answer in completions]
        scored = [at for at, kind in enumerate(task) if kind == "anomalies" and references[at]]
        pairs: list[tuple[list[Any], list[Any]]] = []
        for at in scored:
            strangers = [other for other in self.others if other != list(references[at])]
            pairs += [(said[at], list(truth)) for truth in (references[at], *strangers)]
        scores = iter(self._worths(pairs))
        rewards: list[float | None] = [
            None if kind == "verdict" else float(_read(answer).status == "none")
            for answer, kind in zip(completions, task, strict=True)
        ]
        for at in scored:
            own = next(scores)
            chance = [next(scores) for other in self.others if other != list(references[at])]
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

    def _worths(self, pairs: Sequence[tuple[list[Any], list[Any]]]) -> list[float]:
        matrices = self.similarity.matrices([said for said, _ in pairs], [truth for _, truth in pairs])
        return [worth(views(one, ALPHA)["Full"], *pair) for one, pair in zip(matrices, pairs, strict=True)]


def worth(similarity: Any, said: Records, truth: Records) -> float:
    """What a list of anomalies is worth beside the true one, 0..1: the metric's SemF1, where a pair counts by its severity too.

    A pair that is matched at a threshold counts (1 + n) / 2, where n is 1 for the true severity and 0 for one that is 100 away or
    missing; the sum over pairs, times two, is divided by the lengths of both lists, and the mean is taken over the thresholds.

    Args:
        similarity (array): [said, truth], 0..1.
        said, truth (sequence of records): with `severity`.
    """
    matches = greedy_match(similarity)
    total = 0.0
    for threshold in THRESHOLDS:
        for place, own, value in matches:
            if value >= threshold:
                total += (1 + _nearness(said[place].get("severity"), truth[own].get("severity"))) / 2
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
