"""Looks at every row before the first step: each picture is decoded and each text read, so that none fails after hours.

What fails in training: a picture that cannot be decoded or is two hundred times as wide as high, and a text with one of the
tokenizer's special tokens, which would end a turn or stand for a picture.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

from dataset_builder.errors import InputError, shorten
from dataset_builder.pictures import prepare
from trainer.asked import questions, turns
from trainer.examples import picture_names
from trainer.loading import first_line
from trainer.shown import Shown, taught

__all__ = ["Survey", "refuse_failing", "survey"]

_AT_ONCE = 64
_UNKNOWN = Shown((1, 1), (1, 1))


@dataclass(frozen=True)
class Survey:
    """What the rows hold.

    Attributes:
        image_tokens (`list[int]`): of each row's picture.
        shown (`list[Shown]`): the sizes of each row's picture, if it would not fail.
        examples (`list[tuple[int, Any]]`): row and question of each example.
        failing (`list[str]`): each row that would fail, with its reason.
    """

    image_tokens: list[int]
    shown: list[Shown]
    examples: list[tuple[int, Any]]
    failing: list[str]


def survey(rows: Any, tasks: Sequence[str], processor: Any) -> Survey:
    """Look at all rows.

    Args:
        rows: a dataset as `trainer.examples.training_rows` gives it, which is not a stream.
        tasks (sequence of `str`): what is asked of each picture.
        processor: with the pixel budget of the training.
    """
    names, special = picture_names(rows), _special_tokens(processor)
    area = (processor.image_processor.patch_size * processor.image_processor.merge_size) ** 2
    found = Survey([], [], [], [])
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without holding the interpreter's lock
        pending = _rows(rows)
        while batch := list(islice(pending, _AT_ONCE)):
            looked = pool.map(lambda row: _look(row[1], processor.image_processor), batch)
            for (row, _), (shown, reason) in zip(batch, looked, strict=True):
                index = len(found.image_tokens)
                found.image_tokens.append(0 if reason else shown.seen[0] * shown.seen[1] // area)
                found.shown.append(shown)
                reasons = [reason] if reason else []
                for question in questions(row, tasks):
                    found.examples.append((index, question))
                    reasons += _unspeakable(row, question, shown, special)
                found.failing.extend(f"{shorten(names[index])}: {one}" for one in dict.fromkeys(reasons))
    return found


def refuse_failing(place: str, *surveys: Survey) -> None:
    """List the rows that would fail on stderr, each with its reason, and raise an `InputError` if there are any.

    Args:
        place (`str`): what the dataset is called.
    """
    if failing := [line for one in surveys for line in one.failing]:
        print("\n".join(failing), file=sys.stderr)
        raise InputError(
            f"{place}: {len(failing)} rows would fail in training, all of them listed above; take them out of the source "
            "and build it again (`anomreason validate` says more)"
        )


def _unspeakable(row: Mapping[str, Any], question: Any, shown: Shown, special: Sequence[str]) -> list[str]:
    """Why an example's text would fail."""
    try:
        said = "\n".join(turn["content"] for turn in taught(turns(row, question), shown))
    except InputError as error:
        return [str(error)]
    return [f"its text holds the special token {token}" for token in special if token in said]


def _look(stored: Mapping[str, Any], image_processor: Any) -> tuple[Shown, str | None]:
    """A picture's sizes, and why it would fail."""
    try:
        content = stored["bytes"] if stored["bytes"] is not None else Path(stored["path"]).read_bytes()
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as picture:
            prepared = prepare(picture)
    # A decoder that is handed rubbish can raise nearly anything.
    except Exception as error:
        return _UNKNOWN, f"its picture cannot be decoded ({first_line(error)})"
    try:
        return Shown.of(prepared, image_processor), None
    except ValueError:
        width, height = prepared.image.size
        return _UNKNOWN, f"its picture of {width} × {height} pixels is too long and narrow"


def _rows(rows: Any) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Each row without its picture, and the picture as it is stored."""
    single = "images" not in rows.column_names
    raw = datasets.Image(decode=False)
    stored = rows.cast_column("image", raw) if single else rows.cast_column("images", datasets.List(raw))
    for row in stored:
        picture = row.pop("image") if single else row.pop("images")[0]
        yield row, picture


def _special_tokens(processor: Any) -> list[str]:
    added = processor.tokenizer.added_tokens_decoder.values()
    return sorted({token.content for token in added if token.special})
