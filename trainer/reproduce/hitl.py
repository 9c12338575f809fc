"""What people's verification does to the agent's candidates: how many stay, whether the severe ones stay, whether the true
ones do.

Candidates come from a reviewed run, a dataset or a release (`reviewed`), or are simulated over scenes, with reviewers whose
errors are known. Where the truth is known, precision is the share of true candidates; in a run it is known of gold items, per
reviewer.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dataset_builder.scenes import SceneRow
from dataset_builder.schema import Verdict
from metric_semap.report import number
from trainer.evaluation.intensity import Score
from trainer.evaluation.result import Cell, Result, Table, percent, sure
from trainer.reproduce import embedded
from trainer.reproduce.detection import rate
from trainer.reproduce.experiment import NOTHING, Cost
from trainer.reproduce.reviewed import Gold, Seen, Verified
from trainer.reproduce.shift import Judged, shift
from trainer.reproduce.simulated import Person, Rates, answer, candidates

if TYPE_CHECKING:  # torch comes with it
    from trainer.predict import Progress

__all__ = ["PEOPLE", "Hitl", "verified"]

PICTURES = 240
RATES = Rates()
PEOPLE = (Person("careful", 0.97, 0.95), Person("quick", 0.93, 0.80), Person("lenient", 0.98, 0.60))
CLAIM = (
    "174,872 candidates (about 8 per picture) became 5.9 per picture after people verified them, and what stayed is more "
    "severe."
)
PUBLISHED = (174_872 / 21_539, 5.9)


@dataclass(frozen=True)
class Hitl:
    """The experiment.

    Attributes:
        read (callable, *optional*): reads what was verified; simulated candidates over scenes without.
        place (`str`): what to call that.
        scenes (`int`): how many are rendered without it.
        seed (`int`): of what is simulated and resampled.
    """

    read: Callable[[], Verified] | None = None
    place: str = ""
    scenes: int = PICTURES
    seed: int = 0
    people: Sequence[Person] = PEOPLE
    rates: Rates = RATES

    name = "hitl"

    def cost(self) -> Cost:
        """No model is asked."""
        return NOTHING._replace(seconds=20, assumed=("no model is asked",))

    def run(self, out: Path, progress: "Progress") -> Result:
        """Read or simulate the verdicts and compare what stayed with what went."""
        if self.read is not None:
            progress.step(f"read {self.place}")
            return _result(self.read(), f"The verdicts of {self.place}.", simulated=False, seed=self.seed)
        progress.step(f"simulate candidates over {self.scenes} scenes, and {len(self.people)} reviewers")
        rows = embedded.scenes(out / "scenes", self.scenes)
        found = Verified(verified(rows, self.rates, self.people, self.seed))
        data = f"Simulated candidates and reviewers over {embedded.DATA}."
        return _result(found, data, simulated=True, seed=self.seed)


def verified(rows: Sequence[SceneRow], rates: Rates, people: Sequence[Person], seed: int) -> dict[str, list[Seen]]:
    """Simulated candidates with the majority of the reviewers' answers; a tie is unsure, as at the review desk."""
    found = {}
    for image_id, listed in candidates(rows, rates, seed).items():
        seen = []
        for at, one in enumerate(listed):
            said = {person.name: answer(person, image_id, at, one, seed) for person in people}
            accepted = sum(verdict == "accept" for verdict in said.values())
            verdict: Verdict = (
                "accept" if 2 * accepted > len(said) else "reject" if 2 * accepted < len(said) else "unsure"
            )
            seen.append(Seen(one.candidate.stage, one.candidate.severity, verdict, said, one.true))
        found[image_id] = seen
    return found


def _result(of: Verified, data: str, *, simulated: bool, seed: int) -> Result:
    pictures = of.pictures
    before = np.array([len(listed) for listed in pictures.values()], dtype=float)
    after = np.array([sum(one.kept for one in listed) for listed in pictures.values()], dtype=float)
    judged = [
        [Judged(one.severity, one.kept) for one in listed if one.severity is not None] for listed in pictures.values()
    ]
    moved = shift(judged, seed)
    everything = [one for listed in pictures.values() for one in listed]
    numbers: dict[str, Cell] = {
        "candidates per picture before": _mean(before),
        "candidates per picture after": _mean(after),
        "removed per picture": _mean(before - after),
        "share kept": rate(sum(one.kept for one in everything), len(everything)),
        "severity shift, kept against removed": moved.points,
        "chance that a kept one has the higher severity": moved.higher,
        "p against removing as many at random": moved.p,
        "mean severity before": sure(_average(one.severity for one in everything)),
        "mean severity after": sure(_average(one.severity for one in everything if one.kept)),
    }
    added = sum(one.kept for one in of.added)
    if added:
        stayed = sum(one.kept for one in everything)
        numbers["added by people and accepted, per picture"] = sure(added / len(pictures))
        numbers["share of all accepted that the agent had found"] = rate(stayed, stayed + added)
    known = [one for one in everything if one.true is not None]
    if known:
        numbers["precision before"] = _precision(known)
        numbers["precision after"] = _precision([one for one in known if one.kept])
        numbers["true candidates kept"] = _share(known, of_true=True, kept=True)
        numbers["false candidates removed"] = _share(known, of_true=False, kept=False)
    findings = _findings(numbers, bool(known))
    notes = list(of.notes)
    if not known:
        notes.append("The truth of these candidates is not known, so precision is given only for gold items.")
    if added:
        notes.append(
            f"People added {added} anomalies that were accepted. They are not among the candidates before and after; "
            "`anomreason verdicts status` shows what each agent finds, over the pictures that were looked over."
        )
    lost = len(everything) - sum(one.severity is not None for one in everything)
    if lost:
        notes.append(f"{lost} candidates have no severity and are left out of the shift.")
    return Result(
        experiment="hitl",
        title="What verification by people does to the agent's candidates",
        claim=CLAIM,
        data=f"{data} {len(pictures):,} pictures, {len(everything):,} candidates.",
        simulated=simulated,
        findings=findings,
        tables=_tables(numbers, everything, of.gold, bool(known)),
        numbers=numbers,
        notes=notes,
        settings={"seed": seed},
    )


