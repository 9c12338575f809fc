"""What fits a GPU: a probe that proposes a recipe's batch size and how many layers are computed again.

    anomreason probe --config anomreasonor_7b --dataset_name ORG/anomreason

As the objective does not depend on how a step is split (`trainer.objective`), both are only a matter of memory and speed. Memory
grows with the batch and falls with every layer that is computed again; four measurements tell how much, and what is proposed has
been run: the longest examples of the data, forward and back. A step keeps its number of examples.
"""

import copy
import gc
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size

from dataset_builder.errors import UnavailableError
from trainer import sft
from trainer.decoder import layers_of, prepare_decoder

__all__ = ["Fit", "Measure", "batch_measure", "longest", "main", "probe", "propose"]

ROOM = 0.9
"""The share of a GPU's memory that a proposal may take: the rest is for fragments and for longer examples than those measured."""

ADAM = 8
"""Bytes of optimizer state for each trained parameter: two moments in 32 bits."""


@dataclass(frozen=True)
class Fit:
    """A way to split a step: examples in a batch, layers computed again, seconds per example, peak memory in bytes."""

    batch: int
    checkpointed: int
    seconds: float
    peak: int


Measure = Callable[[int, int], Fit | None]
"""Runs a batch of so many examples with so many layers computed again; `None` if memory does not suffice."""


def propose(measure: Measure, batches: Sequence[int], layers: int, budget: float) -> list[Fit]:
    """The ways to split a step that fit, the fastest first.

    Args:
        measure: see `Measure`.
        batches (sequence of `int`): the batch sizes that divide a step, in rising order.
        layers (`int`): how many layers the language model has.
        budget (`float`): bytes that may be taken.
    """
    least = measure(batches[0], layers)
    if least is None or least.peak > budget:
        return []
    # What a layer keeps of an example: from as few layers computed again as fit.
    free = next((fit for kept in (layers, layers // 2, 1) if (fit := measure(batches[0], layers - kept))), least)
    kept = layers - free.checkpointed
    per_layer = (free.peak - least.peak) / (kept * batches[0]) if kept else math.inf
    known = {(fit.batch, fit.checkpointed): fit for fit in (least, free)}
    found: list[Fit] = []
    for batch in batches:
        everything = known.get((batch, layers)) or measure(batch, layers)
        if everything is None or everything.peak > budget:
            break
        spare = (budget - everything.peak) / (per_layer * batch) if per_layer > 0 else layers
        again = layers - min(layers, math.floor(spare))
        known[batch, layers] = everything
        fit = known.get((batch, again)) or measure(batch, again)
        if fit is None or fit.peak > budget:  # not quite linear: a tenth of the layers more
            fit = measure(batch, min(layers, again + max(1, layers // 10)))
        best = fit if fit is not None and fit.peak <= budget else everything
        found.append(best)
        if best.seconds > 1.05 * min(one.seconds for one in found):
            break  # larger batches only pad more
    return sorted(found, key=lambda fit: fit.seconds)


def longest(trainer: Any, count: int) -> list[Any]:
    """The examples of a trainer's dataset whose texts are longest."""
    data = trainer.train_dataset
    lengths = data.with_format(None)["length"][:]
    places = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)[:count]
    return [data[place] for place in places]


def batch_measure(trainer: Any, examples: Sequence[Any], *, compiled: bool) -> Measure:
    """How a trainer's GPU takes a batch of `examples`, forward and back, with what the optimizer will hold."""
    model = trainer.accelerator.prepare_model(trainer.model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def measure(batch: int, checkpointed: int) -> Fit | None:
        prepare_decoder(trainer.model, checkpointed=checkpointed, compiled=compiled)
        many = [examples[at % len(examples)] for at in range(batch)]
        texts = ("prompt", "completion")  # the collator writes into their messages
        inputs = trainer.data_collator([one | {key: copy.deepcopy(one[key]) for key in texts} for one in many])
        seconds = []
        model.train()
        try:
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            for _ in range(3):
                torch.cuda.synchronize()
                started = time.perf_counter()
                moved = trainer._prepare_inputs(dict(inputs))
                with trainer.compute_loss_context_manager():
                    loss = trainer.compute_loss(model, moved, num_items_in_batch=batch)
                trainer.accelerator.backward(loss)
                torch.cuda.synchronize()
                seconds.append(time.perf_counter() - started)
        except RuntimeError as error:
            if not should_reduce_batch_size(error):
                raise
            return None
        finally:
            for parameter in trained:
                parameter.grad = None
        peak = torch.cuda.max_memory_allocated() + ADAM * sum(parameter.numel() for parameter in trained)
        return Fit(batch, checkpointed, min(seconds) / batch, peak)

    return measure


def probe(trainer: Any, *, compiled: bool = False, budget: float | None = None) -> list[Fit]:
    """What fits the GPU at hand, the fastest first; what is measured is told on stderr.

    Args:
        trainer: a trainer of `trainer.sft`, before training.
        compiled (`bool`): whether the layers will be compiled.
        budget (`float`, *optional*): bytes that may be taken; nine tenths of the GPU's memory unless given.

    Raises:
        UnavailableError: if not even a batch of one example fits.
    """
    args = trainer.args
    step = args.per_device_train_batch_size * args.gradient_accumulation_steps
    batches = [size for size in range(1, min(step, 64) + 1) if step % size == 0]
    total = torch.cuda.get_device_properties(0).total_memory
    budget = ROOM * total if budget is None else budget
    measure = batch_measure(trainer, longest(trainer, batches[-1]), compiled=compiled)

    def told(batch: int, checkpointed: int) -> Fit | None:
        fit = measure(batch, checkpointed)
        result = "does not fit" if fit is None else f"{1 / fit.seconds:.2f} examples/s, {fit.peak / 1e9:.1f} GB"
        print(f"batch {batch}, {checkpointed} layers computed again: {result}", file=sys.stderr, flush=True)
        return fit

    fits = propose(told, batches, len(layers_of(trainer.model)), budget)
    if not fits:
        raise UnavailableError(
            f"{torch.cuda.get_device_name()}: {budget / 1e9:.0f} GB do not hold one example with every layer computed again; "
            "lower max_pixels, set load_in_4bit to true, or take a smaller base"
        )
    return fits


def main(arguments: Sequence[str]) -> str:
    """What a recipe should say on this machine: its options as YAML, with what was measured.

    Args:
        arguments (`list[str]`): as for `trainer.sft`; `--config` and any option given with it.

    Raises:
        InputError, UnavailableError: as `trainer.sft.train` raises them, and without a GPU.
    """
    if not torch.cuda.is_available():
        raise UnavailableError(
            "probe: measures a CUDA GPU, and there is none here; run it on the machine that will train"
        )
    script, training, model_config = sft.parse(arguments)
    training.eval_strategy = "no"
    trainer = sft.build(script, training, model_config)
    best = probe(trainer, compiled=script.compile_layers)[0]
    step = training.per_device_train_batch_size * training.gradient_accumulation_steps
    total = torch.cuda.get_device_properties(0).total_memory
    return (
        f"per_device_train_batch_size: {best.batch}\n"
        f"gradient_accumulation_steps: {step // best.batch}\n"
        f"checkpointed_layers: {best.checkpointed}\n"
        f"# {1 / best.seconds:.2f} of the longest examples per second, {best.peak / 1e9:.1f} of {total / 1e9:.1f} GB "
        f"on one {torch.cuda.get_device_name()}"
    )
