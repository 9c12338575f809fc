"""`anomreason train --dry_run`: what would be trained, how long its texts are, what it takes, and what of it has a loss."""

import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from trl import ModelConfig
from trl.data_utils import apply_chat_template, prepare_multimodal_messages
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from trainer.asked import sft_example, turns
from trainer.beforehand import weight_bytes
from trainer.examples import Sample, picture_names, without_pictures
from trainer.expectation import device_bytes, operations, size_of
from trainer.shown import taught
from trainer.survey import Survey

__all__ = ["COMPILED", "SHARE", "Material", "describe"]

SHARE, COMPILED = 0.2, 0.3
"""The share of a device's matrix rate that training is expected to reach, and with compiled layers: measured on an H100."""

_BARS = 10
_WIDTH = 40


@dataclass(frozen=True)
class Material:
    """What a training starts from.

    Attributes:
        bones: the model and its adapter without weights, `None` where DeepSpeed shares them out.
        processor: with the pixel budget.
        rows: what is trained on, a dataset or a stream.
        samples (`dict[str, Sample]`): what is examined, by name; "" is held out of the training split.
        survey (`Survey`, *optional*): what `rows` hold; `None` for a stream and in processes other than the first.
    """

    bones: Any
    processor: Any
    rows: Any
    samples: dict[str, Sample]
    survey: Survey | None


@dataclass(frozen=True)
class _Lengths:
    """Tokens of each example, in all and of its answer."""

    whole: list[int]
    answers: list[int]


def describe(material: Material, script: Any, training: Any, model_config: ModelConfig) -> str:
    """The report, as text.

    Args:
        material (`Material`): as `trainer.sft.prepare` gives it.
        script, training, model_config: the options of the training.
    """
    head = (
        f"{model_config.model_name_or_path} on {script.dataset_name} [{script.dataset_train_split}]; nothing is trained"
    )
    found = material.survey
    if found is None:
        return (
            f"{head}\nA stream's rows are not known before they are read; leave dataset_streaming out to look at them."
        )
    lengths = _lengths(material.rows, found, material.processor)
    asked = Counter(str(question) if isinstance(question, str) else "turns" for _, question in found.examples)
    examined = "".join(
        f", and {len(sample.references)} {f'of {name} ' if name else ''}to examine"
        for name, sample in material.samples.items()
    )
    lines = [
        head,
        f"rows      {len(found.image_tokens)}{examined}",
        f"examples  {len(found.examples)}: {', '.join(f'{count} {name}' for name, count in asked.most_common())}",
        f"pictures  {_spread(found.image_tokens)} image tokens",
        f"tokens    {_spread(lengths.whole)} per example, {_spread(lengths.answers)} of them with a loss",
        *_histogram(lengths.whole),
        *_costs(material, lengths, script, training, model_config),
        *_shown(material),
    ]
    return "\n".join(lines)


