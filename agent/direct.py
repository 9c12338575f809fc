"""Predictions of any model behind a server, as rows of prediction files: one call per picture and task, or another plan.

`predict` journals the answers next to the predictions, in `<name>.run/`: a second run asks only for what is missing, and the files
are those of an undisturbed run. `examine` keeps nothing.
"""

import asyncio
import tempfile
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agent import loops
from agent.asking import Asker, Services, together
from agent.boxes import DROPPED, boxes_of
from agent.budget import UNLIMITED, Budget, BudgetReached, Price
from agent.journal import Journal
from agent.journal_rows import Totals
from agent.pictures import SentPicture
from agent.plans import PLANS, Annotation, Settings
from agent.plans.direct import best, question
from agent.run import Endpoint
from dataset_builder.contestants import Limits
from dataset_builder.errors import AnomReasonError, PictureError
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.prompts import TASKS, Asked, Task
from dataset_builder.stored import StoredPictures
from dataset_builder.textform import Dropped, parse_verdict

__all__ = ["Predicted", "answer_all", "examine", "predict"]

A = TypeVar("A")
T = TypeVar("T")
One = Callable[[A, Services, int], Coroutine[Any, Any, T | None]]
"""Asks about one thing, such as a picture by its name, given what asks and the thing's place."""

DIRECT = Settings(plan="direct")


class Predicted(NamedTuple):
    """What predicting came to, over every time it was run.

    Attributes:
        failed (`int`): pictures without a readable answer.
        unfinished (`int`): pictures that the budget kept from being answered, of those it came to.
        calls, tokens (`int`): calls made, and their tokens, prompts included.
        usd (`float`, *optional*): what they cost, where the price is known.
    """

    failed: int
    unfinished: int
    calls: int
    tokens: int
    usd: float | None


def predict(
    pictures: StoredPictures,
    endpoint: Endpoint,
    out: Path,
    done: Callable[[int], None] = lambda number: None,
    task: Asked = "anomalies",
    *,
    restart: bool = False,
    settings: Settings = DIRECT,
    limits: Limits = UNLIMITED,
    price: Price | None = None,
) -> Predicted:
    """Predict pictures into prediction files, in their order: with one call each and task, or by another plan.

    Args:
        pictures (`StoredPictures`): read as they are needed; one that cannot be read is a failed row.
        endpoint (`Endpoint`): the model.
        out (`Path`): the predictions; full rows go into a `.jsonl` file next to it.
        done (callable, *optional*): called with the number of pictures that have an answer.
        task (`str`, defaults to `"anomalies"`): see `TASKS`. A verdict comes without a probability; after only `verdict` the
            status says whether there is one.
        restart (`bool`): ask everything again instead of using the answers in the journal.
        settings (`Settings`): the plan and its numbers. A verdict is a call of its own in every plan.
        limits (`Limits`): what may be used in all, earlier runs included; when it is used up, what was answered is written.
        price (`Price`, *optional*): of the model's tokens.

    Raises:
        UnavailableError: if the server refuses to answer.
        OutputError: if a file cannot be written.
    """
    failed = unfinished = number = 0

    def keep(prediction: Prediction | None) -> None:
        nonlocal failed, unfinished, number
        if prediction is None:
            unfinished += 1
            return
        writer.append(prediction)
        failed, number = failed + (prediction.status == "failed"), number + 1
        done(number)

    run = out.with_suffix(".run")
    with PredictionWriter(out) as writer:
        if restart:
            for kept in run.glob("journal.sqlite*"):
                kept.unlink()
        one = partial(_one, content=pictures.content, tasks=TASKS[task], settings=settings)
        spent = loops.run(answer_all(pictures.ids, endpoint, run, one, keep, limits, price))
    return Predicted(failed, unfinished, spent.calls, spent.tokens, spent.cost(price))


def examine(pictures: StoredPictures, endpoint: Endpoint, task: Asked = "anomalies") -> list[Prediction]:
    """What a model behind a server says of some pictures; see `predict`."""
    found: list[Prediction | None] = []
    with tempfile.TemporaryDirectory(prefix="anomreason-") as away:
        one = partial(_one, content=pictures.content, tasks=TASKS[task])
        loops.run(answer_all(pictures.ids, endpoint, Path(away), one, found.append))
    return [one for one in found if one is not None]


