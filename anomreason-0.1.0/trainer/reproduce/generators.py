"""Fifteen generators ranked by AF, MAI and CAP: by two reviewers, how far these agree, and whether quality is rationality.

With a plan (`--generators generators.yaml`, as for `anomreason audit`) the reviewers are those of its annotations, or the
model it names (`audited`); with a dataset or a release they are the models of a bench (`by_generator`). Without data,
generators of known rates are made of scenes: for each scene, which stands for a prompt, a generator shows the odd picture with
its own probability, else the clean twin. Two simulated reviewers look at them, and then reviewers of four error rates, whose
errors are independent, shared by all generators, or uneven, so that a reviewer is blind to some generators' faults: that shows
where a ranking can be believed.
"""

import csv
import io
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dataset_builder.errors import InputError, shorten
from dataset_builder.files.regular import read_regular
from dataset_builder.scenes import SceneRow
from trainer.evaluation.audit_answers import Reviewed
from trainer.evaluation.audit_result import severities_of
from trainer.evaluation.intensity import Score, Severities, Tested, audit
from trainer.evaluation.result import Cell, Result, Table
from trainer.reproduce import embedded
from trainer.reproduce.experiment import NOTHING, Cost
from trainer.reproduce.ranking import agreement, correlation, disagreements

if TYPE_CHECKING:  # torch comes with it
    from trainer.predict import Progress

__all__ = ["KNOWN", "Errors", "Generators", "known_generators", "read_quality", "reviewed_by"]

PICTURES = 240
KNOWN = {"g1": 0.10, "g2": 0.20, "g3": 0.30, "g4": 0.42, "g5": 0.54, "g6": 0.66, "g7": 0.78, "g8": 0.90}
"""Generators over scenes: how often each shows the odd picture."""
RATES = (0.05, 0.15, 0.3, 0.5)
REPEATS = 8
RESAMPLES = 2_000
"""Holm over the 28 pairs compares with 0.0014: fewer could not reach it."""
CLAIM = (
    "Of 15 generators, HunyuanImage-2.1 and OmniGen V2 have the lowest CAP, and high quality is not high rationality. The paper's "
    "formulas of AF, MAI and CAP are not public; these are this project's."
)
Mode = Literal["independent", "shared", "uneven"]
MODES: tuple[Mode, ...] = ("independent", "shared", "uneven")
Reviews = Mapping[str, Severities]
"""What one reviewer found: generator → prompt → pictures → severities."""


@dataclass(frozen=True)
class Errors:
    """A simulated reviewer: misses an anomaly, and finds one that is not there, each with the chance `rate`.

    `shared` errors depend on the prompt alone, so that every generator's picture of it meets the same; `uneven` ones come at a
    rate between 0 and twice as high that is each generator's own.
    """

    rate: float
    mode: Mode = "independent"
    seed: int = 0


