"""Predictions of any model behind a server: the plan `direct`, a call a picture, as rows of prediction files.

`predict` journals the answers beside the predictions, in `<name>.run/`: run again it asks for what is missing, and the files are
those of an undisturbed run. `examine` keeps nothing.
"""

import asyncio
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from agent.asking import Asker, Services
from agent.budget import UNLIMITED, Budget
from agent.client import Chat, connect
from agent.journal import Journal
from agent.pictures import Picture
from agent.plans.direct import best, question, read_label
from agent.run import Endpoint
from dataset_builder.errors import InputError, PictureError
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.prompts import Task
from dataset_builder.textform import Dropped

__all__ = ["TASKS", "Asked", "dataset_pictures", "examine", "predict"]

Asked = Literal["anomalies", "grounded", "verdict", "both"]

TASKS: dict[str, tuple[Task, ...]] = {
    "anomalies": ("anomalies",),
    "grounded": ("grounded",),
    "verdict": ("verdict",),
    "both": ("verdict", "anomalies"),
}
"""The prompts of each, as for local models; one call each."""

Pictures = Iterable[tuple[str, bytes]]


def predict(
    pictures: Pictures,
    endpoint: Endpoint,
    out: Path,
    done: Callable[[int], None] = lambda number: None,
    task: Asked = "anomalies",
    *,
    restart: bool = False,
) -> int:
    """Predict pictures into prediction files, in their order.

    Args:
        pictures (iterable of `(image_id, bytes)`): read as they are needed.
        endpoint (`Endpoint`): the model.
        out (`Path`): the predictions; rows go beside it as `.jsonl`.
        done (callable, *optional*): called with the number of pictures that have an answer.
        task (`str`, defaults to `"anomalies"`): see `TASKS`. A verdict comes without a probability; after `verdict` alone the
            status says whether there is one.
        restart (`bool`): ask everything again instead of going on with the answers in the journal.

    Returns:
        How many pictures have no readable answer.

    Raises:
        UnavailableError: if the server refuses to answer.
        OutputError: if a file cannot be written.
    """
    failed = number = 0

    def keep(prediction: Prediction) -> None:
        nonlocal failed, number
        writer.append(prediction)
        failed, number = failed + (prediction.status == "failed"), number + 1
        done(number)

    run = out.with_suffix(".run")
    with PredictionWriter(out) as writer:
        if restart:
            for kept in run.glob("journal.sqlite*"):
                kept.unlink()
        asyncio.run(_answer(pictures, endpoint, run, TASKS[task], keep))
    return failed


def examine(pictures: Pictures, endpoint: Endpoint, task: Asked = "anomalies") -> list[Prediction]:
    """What a model behind a server says of some pictures; see `predict`."""
    found: list[Prediction] = []
    with tempfile.TemporaryDirectory(prefix="anomreason-") as away:
        asyncio.run(_answer(pictures, endpoint, Path(away), TASKS[task], found.append))
    return found


async def _answer(
    pictures: Pictures, endpoint: Endpoint, run: Path, tasks: tuple[Task, ...], keep: Callable[[Prediction], None]
) -> None:
    """Hand the predictions to `keep` in the pictures' order, twice as many under way as the server answers at once."""
    async with Journal(run) as journal:
        client = connect(endpoint.model, endpoint.base_url, endpoint.timeout)
        chat = Chat(client, endpoint.model, concurrency=endpoint.concurrency, timeout=endpoint.timeout)
        services = Services(chat, journal, Budget(UNLIMITED, None, journal.totals()))
        waiting: deque[asyncio.Task[Prediction]] = deque()
        source = iter(pictures)
        try:
            while True:
                for image_id, data in islice(source, 2 * endpoint.concurrency - len(waiting)):
                    waiting.append(asyncio.create_task(_one(image_id, data, services, tasks)))
                if not waiting:
                    break
                keep(await waiting.popleft())
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await client.close()


async def _one(image_id: str, data: bytes, services: Services, tasks: tuple[Task, ...]) -> Prediction:
    try:
        picture = await asyncio.to_thread(Picture.read, data, image_id)
    except PictureError as error:
        return _lost(image_id, str(error))
    asker = Asker(picture, services)
    asked = {task: best(await asker.put(question(picture.url, task))) for task in tasks}
    verdict, answer = asked.get("verdict"), asked.get(tasks[-1])
    assert answer is not None
    label = read_label(verdict.answer) if verdict else None
    spent = {
        "finish_reason": answer.finish_reason or None,
        "seconds": round(sum(one.seconds for one in asked.values()), 4),
        "tokens": sum(one.completion_tokens for one in asked.values()),
    }
    if not answer.answer or (answer is verdict and label is None):
        prediction = _lost(image_id, answer.problem or "no answer", answer.answer)
    elif answer is verdict:
        prediction = Prediction(image_id=image_id, status="none", raw=answer.answer)
    else:
        prediction = _in_pixels(Prediction.from_answer(image_id, answer.answer), picture)
    return prediction.model_copy(update={"label": label, **spent})


def _lost(image_id: str, reason: str, answer: str = "") -> Prediction:
    return Prediction(image_id=image_id, status="failed", raw=answer or None, dropped=[Dropped(answer[:200], reason)])


def _in_pixels(prediction: Prediction, picture: Picture) -> Prediction:
    """A model gives boxes in the pixels it was shown; bring them to the picture's own."""
    width, height = picture.image.size
    across, down = width / picture.shown[0], height / picture.shown[1]
    anomalies = []
    for anomaly in prediction.anomalies:
        if anomaly.bbox is not None:
            x0, y0, x1, y1 = anomaly.bbox
            box = (min(x0 * across, width), min(y0 * down, height), min(x1 * across, width), min(y1 * down, height))
            anomaly = anomaly.model_copy(update={"bbox": tuple(round(corner, 1) for corner in box)})
        anomalies.append(anomaly)
    return prediction.model_copy(update={"anomalies": anomalies})


def dataset_pictures(dataset: str, split: str, limit: int | None) -> tuple[int, Iterator[tuple[str, bytes]]]:
    """The pictures of a dataset's split, still encoded, and how many they are.

    Raises:
        InputError: if it cannot be loaded or lacks a column.
    """
    import datasets

    try:
        rows = datasets.load_dataset(dataset, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{dataset} [{split}]: cannot be loaded ({reason}); give a built dataset's directory or a Hub id in reach"
        ) from None
    if missing := {"image", "image_id"} - set(rows.column_names):
        raise InputError(f"{dataset}: lacks the columns {', '.join(sorted(missing))}; build it with `anomreason build`")
    rows = rows.select_columns(["image", "image_id"]).cast_column("image", datasets.Image(decode=False))
    count = len(rows) if limit is None else min(limit, len(rows))
    return count, ((row["image_id"], row["image"]["bytes"]) for row in rows.select(range(count)))