async def answer_all(
    asked: Iterable[A],
    endpoint: Endpoint,
    run: Path,
    one: One[A, T],
    keep: Callable[[T | None], None],
    limits: Limits = UNLIMITED,
    price: Price | None = None,
) -> Totals:
    """Hand what `one` makes of each thing to `keep` in their order, twice as many under way as the server answers at once.

    `None` means that the budget does not suffice for it; none is begun after it.
    """
    async with Journal(run) as journal:
        chat = endpoint.chat()
        services = Services(chat, journal, Budget(limits, price, journal.totals()))
        waiting: deque[asyncio.Task[T | None]] = deque()
        source = enumerate(asked)
        ended = False
        try:
            while True:
                room = 0 if ended else 2 * endpoint.concurrency - len(waiting)
                for rank, about in islice(source, room):
                    waiting.append(asyncio.create_task(one(about, services, rank)))
                if not waiting:
                    break
                made = await waiting.popleft()
                ended = ended or made is None
                keep(made)
        except AnomReasonError:
            # Nobody asks any more, so the others end soon: what they were answered is kept in its place.
            for late in await asyncio.gather(*waiting, return_exceptions=True):
                if late is not None and not isinstance(late, BaseException):
                    keep(late)
            raise
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await chat.server.close()
        return journal.totals()


async def _one(
    image_id: str,
    services: Services,
    rank: int,
    *,
    content: Callable[[str], bytes],
    tasks: tuple[Task, ...],
    settings: Settings = DIRECT,
) -> Prediction | None:
    try:
        picture = await asyncio.to_thread(lambda: SentPicture.read(content(image_id), image_id))
    except PictureError as error:
        return _lost(image_id, str(error))
    asker = Asker(picture, services, settings.stance, rank, settings.boxes, texts=settings.texts)
    try:
        # A call each: the answer to one question must not depend on the other.
        answers = await together(*(_asked(asker, task, settings) for task in tasks))
    except BudgetReached:
        return None
    if settings.plan == "direct":
        seconds, tokens = sum(one.seconds or 0 for one in answers), sum(one.tokens or 0 for one in answers)
    else:
        seconds, tokens = services.journal.used_on(image_id)
    spent = {"seconds": round(seconds, 4), "tokens": tokens}
    prediction: Prediction = answers[-1].model_copy(update={"label": answers[0].label, **spent})
    return prediction


async def _asked(asker: Asker, task: Task, settings: Settings) -> Prediction:
    """The prediction that one task's answer holds: a label after `verdict`, anomalies after the others."""
    image_id = asker.picture.image_id
    if task != "verdict" and settings.plan != "direct":
        return _from_annotation(await PLANS[settings.plan](asker, settings))
    answer = best(await asker.put(question(asker.picture.url, task)))
    label = parse_verdict(answer.answer) if task == "verdict" else None
    if not answer.answer or (task == "verdict" and label is None):
        prediction = _lost(image_id, answer.problem or "no answer", answer.answer)
    elif task == "verdict":
        prediction = Prediction(image_id=image_id, status="none", raw=answer.answer)
    else:
        prediction = _in_pixels(Prediction.from_answer(image_id, answer.answer), asker)
    return prediction.model_copy(
        update={
            "label": label,
            "finish_reason": answer.finish_reason or None,
            "seconds": answer.seconds,
            "tokens": answer.completion_tokens,
        }
    )


def _lost(image_id: str, reason: str, answer: str = "") -> Prediction:
    return Prediction(image_id=image_id, status="failed", raw=answer or None, dropped=[Dropped(answer[:200], reason)])


def _in_pixels(prediction: Prediction, asker: Asker) -> Prediction:
    """A model gives boxes in its own way, or in the pixels it was shown; bring them to the picture's own. Others are dropped."""
    picture, boxes = asker.picture, boxes_of(asker.services.chat.model, "pixels", asker.boxes)
    anomalies, dropped = [], list(prediction.dropped)
    for anomaly in prediction.anomalies:
        if anomaly.bbox is not None:
            placed = boxes.in_picture(anomaly.bbox, picture.shown, picture.size)
            if placed is None:
                dropped.append(Dropped(str(list(anomaly.bbox)), DROPPED))
            anomaly = anomaly.model_copy(update={"bbox": placed})
        anomalies.append(anomaly)
    status = "partial" if len(dropped) > len(prediction.dropped) else prediction.status
    return prediction.model_copy(update={"anomalies": anomalies, "dropped": dropped, "status": status})


def _from_annotation(annotation: Annotation) -> Prediction:
    fields = {"name", "phenomenon", "reasoning", "severity", "remark", "bbox", "score"}
    return Prediction(
        image_id=annotation.image_id,
        status=annotation.status,
        anomalies=[candidate.model_dump(include=fields) for candidate in annotation.anomalies],  # type: ignore[misc]
        dropped=[Dropped("", f"{failure.stage}: {failure.reason}") for failure in annotation.failures],
    )