@dataclass(frozen=True)
class Generators:
    """The experiment.

    Attributes:
        reviewed (callable, *optional*): looks at a plan's generators, or reads what others found; known ones over scenes without.
        names (`str`): what to call the plan or the dataset.
        prompts (mapping): the prompt of each picture, where a file tells.
        quality (`Path`, *optional*): a CSV of `generator` and one number or more of quality.
        seed (`int`): of resampling, and of what is simulated.
    """

    reviewed: Callable[[Path, "Progress"], Reviewed] | None = None
    names: str = ""
    prompts: Mapping[str, str] | None = None
    quality: Path | None = None
    seed: int = 0
    scenes: int = PICTURES
    repeats: int = REPEATS
    asked: Callable[[], Cost] = lambda: NOTHING

    name = "generators"

    def cost(self) -> Cost:
        """The reviewers', of pictures without annotations."""
        return self.asked().plus(NOTHING._replace(seconds=40))

    def run(self, out: Path, progress: "Progress") -> Result:
        """Rank the generators by every reviewer and compare the rankings."""
        if self.reviewed is not None:
            answers = self.reviewed(out, progress)
            reviewers = list(dict.fromkeys(name for one in answers.generators.values() for name in one.by_reviewer))
            by = {name: severities_of(name, answers.generators, dict(self.prompts or {})) for name in reviewers}
            return self._result(by, f"The generators of {self.names}.", answers.notes, [], answers.unfinished)
        progress.step(f"render {self.scenes} scenes and make {len(KNOWN)} generators of known rates")
        rows = embedded.scenes(out / "scenes", self.scenes)
        truth = known_generators(rows, self.seed)
        by = {
            "tuned model (simulated)": reviewed_by(truth, Errors(0.1, seed=self.seed)),
            "agent (simulated)": reviewed_by(truth, Errors(0.2, seed=self.seed + 1)),
        }
        progress.step(f"rank them by reviewers with errors at {len(RATES)} rates")
        limits, broken = _limits(truth, self.repeats, self.seed)
        data = f"Generators of known rates, made of {embedded.DATA}; reviewers are simulated."
        return self._result(by, data, [broken], [limits], {})

    def _result(
        self,
        by: Mapping[str, Reviews],
        data: str,
        told: Sequence[str],
        more: Sequence[Table],
        unfinished: Mapping[str, str],
    ) -> Result:
        audits = {name: audit(reviews, seed=self.seed) for name, reviews in by.items()}
        caps = {
            name: {one.name: one.scores["CAP"].value for one in tested.generators} for name, tested in audits.items()
        }
        tables = [_ranking(name, tested) for name, tested in audits.items()]
        numbers: dict[str, Cell] = {
            f"{name}: {one.name}: {score}": one.scores[score]
            for name, tested in audits.items()
            for one in tested.generators
            for score in ("AF", "MAI", "CAP")
        }
        findings = []
        for first, second in combinations(by, 2):
            tau = agreement(by[first], by[second], self.seed)
            numbers[f"{first} and {second}: tau"] = tau
            apart = disagreements(caps[first], caps[second])
            findings.append(_agreed(first, second, tau, len(apart)))
            tables.append(
                Table(
                    f"Pairs that {first} and {second} order differently",
                    ("lower CAP by one, higher by the other", f"CAP by {first}", f"CAP by {second}"),
                    [[f"{pair.first} and {pair.second}", pair.by_one, pair.by_other] for pair in apart],
                    "Differences in CAP, the first generator's less the second's.",
                )
            )
        if self.quality is not None:
            tables.append(self._quality(caps, numbers, findings))
        return Result(
            experiment=self.name,
            title="Generators ranked by what is wrong with their pictures",
            claim=CLAIM,
            data=data,
            simulated=self.reviewed is None,
            findings=findings,
            tables=[*tables, *more],
            numbers=numbers,
            notes=list(told),
            settings={"seed": self.seed},
            unfinished=unfinished,
        )

    def _quality(self, caps: Mapping[str, Mapping[str, float]], numbers: dict[str, Cell], findings: list[str]) -> Table:
        assert self.quality is not None
        rows: list[list[Cell]] = []
        for column, quality in read_quality(self.quality).items():
            for name, cap in caps.items():
                found, p = correlation(quality, cap, self.seed)
                numbers[f"{column} and CAP by {name}"] = found
                rows.append([column, name, len(quality.keys() & cap.keys()), found, p])
                if not math.isnan(found.value):
                    findings.append(
                        f"{column} and CAP by {name}: Spearman {found.value:.2f} ({found.low:.2f} to {found.high:.2f}), "
                        f"p = {p:.3f}; below 0, better pictures are also more rational."
                    )
        note = "Lower CAP is better. A wide interval around 0 says that the generators are too few, not that there is nothing."
        return Table(
            "Quality and rationality", ("quality", "reviewer", "generators", "Spearman with CAP", "p"), rows, note
        )


def _agreed(first: str, second: str, tau: Score, apart: int) -> str:
    if math.isnan(tau.value):
        return f"The rankings by {first} and {second} cannot be compared: fewer than two generators in common, or all alike."
    return (
        f"The rankings by {first} and {second} agree with Kendall's tau {tau.value:.2f} ({tau.low:.2f} to {tau.high:.2f}); "
        f"{apart} pairs are in another order."
    )


def _ranking(name: str, tested: Tested) -> Table:
    tiers = {one: k for k, tier in enumerate(tested.tiers, 1) for one in tier}
    return Table(
        f"Ranking by {name}",
        ("generator", "tier", "CAP", "AF", "MAI", "pictures"),
        [
            [one.name, tiers[one.name], *(one.scores[key] for key in ("CAP", "AF", "MAI")), one.pictures]
            for one in tested.generators
        ],
        "Lower is better. Generators of one tier cannot be told apart.",
    )


