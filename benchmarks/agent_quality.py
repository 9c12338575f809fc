"""How well and how dearly the agent's plans annotate, where models err in different ways: `python -m benchmarks.agent quality`.

Two simulated models answer. `agent.simulated` errs at the rates of a regime; the plans grew up with it. The observer of
`tests/agent/other_observer.py` was written from the protocol and the scenes' truth alone, with errors of another structure.

Nothing is measured on what a plan was tuned on: the parameters of `agent/plans/vote.py`, the regimes below and the observer were
committed first, as `PARAMETERS`, and every seed is drawn from that commit's name (`seeds`). `git diff PARAMETERS -- agent/plans`
shows what has changed since.

An anomaly counts as found once, by its family and its object; everything else that is reported counts against the precision, so
the same anomaly told twice does too. Intervals are those of `metric_semap.statistics`, over scenes: a picture and its clean twin
are one cluster.
"""

import functools
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from PIL import Image

from agent.plans import Annotation, Settings
from agent.run import Endpoint, annotate
from agent.simulated import serve
from dataset_builder.scenes import SceneRow, family_of, pair, read_scenes, write_scenes
from dataset_builder.schema import Candidate
from metric_semap.statistics import PairedTest, Sums, compare, interval
from tests.agent.other_observer import Character, serve_observer
from tests.agent.other_words import meant

__all__ = ["OTHER", "PLANS", "REGIMES", "Outcome", "Regime", "measure", "quality", "seeds"]

PARAMETERS = "0000000000000000000000000000000000000000"
"""The commit of everything that was chosen before it was measured."""

PLANS = ("paper", "efficient", "vote", "direct")
POOL = 16


class Regime(NamedTuple):
    """Under what the plans are compared.

    Attributes:
        told (`str`): in words.
        model (mapping or `Character`): the rates of `agent.simulated`, or what kind of observer answers.
        side (`int`): pixels a side that the pictures are enlarged to from 168.
        directories, pictures (`int`): directories of scenes, each of its own seed, and pictures in each, half of them clean.
    """

    told: str
    model: dict[str, float] | Character
    side: int = 168
    directories: int = 5
    pictures: int = 100


_PRESENT = {"miss": 0.2, "hallucinate": 0.1, "catch": 0.8, "doubt": 0.05, "misgroup": 0.1}

REGIMES = {
    "present": Regime("a look misses 20 %, invents on 10 % of objects; 80 % of that is caught", _PRESENT),
    "shared": Regime("the same, half of the errors repeated by every look", _PRESENT | {"stubborn": 0.5}),
    "credulous": Regime("the same, but only 10 % of what is invented is caught", _PRESENT | {"catch": 0.1}),
    "weak": Regime(
        "a weak and biased model: misses 30 %, invents on 20 %, half of it of one kind; catches 60 %, doubts 15 %",
        {"miss": 0.3, "hallucinate": 0.2, "catch": 0.6, "doubt": 0.15, "misgroup": 0.2, "bias": 0.5},
    ),
}
"""Of `agent.simulated`; in all of them a tenth of the findings of a list is grouped wrongly, of the weak model a fifth."""

OTHER = {
    "observer": Regime("the other observer as it was written", Character(), directories=3),
    "observer-credulous": Regime(
        "one that agrees with nearly every claim it is shown", Character(trust=3.0), directories=3
    ),
    "observer-weak": Regime(
        "one that sees less and fancies more", Character(skill=0.4, fancy=-3.6, trust=0.0), directories=3
    ),
}

LARGE = {"large": Regime("the present rates, pictures of 1,008 pixels a side", _PRESENT, 1008, 1, 40)}
"""What costs more than the text around it."""


class Judged(NamedTuple):
    """One picture's answer against its truth."""

    scene: str
    truths: int
    found: int
    reported: int


class Outcome(NamedTuple):
    """What a plan came to in a regime."""

    judged: list[Judged]
    calls: int
    tokens: int

    def __add__(self, other: "Outcome") -> "Outcome":  # type: ignore[override]
        return Outcome(self.judged + other.judged, self.calls + other.calls, self.tokens + other.tokens)

    @property
    def f1(self) -> Sums:
        return self._sums(lambda one: 2 * one.found, lambda one: one.truths + one.reported)

    @property
    def recall(self) -> Sums:
        return self._sums(lambda one: one.found, lambda one: one.truths)

    @property
    def precision(self) -> Sums:
        return self._sums(lambda one: one.found, lambda one: one.reported)

    @property
    def alarms(self) -> Sums:
        """Clean pictures with anything reported, of all clean ones."""
        return self._sums(lambda one: not one.truths and one.reported > 0, lambda one: not one.truths)

    def _sums(self, part: Callable[[Judged], int], whole: Callable[[Judged], int]) -> Sums:
        place = {scene: k for k, scene in enumerate(dict.fromkeys(one.scene for one in self.judged))}
        sums = np.zeros((2, len(place)))
        for one in self.judged:
            sums[:, place[one.scene]] += part(one), whole(one)
        return Sums(*sums)


def seeds(name: str, regime: Regime) -> list[int]:
    """The seeds of a regime's directories, for scenes and errors alike: SHA-256 of the commit, the regime's name and a number."""
    drawn = (hashlib.sha256(f"{PARAMETERS} {name} {k}".encode()) for k in range(regime.directories))
    return [int.from_bytes(digest.digest()[:4]) for digest in drawn]


