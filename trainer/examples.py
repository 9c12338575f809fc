"""The examples of a dataset: what a picture is asked in training, and the pictures an adapter is examined on.

Two kinds of configurations (see `trainer.asked`). `default` and `deepfake` hold `image`, `label`, `anomalies`, and `tasks` says
what each picture is asked. `sft` holds conversations (`images`, `prompt`, `completion`); every turn of the assistant is an example
of its own, with the turns before it as its prompt, so that no loss falls on the user's questions.
"""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import datasets
import pyarrow.compute as pc
import trl
from PIL import Image

from dataset_builder.errors import InputError
from dataset_builder.pictures import prepare
from dataset_builder.prompts import PROMPTS
from dataset_builder.schema import Anomaly
from dataset_builder.textform import parse_answer
from trainer import loading
from trainer.asked import questions, sft_example

__all__ = [
    "DataArguments",
    "Sample",
    "evaluation_sample",
    "evenly",
    "indexed",
    "known_pictures",
    "named_samples",
    "picture_names",
    "tasks_of",
    "training_examples",
    "training_rows",
    "truths",
    "without_pictures",
]

SHUFFLED = 256  # rows of a stream that wait to be drawn from; they hold their pictures


@dataclass
class DataArguments(trl.ScriptArguments):
    """TRL's script arguments and what is ours.

    Args:
        limit (`int`, *optional*): use only so many rows of the training split, evenly spaced; of a stream, the first.
        tasks (`list[str]`, *optional*): what each picture is asked: `anomalies`, `grounded` (with a box to each) and `verdict`,
            one or several; `anomalies` unless given. The configuration `sft` brings its own questions.
        min_pixels, max_pixels (`int`, *optional*): the pixels per picture, width × height; the model's own unless
            given. Qwen2.5-VL makes an image token of 28 × 28 pixels, Qwen3-VL of 32 × 32.
        dataset_test_split (`str`, *optional*): the split to examine adapters on; unless given, pictures are held out of the
            training split. An adapter that was chosen by the test split has no test split left.
        base_id (`str`, *optional*): the base's id on the Hub, if the model is a place on this machine and the adapter is to be
            pushed.
        overwrite (`bool`, defaults to `False`): train into a directory that holds another run, an adapter or something else;
            only files that a training wrote are replaced.
    """

    limit: int | None = field(default=None, metadata={"help": "Use only this many rows."})
    tasks: list[str] | None = field(
        default=None, metadata={"help": "What each picture is asked: anomalies, grounded, verdict; one or several."}
    )
    dataset_test_split: str | None = field(  # type: ignore[assignment]
        default=None,
        metadata={"help": "The split to examine adapters on; by default, pictures are held out of the training split."},
    )
    min_pixels: int | None = field(default=None, metadata={"help": "Enlarge smaller pictures to this many pixels."})
    max_pixels: int | None = field(default=None, metadata={"help": "Reduce larger pictures to this many pixels."})
    overwrite: bool = field(default=False, metadata={"help": "Replace what an earlier training wrote there."})
    base_id: str | None = field(default=None, metadata={"help": "The base model's id on the Hub, for push_to_hub."})


@dataclass
class Sample:
    """Pictures to examine, each with its true anomalies.

    Attributes:
        rows (sequence of rows): as the dataset has them; a picture is decoded when its row is read.
        references (`list[list[Anomaly]]`): as many lists.
    """

    rows: Sequence[Mapping[str, Any]]
    references: list[list[Anomaly]]

    def picture(self, index: int) -> Any:
        """The picture at a place, decoded."""
        row = self.rows[index]
        return row["images"][0] if "images" in row else row["image"]


def training_rows(script: DataArguments) -> Any:
    """The training split, limited; a stream with `dataset_streaming`.

    Raises:
        InputError: if it cannot be loaded, lacks columns, is empty, has no boxes for the task `grounded`, or brings questions
            although `tasks` are given.
    """
    rows = _load(script, script.dataset_train_split)
    if "prompt" in _columns(rows) and script.tasks:
        raise InputError(
            f"tasks: {', '.join(script.tasks)}: the configuration sft brings its own questions; leave it out"
        )
    place = f"{script.dataset_name} [{script.dataset_train_split}]"
    if "grounded" in (script.tasks or ()) and not script.dataset_streaming and not _has_boxes(rows):
        raise InputError(
            f"tasks: grounded: no picture of {place} has a box for each of its anomalies; choose anomalies"
        )
    if script.limit is not None:
        rows = rows.take(script.limit) if script.dataset_streaming else evenly(rows, script.limit)
    if not script.dataset_streaming and not len(rows):
        raise InputError(f"{place}: holds no examples; give another split")
    return rows


