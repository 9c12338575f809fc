"""What people's verification does to the agent's candidates: how many stay, whether the severe ones stay, whether the true
ones do.

Candidates come from a reviewed run (`--run`, after `anomreason verdicts export`), or are simulated over scenes, with reviewers
whose errors are known. Where the truth is known, precision is the share of true candidates; in a run it is known of gold
items, per reviewer.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dataset_builder.errors import InputError
from dataset_builder.files.records import Place, as_image_id, as_list, as_object
from dataset_builder.files.strict_json import read_rows
from dataset_builder.scenes import SceneRow, read_scenes
from dataset_builder.schema import Candidate, Verdict
from dataset_builder.sources.annotations import read_candidate
from metric_semap.report import number
from trainer.evaluation.intensity import Score
from trainer.evaluation.result import Cell, Result, Table, percent, sure
from trainer.reproduce import embedded
from trainer.reproduce.detection import rate
from trainer.reproduce.experiment import NOTHING, Cost
from trainer.reproduce.shift import Judged, shift
from trainer.reproduce.simulated import Person, Rates, answer, candidates

if TYPE_CHECKING:  # torch comes with it
    from trainer.predict import Progress

__all__ = ["PEOPLE", "Gold", "Hitl", "Seen", "read_run", "verified"]

PICTURES = 240
RATES = Rates()
PEOPLE = (Person("careful", 0.97, 0.95), Person("quick", 0.93, 0.80), Person("lenient", 0.98, 0.60))
CLAIM = "174,872 candidates (about 8 a picture) became 5.9 a picture after people verified them, and what stayed is more severe."
PUBLISHED = (174_872 / 21_539, 5.9)


class Seen(NamedTuple):
    """A candidate: its stage and severity, what the reviewers' votes came to, each one's own, and whether it is true, where
    known."""

    stage: str
    severity: int | None
    verdict: Verdict | None
    by_reviewer: Mapping[str, Verdict]
    true: bool | None

    @property
    def kept(self) -> bool:
        return self.verdict == "accept"


class Gold(NamedTuple):
    """A reviewer on items with a known answer: how many were answered, and how many rightly."""

    name: str
    answers: int
    gold: int
    right: int


Pictures = Mapping[str, Sequence[Seen]]


@dataclass(frozen=True)
class Hitl:
    """The experiment.

    Attributes:
        run_directory (`Path`, *optional*): a reviewed run; simulated candidates over scenes without.
        reviewing (callable): reads a run's verdicts by item, and its reviewers on gold items; of the package `agent`.
        scenes (`int`): how many are rendered without a run.
        seed (`int`): of what is simulated and resampled.
    """

    run_directory: Path | None
    reviewing: Callable[[Path], tuple[dict[tuple[str, int], dict[str, Verdict]], list[Gold]]] | None = None
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
        gold: list[Gold] = []
        if self.run_directory is None:
            progress.step(f"simulate candidates over {self.scenes} scenes, and {len(self.people)} reviewers")
            rows = embedded.scenes(out / "scenes", self.scenes)
            pictures = verified(rows, self.rates, self.people, self.seed)
            data = f"Simulated candidates and reviewers over {embedded.DATA}."
        else:
            progress.step(f"read {self.run_directory}")
            own, gold = self.reviewing(self.run_directory) if self.reviewing else ({}, [])
            pictures = read_run(self.run_directory, own)
            data = f"The verdicts of {self.run_directory}."
        return _result(pictures, gold, data, simulated=self.run_directory is None, seed=self.seed)


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


def read_run(run: Path, own: Mapping[tuple[str, int], Mapping[str, Verdict]] | None = None) -> dict[str, list[Seen]]:
    """The candidates of `reviewed.jsonl` in a run, of the pictures whose every candidate has a verdict.

    Where the run's pictures are scenes, `scenes.jsonl` beside them tells what is true.

    Args:
        run (`Path`): the run directory.
        own (mapping, *optional*): each reviewer's own verdict, by picture and place in its list.

    Raises:
        InputError: if the file is missing, or no picture has all its verdicts.
    """
    path = run / "reviewed.jsonl"
    if not path.is_file():
        raise InputError(f"{path}: does not exist; write it with `anomreason verdicts export {run}`")
    truth = _truth(run)
    found: dict[str, list[Seen]] = {}
    for file, value in read_rows(path):
        row = as_object(value, Place(file), "an object with image_id and anomalies")
        image_id = as_image_id(row.get("image_id"), Place(file))
        records = as_list(row.get("anomalies"), Place(file, image_id), "a list of records")
        listed = [read_candidate(record, Place(file, image_id, at)) for at, record in enumerate(records)]
        if all(one.verdict is not None for one in listed):
            found[image_id] = [
                Seen(
                    one.stage or "none stated",
                    one.severity,
                    one.verdict,
                    (own or {}).get((image_id, at), {}),
                    None if truth is None else _is_true(one, truth.get(image_id)),
                )
                for at, one in enumerate(listed)
            ]
    if not any(found.values()):
        raise InputError(
            f"{path}: no picture has a verdict on each of its candidates; go on with `anomreason review {run}`"
        )
    return found


def _truth(run: Path) -> dict[str, SceneRow] | None:
    """The scenes that a run's pictures are, if they are."""
    import json

    try:
        images = json.loads((run / "run.json").read_text(encoding="utf-8")).get("images")
    except (OSError, ValueError, AttributeError):
        return None
    place = Path(str(images)).parent
    return {row.image_id: row for row in read_scenes(place)} if (place / "scenes.jsonl").is_file() else None


def _is_true(candidate: Candidate, row: SceneRow | None) -> bool:
    """Whether a candidate says what is wrong with a scene: the name is of the family, and the object is named."""
    from dataset_builder.scenes import family_of

    family, told = family_of(candidate.name), f"{candidate.object} {candidate.phenomenon}".casefold()
    return row is not None and any(one.family == family and one.object in told for one in row.anomalies)


def _result(pictures: Pictures, gold: Sequence[Gold], data: str, *, simulated: bool, seed: int) -> Result:
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
    known = [one for one in everything if one.true is not None]
    if known:
        numbers["precision before"] = _precision(known)
        numbers["precision after"] = _precision([one for one in known if one.kept])
        numbers["true candidates kept"] = _share(known, of_true=True, kept=True)
        numbers["false candidates removed"] = _share(known, of_true=False, kept=False)
    findings = _findings(numbers, bool(known))
    notes = [] if known else ["The truth of these candidates is not known, so precision is told of gold items only."]
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
        tables=_tables(numbers, everything, gold, bool(known)),
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
