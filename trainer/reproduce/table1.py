"""The paper's table of AnomReason: SemAP and SemF1 in all views, for every model given, and every published row that is known.

Where a model that was run is one of the published ones, its difference from the published value is given with it. The gap between
phenomenon and reasoning, which the paper points out for InternVL3-8B, is told of each model with an interval, paired by picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metric_semap.results import Evaluation
from trainer.evaluation.bench import Bench
from trainer.evaluation.intensity import Score
from trainer.evaluation.published import ANOMREASON, INTERNVL3
from trainer.evaluation.result import Cell, Result, Table
from trainer.reproduce.benched import Setting
from trainer.reproduce.experiment import Cost
from trainer.reproduce.measured import difference_of, score_of, told

if TYPE_CHECKING:
    from trainer.predict import Progress

__all__ = ["PICTURES", "Table1", "published_of"]

PICTURES = 100
SCORES = ("SemAP_Phe", "SemAP_Rea", "SemAP_Full", "SemF1_Phe", "SemF1_Rea", "SemF1_Full")
CLAIM = (
    "AnomReasonor-7B has the best SemAP_Full, 0.5162, and GPT-4o the best SemF1_Full, 0.5109; InternVL3-8B names what it sees "
    "better than why it cannot be: 0.4552 on the phenomenon against 0.3676 on the reasoning."
)


@dataclass(frozen=True)
class Table1:
    """The experiment: the models and pictures of a `setting`."""

    setting: Setting

    name = "table1"

    def cost(self) -> Cost:
        """The benchmark's."""
        return self.setting.cost()

    def run(self, out: Path, progress: "Progress") -> Result:
        """Ask the models, score them, and add the published rows."""
        bench = self.setting.prepared(out, progress)
        measured = self.setting.run(out, progress, bench)
        evaluations = measured.explained.evaluations
        rows: list[list[Cell]] = [
            [one.name, *(score_of(one.scores.explained()[key]) for key in SCORES)] for one in evaluations
        ]
        rows += [[f"{row['name']}, as published", *(row.get(key) for key in SCORES)] for row in ANOMREASON]
        gaps = {one.name: {score: _gap(one, score, bench.seed) for score in ("SemAP", "SemF1")} for one in evaluations}
        gap_rows: list[list[Cell]] = [[name, *found.values()] for name, found in gaps.items()]
        gap_rows.append([f"{INTERNVL3['name']}, as published (one of the two scores)", _published_gap(), None])
        signature = evaluations[0].scores.signature
        tables = [
            Table(
                "SemAP and SemF1",
                ("model", *SCORES),
                rows,
                f"Measured with {signature}. Published rows: 10,774 pictures, distilbert-base-uncased, thresholds 0.7, 0.8, 0.9; "
                "a cell that our source does not have is left out.",
                4,
            ),
            Table(
                "Phenomenon less reasoning",
                ("model", "SemAP", "SemF1"),
                gap_rows,
                "Paired by picture. Above 0, a model says what it sees better than why it cannot be.",
                4,
            ),
        ]
        if differences := _differences(evaluations, bench):
            tables.insert(
                1,
                Table("Measured less published, of models that were published", ("model", *SCORES), differences, "", 4),
            )
        return Result(
            experiment=self.name,
            title="What models say is wrong, and why: AnomReason",
            claim=CLAIM,
            data=f"Measured on {self.setting.data}.",
            simulated=bool(self.setting.pictures),
            findings=[_finding(name, found["SemF1"]) for name, found in gaps.items()],
            tables=tables,
            numbers={
                f"{one.name}: {key}": score_of(estimate)
                for one in evaluations
                for key, estimate in one.scores.explained().items()
            }
            | {
                f"{name}: {score}_Phe - {score}_Rea": gap
                for name, found in gaps.items()
                for score, gap in found.items()
            },
            notes=[f"{warning[0].upper()}{warning[1:]}." for warning in evaluations[0].scores.warnings],
            settings={"seed": bench.seed, "signature": signature},
            unfinished=measured.unfinished,
        )


def _gap(evaluation: Evaluation, score: str, seed: int) -> Score:
    """The mean over pictures of the phenomenon's score less the reasoning's."""
    pictures = evaluation.measurement.pictures
    each = [getattr(picture, score.lower()) for picture in pictures]
    if not each:
        return Score(float("nan"), float("nan"), float("nan"))
    phe, rea = (np.array([one[view] for one in each]) for view in ("Phe", "Rea"))
    return difference_of(phe, rea, evaluation.measurement.clusters, seed)[0]


def _published_gap() -> float:
    return round(float(INTERNVL3["Phe"]) - float(INTERNVL3["Rea"]), 4)  # type: ignore[arg-type]


def _finding(name: str, gap: Score) -> str:
    better = (
        "says what it sees better than why"
        if gap.low > 0
        else "says why better than what it sees"
        if gap.high < 0
        else "shows no gap"
    )
    return f"{name} {better}: SemF1_Phe − SemF1_Rea = {told(gap)}."


def published_of(name: str, model: str | None) -> Mapping[str, object] | None:
    """The published row of a model, by its name in the bench or at its server.

    >>> published_of("mine", "Qwen/Qwen2.5-VL-72B-Instruct")["name"]
    'Qwen2.5-VL-72B'
    >>> published_of("gpt-4o-mini", None) is None
    True
    """

    def plain(text: str) -> str:
        return text.casefold().rsplit("/", 1)[-1].removesuffix("-instruct")

    known = {plain(row["name"]): row for row in ANOMREASON}
    return known.get(plain(name)) or known.get(plain(model or ""))


def _differences(evaluations: list[Evaluation], bench: Bench) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for one in evaluations:
        published = published_of(one.name, bench.models[one.name].model)
        if published is None:
            continue
        row: list[Cell] = [one.name]
        for key in SCORES:
            measured, theirs = score_of(one.scores.explained()[key]), published.get(key)
            known = isinstance(theirs, float)
            row.append(Score(*(value - theirs for value in measured)) if known else None)  # type: ignore[operator]
        rows.append(row)
    return rows
