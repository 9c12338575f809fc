"""A model in this process: the tiny one on a CPU, or Qwen2.5-VL with an adapter on a GPU or ZeroGPU."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

try:
    # Before a model is loaded: on ZeroGPU this is what makes torch say that there is a GPU.
    import spaces
except ImportError:
    spaces = None

import torch

from dataset_builder.predictions import UNKNOWN
from dataset_builder.prompts import Task, chat
from space.backend import examine_text, placed
from space.examination import Examination, VerdictAnswer
from space.uploads import Upload, read_picture
from trainer.known import Known, read_known, strangers
from trainer.loading import TINY, first_line, load, processor_of, resolve
from trainer.verdict import judge

__all__ = ["Local", "Weights", "open_local"]

MAX_NEW_TOKENS = 1024
_ANY = Path(__file__).parent / "examples" / "clean.png"
_F = TypeVar("_F", bound=Callable[..., Any])


def _on_gpu(function: _F) -> _F:
    """On ZeroGPU a GPU is lent for the time of a call; elsewhere nothing changes."""
    if spaces is None:
        return function
    decorated: _F = spaces.GPU(function)
    return decorated


@dataclass
class Weights:
    """What models share that differ only in an adapter.

    Attributes:
        model, processor: as `trainer.loading.load` returns them.
        lock (`threading.Lock`): lets one answer at a time through.
        adapted (`PeftModel`, *optional*): the model with an adapter put into it; it then answers as the base only inside
            `disable_adapter`.
    """

    model: Any
    processor: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    adapted: Any = None


@cache
def _weights(model: str) -> Weights:
    """A model's weights: loaded once in a process."""
    return Weights(*load(model))


def open_local(model: str, adapter: str | None, boxes: bool = False) -> tuple["Local", "Local | None"]:
    """The model, and its base to compare it with if it has an adapter. Both share their weights.

    Raises:
        UnavailableError: if a part is out of reach.
        InputError: if the adapter was made for another base model.
    """
    weights = _weights(resolve(model))
    tiny = Path(resolve(model)).absolute() == TINY.absolute()
    name = "tiny" if tiny else Path(model).name
    if adapter is None:
        return Local(name, weights, tiny, boxes, weights.model.known), None
    from peft import PeftModel

    from dataset_builder.errors import InputError, UnavailableError

    try:
        # Not merged: switched off it is the base, so base and adapter cost the memory of one model.
        weights.adapted = PeftModel.from_pretrained(weights.model, adapter).eval()
    except RuntimeError as error:
        raise InputError(f"{adapter}: does not fit {model}; give its own base model ({first_line(error)})") from None
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{adapter}: the adapter cannot be loaded ({first_line(error)})") from None
    processor, known = processor_of(model, adapter), read_known(adapter)
    if known is not None and spaces is None:  # on ZeroGPU nothing can be computed outside a visitor's call
        known.check(adapter, weights.model, processor)
    tuned = Local(f"{name} + {Path(adapter).name}", weights, tiny, boxes, known, adapted=processor)
    return tuned, Local(f"{name} (base)", weights, tiny, boxes, weights.model.known)


class Local:
    """A transformers model that answers as it writes.

    Args:
        name (`str`): what a visitor calls it.
        weights (`Weights`): of the model.
        tiny (`bool`): whether it knows only rendered scenes. Such a model is asked for no verdict.
        boxes (`bool`): whether it is asked where each anomaly is.
        known (`Known`, *optional*): which pictures it knows; it is asked about no others.
        adapted (*optional*): the adapter's processor, if the adapter is to be switched on: pictures come in as many pixels as
            in its training.
    """

    at_once = 1
    speaks = False  # its adapters were trained on English answers

    def __init__(
        self,
        name: str,
        weights: Weights,
        tiny: bool,
        boxes: bool = False,
        known: Known | None = None,
        adapted: Any = None,
    ) -> None:
        self.name, self.knows_scenes_alone, self._known = name, tiny, known
        self._task: Task = "grounded" if boxes else "anomalies"
        self._weights, self._adapted = weights, adapted is not None
        self._processor = adapted or weights.processor
        self._on_gpu = _on_gpu(self._answer)  # here, so that only the picture travels to the process that holds the GPU

    def warm(self) -> None:
        """Answer once, so that the first visitor does not wait for what is loaded and chosen at the first answer."""
        if spaces is None:  # on ZeroGPU there is a GPU only within a visitor's call
            list(self.examine(read_picture(_ANY.read_bytes(), _ANY.name)))

    def examine(self, picture: Upload, language: str = "") -> Iterator[Examination]:
        started = time.monotonic()
        with self._weights.lock:
            pieces = self._on_gpu(picture.image)
            shown = next(pieces)
            if shown is None:
                seconds = round(time.monotonic() - started, 2)
                yield Examination(picture.image_id, "unknown", problem=UNKNOWN, seconds=seconds)
                return
            yield from examine_text(picture, pieces, lambda one: placed(one, picture, shown))

    def _answer(self, image: Any) -> Iterator[Any]:
        """First the size of the picture as the model sees it, then its answer in pieces, last its verdict.

        Of a picture of a kind that the model does not know, `None` and nothing else.

        Raises:
            ConnectionError: if generation fails.
        """
        stop = threading.Event()
        pieces = _Pieces(self._processor.tokenizer)
        model = self._weights.adapted or self._weights.model
        with model.disable_adapter() if self._weights.adapted and not self._adapted else nullcontext():
            if strangers(self._known, model, self._processor, [image])[0]:
                yield None
                return
            inputs = self._inputs(self._task, image)
            side = self._processor.image_processor.patch_size
            _, rows, columns = inputs["image_grid_thw"][0].tolist()
            yield columns * side, rows * side

            def generate() -> None:
                try:
                    with torch.inference_mode():
                        model.generate(
                            **inputs,
                            max_new_tokens=MAX_NEW_TOKENS,
                            do_sample=False,
                            streamer=pieces,
                            stopping_criteria=[
                                lambda tokens, _: torch.full_like(tokens[:, 0], stop.is_set(), dtype=torch.bool)
                            ],
                        )
                except Exception:  # out of memory and whatever else kernels raise: told to the visitor in one sentence
                    pieces.fail()

            thread = threading.Thread(target=generate, daemon=True)
            thread.start()
            try:
                yield from pieces
            finally:
                stop.set()
                thread.join()
            if not self.knows_scenes_alone and (verdict := self._verdict(model, image)):
                yield verdict

    def _inputs(self, task: Task, image: Any) -> Any:
        prompt = self._processor.apply_chat_template(chat(task), tokenize=False, add_generation_prompt=True)
        return self._processor(images=[image], text=[prompt], return_tensors="pt").to(self._weights.model.device)

    def _verdict(self, model: Any, image: Any) -> VerdictAnswer | None:
        (judgement,) = judge(model, self._processor, self._inputs("verdict", image))
        return None if judgement.label is None else {"label": judgement.label, "p_fake": judgement.p_fake}


class _Pieces:
    """Iterates over a text while `generate` writes it; ends with an error if the writing failed."""

    def __init__(self, tokenizer: Any) -> None:
        from transformers import TextIteratorStreamer

        self._streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._failed = False

    def put(self, value: Any) -> None:
        self._streamer.put(value)

    def end(self) -> None:
        self._streamer.end()

    def fail(self) -> None:
        self._failed = True
        self._streamer.text_queue.put(self._streamer.stop_signal)

    def __iter__(self) -> Iterator[str]:
        yield from self._streamer
        if self._failed:
            raise ConnectionError("generation failed")
