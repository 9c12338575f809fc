"""The paper's table of AnomReason-Deepfake, and what a platform needs beside it: how good `p_fake` is at a false positive rate
that it can afford, on its own photographs.

Accuracy, CSemAP and CSemF1 are the benchmark's. The rest is of `detection`, from each model's `p_fake`. A picture without a
readable verdict is one that was not flagged. Photographs that thresholds are set on are the user's (`--reals`), else clean
scenes that are not in the dataset where the dataset is rendered, else the dataset's own photographs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_builder.contestants import Contestant, Limits
from dataset_builder.predictions import Prediction, read_predictions
from dataset_builder.stored import StoredPictures
from trainer.evaluation.audit_answers import Shown, local_reviewer, pictures_below
from trainer.evaluation.bench import Bench
from trainer.evaluation.bench_run import Result as Benchmark
from trainer.evaluation.intensity import Score
from trainer.evaluation.names import file_name
from trainer.evaluation.published import DEEPFAKE
from trainer.evaluation.result import Cell, Result, Table, percent, spanned, sure
from trainer.predict import Progress
from trainer.reproduce import embedded
from trainer.reproduce.benched import Setting, rows_of
from trainer.reproduce.detection import auroc, precision_at, rate, threshold_for, tpr_at
from trainer.reproduce.experiment import Cost
from trainer.reproduce.measured import score_of

__all__ = ["PICTURES", "REALS", "Table2", "Verdicts", "labels_of", "scores_of"]

PICTURES, REALS = 120, 220
"""Scenes that are rendered without data: to be judged, and to set thresholds on (twins included, of which the clean ones
serve)."""
RATES = (0.01, 0.05)
SCORES = ("CSemAP_Phe", "CSemAP_Rea", "CSemAP_Full", "CSemF1_Phe", "CSemF1_Rea", "CSemF1_Full")
CLAIM = (
    "AnomReasonor-7B judges 82.61 % of AnomReason-Deepfake rightly (GPT-4o 87.76 %, Qwen2.5-VL-72B 77.60 %) and has the best "
    "CSemAP_Rea and CSemF1_Rea, 0.3574 and 0.3929."
)


@dataclass(frozen=True)
class Verdicts:
    """One model's scores of generated pictures, of the dataset's photographs, and of those that thresholds are set on; `0..1`,
    and −1 where there is no readable verdict."""

    fakes: np.ndarray
    reals: np.ndarray
    own: np.ndarray

    def numbers(self, prevalence: float, wanted: float, seed: int) -> dict[str, Score]:
        """What a platform needs: `AUROC`, the rates at fixed false positive rates, thresholds, the precision at a prevalence."""
        found = {"AUROC": auroc(self.fakes, self.reals)}
        for one in RATES:
            found[_at(one)] = tpr_at(one, self.fakes, self.own, seed)
        nothing = sure(math.nan)
        threshold = threshold_for(wanted, self.own)
        if threshold is None:
            names = ("threshold", "expected FPR", "FPR on the dataset", "TPR", "precision")
            return found | dict.fromkeys(names, nothing)
        caught, flagged = int((self.fakes > threshold.value).sum()), int((self.own > threshold.value).sum())
        return found | {
            "threshold": sure(threshold.value),
            "expected FPR": threshold.false_positives,
            "FPR on the dataset": rate(int((self.reals > threshold.value).sum()), len(self.reals)),
            "TPR": rate(caught, len(self.fakes)),
            "precision": precision_at(prevalence, caught, len(self.fakes), flagged, len(self.own), seed),
        }


@dataclass(frozen=True)
class Table2:
    """The experiment.

    Attributes:
        setting (`Setting`): the models and pictures.
        reals (`Path`, *optional*): a folder of the user's own photographs.
        wanted (`float`): the false positive rate to find a threshold for.
        prevalence (`float`): the share of generated pictures for which precision is told.
        own (`int`): scenes to set thresholds on where there are no photographs.
    """

    setting: Setting
    reals: Path | None = None
    wanted: float = 0.01
    prevalence: float = 0.01
    own: int = REALS

    name = "table2"

    def cost(self) -> Cost:
        """The benchmark's, and a verdict on each photograph."""
        total = self.setting.cost()
        number = len(pictures_below(self.reals)) if self.reals else self.own // 2 if self.setting.pictures else 0
        return total.plus(self.setting.cost(asked=number)) if number else total

    def run(self, out: Path, progress: Progress) -> Result:
        """Ask the models about the dataset and the photographs, and score both."""
        bench = self.setting.prepared(out, progress)
        measured = self.setting.run(out, progress, bench)
        own = self._own(out, progress)
        truth = labels_of(out)
        verdicts: dict[str, Verdicts] = {}
        for name in measured.standings:
            rows = rows_of(bench, out, name)
            if not any(row.p_fake is not None for row in rows.values()):
                continue
            fakes, reals = (_scores(rows, truth, label) for label in ("fake", "real"))
            judged = self._judged(name, bench.models[name], own, out, progress) if own else None
            verdicts[name] = Verdicts(fakes, reals, reals if judged is None else judged)
        return self._result(measured, verdicts, own is not None, bench)

    def _own(self, out: Path, progress: Progress) -> StoredPictures | None:
        if self.reals is not None:
            return pictures_below(self.reals)
        if not self.setting.pictures:
            return None
        progress.step(f"render {self.own} more scenes, to set thresholds on the clean ones")
        rows = embedded.scenes(out / "own", self.own, embedded.SEED + 1)
        clean = {row.image_id for row in rows if row.label == "real"}
        return pictures_below(out / "own" / "images").among(clean)

    def _judged(
        self, name: str, contestant: Contestant, own: StoredPictures, out: Path, progress: Progress
    ) -> np.ndarray | None:
        """The scores of the photographs, in order; `None` where the model is a file that does not hold them."""
        path = out / "own-predictions" / file_name(name) / "preds.json"
        progress.step(f"{name} on {len(own)} photographs to set thresholds on")
        if contestant.predictions is not None:
            rows = contestant.predictions.with_suffix(".jsonl")
            known = read_predictions(rows if rows.is_file() else contestant.predictions)
            return scores_of(known, own.ids) if known.keys() >= set(own.ids) else None
        if contestant.is_remote:
            served, prices = self.setting.served, self.setting.bench.prices
            served.answer(contestant, own, path, progress, self.setting.bench.budget, prices, verdict=True)
        else:
            local_reviewer(contestant, progress, "verdict")(Shown(name, own, path, Limits()))
        return scores_of(read_predictions(path.with_suffix(".jsonl")), own.ids)

    def _result(self, measured: Benchmark, verdicts: Mapping[str, Verdicts], has_own: bool, bench: Bench) -> Result:
        simulated = bool(self.setting.pictures)
        numbers = {name: one.numbers(self.prevalence, self.wanted, bench.seed) for name, one in verdicts.items()}
        notes = [f"{name} gives no probabilities, only verdicts" for name in measured.standings if name not in verdicts]
        if not has_own and verdicts:
            notes.append("Thresholds are set on the dataset's own photographs; give yours with --reals DIR.")
        for name, one in verdicts.items():
            needed = math.ceil(1 / self.wanted) - 1
            if len(one.own) < needed:
                notes.append(
                    f"{name}: {len(one.own)} photographs are too few for a threshold at "
                    f"{percent(self.wanted, 2)}; {needed} are needed"
                )
        board = measured.judged
        tables = []
        if board is None:
            notes.append("The split has only generated pictures and no photographs, so verdicts cannot be scored.")
        else:
            rows: list[list[Cell]] = []
            for evaluation in board.evaluations:
                headlines = evaluation.scores.headlines()
                rows.append([evaluation.name, *(score_of(headlines[key]) for key in ("accuracy", *SCORES))])
            rows += [
                [f"{row['name']}, as published ({row['source']})", *(row.get(key) for key in ("accuracy", *SCORES))]
                for row in DEEPFAKE
            ]
            note = f"Measured with {board.evaluations[0].scores.signature}. Published rows: the authors' own set and encoder."
            tables.append(
                Table("Verdicts, and what is said where they are right", ("model", "accuracy", *SCORES), rows, note, 4)
            )
        first = ("AUROC", *(_at(one) for one in RATES))
        second = ("threshold", "expected FPR", "FPR on the dataset", "TPR", "precision")
        if numbers:
            tables += [
                Table(
                    "How well p_fake tells generated pictures",
                    ("model", "fakes", "photographs", *first),
                    [
                        [name, len(verdicts[name].fakes), len(verdicts[name].reals), *(one[k] for k in first)]
                        for name, one in numbers.items()
                    ],
                ),
                Table(
                    f"A threshold for {percent(self.wanted, 2)} false positives",
                    ("model", "photographs it is set on", *second),
                    [[name, len(verdicts[name].own), *(one[k] for k in second)] for name, one in numbers.items()],
                    f"Flag pictures whose p_fake is above the threshold. Precision: of flagged pictures, the share that is "
                    f"generated, where {percent(self.prevalence, 2)} of all are.",
                ),
            ]
        return Result(
            experiment=self.name,
            title="Real or generated, and why: AnomReason-Deepfake",
            claim=CLAIM,
            data=f"Measured on {self.setting.data}.",
            simulated=simulated,
            findings=[self._finding(name, one) for name, one in numbers.items()],
            tables=tables,
            numbers={f"{name}: {key}": value for name, one in numbers.items() for key, value in one.items()}
            | _accuracies(measured),
            notes=notes,
            settings={"seed": bench.seed, "wanted FPR": self.wanted, "prevalence": self.prevalence},
            unfinished=measured.unfinished,
        )

    def _finding(self, name: str, found: Mapping[str, Score]) -> str:
        if math.isnan(found["threshold"].value):
            return f"{name}: AUROC {found['AUROC'].value:.3f}; too few photographs for a threshold at {percent(self.wanted, 2)}."
        return (
            f"{name}: at a threshold that flags {spanned(found['expected FPR'])} of photographs it catches "
            f"{percent(found['TPR'].value, 0)} of generated pictures; where {percent(self.prevalence)} of pictures are generated, "
            f"{spanned(found['precision'], 0)} of those that are flagged are."
        )


def _at(rate_: float) -> str:
    return f"TPR at {percent(rate_, 0)} FPR"


def _accuracies(measured: Benchmark) -> dict[str, Cell]:
    if measured.judged is None:
        return {}
    return {
        f"{evaluation.name}: {key}": score_of(estimate)
        for evaluation in measured.judged.evaluations
        for key, estimate in evaluation.scores.headlines().items()
    }


def labels_of(out: Path) -> dict[str, str]:
    """The labels of the pictures that were scored, which the benchmark writes beside its predictions."""
    from dataset_builder.files.strict_json import read_rows

    return {
        str(row["image_id"]): str(row["label"]) for _, row in read_rows(out / "truth.jsonl") if isinstance(row, dict)
    }


def _scores(rows: Mapping[str, Prediction], truth: Mapping[str, str], label: str) -> np.ndarray:
    return scores_of(rows, [name for name, of in truth.items() if of == label])


def scores_of(rows: Mapping[str, Prediction], names: list[str]) -> np.ndarray:
    """The scores of pictures, −1 where there is no readable verdict."""
    known = (rows.get(name) for name in names)
    return np.array([-1.0 if row is None or row.p_fake is None else row.p_fake for row in known])