def _findings(numbers: Mapping[str, Any], known: bool) -> list[str]:
    before, after = numbers["candidates per picture before"], numbers["candidates per picture after"]
    points, p = numbers["severity shift, kept against removed"], numbers["p against removing as many at random"]
    found = [f"{before.value:.2f} candidates per picture became {after.value:.2f} (the paper: about 8 became 5.9)."]
    if math.isnan(points.value):
        found.append("Nothing was kept, or nothing removed, so there is no shift of severity.")
    else:
        way = "more severe" if points.value < 0 else "milder" if points.value > 0 else "as severe"
        chance = (
            "more than removing as many at random would do" if p < 0.05 else "which removing as many at random does too"
        )
        found.append(
            f"Kept candidates are {way} than removed ones by {number(abs(points.value), 1)} points of severity "
            f"(shift {number(points.low, 1)} to {number(points.high, 1)}; low is severe), {chance} (p = {p:.4f})."
        )
    if known:
        found.append(
            f"The share of true candidates rose from {percent(numbers['precision before'].value)} to "
            f"{percent(numbers['precision after'].value)}; {percent(numbers['true candidates kept'].value)} of the true "
            "ones stayed."
        )
    return found


def _tables(numbers: Mapping[str, Cell], everything: Sequence[Seen], gold: Sequence[Gold], known: bool) -> list[Table]:
    paper = dict(zip(("candidates per picture before", "candidates per picture after"), PUBLISHED, strict=True))
    tables = [
        Table(
            "Before and after",
            ("quantity", "measured", "the paper"),
            [[name, value, paper.get(name)] for name, value in numbers.items()],
            "Severity runs from 0 (completely irrational) to 100: a negative shift means that severe candidates stay.",
        )
    ]
    stages: dict[str, list[Seen]] = defaultdict(list)
    for one in everything:
        stages[one.stage].append(one)
    columns = ("stage", "candidates", "kept", *(("precision before", "precision after") if known else ()))
    tables.append(
        Table(
            "By stage",
            columns,
            [_stage(stage, listed, known) for stage, listed in sorted(stages.items())],
        )
    )
    people = sorted({name for one in everything for name in one.by_reviewer})
    if people and known:
        tables.append(
            Table(
                "By reviewer",
                ("reviewer", "answers", "true accepted", "false rejected"),
                [_person(name, everything) for name in people],
            )
        )
    if gold:
        tables.append(
            Table(
                "Reviewers on items with a known answer",
                ("reviewer", "answers", "gold items", "right"),
                [[one.name, one.answers, one.gold, rate(one.right, one.gold)] for one in gold],
            )
        )
    return tables


def _stage(stage: str, listed: Sequence[Seen], known: bool) -> list[Cell]:
    kept = [one for one in listed if one.kept]
    row: list[Cell] = [stage, len(listed), rate(len(kept), len(listed))]
    return [*row, _precision(listed), _precision(kept)] if known else row


def _person(name: str, everything: Sequence[Seen]) -> list[Cell]:
    own = [(one.true, one.by_reviewer[name]) for one in everything if name in one.by_reviewer]
    true = [verdict for is_true, verdict in own if is_true]
    false = [verdict for is_true, verdict in own if is_true is False]
    return [name, len(own), rate(true.count("accept"), len(true)), rate(false.count("reject"), len(false))]


def _mean(values: np.ndarray) -> Score:
    """A mean over pictures with its interval, by Student's t on the pictures' values."""
    from scipy.stats import t

    if len(values) < 2:
        return sure(float(values.mean()) if len(values) else math.nan)
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return Score(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


def _average(severities: Any) -> float:
    known = [severity for severity in severities if severity is not None]
    return float(np.mean(known)) if known else math.nan


def _precision(listed: Sequence[Seen]) -> Score:
    return rate(sum(bool(one.true) for one in listed), len(listed))


def _share(listed: Sequence[Seen], *, of_true: bool, kept: bool) -> Score:
    those = [one for one in listed if one.true == of_true]
    return rate(sum(one.kept == kept for one in those), len(those))
