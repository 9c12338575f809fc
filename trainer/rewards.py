"""The rewards of GRPO: how well an answer explains, whether it can be read, and whether its verdict is right.

Each is a reward function of TRL's and is logged by its name. One that does not apply to an answer gives `None`, which
counts neither for nor against it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dataset_builder.textform import Parsed, parse_answer, parse_verdict
from metric_semap.measurement import views
from metric_semap.scoring import THRESHOLDS, score_matrices
from metric_semap.similarity import BertScoreSimilarity

__all__ = ["Rewards"]

ALPHA = 0.5


class Rewards:
    """The three rewards, over one encoder, the metric's.

    Every reward takes `completions`, the answers as chat messages, and the columns `task` (`anomalies` or `verdict`),
    `references` (the true anomalies as records) and `label` (`real` or `fake`), a value an answer.

    Args:
        encoder (`str`, defaults to `"minilm"`): as the metric's; loaded when first used, once per process.
    """

    def __init__(self, encoder: str = "minilm") -> None:
        self.similarity = BertScoreSimilarity(encoder)

    def functions(self) -> list[Any]:
        """The reward functions, as TRL takes them."""
        return [self.semf1_full, self.parseable, self.verdict]

    def semf1_full(
        self,
        completions: Sequence[Any],
        task: Sequence[str],
        references: Sequence[Sequence[Mapping[str, Any]]],
        **_: Any,
    ) -> list[float | None]:
        """The picture's SemF1_Full, 0..1, as the metric gives it; `None` for a verdict and for a picture with nothing wrong."""
        scored = [index for index, kind in enumerate(task) if kind == "anomalies" and references[index]]
        answers = [_read(completions[index]).anomalies for index in scored]
        matrices = self.similarity.matrices(answers, [list(references[index]) for index in scored])
        full = [views(one, ALPHA)["Full"] for one in matrices]
        scores: list[float | None] = [None] * len(task)
        if scored:
            for index, picture in zip(scored, score_matrices(full, THRESHOLDS, "greedy")["per_image"], strict=True):
                scores[index] = float(picture["SemF1"])
        return scores

    def parseable(self, completions: Sequence[Any], task: Sequence[str], **_: Any) -> list[float | None]:
        """1 if the whole answer could be read, else 0."""
        return [
            float(
                _read(answer).status in ("anomalies", "none") if kind == "anomalies" else _verdict(answer) is not None
            )
            for answer, kind in zip(completions, task, strict=True)
        ]

    def verdict(
        self,
        completions: Sequence[Any],
        task: Sequence[str],
        references: Sequence[Sequence[Mapping[str, Any]]],
        label: Sequence[str],
        **_: Any,
    ) -> list[float | None]:
        """1 if the verdict is right, else 0.

        Of the task `anomalies` the verdict is whether anything is listed: it is what rewards leaving a clean picture alone.
        """
        right = []
        for answer, kind, truth, is_ in zip(completions, task, references, label, strict=True):
            if kind == "verdict":
                right.append(_verdict(answer) == is_)
            else:
                parsed = _read(answer)
                right.append(parsed.status != "failed" and bool(parsed.anomalies) == bool(truth))
        return [float(one) for one in right]


def _read(completion: Any) -> Parsed:
    return parse_answer(_text(completion))


def _verdict(completion: Any) -> str | None:
    return parse_verdict(_text(completion))


def _text(completion: Any) -> str:
    content = completion[-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