def _lengths(rows: Any, found: Survey, processor: Any) -> _Lengths:
    light = list(without_pictures(rows))
    whole, answers = [], []
    for start in range(0, len(found.examples), 256):
        batch = found.examples[start : start + 256]
        said = [_templated(taught(turns(light[row], question), found.shown[row]), processor) for row, question in batch]
        prompts, completions = (
            [len(ids) for ids in processor.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
            for texts in zip(*said, strict=True)
        )
        for (row, _), prompt, completion in zip(batch, prompts, completions, strict=True):
            whole.append(
                prompt - 1 + found.image_tokens[row] + completion
            )  # a picture's one placeholder becomes its tokens
            answers.append(completion)
    return _Lengths(whole, answers)


def _templated(said: list[dict[str, str]], processor: Any) -> tuple[str, str]:
    """Prompt and answer as text, the way TRL makes it."""
    example = {
        "prompt": prepare_multimodal_messages(said[:-1], images=[None]),
        "completion": prepare_multimodal_messages(said[-1:]),
    }
    text = apply_chat_template(example, processor)
    return text["prompt"], text["completion"]


def _spread(numbers: Sequence[int]) -> str:
    return f"{min(numbers):,} to {max(numbers):,} (median {statistics.median(numbers):,.0f})"


def _histogram(numbers: Sequence[int]) -> list[str]:
    """A line per class of lengths, with a bar."""
    least, most = min(numbers), max(numbers)
    wide = max(1, math.ceil((most - least + 1) / _BARS))
    counts = Counter((number - least) // wide for number in numbers)
    lines = []
    for place in range((most - least) // wide + 1):
        bar = "█" * round(_WIDTH * counts[place] / max(counts.values()))
        lines.append(f"  {least + place * wide:>6,} … {least + (place + 1) * wide - 1:>6,}  {bar} {counts[place]:,}")
    return lines


def _costs(material: Material, lengths: _Lengths, script: Any, training: Any, model_config: ModelConfig) -> list[str]:
    examples = len(lengths.whole)
    step = training.per_device_train_batch_size * training.world_size * training.gradient_accumulation_steps
    each = math.ceil(examples / step)
    steps = training.max_steps if training.max_steps > 0 else math.ceil(training.num_train_epochs * each)
    lines = [f"steps     {steps:,} of {step} examples, {each:,} per epoch"]
    if material.bones is None:
        return [*lines, "memory    and time are not estimated for a model that DeepSpeed shares out"]
    size, again = size_of(material.bones), script.checkpointed_layers
    batch = training.per_device_train_batch_size
    width, four_bits = weight_bytes(model_config)
    peak = device_bytes(
        size,
        width=width,
        four_bits=four_bits,
        tokens=batch * max(lengths.whole),
        answer_tokens=batch * max(lengths.answers),
        checkpointed=again,
    )
    merged = material.processor.image_processor.merge_size**2
    whole = operations(
        size,
        tokens=sum(lengths.whole) / examples,
        answer_tokens=sum(lengths.answers) / examples,
        patches=merged * statistics.fmean(material.survey.image_tokens),  # type: ignore[union-attr]
        checkpointed=again,
    )
    device = torch.device("cuda" if torch.cuda.is_available() and not training.use_cpu else "cpu")
    rate = _matrix_rate(device, width)
    share = COMPILED if script.compile_layers else SHARE
    seconds = whole * step * steps / (rate * share * training.world_size)
    lines.append(f"memory    about {peak / 1e9:.1f} GB at a batch of {batch}{_room(device, peak)}")
    lines.append(
        f"time      about {_duration(seconds)} without evaluations: {whole * step / 1e12:.3g} TFLOP per step, "
        f"at {share:.0%} of the {rate / 1e12:.3g} TFLOP/s that a matrix product reaches here"
    )
    return lines


def _room(device: torch.device, peak: float) -> str:
    if device.type != "cuda":
        return ""
    there = torch.cuda.get_device_properties(0).total_memory
    more = "" if peak < there else "; it would not fit: `anomreason probe` with the same options says what does"
    return f", of {there / 1e9:.0f} GB on {torch.cuda.get_device_name()}{more}"


def _matrix_rate(device: torch.device, width: float) -> float:
    """Floating-point operations per second of a large matrix product, the best of three."""
    side = 8192 if device.type == "cuda" else 1024
    kind = torch.float32 if width == 4 else torch.bfloat16
    matrix = torch.ones(side, side, dtype=kind, device=device)
    best = math.inf
    for _ in range(4):  # the first one warms up
        started = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def _shown(material: Material) -> list[str]:
    """The first, the middle and the last example, as the training's collator makes them; brackets hold what has no loss."""
    collator = DataCollatorForVisionLanguageModeling(material.processor, completion_only_loss=True)
    names, examples = picture_names(material.rows), material.survey.examples  # type: ignore[union-attr]
    chosen = [examples[place] for place in sorted({0, len(examples) // 2, len(examples) - 1})]
    lines = ["", "Examples; text in ⟦ ⟧ has no loss:"]
    for row, question in chosen:
        made = collator([sft_example(material.rows[row], question, material.processor.image_processor)])
        lines += ["", f"{names[row]}, {question}", _masked(made, material.processor)]
    return lines


def _masked(made: Any, processor: Any) -> str:
    """An example's tokens as text, runs of image tokens as one with their number."""
    tokenizer, pieces = processor.tokenizer, []
    pairs = zip(made["input_ids"][0].tolist(), (made["labels"][0] != -100).tolist(), strict=True)
    for learned, run in groupby(pairs, key=lambda pair: pair[1]):
        text = ""
        for token, group in groupby(token for token, _ in run):
            count = len(list(group))
            word = tokenizer.decode([token] * count)
            text += f"{processor.image_token}×{count}" if word == processor.image_token * count and count > 1 else word
        pieces.append(text if learned else f"⟦{text}⟧")
    return "".join(pieces)
