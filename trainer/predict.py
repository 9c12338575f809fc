"""Predicts a dataset into prediction files, and resumes where it was stopped; `predict` itself is in `trainer.answers`."""

import hashlib
from collections.abc import Callable, Container
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from dataset_builder.errors import InputError, PictureError
from dataset_builder.pictures import open_picture
from dataset_builder.predictions import Prediction, PredictionWriter, read_predictions
from dataset_builder.prompts import PROMPTS, TASKS, Asked
from dataset_builder.stored import StoredPictures, open_split
from trainer.answers import MAX_NEW_TOKENS, Predictor, predict
from trainer.loading import base_of, load
from trainer.settings import fingerprint, go_on

__all__ = ["Asked", "Progress", "Unanswered", "predict", "predict_dataset"]


class Progress(Protocol):
    """How long work tells what it is doing: a heading per step, and a bar while something is counted."""

    def step(self, text: str) -> None: ...

    def bar(self, text: str, total: int) -> AbstractContextManager[Callable[[int], None]]: ...


class Unanswered(NamedTuple):
    """How many pictures have no readable answer, and how many are of a kind that the model does not know."""

    failed: int
    unknown: int


def predict_dataset(
    dataset: str,
    split: str,
    limit: int | None,
    model: str | None,
    adapter: str | None,
    batch_size: int,
    out: Path,
    progress: Progress,
    *,
    config: str | None = None,
    images: Container[str] | None = None,
    task: Asked = "anomalies",
    merge: bool = True,
    restart: bool = False,
    max_new_tokens: int | None = None,
) -> Unanswered:
    """Predict a split of a dataset into prediction files (`out` and the rows next to it).

    Stopped anywhere and run again, it resumes after the last batch whose rows are on the disk, with the answers of an undisturbed
    run; see `trainer.settings` for when it refuses to.

    Args:
        model, adapter, merge: as in `trainer.loading.load`.
        config (`str`, *optional*): the dataset's configuration.
        images (container of `str`, *optional*): only the pictures of these names.
        task (`str`, defaults to `"anomalies"`): see `Asked`. After only `verdict`, the status says whether there is one, and the
            anomalies, not asked for, are empty.
        restart (`bool`): discard existing predictions and start over.
        max_new_tokens (`int`, *optional*): the longest answer, in tokens; `MAX_NEW_TOKENS` unless given.

    Returns:
        How many of the pictures have no answer.

    Raises:
        InputError: if the dataset or split cannot be loaded, or what is there was made with something else.
        OutputError: if the files cannot be written, or another process is writing them.
        UnavailableError: if the model or adapter is out of reach, or memory does not suffice for a batch.
    """
    if task not in TASKS:
        raise InputError(f"--task {task}: is not known; choose {', '.join(TASKS)}")
    stored = open_split(dataset, split, config)
    pictures = (stored if images is None else stored.among(images)).first(limit)
    base = model or (base_of(adapter) if adapter else "tiny")
    longest = max_new_tokens or MAX_NEW_TOKENS
    settings = {
        "model": fingerprint(base),
        "adapter": fingerprint(adapter, "adapter_config.json") if adapter else None,
        "task": task,
        "prompts": {asked: PROMPTS[asked] for asked in TASKS[task]},
        "max_new_tokens": longest,
    }
    with PredictionWriter(out, resume=not restart) as writer:
        go_on(writer, settings, {name: _hash(pictures, name) for name in pictures.ids}, set(stored.ids))
        # Batches lie where they would in a run from the start: a picture's answer may depend, in its last bit, on its neighbours.
        batches = [pictures.ids[at : at + batch_size] for at in range(0, len(pictures), batch_size)]
        open_batches = [batch for batch in batches if not writer.done.issuperset(batch)]
        if open_batches:
            answer = Predictor(*load(base, adapter, merge=merge), task, longest)
            done = sum(len(batch) for batch in batches) - sum(len(batch) for batch in open_batches)
            with progress.bar("pictures", len(pictures)) as show:
                show(done)
                for batch in open_batches:
                    predicted = _predict_batch(pictures, batch, answer)
                    writer.append(*(one for one in predicted if one.image_id not in writer.done))
                    done += len(batch)
                    show(done)
    return _unanswered(writer.rows_path, set(pictures.ids))


def _hash(pictures: StoredPictures, name: str) -> str:
    try:
        data = pictures.content(name)
    except PictureError:
        data = b""  # it will be a failed prediction
    return hashlib.sha256(data).hexdigest()[:32]


def _unanswered(rows_path: Path, names: set[str]) -> Unanswered:
    statuses = [row.status for name, row in read_predictions(rows_path).items() if name in names]
    return Unanswered(statuses.count("failed"), statuses.count("unknown"))


def _predict_batch(pictures: StoredPictures, names: list[str], answer: Predictor) -> list[Prediction]:
    opened, answers = [], {}
    for name in names:
        try:
            opened.append((name, open_picture(name, pictures.content(name))))
        except PictureError as error:
            answers[name] = Prediction(image_id=name, status="failed", finish_reason=str(error))
    answers |= {prediction.image_id: prediction for prediction in answer(opened)}
    return [answers[name] for name in names]