def quality(names: Iterable[str] = ()) -> None:
    """The tables of all regimes, or of those named."""
    known = REGIMES | LARGE | OTHER
    won = [name for name in names or known if _table(name, known[name]) and name in REGIMES]
    print(f"\nvote over efficient beyond the interval for no more tokens: {', '.join(won) or 'in no regime'}")


def _table(name: str, regime: Regime) -> bool:
    """Print a regime's table; whether `vote` exceeds `efficient` beyond the interval, for no more tokens."""
    outcomes: dict[str, Outcome] = {}
    for seed in seeds(name, regime):
        for plan, outcome in measure(regime, seed):
            outcomes[plan] = outcomes[plan] + outcome if plan in outcomes else outcome
    print(f"\n{name}: {regime.told}; {regime.directories * regime.pictures} pictures\n")
    print("| plan | F1 | recall | precision | false alarms | calls | tokens | share |\n|" + "---|" * 8)
    for plan, outcome in outcomes.items():
        measured = (outcome.f1, outcome.recall, outcome.precision, outcome.alarms)
        share = outcome.tokens / outcomes["paper"].tokens
        cells = [
            f"`{plan}`",
            *map(_with_interval, measured),
            f"{outcome.calls:,}",
            f"{outcome.tokens:,}",
            f"{share:.2f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    vote, efficient = outcomes["vote"], outcomes["efficient"]
    test: PairedTest = compare(vote.f1, efficient.f1, 2_000, 0)
    print(
        f"\nvote - efficient: F1 {test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}], p {test.p:.4f}", flush=True
    )
    return test.low is not None and test.low > 0 and vote.tokens <= efficient.tokens


def _with_interval(sums: Sums) -> str:
    found = interval(sums)
    return f"{sums.value:.3f}" + (f" [{found.low:.3f}, {found.high:.3f}]" if found else "")


def measure(regime: Regime, seed: int, plans: Iterable[str] = PLANS) -> Iterator[tuple[str, Outcome]]:
    """Run plans over one directory of scenes, and what came of each."""
    with tempfile.TemporaryDirectory() as place:
        scenes = write_scenes(Path(place) / "scenes", regime.pictures, seed=seed)
        images = _enlarged(scenes / "images", Path(place) / "images", regime.side)
        rows = {row.image_id: row for row in read_scenes(scenes)}
        for plan in plans:
            out = Path(place) / plan
            settings = Settings(plan=plan)  # type: ignore[arg-type]
            with _served(regime.model, scenes, seed) as url:
                summary = annotate(str(images), out, Endpoint("simulated", url, POOL), settings)
                if not isinstance(regime.model, Character):
                    _check_ledger(url, summary)
            lines = (out / "annotations.jsonl").read_text().splitlines()
            annotations = [Annotation.model_validate_json(line) for line in lines]
            read = _read_by_words if isinstance(regime.model, Character) else _read_by_family
            judged = [_judge(rows[one.image_id], one, read) for one in annotations]
            yield plan, Outcome(judged, summary["calls"], summary["prompt_tokens"] + summary["completion_tokens"])


def _enlarged(images: Path, place: Path, side: int) -> Path:
    if side == 168:
        return images
    place.mkdir()
    for path in images.iterdir():  # the simulated model knows its scenes at any size
        Image.open(path).resize((side, side), Image.Resampling.LANCZOS).save(place / path.name)
    return place


def _served(model: dict[str, float] | Character, scenes: Path, seed: int) -> AbstractContextManager[str]:
    return _observer(scenes, model, seed) if isinstance(model, Character) else serve(scenes, seed=seed, **model)


@contextmanager
def _observer(scenes: Path, character: Character, seed: int) -> Iterator[str]:
    with serve_observer(scenes, character, seed) as endpoint:
        yield endpoint.base_url


def _check_ledger(url: str, summary: dict[str, Any]) -> None:
    served = httpx.get(url.replace("/v1", "/stats")).json()
    for name in ("prompt_tokens", "completion_tokens"):
        assert served[name] == summary[name], f"the ledger is wrong: {name} {summary[name]}, billed {served[name]}"


Read = Callable[[SceneRow, Candidate], tuple[str, str] | None]
"""What an anomaly that was reported means, as object and family."""


def _read_by_family(row: SceneRow, told: Candidate) -> tuple[str, str] | None:
    return next(
        (
            (one.object, one.family)
            for one in row.anomalies
            if family_of(told.name) == one.family and one.object in told.phenomenon
        ),
        None,
    )


def _read_by_words(row: SceneRow, told: Candidate) -> tuple[str, str] | None:
    return meant(told.phenomenon, _things(row.seed, int(row.image_id.split("_")[2])))


@functools.cache
def _things(seed: int, index: int) -> list[str]:
    return [thing.object for thing in pair(seed, index)[0].scene.things]


def _judge(row: SceneRow, annotation: Annotation, read: Read) -> Judged:
    true = {(one.object, one.family) for one in row.anomalies}
    said = {read(row, told) for told in annotation.anomalies}
    scene = row.image_id.rsplit("_", 1)[0]
    return Judged(scene, len(true), len(true & said), len(annotation.anomalies))
