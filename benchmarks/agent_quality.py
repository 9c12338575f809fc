"""How well and how dearly the agent's plans annotate, where models err in different ways: `python -m benchmarks.agent quality`.

Two simulated models answer. `agent.simulated` errs at the rates of a regime; the plans grew up with it. The observer of
`tests/agent/other_observer.py` was written from the protocol and the scenes' truth alone, with errors of another structure.

Models answer in this process, which is several times as fast as over HTTP and gives the same annotations, calls and tokens
(`tests/agent/test_quality.py` holds that).

Nothing is measured on what a plan was tuned on: the parameters of `agent/plans/vote.py`, the regimes below and the observer were
committed first, as `PARAMETERS`, and every seed is drawn from that commit's name (`seeds`). `git diff PARAMETERS -- agent/plans`
shows what has changed since.

An anomaly counts as found once, by its family and its object; everything else that is reported counts against the precision, so
the same anomaly told twice does too. Intervals are those of `metric_semap.statistics`, over scenes: a picture and its clean twin
are one cluster.
"""

import functools
import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from agent import loops
from agent.asking import Asker, Question, Services
from agent.journal_rows import Attempt
from agent.pictures import SentPicture
from agent.plans import PLANS, Annotation, Settings
from agent.simulated.answers import answer_stage, answer_task, task_of
from agent.simulated.pictures import Pictures
from agent.simulated.rates import Dice, Rates
from agent.simulated.world import Scene
from dataset_builder.scenes import SceneRow, family_of, pair, read_scenes, write_scenes
from dataset_builder.schema import Candidate
from metric_semap.statistics import Sums, compare, interval
from tests.agent.other_observer import Character, Observer
from tests.agent.other_words import meant

__all__ = ["COMPARED", "OTHER", "REGIMES", "Outcome", "Regime", "annotated", "measure", "model_of", "quality", "seeds"]

PARAMETERS = "6df0cf05eee901d073d0a9eb8bab714abe4730dd"
"""The commit of everything that was chosen before it was measured."""

COMPARED = ("paper", "efficient", "vote", "direct")


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
    test = compare(vote.f1, efficient.f1, 2_000, 0)
    print(
        f"\nvote - efficient: F1 {test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}], p {test.p:.4f}", flush=True
    )
    return test.low is not None and test.low > 0 and vote.tokens <= efficient.tokens


def _with_interval(sums: Sums) -> str:
    found = interval(sums)
    return f"{sums.value:.3f}" + (f" [{found.low:.3f}, {found.high:.3f}]" if found else "")


def measure(regime: Regime, seed: int, plans: Iterable[str] = COMPARED) -> Iterator[tuple[str, Outcome]]:
    """Run plans over one directory of scenes, and what came of each."""
    with tempfile.TemporaryDirectory() as place:
        scenes = write_scenes(Path(place) / "scenes", regime.pictures, seed=seed)
        model = model_of(regime, scenes, seed)
        rows = read_scenes(scenes)
        pictures = [_sent(scenes / "images" / row.image_id, regime.side) for row in rows]
        for plan in plans:
            annotations, calls, tokens = loops.run(annotated(pictures, model, plan))
            read = _read_by_family if isinstance(regime.model, dict) else _read_by_words
            judged = [_judge(row, annotation, read) for row, annotation in zip(rows, annotations, strict=True)]
            yield plan, Outcome(judged, calls, tokens)


async def annotated(pictures: Iterable[SentPicture], model: "Model", plan: str) -> tuple[list[Annotation], int, int]:
    """What a plan makes of pictures, its calls and its tokens."""
    annotations, calls, tokens = [], 0, 0
    for picture in pictures:
        asker = InProcess(picture, model)
        annotations.append(await PLANS[plan](asker, Settings(plan=plan)))  # type: ignore[arg-type]
        calls, tokens = calls + asker.asked, tokens + asker.tokens
    return annotations, calls, tokens


Model = Callable[[dict[str, Any]], tuple[str, int, int]]
"""What answers a request: the text, and the tokens of the request and of the answer."""


def model_of(regime: Regime, scenes: Path, seed: int) -> Model:
    """The model of a regime over a scenes directory."""
    if isinstance(regime.model, Character):
        return Observer(scenes, regime.model, seed).complete
    return Simulated(scenes, Rates(**regime.model, seed=seed))  # type: ignore[arg-type]


class Simulated:
    """The simulated model's answers and tokens without its server, which is the larger part of the time."""

    def __init__(self, scenes: Path, rates: Rates) -> None:
        self._rates, self._pictures = rates, Pictures(scenes)
        rows = {row.image_id: row for row in self._pictures.rows}
        self._scenes = {
            name: Scene(row, rows.get(row.twin_id or ""), self._pictures.size(name)) for name, row in rows.items()
        }

    def __call__(self, body: dict[str, Any]) -> tuple[str, int, int]:
        content = next(message["content"] for message in body["messages"] if message["role"] == "user")
        seen = [self._pictures.see(part["image_url"]["url"]) for part in content if part["type"] == "image_url"]
        text, row, sample = content[-1]["text"], seen[0].row, body.get("seed", 0)
        assert row is not None
        picture = (self._rates.seed, row.image_id)
        dice = Dice(*picture, text, sample, picture=picture, stubborn=self._rates.stubborn)
        scene, task = self._scenes[row.image_id], task_of(text)
        if task:
            answer = answer_task(task, scene, seen[0][1:], self._rates, dice)
        else:
            stage: Any = text.partition("\n")[0].removeprefix("Task: ")
            given = json.loads(text.rpartition("```json\n")[2].removesuffix("\n```"))
            answer = json.dumps(answer_stage(stage, given, scene, self._rates, dice), ensure_ascii=False)
        written = sum(len(_text(message)) for message in body["messages"])
        patches = sum(math.ceil(one.width / 28) * math.ceil(one.height / 28) for one in seen)
        return answer, math.ceil(written / 4) + patches, math.ceil(len(answer) / 4)


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class InProcess(Asker):
    """Asks a model in this process: without connection, journal and second attempts, which would change no answer here."""

    def __init__(self, picture: SentPicture, model: Model) -> None:
        chat: Any = SimpleNamespace(model="simulated")
        super().__init__(picture, Services(chat, None, None))  # type: ignore[arg-type]
        self._model, self.tokens = model, 0

    async def put(self, question: Question) -> list[Attempt]:
        self.asked += 1
        text, prompt, written = self._model({"messages": question.messages, **question.parameters})
        self.tokens += prompt + written
        problem = question.read(text)
        assert problem is None, f"{question.stage}: {problem}"
        attempt = Attempt(
            "",
            "",
            question.stage,
            question.object,
            question.sample,
            "",
            text,
            None,
            False,
            "stop",
            prompt,
            written,
            0.0,
        )
        return [attempt]


def _sent(path: Path, side: int) -> SentPicture:
    if side == 168:
        return SentPicture.read(path)
    with Image.open(path) as picture:  # the simulated model knows its scenes at any size
        return SentPicture.read(picture.resize((side, side), Image.Resampling.LANCZOS), path.name)


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
