"""Predicts the anomalies of pictures with a local model, in batches."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from PIL import Image

from dataset_builder.pictures import upright
from dataset_builder.predictions import Prediction, PredictionWriter
from dataset_builder.prompts import chat
from dataset_builder.schema import Anomaly
from trainer.loading import load, load_split

__all__ = ["Progress", "predict", "predict_dataset"]

MAX_NEW_TOKENS = 1024


class Progress(Protocol):
    """How long work tells what it is doing: a heading a step, and a bar while something is counted."""

    def step(self, text: str) -> None: ...

    def bar(self, text: str, total: int) -> AbstractContextManager[Callable[[int], None]]: ...


def predict_dataset(
    dataset: str,
    split: str,
    limit: int | None,
    model: str,
    adapter: str | None,
    batch_size: int,
    out: Path,
    progress: Progress,
) -> int:
    """Predict a split of a dataset into prediction files (`out` and the rows beside it).

    Returns:
        How many pictures have no readable answer.

    Raises:
        InputError: if the dataset or split cannot be loaded.
        UnavailableError: if the model or adapter is out of reach.
    """
    rows = load_split(dataset, split, {"image", "image_id"})
    if limit is not None:
        rows = rows.select(range(min(limit, len(rows))))
    pictures = ((row["image_id"], row["image"]) for row in rows)
    failed = 0
    with PredictionWriter(out) as writer, progress.bar("pictures", len(rows)) as done:
        for number, prediction in enumerate(predict(pictures, *load(model, adapter), batch_size=batch_size), 1):
            writer.append(prediction)
            failed += prediction.status == "failed"
            done(number)
    return failed


def predict(
    pictures: Iterable[tuple[str, Image.Image]],
    model: Any,
    processor: Any,
    task: Literal["anomalies", "grounded"] = "anomalies",
    batch_size: int = 16,
) -> Iterator[Prediction]:
    """Predict the anomalies of each picture, greedily.

    Args:
        pictures (iterable of `(image_id, PIL.Image.Image)`): read as they are needed, a batch at a time.
        model, processor: as `trainer.loading.load` returns them; the processor pads on the left.
        task (`str`, defaults to `"anomalies"`): `grounded` asks for a box to each anomaly as well.
        batch_size (`int`, defaults to 16): pictures answered at once.

    Yields:
        A `Prediction` a picture, in order; one whose answer cannot be read has the status `failed`. `seconds` is the batch's time
        divided by its pictures.
    """
    pending = iter(pictures)
    while batch := [(image_id, upright(image, image_id)) for image_id, image in islice(pending, batch_size)]:
        yield from _predict_batch(batch, model, processor, task)


@torch.inference_mode()
def _predict_batch(batch: list[tuple[str, Image.Image]], model: Any, processor: Any, task: Any) -> Iterator[Prediction]:
    started = time.monotonic()
    prompt = processor.apply_chat_template(chat(task), tokenize=False, add_generation_prompt=True)
    images = [image for _, image in batch]
    inputs = processor(images=images, text=[prompt] * len(batch), padding=True, return_tensors="pt").to(model.device)
    generated = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    answers = generated[:, inputs["input_ids"].shape[1] :]
    seconds = (time.monotonic() - started) / len(batch)
    ends = (
        {model.generation_config.eos_token_id}
        if isinstance(model.generation_config.eos_token_id, int)
        else set(model.generation_config.eos_token_id or ())
    )
    for (image_id, image), answer, grid in zip(batch, answers.tolist(), inputs["image_grid_thw"].tolist(), strict=True):
        length = next((index for index, token in enumerate(answer) if token in ends), None)
        prediction = Prediction.from_answer(
            image_id,
            processor.tokenizer.decode(answer[:length], skip_special_tokens=True),
            finish_reason="length" if length is None else "stop",
            seconds=round(seconds, 3),
            tokens=len(answer) if length is None else length + 1,
        )
        if any(anomaly.bbox for anomaly in prediction.anomalies):
            side = processor.image_processor.patch_size
            anomalies = [
                _to_picture(anomaly, image, grid[2] * side, grid[1] * side) for anomaly in prediction.anomalies
            ]
            prediction = prediction.model_copy(update={"anomalies": anomalies})
        yield prediction


def _to_picture(anomaly: Anomaly, image: Image.Image, width: int, height: int) -> Anomaly:
    """The model gives boxes in the pixels it was shown, `width` × `height`; bring them to the picture's own."""
    if anomaly.bbox is None:
        return anomaly
    x, y = image.width / width, image.height / height
    x0, y0, x1, y1 = anomaly.bbox
    box = (min(x0 * x, image.width), min(y0 * y, image.height), min(x1 * x, image.width), min(y1 * y, image.height))
    return anomaly.model_copy(update={"bbox": tuple(round(corner, 1) for corner in box)})
