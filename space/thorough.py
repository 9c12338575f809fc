"""AnomAgent behind the page: many questions about one picture, and how far they are."""

import queue
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError

from agent.agent import AnomAgent
from agent.connection import connect
from agent.plans import Annotation
from dataset_builder.errors import AnomReasonError
from dataset_builder.schema import Anomaly
from space.backend import SILENT, TIMEOUT, placed
from space.examination import Examination, Step
from space.settings import Settings
from space.uploads import Upload

__all__ = ["Thorough"]

UNANSWERED = "Some questions about this picture got no answer. What is known so far is shown here; please try again."

_STEPS = {
    "Look at the whole picture, several times": ("look",),
    "Compare what was found": ("integrate",),
    "Check what looked wrong": ("relations_verify",),
}
_STEP_OF = {stage: label for label, stages in _STEPS.items() for stage in stages}


class Thorough:
    """AnomAgent at an OpenAI-compatible endpoint, with its plan `vote`.

    Each picture has an agent of its own, whose journal is deleted with it: nothing of a picture outlives the answer.

    Args:
        base_url (`str`): where the model is, up to `/v1`.
        model (`str`): its name there.
    """

    knows_scenes_alone = False
    at_once = 4
    speaks = False

    def __init__(self, base_url: str, model: str) -> None:
        self.name = f"{model.rsplit('/', 1)[-1]}, thorough"
        self._base_url, self._model = base_url, model

    def examine(self, picture: Upload, language: str = "") -> Iterator[Examination]:
        started = time.monotonic()
        told: queue.Queue[tuple[str, bool] | None] = queue.Queue()
        progress = _Progress()
        yield Examination(picture.image_id, steps=progress.steps())
        server = connect(self._model, self._base_url, Settings.key(self._base_url))
        sent = picture.sent()
        with AnomAgent(server=server, model=self._model, concurrency=8, timeout=TIMEOUT, plan="vote") as agent:
            annotating = agent.begin(sent.data, picture.image_id, lambda stage, ended: told.put((stage, ended)))
            annotating.add_done_callback(lambda _: told.put(None))
            try:
                while not annotating.done() or not told.empty():
                    try:
                        news = told.get(timeout=0.5)
                    except queue.Empty:
                        news = None  # nothing is new, but whoever asked may have left
                    if news is not None:
                        progress.take(*news)
                    yield Examination(picture.image_id, steps=progress.steps())
            finally:
                annotating.cancel()
            seconds = round(time.monotonic() - started, 2)
            try:
                annotation = annotating.result()
            except (AnomReasonError, CancelledError):
                yield Examination(picture.image_id, "failed", problem=SILENT, seconds=seconds)
                return
        yield _ended(annotation, picture, sent.size, seconds)


class _Progress:
    """Counts the questions of each step."""

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()

    def take(self, stage: str, ended: bool) -> None:
        (self._answered if ended else self._asked)[_STEP_OF[stage]] += 1

    def steps(self) -> tuple[Step, ...]:
        return tuple(Step(label, self._answered[label], self._asked[label]) for label in _STEPS)


def _ended(annotation: Annotation, picture: Upload, shown: tuple[int, int], seconds: float) -> Examination:
    fields = {
        "name",
        "phenomenon",
        "reasoning",
        "severity",
        "bbox",
        "score",
    }  # the score: the share of looks that agree
    anomalies = [
        placed(Anomaly(**candidate.model_dump(include=fields)), picture, shown) for candidate in annotation.anomalies
    ]
    problem = {"partial": UNANSWERED, "failed": SILENT}.get(annotation.status, "")
    return Examination(picture.image_id, annotation.status, anomalies, problem=problem, seconds=seconds)
