"""What each change to training brings on its own: a step with one of them taken back at a time, the others kept.

    python -m benchmarks.fixes --config anomreasonor_7b --dataset_name ORG/anomreason --gradient_accumulation_steps 2

Any option of the recipe may follow. The model is loaded once and stepped by the bare loop of `benchmarks.training`, on the same
batches but for the order of examples; layers are not compiled, which would take a minute for each variant. Told are the median
seconds of a step, how many times that of a step with all changes it is, and the peak memory. `out of memory` is an answer, too:
what is taken back may be what makes a recipe fit.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size

from benchmarks.device import name, peak_memory
from benchmarks.training import bare_loop, medians, read_steps, recipe_line
from dataset_builder.building.build import build
from dataset_builder.scenes import write_scenes
from trainer import sft
from trainer.decoder import prepare_decoder
from trainer.tower import ATTENTION, tower_of

__all__ = ["TAKEN_BACK", "measure"]

WARM_UP = 1


@contextmanager
def _as(thing: Any, kind: type) -> Iterator[None]:
    """Have an object behave as one of another class for a while."""
    own, thing.__class__ = thing.__class__, kind
    try:
        yield
    finally:
        thing.__class__ = own


@contextmanager
def trained_tower(model: Any) -> Iterator[None]:
    """The tower within autograd, as gradient checkpointing leaves it: the output of its first layer requires a gradient."""
    tower = tower_of(model)
    look = tower.forward  # type: ignore[union-attr]
    through = type("Through", (type(look),), {"__call__": lambda self, *given, **named: self.forward(*given, **named)})
    hook = tower.patch_embed.register_forward_hook(lambda _, __, output: output.requires_grad_())  # type: ignore[union-attr]
    try:
        with _as(look, through):
            yield
    finally:
        hook.remove()


@contextmanager
def every_look(model: Any) -> Iterator[None]:
    """A picture that is asked about twice in a step is looked at twice."""
    look, numbers = tower_of(model).forward, count()  # type: ignore[union-attr]
    names = {"_names": lambda _, __, grids: [(next(numbers), *grid) for grid in grids.tolist()]}
    with _as(look, type("Forgetful", (type(look),), names)):
        yield


@contextmanager
def windows_one_by_one(model: Any) -> Iterator[None]:
    """The tower's attention as transformers has it without a package: a loop over windows."""
    base = model.get_base_model()
    base.set_attn_implementation({"vision_config": "sdpa"})
    try:
        yield
    finally:
        base.set_attn_implementation({"vision_config": ATTENTION})


def convolved_patches(model: Any) -> AbstractContextManager[None]:
    """Patches by the convolution that the model is stored with."""
    return _as(tower_of(model).patch_embed.proj, torch.nn.Conv3d)  # type: ignore[union-attr]


@contextmanager
def masked(model: Any) -> Iterator[None]:
    """A mask for rows that are padded on the right alone."""
    decoder = model.get_base_model().get_decoder()
    own, decoder.forward = decoder.forward, type(decoder).forward.__get__(decoder)
    try:
        yield
    finally:
        decoder.forward = own


@contextmanager
def all_computed_again(model: Any) -> Iterator[None]:
    """Every layer of the language model computed again in the backward pass."""
    prepare_decoder(model, checkpointed=None)
    try:
        yield
    finally:
        prepare_decoder(model)


TAKEN_BACK: dict[str, Callable[[Any], AbstractContextManager[None]]] = {
    "tower outside autograd": trained_tower,
    "nothing computed again": all_computed_again,
    "one attention call per layer": windows_one_by_one,
    "each picture looked at once": every_look,
    "patches as one product": convolved_patches,
    "no mask": masked,
}
"""Changes that can be taken back from a model, by name. The order of examples is the seventh."""


def measure(trainer: Any, steps: int) -> dict[str, Any]:
    """Seconds and memory of a step with all changes, and with each of them taken back.

    Args:
        trainer: of `trainer.sft.build`, with layers that are not compiled.
        steps (`int`): counted after one that warms up.
    """
    model = trainer.model
    prepare_decoder(model)
    by_length = read_steps(trainer, WARM_UP + steps)
    found = {"all changes": _timed(trainer, by_length)}
    for change, taken_back in TAKEN_BACK.items():
        with taken_back(model):
            found[f"without: {change}"] = _timed(trainer, by_length)
    trainer.args.train_sampling_strategy = (
        "sequential"  # any but `random` is left to the library, which deals without lengths
    )
    trainer.train_dataset = trainer.train_dataset.shuffle(trainer.args.seed)
    found["without: order by length"] = _timed(trainer, read_steps(trainer, WARM_UP + steps))
    whole = found["all changes"]
    for one in found.values():
        for kind in ("seconds a step", "of the processor"):
            if kind in one and kind in whole:
                one[f"{kind}, times all changes"] = round(one[kind] / whole[kind], 3)
    return found


def _timed(trainer: Any, steps: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    peak_memory(reset=True)
    try:
        spent = medians(bare_loop(trainer, steps)[WARM_UP:])
    except RuntimeError as error:
        if not should_reduce_batch_size(error):
            raise
        trainer.model.zero_grad()
        torch.cuda.empty_cache()
        return {"result": "out of memory"}
    return {
        "seconds a step": round(spent.clock, 4),
        "of the processor": round(spent.processor, 4),
        "peak memory, GB": round(peak_memory() / 1e9, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--dataset_name", help="rendered scenes unless given")
    parser.add_argument("--steps", type=int, default=4, help=f"counted after {WARM_UP} that warms up")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        dataset = arguments.dataset_name
        if dataset is None:
            build(write_scenes(work / "scenes", 200, seed=5), work / "anomreason", recipe=None)
            dataset = str(work / "anomreason")
        line = recipe_line(arguments.config, dataset, work / "out", arguments.steps)
        trainer = sft.build(*sft.parse([*line, *options, "--compile_layers", "false"]))
        found = {
            "device": name(),
            "examples a step": trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps,
        }
        json.dump(found | measure(trainer, arguments.steps), sys.stdout, indent=1, ensure_ascii=False)
        print()


if __name__ == "__main__":
    main()
