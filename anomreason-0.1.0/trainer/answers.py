"""Answers about pictures from a local model, in batches."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size
from PIL import Image

from dataset_builder.boxes import rescaled
from dataset_builder.errors import PictureError, UnavailableError
from dataset_builder.pictures import Prepared, check_shape, prepare
from dataset_builder.predictions import Prediction
from dataset_builder.prompts import TASKS, Asked, Task, chat
from dataset_builder.textform import Dropped
from trainer.decoding import decoder, ends
from trainer.known import strangers
from trainer.verdict import Judgement, judge

__all__ = ["MAX_NEW_TOKENS", "Predictor", "predict"]

MAX_NEW_TOKENS = 1024
"""The longest answer, in tokens, unless told otherwise. A list of ten anomalies takes about 900."""


def predict(
    pictures: Iterable[tuple[str, Image.Image]],
    model: Any,
    processor: Any,
    task: Asked = "anomalies",
    batch_size: int = 16,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Iterator[Prediction]:
    """Predict the anomalies of each picture, greedily.

    Args:
        pictures (iterable of `(image_id, PIL.Image.Image)`): read as they are needed, a batch at a time.
        model, processor, task, max_new_tokens: as in `Predictor`.
        batch_size (`int`, defaults to 16): pictures answered at once.

    Yields:
        A `Prediction` per picture, in order.

    Raises:
        UnavailableError: if memory does not suffice for a batch.
    """
    pending = iter(pictures)
    answer = Predictor(model, processor, task, max_new_tokens)
    while batch := list(islice(pending, batch_size)):
        yield from answer(batch)


class Predictor:
    """Answers batches of pictures. One that is used for many batches keeps what it prepared for the first.

    Args:
        model, processor: as `trainer.loading.load` returns them; the processor pads on the left.
        task (`str`, defaults to `"anomalies"`): `grounded` asks for a box to each anomaly as well; `verdict` asks whether the
            picture was generated, and for no anomalies; `both` asks for the verdict and then the anomalies.
        max_new_tokens (`int`, defaults to 1,024): the longest answer; a longer one is cut and has `finish_reason` "length".
    """

    def __init__(
        self, model: Any, processor: Any, task: Asked = "anomalies", max_new_tokens: int = MAX_NEW_TOKENS
    ) -> None:
        self.model, self.processor, self.task, self.max_new_tokens = model, processor, task, max_new_tokens
        self.known = getattr(model, "known", None)  # a model in training has none
        self._decode = decoder(model)

    def __call__(self, pictures: Sequence[tuple[str, Image.Image]]) -> list[Prediction]:
        """The predictions for one batch; one whose answer cannot be read has the status `failed`.

        The model is not asked about a picture of a kind that it does not know; such a one has the status `unknown`.

        `seconds` is the batch's time divided by its pictures.

        Raises:
            UnavailableError: if memory does not suffice for the batch.
        """
        refused: dict[int, Prediction] = {}
        batch = []
        for place, (image_id, image) in enumerate(pictures):
            try:
                check_shape(image.size, image_id)
            except PictureError as error:  # the others are answered all the same
                refused[place] = Prediction(image_id=image_id, status="failed", dropped=[Dropped("", str(error))])
            else:
                batch.append((image_id, prepare(image, image_id)))
        answered = iter(self._answers(batch))
        return [refused[place] if place in refused else next(answered) for place in range(len(pictures))]

    def _answers(self, batch: list[tuple[str, Prepared]]) -> list[Prediction]:
        try:
            strange = strangers(self.known, self.model, self.processor, [picture.image for _, picture in batch])
            known = [one for one, unknown in zip(batch, strange, strict=True) if not unknown]
            ask = self._verdicts if self.task == "verdict" else self._anomalies
            answered = iter(ask(known) if known else [])
            return [
                Prediction(image_id=image_id, status="unknown") if unknown else next(answered)
                for (image_id, _), unknown in zip(batch, strange, strict=True)
            ]
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and not should_reduce_batch_size(error):
                raise
            fix = "give a smaller one" if len(batch) > 1 else "give a smaller model or fewer pixels"
            raise UnavailableError(f"--batch-size {len(batch)}: out of memory; {fix}") from None

    def _verdicts(self, batch: list[tuple[str, Prepared]]) -> list[Prediction]:
        started = time.monotonic()
        verdicts = self._judge([picture.image for _, picture in batch])
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

    def _judge(self, images: list[Image.Image]) -> list[Judgement]:
        return judge(self.model, self.processor, self._inputs(images, "verdict"))

    def _anomalies(self, batch: list[tuple[str, Prepared]]) -> list[Prediction]:
        started = time.monotonic()
        images = [picture.image for _, picture in batch]
        asked = self._judge(images) if "verdict" in TASKS[self.task] else [Judgement(None, None, "")] * len(batch)
        inputs = self._inputs(images, "grounded" if self.task == "grounded" else "anomalies")
        with torch.inference_mode():
            answers = self._decode(inputs, self.max_new_tokens)
        seconds, stops = round((time.monotonic() - started) / len(batch), 3), set(ends(self.model))
        side = self.processor.image_processor.patch_size
        shown = [(grid[2] * side, grid[1] * side) for grid in inputs["image_grid_thw"].tolist()]
        predictions = []
        for (image_id, picture), tokens, verdict, shown_size in zip(batch, answers, asked, shown, strict=True):
            ended = bool(tokens) and tokens[-1] in stops
            prediction = Prediction.from_answer(
                image_id,
                self.processor.tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True),
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

    def _inputs(self, images: list[Image.Image], task: Task) -> Any:
        prompt = self.processor.apply_chat_template(chat(task), tokenize=False, add_generation_prompt=True)
        inputs = self.processor(images=images, text=[prompt] * len(images), padding=True, return_tensors="pt")
        return inputs.to(self.model.device)
