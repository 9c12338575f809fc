"""Answers about pictures from a local model, in batches."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size
from PIL import Image

from dataset_builder.boxes import rescaled
from dataset_builder.errors import UnavailableError
from dataset_builder.pictures import Prepared, prepare
from dataset_builder.predictions import Prediction
from dataset_builder.prompts import TASKS, Asked, Task, chat
from trainer.decoding import ends, generate
from trainer.verdict import Judgement, judge

__all__ = ["MAX_NEW_TOKENS", "predict"]

MAX_NEW_TOKENS = 1024


def predict(
    pictures: Iterable[tuple[str, Image.Image]],
    model: Any,
    processor: Any,
    task: Asked = "anomalies",
    batch_size: int = 16,
) -> Iterator[Prediction]:
    """Predict the anomalies of each picture, greedily.

    Args:
        pictures (iterable of `(image_id, PIL.Image.Image)`): read as they are needed, a batch at a time.
        model, processor: as `trainer.loading.load` returns them; the processor pads on the left.
        task (`str`, defaults to `"anomalies"`): `grounded` asks for a box to each anomaly as well; `verdict` asks whether the
            picture was generated, and for no anomalies; `both` asks for the verdict and then the anomalies.
        batch_size (`int`, defaults to 16): pictures answered at once.

    Yields:
        A `Prediction` a picture, in order; one whose answer cannot be read has the status `failed`. `seconds` is the batch's time
        divided by its pictures.

    Raises:
        UnavailableError: if memory does not suffice for a batch.
    """
    pending = iter(pictures)
    while batch := [(image_id, prepare(image, image_id)) for image_id, image in islice(pending, batch_size)]:
        try:
            yield from _predict_batch(batch, model, processor, task)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and not should_reduce_batch_size(error):
                raise
            mend = "give a smaller one" if len(batch) > 1 else "give a smaller model or fewer pixels"
            raise UnavailableError(f"--batch-size {len(batch)}: out of memory; {mend}") from None


def _predict_batch(batch: Sequence[tuple[str, Prepared]], model: Any, processor: Any, task: Asked) -> list[Prediction]:
    started = time.monotonic()
    images = [picture.image for _, picture in batch]
    verdicts = [Judgement(None, None, "")] * len(batch)
    if "verdict" in TASKS[task]:
        verdicts = judge(model, processor, _inputs(images, model, processor, "verdict"))
    if task == "verdict":
        seconds = round((time.monotonic() - started) / len(batch), 3)
        return [
            Prediction(
                image_id=image_id,
                status="failed" if verdict.label is None else "none",
                finish_reason="stop",
                seconds=seconds,
                tokens=1,
                **verdict._asdict(),
            )
            for (image_id, _), verdict in zip(batch, verdicts, strict=True)
        ]
    inputs = _inputs(images, model, processor, "grounded" if task == "grounded" else "anomalies")
    with torch.inference_mode():
        answers = generate(model, inputs, MAX_NEW_TOKENS)
    seconds, stops = round((time.monotonic() - started) / len(batch), 3), set(ends(model))
    side = processor.image_processor.patch_size
    shown = [(grid[2] * side, grid[1] * side) for grid in inputs["image_grid_thw"].tolist()]
    predictions = []
    for (image_id, picture), tokens, verdict, shown_size in zip(batch, answers, verdicts, shown, strict=True):
        ended = bool(tokens) and tokens[-1] in stops
        prediction = Prediction.from_answer(
            image_id,
            processor.tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True),
            label=verdict.label,
            p_fake=verdict.p_fake,
            finish_reason="stop" if ended else "length",
            seconds=seconds,
            tokens=len(tokens),
        )
        # The model gives boxes in the pixels it was shown.
        anomalies = [rescaled(anomaly, shown_size, picture.size) for anomaly in prediction.anomalies]
        predictions.append(prediction.model_copy(update={"anomalies": anomalies}))
    return predictions


def _inputs(images: list[Image.Image], model: Any, processor: Any, task: Task) -> Any:
    prompt = processor.apply_chat_template(chat(task), tokenize=False, add_generation_prompt=True)
    inputs = processor(images=images, text=[prompt] * len(images), padding=True, return_tensors="pt")
    return inputs.to(model.device)