def training_examples(script: DataArguments, rows: Any, image_processor: Any, seed: int = 0) -> Any:
    """The rows as SFT examples (`images`, `prompt`, `completion`), made as they are read.

    Args:
        image_processor: of the training; boxes are taught in the pixels that it shows.
        seed (`int`): the order in which a stream's rows are drawn; the trainer shuffles what is not a stream.
    """
    tasks = script.tasks or ["anomalies"]
    make = functools.partial(sft_example, image_processor=image_processor)
    if not script.dataset_streaming:
        return indexed(rows, tasks, make)

    def expand(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        read = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        made = [make(row, question) for row in read for question in questions(row, tasks)]
        return {key: [one[key] for one in made] for key in ("images", "prompt", "completion")}

    shuffled = rows.shuffle(seed=seed, buffer_size=SHUFFLED)
    return shuffled.map(expand, batched=True, batch_size=8, remove_columns=_columns(rows))


def evaluation_sample(script: DataArguments, pictures: int, rows: Any) -> tuple[Any, Sample]:
    """The rows left to train on, and up to `pictures` pictures to examine: the same ones whatever the seed.

    They come from the split `dataset_test_split`, or are held out of `rows`, the training rows, by their names' hashes.

    Raises:
        InputError: if the split cannot be used, if no picture in it has an anomaly, or if it shares pictures with `rows`.
    """
    place = f"dataset_test_split: {script.dataset_test_split}"
    if script.dataset_test_split is None:
        if script.dataset_streaming:
            raise InputError(f"{place}: no picture can be held out of a stream; name another split")
        place = "eval_pictures: those held out"
        rows, sample = _held_out(rows, pictures)
        if not len(rows):
            raise InputError(f"eval_pictures: {pictures} holds out every picture; lower it")
    elif script.dataset_streaming:
        known = (row for row in _load(script, script.dataset_test_split) if _truth(row) is not None)
        read = list(islice(known, pictures))
        sample = Sample(read, [_truth(row) or [] for row in read])
    else:
        others = _load(script, script.dataset_test_split)
        if shared := set(picture_names(others)) & set(picture_names(rows)):
            raise InputError(
                f"{place}: {len(shared)} of its pictures are trained on as well, {min(shared)} among them; "
                "leave it out, and others are held out of the training split"
            )
        _, sample = _held_out(others, pictures)
    if not any(sample.references):
        raise InputError(f"{place}: no picture has an anomaly to find; give another split or more eval_pictures")
    return rows, sample


def named_samples(script: DataArguments, sets: Sequence[str], pictures: int) -> dict[str, Sample]:
    """Up to `pictures` pictures of each of other datasets, by the names given to them.

    Args:
        sets (sequence of `str`): NAME=DATASET, NAME=DATASET:CONFIG or NAME=DATASET:CONFIG:SPLIT; the training's configuration and
            the split `test` unless given.

    Raises:
        InputError: if one cannot be used, if no picture in it has an anomaly, or if it is what is trained on.
    """
    samples = {}
    for given in sets:
        name, _, place = given.partition("=")
        dataset, *rest = place.split(":")
        config, split = [*rest, *[""] * 2][:2]
        other = copy(script)
        other.dataset_name, other.dataset_config = dataset, config or script.dataset_config
        other.dataset_streaming = False
        split = split or "test"
        if (dataset, split) == (script.dataset_name, script.dataset_train_split):
            raise InputError(f"eval_sets: {given}: is what is trained on; give another split or dataset")
        _, samples[name] = _held_out(_load(other, split), pictures)
        if not any(samples[name].references):
            raise InputError(f"eval_sets: {given}: no picture of [{split}] has an anomaly to find; give another split")
    return samples


def _held_out(rows: Any, pictures: int) -> tuple[Any, Sample]:
    """Rows are sorted by class in a build, so a slice would not do; of a picture that comes several times all rows are held out."""
    names = picture_names(rows)
    truths = {
        name: truth
        for name, row in zip(names, without_pictures(rows), strict=True)
        if (truth := _truth(row)) is not None
    }
    place = {name: index for index, name in enumerate(names)}
    drawn = sorted(truths, key=lambda name: hashlib.sha256(f"examined:{name}".encode()).digest())[:pictures]
    held = set(drawn)
    left = rows.select([index for index, name in enumerate(names) if name not in held])
    return left, Sample(rows.select([place[name] for name in drawn]), [truths[name] for name in drawn])


def known_pictures(rows: Any, most: int = 3000) -> Iterator[Image.Image]:
    """Up to `most` pictures as the model is shown them, each once, by name; of a stream the first as they come."""
    if isinstance(rows, datasets.IterableDataset):
        taken = iter(rows.take(most))
    else:
        place = {name: index for index, name in enumerate(picture_names(rows))}
        taken = iter(evenly(rows.select([place[name] for name in sorted(place)]), most))
    return (prepare(row["images"][0] if "images" in row else row["image"]).image for row in taken)


def truths(rows: Any, count: int) -> list[list[Anomaly]]:
    """The anomalies of up to `count` pictures that have some, evenly spaced over a dataset's rows."""
    odd = [truth for row in without_pictures(rows) if (truth := _truth(row))]
    return [odd[index * len(odd) // count] for index in range(count)] if count < len(odd) else odd


def evenly(rows: Any, count: int) -> Any:
    """`count` rows of a dataset, evenly spaced: a build has all generated pictures first, so its first rows are of one class."""
    size = len(rows)
    return rows.select([index * size // count for index in range(count)] if count < size else range(size))


def indexed(
    source: Any, tasks: Sequence[str], make: Callable[[Mapping[str, Any], Any], dict[str, Any]]
) -> datasets.Dataset:
    """A dataset of (row, question) pairs that are made into examples when they are read.

    A written copy would hold every picture once more for each question. Without its transform (`with_format(None)`) the dataset
    has the columns `row`, `question` and `length`, the letters of the text.
    """
    light = source if isinstance(source, list) else without_pictures(source)
    pairs = [
        (index, question, _letters(row, question))
        for index, row in enumerate(light)
        for question in questions(row, tasks)
    ]
    if not pairs:
        raise InputError(
            f"tasks: {', '.join(tasks)}: no row has an answer to these; choose others or another configuration"
        )

    def transform(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        made = [make(source[row], question) for row, question in zip(batch["row"], batch["question"], strict=True)]
        return {key: [one[key] for one in made] for key in made[0]}

    rows, asked, letters = zip(*pairs, strict=True)
    columns = {"row": list(rows), "question": list(asked), "length": list(letters)}
    return datasets.Dataset.from_dict(columns).with_transform(transform)


def _letters(row: Mapping[str, Any], question: Any) -> int:
    """How long an example's text is beside the others', in letters: enough to tell long answers from short ones."""
    if "prompt" in row:
        return sum(len(turn["content"]) for turn in [*row["prompt"], *row["completion"]][: question + 1])
    if question == "verdict":
        return 0
    return sum(len(str(value)) for anomaly in row["anomalies"] or [] for value in anomaly.values())


def tasks_of(rows: Any, tasks: Sequence[str] | None) -> list[str]:
    """The tasks that rows teach: those given, or those whose prompts the first 1,000 conversations have."""
    if "prompt" not in _columns(rows):
        return list(tasks or ["anomalies"])
    looked = islice(rows.select_columns(["prompt", "completion"]), 1000)
    asked = {turn["content"] for row in looked for turn in [*row["prompt"], *row["completion"]]}
    return [task for task, prompt in PROMPTS.items() if prompt in asked] or ["anomalies"]


def _has_boxes(rows: Any) -> bool:
    return any(row["anomalies"] and questions(row, ["grounded"]) for row in without_pictures(rows))


def _truth(row: Mapping[str, Any]) -> list[Anomaly] | None:
    """The anomalies of a row, `None` if they are not known."""
    if "prompt" not in row:
        return [Anomaly(**anomaly) for anomaly in row["anomalies"] or []] if questions(row, ["anomalies"]) else None
    turns = [*row["prompt"], *row["completion"]]
    answers = [b["content"] for a, b in pairwise(turns) if a["content"] in (PROMPTS["anomalies"], PROMPTS["grounded"])]
    return parse_answer(answers[0]).anomalies if answers else None


def _load(script: DataArguments, split: str) -> Any:
    place = str(script.dataset_name)
    rows = loading.load_split(place, split, set(), script.dataset_config, streaming=script.dataset_streaming)
    columns = set(_columns(rows))
    if not columns & {"prompt", "completion"}:
        missing = {"image", "label", "anomalies"} - columns
    else:
        missing = {"images", "prompt", "completion"} - columns
    if missing:
        raise InputError(
            f"{place} [{split}]: lacks the columns {', '.join(sorted(missing))}; "
            "build it with `anomreason build`, or choose its configuration with dataset_config"
        )
    return rows


def _columns(rows: Any) -> list[str]:
    # A stream of files without a card knows its columns from its first row only.
    return list(rows.column_names or next(iter(rows), {}))


def without_pictures(rows: Any) -> Iterator[Mapping[str, Any]]:
    """The rows, but only what they say of their pictures: decoding pictures takes time."""
    kept = {"prompt", "completion"} if "prompt" in rows.column_names else {"label", "anomalies"}
    return iter(rows.select_columns(sorted(kept)))


def picture_names(rows: Any) -> list[str]:
    """A name for each row, its picture's file; pictures themselves are not read."""
    if "image_id" in rows.column_names:
        return list(rows["image_id"])
    if "images" not in rows.column_names:
        return [str(index) for index in range(len(rows))]
    column = rows.select_columns("images").with_format("arrow")[:]["images"]
    paths = pc.struct_field(pc.list_flatten(column), "path").to_pylist()
    return [path or str(index) for index, path in enumerate(paths)]