def read_quality(path: Path) -> dict[str, dict[str, float]]:
    """The numbers of quality in a CSV file, by column and generator.

    Raises:
        InputError: naming the file, the line and the value.
    """
    try:
        rows = csv.DictReader(io.StringIO(read_regular(path).decode("utf-8-sig")))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); give a CSV file with the column generator") from None
    columns = [name for name in rows.fieldnames or () if name != "generator"]
    if "generator" not in (rows.fieldnames or ()) or not columns:
        raise InputError(f"{path}: needs the column generator and one of quality; write generator,clip_score")
    found: dict[str, dict[str, float]] = {column: {} for column in columns}
    for number, row in enumerate(rows, 2):
        for column in columns:
            if row[column]:
                try:
                    found[column][row["generator"]] = float(row[column])
                except ValueError:
                    raise InputError(
                        f"{path}: line {number}: {column}: {shorten(row[column])} is not a number"
                    ) from None
    return found


def known_generators(rows: Sequence[SceneRow], seed: int, rates: Mapping[str, float] = KNOWN) -> dict[str, Severities]:
    """The true severities in the pictures of generators of known rates, by prompt; a prompt is a scene with its twin."""
    odd = [row for row in rows if row.anomalies]
    found: dict[str, Severities] = {}
    for name, rate in rates.items():
        shown: dict[str, list[list[int | None]]] = {}
        for row in odd:
            is_odd = random.Random(f"shown {seed} {name} {row.image_id}").random() < rate
            shown[row.image_id] = [[one.severity for one in row.anomalies] if is_odd else []]
        found[name] = shown
    return found


def reviewed_by(truth: Reviews, errors: Errors) -> dict[str, Severities]:
    """What a simulated reviewer says of the pictures."""
    return {
        name: {prompt: [_seen(name, prompt, listed[0], errors)] for prompt, listed in of.items()}
        for name, of in truth.items()
    }  # type: ignore[attr-defined]


def _seen(generator: str, prompt: str, true: Sequence[int | None], errors: Errors) -> list[int | None]:
    whose = "" if errors.mode == "shared" else generator
    rng = random.Random(f"errors {errors.seed} {whose} {prompt}")
    rate = errors.rate
    if errors.mode == "uneven":
        rate *= 2 * random.Random(f"own {errors.seed} {generator}").random()
    found = [severity for severity in true if rng.random() >= rate]
    return [*found, rng.randint(20, 60)] if rng.random() < rate else found


def _limits(truth: Reviews, repeats: int, seed: int) -> tuple[Table, str]:
    """How near the ranking comes to the known one, by the reviewers' errors; and in a sentence where it fails."""
    from scipy.stats import kendalltau

    order = {name: k for k, name in enumerate(sorted(KNOWN, key=lambda name: KNOWN[name]))}
    rows: list[list[Cell]] = []
    broken = []
    for mode in MODES:
        fails = None
        for rate in RATES:
            taus, wrong, separated = [], 0, 0
            for k in range(repeats):
                tested = audit(reviewed_by(truth, Errors(rate, mode, seed + 100 + k)), resamples=RESAMPLES, seed=k)
                names = [one.name for one in tested.generators]
                taus.append(float(kendalltau(range(len(names)), [order[name] for name in names]).statistic))
                told = [pair for pair in tested.pairs if pair.separated]
                separated += len(told)
                wrong += sum(order[pair.better] > order[pair.worse] for pair in told)
            share = wrong / separated if separated else math.nan
            rows.append([f"{mode}, {rate:.0%}".replace("%", " %"), _spread(taus), separated / repeats, share])
            if fails is None and (np.mean(taus) < 0.8 or share > 0.05):
                fails = rate
        at = "at none of the rates" if fails is None else f"from {100 * fails:.0f} % on"
        broken.append(f"{mode} errors: {at}")
    title = "Where the ranking fails: reviewers with errors against the known order"
    note = (
        f"{repeats} reviewers each, {len(KNOWN)} generators. An error rate is the chance to miss an anomaly and to invent one. A "
        "pair is told apart at 4 % for all pairs together; one that is told apart in the wrong order is worse than none."
    )
    columns = ("errors", "Kendall's tau with the known order", "pairs told apart", "of these in the wrong order")
    fails_if = "tau below 0.8, or over 5 % of the pairs told apart in the wrong order"
    return Table(title, columns, rows, note), f"The ranking fails ({fails_if}): {'; '.join(broken)}."


def _spread(taus: Sequence[float]) -> Score:
    """The mean, and where the middle 95 % of reviewers lie."""
    low, high = np.quantile(taus, [0.025, 0.975])
    return Score(float(np.mean(taus)), float(low), float(high))
