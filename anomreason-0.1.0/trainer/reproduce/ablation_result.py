"""What the ablation found: a table of the variants, and the differences between them, paired by picture."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metric_semap.anomalies import Picture
from metric_semap.evaluation import score_pictures
from metric_semap.measurement import Options
from metric_semap.results import Evaluation
from metric_semap.similarity import BertScoreSimilarity
from trainer.evaluation.result import Cell, Result, Table, sure
from trainer.reproduce.measured import difference_of, score_of, told
from trainer.reproduce.variants import LORA, PLAIN, UNVERIFIED, VERIFIED

__all__ = ["BASE", "compared", "pairs"]

BASE = "base"
CLAIM = "Severity in the answers, fine-tuning, and people's verification of the annotations each improve the model."


def pairs(variants: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """Which variants are compared, the one that should be better first."""
    found = {"LoRA over base": (LORA, BASE), "severity over none": (LORA, PLAIN)}
    if UNVERIFIED in variants:
        found["verified over unverified"] = (VERIFIED if VERIFIED in variants else LORA, UNVERIFIED)
    return found


def compared(
    answers: Mapping[str, Sequence[dict[str, Picture]]],
    truth: Mapping[str, Any],
    data: str,
    *,
    simulated: bool,
    settings: Mapping[str, Any],
) -> Result:
    """The variants' scores, and their differences.

    Args:
        answers (mapping): what was said of the test pictures, by variant (and `BASE`) and seed.
        truth (mapping): the true anomalies of each picture, as the dataset has them.
        data (`str`), simulated (`bool`), settings (mapping): as in a `Result`.
    """
    references = {name: Picture([_Reference(**one) for one in said or []]) for name, said in truth.items()}
    similarity, options = BertScoreSimilarity("minilm"), Options(empty="skip", bootstrap=500)
    scored = {
        variant: [_evaluated(pictures, references, similarity, options) for pictures in of_seeds]
        for variant, of_seeds in answers.items()
    }
    rows: list[list[Cell]] = []
    numbers: dict[str, Cell] = {}
    for variant, evaluations in scored.items():
        means = [one.scores.full.semf1.value for one in evaluations]
        best = evaluations[0].scores
        numbers[f"{variant}: SemF1_Full"] = sure(float(np.mean(means))) if len(means) > 1 else score_of(best.full.semf1)
        numbers[f"{variant}: false alarms"] = float(
            np.mean([one.scores.counts.false_alarm_rate for one in evaluations])
        )
        numbers[f"{variant}: severity error"] = float(np.mean([one.scores.severity.error for one in evaluations]))
        spread = float(np.std(means, ddof=1)) if len(means) > 1 else math.nan
        rows.append(
            [
                variant,
                *(numbers[f"{variant}: {key}"] for key in ("SemF1_Full", "false alarms", "severity error")),
                spread,
            ]
        )
    compared: list[list[Cell]] = []
    findings = []
    for name, (better, worse) in pairs(answers).items():
        first, second = (np.mean([_semf1(one) for one in scored[variant]], axis=0) for variant in (better, worse))
        found, p = difference_of(first, second, scored[better][0].measurement.clusters, seed=0)
        numbers[name] = found
        compared.append([name, found, p])
        effect = (
            "helps"
            if found.low > 0
            else "hurts"
            if found.high < 0
            else "makes no difference that these pictures could show"
        )
        findings.append(f"{name} {effect}: SemF1_Full {told(found, '+.3f')}.")
    return Result(
        experiment="ablation",
        title="What LoRA, severity and verification contribute",
        claim=CLAIM,
        data=data,
        simulated=simulated,
        findings=findings,
        tables=[
            Table("Variants", ("variant", "SemF1_Full", "false alarms", "severity error", "spread of seeds"), rows),
            Table(
                "Differences in SemF1_Full",
                ("comparison", "difference", "p"),
                compared,
                "Paired by picture, mean over seeds.",
            ),
        ],
        numbers=numbers,
        notes=[] if UNVERIFIED in answers else ["The data have no candidates, so verification is not compared."],
        settings={"signature": scored[BASE][0].scores.signature, **settings},
    )


@dataclass(frozen=True)
class _Reference:
    """A true anomaly as the dataset holds it."""

    name: str
    phenomenon: str
    reasoning: str
    severity: int
    remark: str | None = None
    bbox: Any = None
    score: float | None = None


def _evaluated(
    pictures: Mapping[str, Picture],
    references: Mapping[str, Picture],
    similarity: BertScoreSimilarity,
    options: Options,
) -> Evaluation:
    return score_pictures({"variant": pictures}, references, similarity, options).evaluations[0]


def _semf1(evaluation: Evaluation) -> np.ndarray:
    """SemF1_Full of each scored picture, in the references' order, which is the same for every variant."""
    return np.array([picture.semf1["Full"] for picture in evaluation.measurement.pictures])
