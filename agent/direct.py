"""Predictions of any model behind a server over a dataset, into prediction files: one call a picture, or another plan.

The answers are journalled beside the predictions, in `<name>.run/`, so a run that was interrupted goes on where it was.
"""

import asyncio
from collections import deque
from collections.abc import Container, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from agent.asking import Asker, Question, Services, together
from agent.budget import UNLIMITED, Budget, BudgetReached, Limits, Price
from agent.client import Chat, connect
from agent.journal import Journal
from agent.pictures import Picture
from agent.plans import PLANS, Annotation, Settings
from agent.plans.direct import question
from agent.run import Endpoint
from dataset_builder.errors import InputError, PictureError
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.prompts import PROMPTS
from dataset_builder.schema import Label
from dataset_builder.textform import Dropped, parse_verdict

__all__ = ["Predicted", "dataset_pictures", "predict", "predict_within"]

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
    pictures: Iterable[tuple[str, bytes]], endpoint: Endpoint, out: Path, done: Any = lambda number: None
) -> int:
    """Predict pictures into prediction files, in their order, with one call each.

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
    return predict_within(pictures, endpoint, out, done).failed


def predict_within(
    pictures: Iterable[tuple[str, bytes]],
    endpoint: Endpoint,
    out: Path,
    done: Any = lambda number: None,
    *,
    settings: Settings = DIRECT,
    verdict: bool = False,
    limits: Limits = UNLIMITED,
    price: Price | None = None,
) -> Predicted:
    """`predict` by any plan, with the verdict asked for as well, within a budget.

    Args:
        settings (`Settings`): the plan and its numbers.
        verdict (`bool`): whether each picture is also asked, in a call of its own, whether it was generated.
        limits (`Limits`): what may be used in all, earlier runs included; when it is used up, what was answered is written.
        price (`Price`, *optional*): of the model's tokens.
    """
    return asyncio.run(_predict(pictures, endpoint, out, done, settings, verdict, limits, price))


async def _predict(
    pictures: Iterable[tuple[str, bytes]],
    endpoint: Endpoint,
    out: Path,
    done: Any,
    settings: Settings,
    verdict: bool,
    limits: Limits,
    price: Price | None,
) -> Predicted:
    failed = unfinished = number = 0
    async with Journal(out.with_suffix(".run")) as journal:
        budget = Budget(limits, price, journal.totals())
        client = connect(endpoint.model, endpoint.base_url, endpoint.timeout)
        chat = Chat(client, endpoint.model, concurrency=endpoint.concurrency, timeout=endpoint.timeout)
        services = Services(chat, journal, budget)
        waiting: deque[asyncio.Task[Prediction | None]] = deque()
        try:
            with PredictionWriter(out) as writer:
                source = enumerate(pictures)
                while True:
                    room = 0 if unfinished else 2 * endpoint.concurrency - len(waiting)
                    for rank, (image_id, data) in islice(source, room):
                        waiting.append(asyncio.create_task(_one(image_id, data, services, settings, verdict, rank)))
                    if not waiting:
                        break
                    prediction = await waiting.popleft()
                    if prediction is None:
                        unfinished += 1
                        continue
                    writer.append(prediction)
                    failed += prediction.status == "failed"
                    number += 1
                    done(number)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await client.close()
        spent = journal.totals()
    return Predicted(failed, unfinished, spent.calls, spent.tokens, None if price is None else spent.cost)


async def _one(
    image_id: str, data: bytes, services: Services, settings: Settings, verdict: bool, rank: int
) -> Prediction | None:
    """A picture's prediction, or `None` if the budget does not suffice for it."""
    try:
        picture = await asyncio.to_thread(Picture.read, data, image_id)
    except PictureError as error:
        return Prediction(image_id=image_id, status="failed", dropped=[Dropped("", str(error))])
    asker = Asker(picture, services, settings.stance, rank)
    try:
        if not verdict:
            return await _listed(asker, settings)
        # A call of its own: the answer to the one question must not depend on the other.
        prediction, label = await together(_listed(asker, settings), _verdict(picture, services, rank))
    except BudgetReached:
        return None
    answered: Prediction = prediction.model_copy(update={"label": label})
    return answered


async def _listed(asker: Asker, settings: Settings) -> Prediction:
    if settings.plan == "direct":
        return await _direct(asker)
    annotation = await PLANS[settings.plan](asker, settings)
    seconds, tokens = asker.services.journal.used_on(asker.picture.image_id)
    return _from_annotation(annotation).model_copy(update={"seconds": seconds, "tokens": tokens})


async def _direct(asker: Asker) -> Prediction:
    image_id = asker.picture.image_id
    attempts = await asker.put(question(asker.picture.url))
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


def _from_annotation(annotation: Annotation) -> Prediction:
    fields = {"name", "phenomenon", "reasoning", "severity", "remark", "bbox", "score"}
    return Prediction(
        image_id=annotation.image_id,
        status=annotation.status,
        anomalies=[candidate.model_dump(include=fields) for candidate in annotation.anomalies],  # type: ignore[misc]
        dropped=[Dropped("", f"{failure.stage}: {failure.reason}") for failure in annotation.failures],
    )


async def _verdict(picture: Picture, services: Services, rank: int) -> Label | None:
    content = [
        {"type": "image_url", "image_url": {"url": picture.url}},
        {"type": "text", "text": PROMPTS["verdict"]},
    ]

    def problem(answer: str) -> str | None:
        return None if parse_verdict(answer) else "it says neither yes nor no"

    asked = Question("verdict", "", 0, [{"role": "user", "content": content}], {"temperature": 0.0}, problem)
    attempts = await Asker(picture, services, rank=rank).put(asked)
    return parse_verdict(attempts[-1].answer)


def dataset_pictures(
    dataset: str,
    split: str,
    limit: int | None,
    config: str | None = None,
    images: Container[str] | None = None,
) -> tuple[int, Iterator[tuple[str, bytes]]]:
    """The pictures of a dataset's split, or those with names in `images`, still encoded, and how many they are.

    Raises:
        InputError: if it cannot be loaded or lacks a column.
    """
    import datasets

    try:
        rows = datasets.load_dataset(dataset, config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{dataset} [{split}]: cannot be loaded ({reason}); give a built dataset's directory or a Hub id in reach"
        ) from None
    if missing := {"image", "image_id"} - set(rows.column_names):
        raise InputError(f"{dataset}: lacks the columns {', '.join(sorted(missing))}; build it with `anomreason build`")
    rows = rows.select_columns(["image", "image_id"]).cast_column("image", datasets.Image(decode=False))
    if images is not None:
        rows = rows.select([at for at, name in enumerate(rows["image_id"]) if name in images])
    count = len(rows) if limit is None else min(limit, len(rows))
    return count, ((row["image_id"], row["image"]["bytes"]) for row in rows.select(range(count)))
