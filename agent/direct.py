"""Predictions of any model behind a server: the plan `direct` over a dataset, into prediction files.

The answers are journalled beside the predictions, in `<name>.run/`, so a run that was interrupted goes on where it was.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from agent.asking import Asker, Services
from agent.budget import UNLIMITED, Budget
from agent.client import Chat, connect
from agent.journal import Journal
from agent.pictures import Picture
from agent.plans.direct import question
from agent.run import Endpoint
from dataset_builder.errors import InputError, PictureError
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.textform import Dropped

__all__ = ["dataset_pictures", "predict"]


def predict(
    pictures: Iterable[tuple[str, bytes]], endpoint: Endpoint, out: Path, done: Any = lambda number: None
) -> int:
    """Predict pictures into prediction files, in their order.

    Args:
        pictures (iterable of `(image_id, bytes)`): read as they are needed.
        endpoint (`Endpoint`): the model.
        out (`Path`): the predictions; rows go beside it as `.jsonl`.
        done (callable, *optional*): called with the number of pictures that have an answer.

    Returns:
        How many pictures have no readable answer.

    Raises:
        UnavailableError: if the server refuses to answer.
        OutputError: if a file cannot be written.
    """
    return asyncio.run(_predict(pictures, endpoint, out, done))


async def _predict(pictures: Iterable[tuple[str, bytes]], endpoint: Endpoint, out: Path, done: Any) -> int:
    failed = number = 0
    async with Journal(out.with_suffix(".run")) as journal:
        client = connect(endpoint.model, endpoint.base_url, endpoint.timeout)
        chat = Chat(client, endpoint.model, concurrency=endpoint.concurrency, timeout=endpoint.timeout)
        services = Services(chat, journal, Budget(UNLIMITED, None, journal.totals()))
        waiting: deque[asyncio.Task[Prediction]] = deque()
        try:
            with PredictionWriter(out) as writer:
                source = iter(pictures)
                while True:
                    for image_id, data in islice(source, 2 * endpoint.concurrency - len(waiting)):
                        waiting.append(asyncio.create_task(_one(image_id, data, services)))
                    if not waiting:
                        break
                    prediction = await waiting.popleft()
                    writer.append(prediction)
                    failed += prediction.status == "failed"
                    number += 1
                    done(number)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await client.close()
    return failed


async def _one(image_id: str, data: bytes, services: Services) -> Prediction:
    try:
        picture = await asyncio.to_thread(Picture.read, data, image_id)
    except PictureError as error:
        return Prediction(image_id=image_id, status="failed", dropped=[Dropped("", str(error))])
    attempts = await Asker(picture, services).put(question(picture.url))
    best = attempts[-1]
    if not best.answer:
        return Prediction(image_id=image_id, status="failed", dropped=[Dropped("", best.problem or "no answer")])
    return Prediction.from_answer(
        image_id,
        best.answer,
        finish_reason=best.finish_reason,
        seconds=best.seconds,
        tokens=best.completion_tokens,
    )


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
