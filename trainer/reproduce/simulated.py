"""Simulated candidates and reviewers over scenes, with the rates at which they err: what experiments are tried and tested on.

Candidates are the scenes' true anomalies, missed at a rate, and hallucinations: anomalies of a family that the picture does
not have, about an object of one that it may have, milder on average, as people find them too. Everything is drawn from the
seed and the picture's name, so that the same arguments give the same candidates whatever is drawn beside them.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dataset_builder.scenes import FAMILIES, Family, SceneRow
from dataset_builder.schema import Candidate, Verdict

__all__ = ["Generated", "Person", "Rates", "answer", "candidates"]

STAGES = ("attributes", "relations", "scan")


@dataclass(frozen=True)
class Generated:
    """A candidate and whether it is true."""

    candidate: Candidate
    true: bool


@dataclass(frozen=True)
class Person:
    """A simulated reviewer: how often true candidates are accepted and false ones rejected, 0..1."""

    name: str
    accepts_true: float
    rejects_false: float


@dataclass(frozen=True)
class Rates:
    """How the simulated agent errs.

    Attributes:
        miss (`float`): how often a true anomaly is not among the candidates.
        invented (`float`): how many hallucinations there are per picture on average, at most `MOST`.
        by_stage (`dict`): how often a hallucination comes from each stage, relative to the others.
        severity (`tuple[int, int]`): the range of a hallucination's severity.
    """

    miss: float = 0.1
    invented: float = 2.0
    by_stage: Mapping[str, float] = field(default_factory=lambda: {"attributes": 1.0, "relations": 2.0, "scan": 1.0})
    severity: tuple[int, int] = (35, 80)


MOST = 8
"""Hallucinations of a picture, at most."""


def candidates(rows: Sequence[SceneRow], rates: Rates, seed: int) -> dict[str, list[Generated]]:
    """The candidates of each picture, by name; pictures without any have an empty list."""
    return {row.image_id: _of_picture(row, rates, random.Random(f"candidates {seed} {row.image_id}")) for row in rows}


def _of_picture(row: SceneRow, rates: Rates, rng: random.Random) -> list[Generated]:
    found = [
        Generated(
            Candidate(**anomaly.model_dump(exclude={"family"}), stage=rng.choice(STAGES), support=rng.randint(1, 3)),
            True,
        )
        for anomaly in row.anomalies
        if rng.random() >= rates.miss
    ]
    free = sorted(set(FAMILIES) - {anomaly.family for anomaly in row.anomalies})
    number = sum(rng.random() < rates.invented / MOST for _ in range(MOST))
    found += [Generated(_invented(FAMILIES[rng.choice(free)], k, rates, rng), False) for k in range(number)]
    rng.shuffle(found)
    return found


def _invented(family: Family, k: int, rates: Rates, rng: random.Random) -> Candidate:
    thing = f"{rng.choice(('red', 'blue', 'green', 'yellow'))} thing {k + 1}"
    stages, weights = zip(*rates.by_stage.items(), strict=True)
    return Candidate(
        name=rng.choice(family.names),
        phenomenon=rng.choice(family.phenomena).format(object=thing),
        reasoning=rng.choice(family.reasonings),
        severity=rng.randint(*rates.severity),
        object=thing,
        stage=rng.choices(stages, weights)[0],
        support=1,
    )


def answer(person: Person, image_id: str, at: int, one: Generated, seed: int) -> Verdict:
    """What a reviewer says of a picture's candidate number `at`."""
    drawn = random.Random(f"answer {seed} {person.name} {image_id} {at}").random()
    right = drawn < (person.accepts_true if one.true else person.rejects_false)
    return "accept" if right == one.true else "reject"
